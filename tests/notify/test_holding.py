"""What is held back, what lets it go, and what is then told."""

from datetime import date

import pytest

from services.notify.desk import Finding, Outbreak, signal_of
from services.notify.desk import Telling as Told
from services.notify.holding import why_held
from services.notify.routing import Routing
from shared.events import CaseStep
from shared.roster import Roster
from tests.notify.examples import (
    EHT,
    FRIDAY,
    OTHER_PUPIL,
    PUPIL,
    SCHOOL,
    TEACHER,
    THURSDAY,
    WEDNESDAY,
    Telling,
    at,
    live,
    member,
    pupil,
    reached,
    roster,
    step,
    unit_step,
)

TO_TEACHER, TO_EHT = f"{SCHOOL}/{TEACHER}", f"{SCHOOL}/{EHT}"
TUESDAY, MONDAY = date(2025, 9, 9), date(2025, 9, 15)
NEXT_WEDNESDAY, NEXT_THURSDAY = date(2025, 9, 17), date(2025, 9, 18)
SLOT, NEXT_SLOT = reached(THURSDAY, "15:00"), reached(NEXT_THURSDAY, "15:00")

DAMPS = ("high-absence",)


@pytest.fixture
def telling() -> Telling:
    telling = Telling()
    telling.fold(reached(WEDNESDAY, "16:45"))
    return telling


def deliver(telling: Telling) -> None:
    """All that is in the outbox reaches its recipients."""
    for message in list(telling.desk.outbox.values()):
        telling.desk.drop("outbox", message.id)
        for item in message.items:
            finding = telling.desk.findings[item.signal.finding]
            told = Told(
                send="immediate" if message.kind == "immediate" else "digest",
                channels=message.channels,
                level=item.signal.level,
            )
            all_told = {**finding.told, str(message.recipient): told}
            changed = finding.model_copy(update={"told": all_told})
            telling.desk.put("findings", item.signal.finding, changed)


def nothing_is_told(telling: Telling) -> bool:
    return (telling.outbox, telling.pending) == ([], [])


# Why

OUTBREAK = Outbreak(
    school=SCHOOL, unit="class/8B", rule="class-outbreak", damps=DAMPS, since=WEDNESDAY
)


@pytest.mark.parametrize(
    ("fields", "on", "why"),
    [
        ({}, WEDNESDAY, "held while class-outbreak stood for the pupil's class"),
        ({"risen": TUESDAY}, WEDNESDAY, ""),
        ({"risen": TUESDAY, "held_until": FRIDAY}, THURSDAY, "held until 2025-09-12"),
        ({"risen": TUESDAY, "held_until": FRIDAY}, FRIDAY, ""),
        ({"risen": TUESDAY, "shadow": True}, WEDNESDAY, "its rule is being tried"),
    ],
)
def test_a_reason_says_why_telling_waits(fields: dict[str, object], on: date, why: str) -> None:
    opened = step()
    finding = Finding(
        signal=signal_of(opened, opened.step_id, 2), steps=(opened.step_id,), risen=WEDNESDAY
    ).model_copy(update=fields)

    assert why_held(finding, [OUTBREAK], roster(), on) == why


def test_what_was_held_says_why_when_it_is_told(telling: Telling) -> None:
    telling.fold(step(held_until=FRIDAY), reached(FRIDAY))

    (item,) = telling.desk.pending.values()
    assert item.reason == "level 2 for contact_teacher; held until 2025-09-12"


# Units


def test_a_pupil_who_is_called_like_a_unit_is_not_taken_for_it(telling: Telling) -> None:
    telling.fold(step(pupil="school", rule="same"), unit_step("school", rule="same"))

    assert len(telling.desk.findings) == 2
    assert len(telling.desk.pending) == 2


def test_a_units_signal_comes_in_the_digest_with_the_pupils(telling: Telling) -> None:
    telling.fold(step(level=3, audience=("contact_teacher",)))
    deliver(telling)
    telling.fold(unit_step(), step(pupil=OTHER_PUPIL), SLOT)

    (message,) = telling.outbox
    assert message[:2] == ("digest", TO_TEACHER)
    assert sorted(message[2]) == ["class/8B", OTHER_PUPIL]


