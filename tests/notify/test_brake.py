"""A storm: far more messages than usual in an hour are held until someone has looked."""

from datetime import date

import pytest

from services.notify.routing import Routing
from services.notify.rows import Volume
from services.notify.stages.brake import BRAKE
from tests.notify.examples import (
    SCHOOL,
    THURSDAY,
    WEDNESDAY,
    Telling,
    member,
    pupil,
    reached,
    roster,
    step,
)

MANY = 30
SLOT = reached(THURSDAY, "15:00")
COORDINATOR = "coord-1"
ROUTING = Routing.model_validate({"it_inbox": "it@kommunen.example"})


@pytest.fixture
def telling() -> Telling:
    """Many parents' worth of EHT messages: a close at which each of many adults is told."""
    teachers = [member(f"kt-{n}", "contact_teacher") for n in range(MANY)]
    pupils = [pupil(f"elev-{n}", f"kt-{n}") for n in range(MANY)]
    rows = roster(*teachers, *pupils, member(COORDINATOR, "coordinator"))
    telling = Telling(ROUTING, rosters={SCHOOL: rows})
    telling.fold(reached(WEDNESDAY))
    return telling


def flood(telling: Telling, wave: int) -> None:
    """A message at once to each adult, at 17:15 or at 17:30."""
    for n in range(MANY):
        about = step(level=3, pupil=f"elev-{n}", rule=f"rule-{wave}", audience=("contact_teacher",))
        telling.fold(about)
    telling.fold(reached(WEDNESDAY, f"17:{15 * wave}"))


def flood_twice(telling: Telling) -> None:
    flood(telling, 1)
    telling.send()
    flood(telling, 2)


def kinds(telling: Telling) -> set[str]:
    return {kind for kind, _, _ in telling.outbox}


def test_one_message_to_each_adult_is_no_storm(telling: Telling) -> None:
    flood(telling, 1)

    assert len(telling.outbox) == MANY
    assert telling.desk.brake == {}


def test_more_than_that_in_an_hour_is_held_and_coordinator_and_it_are_told(
    telling: Telling,
) -> None:
    flood_twice(telling)

    assert [each[:2] for each in telling.outbox] == [
        ("storm", f"{SCHOOL}/{COORDINATOR}"),
        ("storm", "narvara//it"),
    ]


def test_while_it_holds_nothing_leaves_and_nobody_is_warned_twice(telling: Telling) -> None:
    flood_twice(telling)
    telling.send()
    telling.fold(step(level=4, pupil="elev-1", audience=("contact_teacher",)), SLOT)

    assert telling.outbox == []


def test_released_what_still_stands_is_told_once(telling: Telling) -> None:
    flood_twice(telling)
    telling.send()
    telling.fold(step("cleared", level=3, pupil="elev-1", rule="rule-2"))
    telling.desk.put("brake", BRAKE, telling.desk.brake[BRAKE].but(released=True))
    telling.fold(reached(THURSDAY, "08:00"))

    assert len(telling.outbox) == MANY - 1
    telling.send()
    telling.fold(reached(THURSDAY, "08:15"))
    assert telling.outbox == []


def test_a_digest_whose_slot_passed_meanwhile_is_made_up_for(telling: Telling) -> None:
    telling.fold(step(pupil="elev-3"))
    flood_twice(telling)
    telling.send()
    telling.fold(SLOT)
    telling.desk.put("brake", BRAKE, telling.desk.brake[BRAKE].but(released=True))
    telling.fold(reached(THURSDAY, "16:00"))

    assert ("digest", f"{SCHOOL}/kt-3", ["elev-3"]) in telling.outbox


def test_three_times_the_busiest_hour_of_twenty_days_is_usual(telling: Telling) -> None:
    telling.desk.put("volume", "2025-08-28", Volume({"15": 25}))
    flood_twice(telling)

    assert kinds(telling) == {"immediate"}


def test_what_was_usual_longer_ago_is_forgotten(telling: Telling) -> None:
    telling.desk.put("volume", "2025-08-20", Volume({"15": 25}))
    flood_twice(telling)

    assert kinds(telling) == {"storm"}
    assert all(date.fromisoformat(day) >= date(2025, 8, 21) for day in telling.desk.volume)


def test_fewer_than_twenty_in_an_hour_are_never_a_storm() -> None:
    telling = Telling()
    telling.fold(reached(WEDNESDAY))
    for number in range(3):
        telling.fold(step(level=3, rule=f"rule-{number}"), reached(WEDNESDAY, f"17:{15 + number}"))
        telling.send()

    assert telling.desk.brake == {}
