"""What a principal may rely on, told with one pupil: what counts, what opens, what corrects."""

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from typing import Any

import numpy as np
import pytest

from services.rules.backtest import backtest
from services.rules.daybook import LATES
from services.rules.partition import NothingInForceError, Partition
from services.rules.school import School
from shared.calendar import SchoolCalendar
from shared.events import (
    WHOLLY_ABSENT,
    AttendanceBatch,
    AttendanceEvent,
    CaseStep,
    DayClosed,
    Fact,
    PupilRecord,
    Status,
    TimeReached,
)
from shared.rulebook import Rulebook
from tests.streams import CALENDAR, RULEBOOK_CONTENT

DAYS = CALENDAR.school_days
RULEBOOK = Rulebook.model_validate(RULEBOOK_CONTENT)


def lesson(
    day: date,
    status: Status = Status.PRESENT,
    *,
    number: int = 1,
    hours_later: float = 1,
    **more: Any,
) -> AttendanceEvent:
    """An hour's lesson that begins at 8 and its number, recorded some hours after its start."""
    starts = datetime.combine(day, time(8 + number), CALENDAR.zone)
    known = {
        "school": "alvik",
        "pupil": "p1",
        "lesson": f"{day}-{number}",
        "starts_at": starts,
        "minutes": 60,
        "status": status,
        "absent_minutes": 60 if status in WHOLLY_ABSENT else 0,
        "recorded_at": starts + timedelta(hours=hours_later),
    }
    return AttendanceEvent.model_validate(known | more)


def closes(first: int, last: int) -> list[DayClosed]:
    return [DayClosed(school="alvik", date=DAYS[number]) for number in range(first, last + 1)]


def day_by_day(*events: AttendanceEvent, last: int) -> list[AttendanceEvent | Fact]:
    """Events before the close of their own day, and a close of each day up to `last`."""
    facts: list[AttendanceEvent | Fact] = []
    for close in closes(0, last):
        facts += [each for each in events if CALENDAR.local_date(each.starts_at) == close.date]
        facts.append(close)
    return facts


def steps(facts: Iterable[AttendanceEvent | Fact]) -> list[CaseStep]:
    return list(backtest(facts, RULEBOOK, CALENDAR))


def short(found: Iterable[CaseStep]) -> list[tuple[str, str, int]]:
    return [(step.rule, step.kind.value, step.level) for step in found]


def at_home(days: Iterable[int], status: Status = Status.EXCUSED) -> list[AttendanceEvent]:
    return [lesson(DAYS[day], status, number=number) for day in days for number in (1, 2)]


def test_three_whole_days_at_home_open_a_finding_that_names_their_lessons() -> None:
    (found,) = steps(day_by_day(*at_home(range(3)), last=2))

    assert (found.rule, found.kind, found.level) == ("unbroken-absence", "opened", 1)
    assert (found.as_of, found.since) == (DAYS[2], DAYS[2])
    assert found.evidence[0].lessons == tuple(
        f"{DAYS[day]}-{n}" for day in range(3) for n in (1, 2)
    )
    assert (found.evidence[0].value, found.evidence[0].at_least) == (3, 1 * 3)


def test_a_minute_attended_breaks_the_days_at_home() -> None:
    attended = lesson(DAYS[1], Status.EXCUSED, absent_minutes=59)

    found = steps(day_by_day(*at_home((0, 2)), attended, last=2))

    assert found == []


def test_a_weekend_or_a_day_without_lessons_neither_counts_nor_breaks() -> None:
    found = steps(day_by_day(*at_home((3, 4, 6)), last=6))

    assert short(found) == [("unbroken-absence", "opened", 1)]
    assert found[0].as_of == DAYS[6]


def test_granted_leave_counts_as_excused_and_not_as_unexcused() -> None:
    found = steps(day_by_day(*at_home(range(3), Status.LEAVE), last=2))

    assert short(found) == [("unbroken-absence", "opened", 1)]


def test_a_share_says_nothing_before_ten_days_and_a_count_does() -> None:
    every = [lesson(DAYS[day], number=2) for day in range(9)]
    missed = [lesson(DAYS[day], Status.UNEXCUSED, number=1) for day in range(9)]

    found = steps(day_by_day(*every, *missed, last=8))

    assert {step.rule for step in found} == {"repeated-unexcused"}


