"""A pupil with protected identity: one named handler is told, in words that are always the same."""

from datetime import date

import pytest

from services.notify.routing import Routing
from services.notify.rows import Outgoing
from services.notify.stages.route import route
from tests.notify.examples import (
    EHT,
    OTHER_PUPIL,
    PUPIL,
    SCHOOL,
    TEACHER,
    THURSDAY,
    WEDNESDAY,
    Telling,
    member,
    pupil,
    reached,
    roster,
    step,
)

HANDLER, REKTOR = "handler-1", "rektor-1"
TO_HANDLER = f"{SCHOOL}/{HANDLER}"
SLOT = reached(THURSDAY, "15:00")
ROUTING = Routing.model_validate({"protected_handlers": {SCHOOL: HANDLER}})
ROSTER = roster(
    member(TEACHER, "contact_teacher"),
    member(EHT, "eht"),
    member(HANDLER, "admin"),
    member(REKTOR, "rektor"),
    pupil(PUPIL).model_copy(update={"protected": True}),
    pupil(OTHER_PUPIL),
)


@pytest.fixture
def telling() -> Telling:
    telling = Telling(ROUTING, rosters={SCHOOL: ROSTER})
    telling.fold(reached(WEDNESDAY))
    return telling


@pytest.mark.parametrize("audience", [("contact_teacher",), ("eht", "rektor"), ("admin",)])
def test_the_named_handler_alone_is_told_whatever_the_audience(audience: tuple[str, ...]) -> None:
    for level in (2, 3):
        decisions = route(step(level=level, audience=audience), ROSTER, ROUTING, WEDNESDAY)

        assert [each.recipient.staff for each in decisions] == [HANDLER]


def test_without_a_named_handler_the_rektor_is_told_and_without_one_ehts_inbox() -> None:
    alone = ROSTER.model_copy(update={"staff": (member(TEACHER, "contact_teacher"),)})

    (to_rektor,) = route(step(), ROSTER, Routing(), WEDNESDAY)
    (to_inbox,) = route(step(), alone, Routing(), WEDNESDAY)

    assert to_rektor.recipient.staff == REKTOR
    assert (to_inbox.recipient.staff, to_inbox.fallback) == ("", True)


def test_it_is_told_in_a_message_of_its_own_and_changes_nobodys_digest(telling: Telling) -> None:
    telling.fold(step(), step(pupil=OTHER_PUPIL), SLOT)

    assert sorted(telling.outbox) == [
        ("digest", f"{SCHOOL}/{TEACHER}", [OTHER_PUPIL]),
        ("protected", TO_HANDLER, [PUPIL]),
    ]


def test_serious_it_is_told_at_once_in_the_same_words(telling: Telling) -> None:
    telling.fold(step(level=3), reached(WEDNESDAY, "17:15"))

    assert telling.outbox == [("protected", TO_HANDLER, [PUPIL])]


def test_a_handler_who_is_a_contact_teacher_too_has_two_messages() -> None:
    rows = ROSTER.model_copy(update={"pupils": (*ROSTER.pupils[:1], pupil(OTHER_PUPIL, HANDLER))})
    rows = rows.model_copy(
        update={"staff": (*rows.staff, member(HANDLER, "admin", "contact_teacher"))}
    )
    telling = Telling(ROUTING, rosters={SCHOOL: rows})
    telling.fold(reached(WEDNESDAY), step(), step(pupil=OTHER_PUPIL), SLOT)

    assert sorted(telling.outbox) == [
        ("digest", TO_HANDLER, [OTHER_PUPIL]),
        ("protected", TO_HANDLER, [PUPIL]),
    ]


def test_its_correction_is_told_to_the_handler_in_the_same_words(telling: Telling) -> None:
    telling.fold(step(), SLOT)
    telling.send()
    telling.fold(step("retracted", remaining=0), reached(date(2025, 9, 18), "15:00"))

    assert telling.outbox == [("protected", TO_HANDLER, [PUPIL])]


def test_protected_only_after_the_message_was_made_it_is_not_told_to_the_contact_teacher() -> None:
    telling = Telling(ROUTING, rosters={SCHOOL: roster()})
    telling.fold(reached(WEDNESDAY), step(), SLOT)
    made = telling.outbox
    telling.rosters = {SCHOOL: ROSTER}

    assert made == [("digest", f"{SCHOOL}/{TEACHER}", [PUPIL])]
    assert telling.outbox == []


def test_what_others_are_told_is_the_same_with_and_without_the_protected_pupil() -> None:
    def others(*, with_them: bool) -> list[Outgoing]:
        telling = Telling(ROUTING, rosters={SCHOOL: ROSTER})
        telling.fold(reached(WEDNESDAY))
        for level, rule in ((2, "high-absence"), (3, "unbroken-absence"), (2, "late-arrivals")):
            if with_them:
                telling.fold(step(level=level, rule=rule, step_id=f"protected-{rule}"))
            telling.fold(step(level=level, rule=rule, pupil=OTHER_PUPIL, step_id=f"other-{rule}"))
        sent = []
        for time in (reached(WEDNESDAY, "17:15"), SLOT, reached(date(2025, 9, 18), "15:00")):
            telling.fold(time)
            sent += [each for each in telling.send() if each.kind != "protected"]
        return [each.but(token="") for each in sent]

    assert others(with_them=True) == others(with_them=False) != []
