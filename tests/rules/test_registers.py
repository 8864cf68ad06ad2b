"""When lessons come due, and how many of a group do: as the calendar says, and mostly unasked."""

from datetime import UTC, date, datetime, timedelta
from random import Random

import pytest

from services.rules.registers import Registers
from services.rules.window import Registration, registration_of
from shared.calendar import SchoolCalendar
from shared.events import AttendanceEvent, Status
from tests.rules.random_school import CALENDAR, CALENDAR_CONTENT

CLOSE = datetime(2025, 8, 28, 15, tzinfo=UTC)
"""A Thursday's close hour."""


def registered(
    ends_at: datetime, status: Status = Status.UNREPORTED, group: str = "g", minutes: int = 60
) -> Registration:
    """A lesson by when it ends."""
    start = ends_at - timedelta(minutes=minutes)
    event = AttendanceEvent(
        school="alvik",
        pupil="p",
        lesson="l",
        starts_at=start,
        minutes=minutes,
        status=status,
        absent_minutes=0,
        recorded_at=start,
        group=group,
    )
    return registration_of(event, CALENDAR.moment(start))


@pytest.mark.parametrize(
    ("later", "days"),
    [
        (timedelta(hours=-1), 1),
        (timedelta(), 1),
        (timedelta(microseconds=1), 2),
        (timedelta(days=1), 2),
        (timedelta(days=1, microseconds=1), 3),
    ],
)
def test_a_lesson_comes_due_at_the_first_close_hour_a_day_after_its_end(
    later: timedelta, days: int
) -> None:
    registers = Registers(CALENDAR)

    registers.note(registered(CLOSE + later), 1)

    due = CLOSE.date().toordinal() + days
    assert registers.counts == {(due, "g"): [1, 1]}
    assert registers.changed == {(due, "g")}


@pytest.mark.parametrize("close", ["17:00", "02:30", "23:59"])
def test_when_clocks_change_lessons_come_due_as_the_calendar_says(close: str) -> None:
    calendar = SchoolCalendar.model_validate({**CALENDAR_CONTENT, "day_close": close})
    random = Random(1)
    for changes in (datetime(2025, 10, 26, 1, tzinfo=UTC), datetime(2026, 3, 29, 1, tzinfo=UTC)):
        for _ in range(500):
            ends_at = changes + timedelta(minutes=random.randrange(-4000, 4000))
            registers = Registers(calendar)

            registers.note(registered(ends_at, minutes=random.choice((5, 60))), 1)

            assert list(registers.counts) == [(calendar.due_on(ends_at).toordinal(), "g")]


@pytest.mark.parametrize(
    "day", [date(2025, 8, 28), date(2025, 10, 24), date(2025, 10, 27), date(2026, 3, 30)]
)
def test_of_a_lesson_that_ends_by_the_close_hour_the_calendar_is_not_asked(
    day: date, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On all days but those about a change of clocks; to ask costs as much as the rest."""
    monkeypatch.delattr(SchoolCalendar, "due_on")
    registers = Registers(CALENDAR)

    registers.note(registered(CALENDAR.closes_at(day)), 1)

    assert list(registers.counts) == [(day.toordinal() + 1, "g")]


def test_registers_count_what_is_not_withdrawn_and_forget_what_is_older() -> None:
    registers, due = Registers(CALENDAR), CLOSE.date().toordinal() + 1
    unreported = registered(CLOSE)

    registers.note(registered(CLOSE, Status.WITHDRAWN), 1)
    assert registers.counts == {}
    registers.note(unreported, 1)
    registers.note(registered(CLOSE, Status.LATE), 1)
    registers.note(registered(CLOSE + timedelta(days=1), Status.PRESENT, ""), 1)
    assert registers.counts == {(due, "g"): [2, 1], (due + 1, ""): [1, 0]}
    registers.note(unreported, -1)
    assert registers.counts[due, "g"] == [1, 0]

    registers.drop_before(due)
    assert len(registers.counts) == 2
    registers.drop_before(due + 1)
    assert registers.counts == {(due + 1, ""): [1, 0]}
    registers.note(unreported, 1)
    assert registers.counts[due, "g"] == [1, 1]