def test_a_correction_takes_back_what_never_was() -> None:
    facts = day_by_day(*at_home(range(3)), last=2)
    mended = lesson(DAYS[1], Status.PRESENT, number=2, hours_later=48)

    found = steps([*facts, mended, *closes(3, 3)])

    assert short(found) == [
        ("unbroken-absence", "opened", 1),
        ("unbroken-absence", "retracted", 1),
    ]
    assert (found[1].remaining, found[1].as_of, found[1].since) == (0, DAYS[3], DAYS[2])


def test_a_finding_on_a_lesson_recorded_after_its_day_says_so() -> None:
    facts = day_by_day(*at_home((0, 1)), last=2)
    late = [lesson(DAYS[2], Status.EXCUSED, number=n, hours_later=30) for n in (1, 2)]

    (found,) = steps([*facts, *late, *closes(3, 3)])

    assert found.corrected
    assert found.as_of == DAYS[3]


def test_attending_ten_days_in_a_row_clears_a_finding() -> None:
    attended = [lesson(DAYS[day]) for day in range(3, 13)]

    found = steps(day_by_day(*at_home(range(3)), *attended, last=12))
    run = [step for step in found if step.rule == "unbroken-absence"]

    assert short(run) == [("unbroken-absence", "opened", 1), ("unbroken-absence", "cleared", 1)]
    assert run[1].as_of == DAYS[12]
    assert run[1].clearing.quiet_days == 10


def test_a_day_that_is_closed_once_more_is_not_judged_once_more() -> None:
    facts = day_by_day(*at_home(range(3)), last=2)

    assert steps([*facts, *facts]) == steps(facts)


def test_what_concerns_another_pupil_changes_nothing() -> None:
    own = at_home(range(3))
    other = [each.model_copy(update={"pupil": "p2"}) for each in own]

    alone, together = steps(day_by_day(*own, last=2)), steps(day_by_day(*own, *other, last=2))

    assert [step for step in together if step.pupil == "p1"] == alone


def test_a_window_never_reaches_back_past_the_enrolment() -> None:
    record = PupilRecord(
        school="alvik",
        pupil="p1",
        enrolled=DAYS[1],
        valid_from=DAYS[0],
        recorded_at=datetime.combine(DAYS[0], time(7), CALENDAR.zone),
    )

    assert steps([record, *day_by_day(*at_home(range(3)), last=2)]) == []
    assert len(steps([record, *day_by_day(*at_home(range(4)), last=3)])) == 1


def test_time_that_is_reached_is_passed_on_and_judges_nothing() -> None:
    reached = TimeReached(at=datetime.combine(DAYS[0], time(8), CALENDAR.zone))

    assert Partition().fold((1, 0), reached).messages == [reached]


def test_registrations_without_a_calendar_to_read_them_by_are_an_error() -> None:
    batch = AttendanceBatch(source="test", events=[lesson(DAYS[0])])

    with pytest.raises(NothingInForceError, match="ingest sends that first"):
        Partition().fold((1, 0), batch)


def test_of_two_registrations_the_later_counts_whatever_came_first() -> None:
    first, second = lesson(DAYS[0], Status.LATE), lesson(DAYS[0], Status.PRESENT, hours_later=2)
    orders = ([first, second], [second, first], [first, second, first, second])

    schools = [school_of(events) for events in orders]

    for school in schools:
        assert school.book.sums.any()
        assert school.book.sums[:, LATES].sum() == 0


def test_a_lesson_that_moves_to_another_day_leaves_its_old_one() -> None:
    before = lesson(DAYS[0])
    moved = before.model_copy(
        update={
            "starts_at": before.starts_at + timedelta(days=1),
            "recorded_at": before.recorded_at + timedelta(days=1),
        }
    )

    assert scheduled([before, moved]) == [DAYS[1]]


def test_a_withdrawn_lesson_was_never_scheduled() -> None:
    withdrawn = lesson(DAYS[0], Status.WITHDRAWN, hours_later=2)

    assert scheduled([lesson(DAYS[0]), withdrawn]) == []


def school_of(events: Iterable[AttendanceEvent], calendar: SchoolCalendar = CALENDAR) -> School:
    """A school that has taken in some registrations."""
    school = School("alvik", calendar, None)
    for event in events:
        school.register(school.pupil(event.pupil), event)
    school.settle()
    return school


def scheduled(events: Iterable[AttendanceEvent], calendar: SchoolCalendar = CALENDAR) -> list[date]:
    """The days on which anything is scheduled, once the registrations are taken in."""
    book = school_of(events, calendar).book
    rows = np.flatnonzero(np.any(book.sums, axis=(1, 2)))
    return [date.fromordinal(book.first + int(row)) for row in rows]