def test_what_is_retracted_of_one_unit_stands_for_another(telling: Telling) -> None:
    telling.fold(unit_step("class/8B"), unit_step("class/8C", audience=("eht",)))
    telling.fold(unit_step("class/8C", "retracted", remaining=0), SLOT)

    assert telling.outbox == [("digest", TO_TEACHER, ["class/8B"])]


# A rule that is being tried


def test_what_a_rule_in_trial_finds_is_told_to_nobody(telling: Telling) -> None:
    telling.fold(step(level=4, shadow=True), step("raised", level=4, shadow=True), SLOT, NEXT_SLOT)

    assert nothing_is_told(telling)
    assert telling.desk.take_routed() == ["shadow", "shadow"]


def test_what_a_rule_in_trial_found_in_history_is_in_no_start_list(telling: Telling) -> None:
    telling.fold(step(shadow=True, history=True), live(), SLOT, live(FRIDAY), NEXT_SLOT)

    assert nothing_is_told(telling)
    assert telling.desk.take_routed() == ["shadow"]


def test_a_rule_that_goes_on_trial_tells_no_more_but_corrects_what_it_told(
    telling: Telling,
) -> None:
    telling.fold(step(level=3))
    deliver(telling)
    telling.fold(step("raised", level=4, shadow=True), SLOT)
    raised = telling.outbox
    telling.fold(step("retracted", level=4, remaining=0, shadow=True))

    assert raised == []
    assert telling.outbox == [("correction", TO_EHT, [PUPIL])]


def test_a_rule_that_goes_on_trial_takes_back_what_is_unsent(telling: Telling) -> None:
    telling.fold(step(), step("raised", level=2, shadow=True), SLOT)

    assert nothing_is_told(telling)


def test_once_its_trial_is_over_a_rule_tells_what_it_finds_from_then_on(telling: Telling) -> None:
    raised = step("raised", level=3)
    telling.fold(step(shadow=True), raised)

    (message,) = telling.desk.outbox.values()
    assert [item.steps for item in message.items] == [(raised.step_id,)]


def test_a_rule_in_trial_damps_nothing(telling: Telling) -> None:
    telling.fold(unit_step(damps=DAMPS, shadow=True), step(), SLOT)

    assert telling.outbox == [("digest", TO_TEACHER, [PUPIL])]


# Until a day


def test_a_held_signal_is_in_no_digest_before_its_day(telling: Telling) -> None:
    telling.fold(step(held_until=FRIDAY), SLOT, reached(FRIDAY))
    before = telling.outbox
    telling.fold(NEXT_SLOT)
    deliver(telling)
    telling.fold(reached(date(2025, 9, 25), "15:00"))

    assert before == []
    assert telling.outbox == []
    assert telling.desk.findings[f"{SCHOOL}/{PUPIL} high-absence"].told.keys() == {TO_TEACHER}
    assert telling.desk.take_routed() == ["held", "digest"]


@pytest.mark.parametrize("clock", ["00:00", "15:00", "17:00"])
def test_a_held_signal_is_in_the_digest_of_its_day_however_time_comes(
    telling: Telling, clock: str
) -> None:
    telling.fold(step(held_until=THURSDAY), reached(THURSDAY, clock), SLOT)

    assert telling.outbox == [("digest", TO_TEACHER, [PUPIL])]


def test_a_slot_that_passed_before_the_day_is_not_held_again_for_it(telling: Telling) -> None:
    telling.fold(step(held_until=FRIDAY), step(pupil=OTHER_PUPIL), SLOT)
    deliver(telling)
    telling.fold(reached(FRIDAY))
    between = telling.outbox
    telling.fold(NEXT_SLOT)

    assert between == []
    assert telling.outbox == [("digest", TO_TEACHER, [PUPIL])]


