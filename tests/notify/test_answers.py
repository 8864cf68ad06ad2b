"""What staff answer, and what follows of it: who is told no more, who is, and what comes back."""

import json
from datetime import date, datetime

import pytest

from services.notify.answers import AnswerRefusedError, Given, answer
from shared.events import AnswerKind
from tests.notify.examples import (
    EHT,
    FRIDAY,
    OTHER_PUPIL,
    OTHER_TEACHER,
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

TO_TEACHER, TO_OTHER, TO_EHT = f"{SCHOOL}/{TEACHER}", f"{SCHOOL}/{OTHER_TEACHER}", f"{SCHOOL}/{EHT}"
SLOT = reached(THURSDAY, "15:00")
NEXT_WEEK, IN_TWO_WEEKS, IN_THREE_WEEKS = date(2025, 9, 18), date(2025, 9, 25), date(2025, 10, 2)
FRIDAY_AFTER = date(2025, 9, 26)
ADMIN = "adm-1"


@pytest.fixture
def telling() -> Telling:
    rows = roster(
        member(TEACHER, "contact_teacher"),
        member(OTHER_TEACHER, "contact_teacher", slot="fri 09:00"),
        member(EHT, "eht"),
        member(ADMIN, "admin"),
        pupil(PUPIL, TEACHER, OTHER_TEACHER),
        pupil(OTHER_PUPIL),
    )
    telling = Telling(rosters={SCHOOL: rows})
    telling.fold(reached(WEDNESDAY))
    return telling


def give(
    telling: Telling,
    kind: AnswerKind,
    when: datetime | None = None,
    until: date | None = None,
    by: str = TEACHER,
) -> bool:
    given = Given(SCHOOL, PUPIL, kind, by, when or telling.now, until)
    return answer(telling.desk, given, telling.routing, telling.calendar)


def told(telling: Telling, *days: date, clock: str = "15:00") -> list[tuple[str, str, list[str]]]:
    """What goes out at that time of those days."""
    gone = []
    for day in days:
        telling.fold(reached(day, clock))
        gone += telling.outbox
        telling.send()
    return gone


def test_one_answer_withdraws_what_others_have_not_been_sent(telling: Telling) -> None:
    telling.fold(step(), SLOT)
    telling.send()

    give(telling, "talked")

    assert told(telling, FRIDAY, clock="09:00") == []


def test_what_still_stands_ten_school_days_after_the_answer_comes_back_once(
    telling: Telling,
) -> None:
    telling.fold(step(), SLOT)
    telling.send()
    give(telling, "talked")

    assert told(telling, NEXT_WEEK) == []
    assert told(telling, IN_TWO_WEEKS) == [("digest", TO_TEACHER, [PUPIL])]
    assert told(telling, FRIDAY_AFTER, clock="09:00") == []
    assert told(telling, IN_THREE_WEEKS) == []
    assert (
        telling.desk.findings[f"{SCHOOL}/{PUPIL} high-absence"].told[TO_TEACHER].on == IN_TWO_WEEKS
    )


def test_what_comes_back_says_that_it_was_there_before(telling: Telling) -> None:
    telling.fold(step(), SLOT)
    telling.send()
    give(telling, "not_relevant")
    telling.fold(reached(IN_TWO_WEEKS, "15:00"))

    message = next(each for each in telling.due() if str(each.recipient) == TO_TEACHER)

    assert [(item.again, item.reason) for item in message.items] == [
        (True, "level 2 for contact_teacher; still there after the answer")
    ]


def test_what_has_ended_by_then_does_not_come_back(telling: Telling) -> None:
    telling.fold(step(), SLOT)
    telling.send()
    give(telling, "talked")
    telling.fold(step("cleared", as_of=FRIDAY))

    assert told(telling, IN_TWO_WEEKS) == []
    assert telling.desk.cases == {}


def test_a_raise_after_the_answer_is_told(telling: Telling) -> None:
    telling.fold(step(), SLOT)
    telling.send()
    give(telling, "talked")
    telling.fold(step("raised", level=3, as_of=FRIDAY), reached(FRIDAY, "17:00"))

    assert (("immediate", TO_EHT, [PUPIL])) in telling.outbox


def test_a_known_cause_holds_levels_1_and_2_until_its_date_and_then_asks_again(
    telling: Telling,
) -> None:
    telling.fold(step(), SLOT)
    telling.send()
    give(telling, "known_cause", until=NEXT_WEEK)
    telling.fold(step(rule="late-arrivals", as_of=FRIDAY))

    gone = told(telling, NEXT_WEEK, IN_TWO_WEEKS)

    assert [each for each in gone if each[1] == TO_TEACHER] == [
        ("digest", TO_TEACHER, [PUPIL, PUPIL])
    ]


def test_a_known_cause_holds_nothing_serious(telling: Telling) -> None:
    telling.fold(step(), SLOT)
    telling.send()
    give(telling, "known_cause", until=IN_TWO_WEEKS)
    telling.fold(step("raised", level=3, as_of=FRIDAY), reached(FRIDAY, "17:00"))

    assert telling.outbox == [("immediate", TO_EHT, [PUPIL])]


def test_lifted_it_is_told_to_eht_whatever_else_is_answered(telling: Telling) -> None:
    telling.fold(step(), SLOT)
    telling.send()
    give(telling, "lift")
    give(telling, "talked", by=OTHER_TEACHER)

    assert told(telling, NEXT_WEEK) == [("digest", TO_EHT, [PUPIL])]


def test_a_case_that_eht_takes_over_is_quiet_for_contact_teachers_and_not_for_eht(
    telling: Telling,
) -> None:
    telling.fold(step(), SLOT)
    telling.send()
    give(telling, "takes_over", by=EHT)
    telling.fold(step(rule="late-arrivals", as_of=FRIDAY))
    telling.fold(step(rule="return", as_of=FRIDAY, audience=("eht",)))

    # EHT has all three in its own list, and what was there when it took over at the follow-up.
    assert told(telling, NEXT_WEEK) == [("digest", TO_EHT, [PUPIL, PUPIL, PUPIL])]
    assert told(telling, IN_TWO_WEEKS) == [("digest", TO_EHT, [PUPIL])]


def test_booked_for_a_date_it_comes_back_ten_school_days_after_that(telling: Telling) -> None:
    telling.fold(step(), SLOT)
    telling.send()
    give(telling, "booked", until=NEXT_WEEK)

    assert told(telling, NEXT_WEEK, IN_TWO_WEEKS) == []
    assert ("digest", TO_TEACHER, [PUPIL]) in told(telling, IN_THREE_WEEKS)


def test_what_was_wrongly_registered_goes_to_the_admin_and_comes_back_uncorrected(
    telling: Telling,
) -> None:
    telling.fold(step(), SLOT)
    telling.send()
    give(telling, "wrongly_registered")

    assert told(telling, date(2025, 9, 17)) == []
    assert sorted(told(telling, NEXT_WEEK)) == [
        ("digest", f"{SCHOOL}/{ADMIN}", [PUPIL]),
        ("digest", TO_TEACHER, [PUPIL]),
    ]


def test_what_was_wrongly_registered_and_is_corrected_comes_back_to_nobody(
    telling: Telling,
) -> None:
    telling.fold(step(), SLOT)
    telling.send()
    give(telling, "wrongly_registered")
    telling.fold(step("retracted", remaining=0, as_of=FRIDAY))

    assert told(telling, NEXT_WEEK) == [("correction", TO_TEACHER, [PUPIL])]
    assert telling.desk.cases == {}


def test_answers_are_about_one_pupil(telling: Telling) -> None:
    telling.fold(step(), step(pupil=OTHER_PUPIL), SLOT)
    telling.send()
    give(telling, "talked")

    assert told(telling, FRIDAY, clock="09:00") == []
    assert list(telling.desk.cases) == [f"{SCHOOL}/{PUPIL}"]


def test_a_form_that_is_sent_twice_is_one_answer(telling: Telling) -> None:
    telling.fold(step(), SLOT)

    assert (give(telling, "talked"), give(telling, "talked")) == (True, False)
    assert len(telling.desk.said) == 1


def test_rules_hears_of_the_answer_and_of_no_note(telling: Telling) -> None:
    telling.fold(step(), SLOT)
    given = Given(SCHOOL, PUPIL, "known_cause", TEACHER, telling.now, FRIDAY, note="n-1")
    answer(telling.desk, given, telling.routing, telling.calendar)

    (said,) = telling.desk.said.values()

    assert json.loads(said.fact) == {
        "type": "case_answer",
        "school": SCHOOL,
        "pupil": PUPIL,
        "answer": "known_cause",
        "by": TEACHER,
        "on": "2025-09-11",
        "until": "2025-09-12",
    }


@pytest.mark.parametrize(
    ("kind", "until", "met"),
    [
        ("known_cause", None, "met no date with known_cause; wanted a date from 2025-09-11 on"),
        ("booked", WEDNESDAY, "met 2025-09-10 with booked; wanted a date from 2025-09-11 on"),
    ],
)
def test_an_answer_for_a_date_has_one_that_is_still_to_come(
    telling: Telling, kind: AnswerKind, until: date | None, met: str
) -> None:
    telling.fold(step(), SLOT)

    with pytest.raises(AnswerRefusedError, match=met):
        give(telling, kind, until=until)


def test_where_nothing_stands_there_is_nothing_to_answer(telling: Telling) -> None:
    telling.fold(step(), step("cleared"), SLOT)

    with pytest.raises(AnswerRefusedError, match="nothing stands"):
        give(telling, "talked")


def test_a_new_contact_teacher_hears_of_an_answered_case_in_the_next_digest(
    telling: Telling,
) -> None:
    telling.fold(step(), SLOT)
    telling.send()
    give(telling, "talked")
    new = member("kt-9", "contact_teacher")
    rows = telling.rosters[SCHOOL]
    moved = pupil(PUPIL, "kt-9", OTHER_TEACHER, valid_from=FRIDAY)
    telling.rosters = {
        SCHOOL: rows.model_copy(
            update={"staff": (*rows.staff, new), "pupils": (*rows.pupils, moved)}
        )
    }
    telling.fold(reached(FRIDAY, "17:00"), reached(NEXT_WEEK, "15:00"))

    handed = {str(each.recipient): each.items[0].handed_over for each in telling.due()}
    assert handed[f"{SCHOOL}/kt-9"] is True
    assert TO_TEACHER not in handed