def test_what_goes_at_once_is_held_until_the_close_of_its_day(telling: Telling) -> None:
    telling.fold(step(level=3, held_until=FRIDAY), reached(THURSDAY))
    before = telling.outbox
    telling.fold(reached(FRIDAY, "00:00"), reached(FRIDAY, "16:45"), step(level=3, pupil="elev-9"))

    assert before == []
    assert telling.outbox == [("immediate", TO_EHT, [PUPIL, "elev-9"])]
    (message,) = telling.desk.outbox.values()
    assert message.made == at(FRIDAY, "16:45")


@pytest.mark.parametrize("kind", ["retracted", "cleared"])
@pytest.mark.parametrize("day", [THURSDAY, FRIDAY])
def test_what_ends_while_it_is_held_is_never_told(telling: Telling, kind: str, day: date) -> None:
    end = step("retracted", level=3, remaining=0) if kind == "retracted" else step("cleared")

    telling.fold(step(level=3, held_until=FRIDAY), reached(day, "16:45"), end)
    telling.fold(reached(FRIDAY), NEXT_SLOT)

    assert nothing_is_told(telling)
    assert telling.desk.findings == {}


def test_the_newest_step_says_whether_it_is_held(telling: Telling) -> None:
    opened, raised = step(held_until=FRIDAY), step("raised", level=3)
    telling.fold(opened, raised)
    at_once = telling.outbox
    deliver(telling)
    telling.fold(reached(FRIDAY), NEXT_SLOT)

    assert at_once == [("immediate", TO_EHT, [PUPIL])]
    assert nothing_is_told(telling)


def test_raised_on_the_day_itself_it_is_told_at_once_and_once(telling: Telling) -> None:
    opened, raised = step(level=3, held_until=FRIDAY), step("raised", level=4)
    telling.fold(opened, reached(FRIDAY, "08:00"), raised)

    (message,) = telling.desk.outbox.values()
    assert message.made == at(FRIDAY, "08:00")
    assert [item.steps for item in message.items] == [(opened.step_id, raised.step_id)]


def test_a_raise_that_is_held_holds_what_is_unsent_too(telling: Telling) -> None:
    opened, raised = step(level=1, audience=("eht",)), step("raised", held_until=MONDAY)
    telling.routing = Routing.model_validate({"routes": [{"send": "digest"}]})
    telling.fold(opened, raised, SLOT)
    before = telling.outbox
    telling.fold(NEXT_SLOT)

    assert before == []
    (message,) = telling.desk.outbox.values()
    assert [item.steps for item in message.items] == [(opened.step_id, raised.step_id)]


def test_a_held_raise_that_is_retracted_is_corrected_to_nobody(telling: Telling) -> None:
    telling.fold(step(), SLOT)
    deliver(telling)
    telling.fold(step("raised", level=3, audience=("contact_teacher",), held_until=MONDAY))
    telling.fold(step("retracted", level=3, remaining=2, audience=("contact_teacher",)))
    telling.fold(reached(MONDAY), NEXT_SLOT)

    assert nothing_is_told(telling)


def test_what_is_left_of_a_held_signal_is_told_on_its_day(telling: Telling) -> None:
    telling.fold(
        step(level=3, held_until=FRIDAY),
        step("retracted", level=3, remaining=2, audience=("contact_teacher",)),
        SLOT,
    )
    before = telling.outbox
    telling.fold(reached(FRIDAY), NEXT_SLOT)

    assert before == []
    assert telling.outbox == [("digest", TO_TEACHER, [PUPIL])]


def test_what_was_held_is_told_by_the_roster_of_its_day() -> None:
    rows = roster(
        member(TEACHER, "contact_teacher"),
        member("kt-2", "contact_teacher"),
        pupil(PUPIL, TEACHER),
        pupil(PUPIL, "kt-2", valid_from=FRIDAY),
    )
    telling = Telling(rosters={SCHOOL: rows})
    telling.fold(reached(WEDNESDAY), step(held_until=FRIDAY), reached(FRIDAY))

    assert telling.pending == [(f"{SCHOOL}/kt-2", PUPIL)]


def test_a_held_signal_waits_for_every_partition_to_reach_its_day() -> None:
    telling = Telling(partitions=2)
    for partition in (0, 1):
        telling.fold(reached(WEDNESDAY), partition=partition)
    telling.fold(step(held_until=FRIDAY), reached(FRIDAY), partition=0)
    before = telling.pending
    telling.fold(reached(FRIDAY), partition=1)

    assert before == []
    assert telling.pending == [(TO_TEACHER, PUPIL)]


def test_a_start_list_leaves_out_what_is_held_and_has_it_in_a_later_digest(
    telling: Telling,
) -> None:
    telling.fold(
        step(level=4, history=True, held_until=FRIDAY, audience=("contact_teacher",)),
        live(),
        SLOT,
    )
    before = telling.outbox
    telling.fold(reached(FRIDAY))
    at_once = telling.outbox
    telling.fold(NEXT_SLOT)

    assert (before, at_once) == ([], [])
    assert telling.outbox == [("digest", TO_TEACHER, [PUPIL])]


# While a class has an outbreak


def test_signals_of_a_classs_outbreak_are_held_until_it_ends(telling: Telling) -> None:
    telling.fold(unit_step(damps=DAMPS, audience=("eht",)), step(level=3), step(pupil=OTHER_PUPIL))
    telling.fold(SLOT)
    deliver(telling)
    during = telling.pending
    telling.fold(reached(MONDAY, "16:45"), unit_step(kind="cleared", as_of=MONDAY))
    telling.fold(reached(MONDAY), NEXT_SLOT)

    assert during == []
    assert telling.outbox == [
        ("immediate", TO_EHT, [PUPIL]),
        ("digest", TO_TEACHER, [OTHER_PUPIL]),
    ]
    assert telling.desk.outbreaks == {}
    routed = ["digest", "held", "held", "immediate", "digest"]
    assert telling.desk.take_routed() == routed


def test_a_units_step_that_comes_last_holds_what_is_unsent(telling: Telling) -> None:
    urgent, mild = step(level=3), step(pupil=OTHER_PUPIL)
    telling.fold(urgent, mild, reached(WEDNESDAY), unit_step(damps=DAMPS, audience=("eht",)), SLOT)
    before = [each for each in telling.outbox if each[2] != ["class/8B"]]
    telling.fold(unit_step(kind="retracted", remaining=0), NEXT_SLOT)

    assert before == []
    told = {item.signal.pupil: item.steps for each in telling.desk.outbox.values()
            for item in each.items if item.signal.pupil}  # fmt: skip
    assert told == {PUPIL: (urgent.step_id,), OTHER_PUPIL: (mild.step_id,)}


def test_what_was_sent_before_the_units_step_came_is_not_taken_back(telling: Telling) -> None:
    telling.fold(step(level=3))
    deliver(telling)
    telling.fold(unit_step(damps=DAMPS), unit_step(kind="cleared"))

    assert telling.outbox == []


def test_a_message_in_doubt_is_left_to_its_outcome_and_told_once(telling: Telling) -> None:
    telling.fold(step(level=3, audience=("eht", "contact_teacher")))
    doubtful, other = telling.desk.outbox.values()
    telling.desk.put("outbox", doubtful.id, doubtful.model_copy(update={"in_doubt": True}))
    telling.fold(unit_step(damps=DAMPS))
    during = telling.outbox
    telling.fold(unit_step(kind="cleared"))

    assert during == [("immediate", str(doubtful.recipient), [PUPIL])]
    assert sorted(each[1] for each in telling.outbox) == sorted(
        [str(doubtful.recipient), str(other.recipient)]
    )


@pytest.mark.parametrize(
    "other",
    [
        step(as_of=TUESDAY, since=TUESDAY),
        step(rule="late-arrivals"),
        step(pupil="elev-in-8C"),
        step(pupil="elev-99"),
        step(school="skola-2"),
        unit_step("class/8B", rule="high-absence"),
        unit_step("school", rule="high-absence"),
    ],
    ids=[
        "a day before it",
        "another rule",
        "another class",
        "a pupil that no roster names",
        "another school",
        "the class itself",
        "the school",
    ],
)
def test_what_the_outbreak_is_no_reason_for_is_told(other: CaseStep) -> None:
    rows = roster(
        member(TEACHER, "contact_teacher"), pupil(), pupil("elev-in-8C", school_class="8C")
    )
    telling = Telling(rosters={SCHOOL: rows, "skola-2": Roster(school="skola-2")})
    telling.fold(reached(WEDNESDAY), unit_step(damps=DAMPS, level=1), other)

    assert len(telling.pending) == 1


def test_a_pupils_class_is_that_of_the_steps_day() -> None:
    rows = roster(
        member(TEACHER, "contact_teacher"),
        pupil(PUPIL, school_class="8C"),
        pupil(PUPIL, school_class="8B", valid_from=THURSDAY),
    )
    telling = Telling(rosters={SCHOOL: rows})
    telling.fold(reached(WEDNESDAY), unit_step(damps=DAMPS, level=1), reached(THURSDAY))

    telling.fold(step(as_of=WEDNESDAY))
    before = telling.pending
    telling.fold(step("raised", as_of=THURSDAY))

    assert before == [(TO_TEACHER, PUPIL)]
    assert telling.pending == []


def test_an_outbreak_that_began_later_lets_go_of_the_days_before(telling: Telling) -> None:
    telling.fold(unit_step(damps=DAMPS, level=3, audience=("rektor",)), step(), reached(THURSDAY))
    held = telling.pending
    telling.fold(
        unit_step(kind="retracted", level=3, remaining=1, as_of=THURSDAY, since=THURSDAY),
        step(pupil=OTHER_PUPIL, as_of=THURSDAY),
    )

    assert held == []
    assert telling.pending == [(TO_TEACHER, PUPIL)]


def test_what_ends_during_an_outbreak_is_never_told(telling: Telling) -> None:
    telling.fold(
        unit_step(damps=DAMPS, level=1),
        step(),
        step(pupil=OTHER_PUPIL),
        step("cleared"),
        step("retracted", pupil=OTHER_PUPIL, remaining=0),
        unit_step(kind="cleared", level=1),
        NEXT_SLOT,
    )

    assert nothing_is_told(telling)


def test_held_by_outbreak_and_cool_down_it_waits_for_both(telling: Telling) -> None:
    telling.fold(
        unit_step(damps=DAMPS, level=1),
        step(held_until=FRIDAY),
        step(pupil=OTHER_PUPIL, held_until=THURSDAY),
    )
    telling.fold(reached(THURSDAY))
    the_day_alone = telling.pending
    telling.fold(unit_step(kind="cleared", level=1))
    the_end = telling.pending
    telling.fold(reached(FRIDAY))

    assert the_day_alone == []
    assert the_end == [(TO_TEACHER, OTHER_PUPIL)]
    assert telling.pending == [(TO_TEACHER, OTHER_PUPIL), (TO_TEACHER, PUPIL)]


def test_of_two_outbreaks_in_a_class_the_last_lets_go(telling: Telling) -> None:
    telling.fold(
        unit_step(damps=DAMPS, level=1),
        unit_step(damps=DAMPS, level=1, rule="other-outbreak"),
        step(),
        unit_step(kind="cleared", level=1),
    )
    held = telling.pending
    telling.fold(unit_step(kind="cleared", level=1, rule="other-outbreak"))

    assert held == []
    assert telling.pending == [(TO_TEACHER, PUPIL)]


def test_an_outbreak_from_history_damps_what_comes_live(telling: Telling) -> None:
    telling.fold(unit_step(damps=DAMPS, history=True), live(), step(), SLOT)

    assert telling.outbox == [("digest", TO_TEACHER, ["class/8B"])]
    assert telling.pending == []


# Good news


def test_good_news_goes_in_the_digest_whatever_its_level(telling: Telling) -> None:
    telling.fold(step(level=3, good_news=True))
    at_once = telling.outbox
    telling.fold(SLOT)

    assert at_once == []
    assert telling.outbox == [("digest", TO_EHT, [PUPIL])]
