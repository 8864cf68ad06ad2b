"""The days of an explanation: eight school weeks, with the lessons as they are known."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, datetime, tzinfo
from functools import lru_cache

from services.rules.closing import DayClose
from services.rules.explanation import Day, Lesson
from services.rules.pupil import Pupil, measured
from services.rules.school import School
from services.rules.window import Lessons, instant_of, lessons_on
from shared.events import Status

STRIP_DAYS = 40
"""School days of the strip: eight school weeks."""


def strip_of(
    lessons: Lessons, school: School, pupil: Pupil, at: DayClose, closed: date
) -> Iterator[Day]:
    """Whole weeks that hold the last school days up to the day; none before the school year."""
    calendar = at.calendar
    window = calendar.window(at.day, STRIP_DAYS)
    days = frozenset(window)
    first = window[0].toordinal() - window[0].weekday()
    shown = _shown_lessons(lessons, range(first, at.day.toordinal() + 1), school, pupil)
    for monday in range(first, at.day.toordinal() + 1, 7):
        for ordinal in range(monday, monday + 5):
            day = date.fromordinal(ordinal)
            yield Day(
                date=day,
                school_day=calendar.is_school_day(day),
                why=calendar.why_off(day),
                counts=day in days and ordinal >= pupil.enrolled,
                closed=day <= closed,
                lessons=shown.get(ordinal, []),
            )


def _shown_lessons(
    lessons: Lessons, days: Iterable[int], school: School, pupil: Pupil
) -> dict[int, list[Lesson]]:
    """The lessons of some days, by day."""
    calendar = school.days.calendar
    found: dict[int, list[Lesson]] = defaultdict(list)
    for name, known in lessons_on(lessons, days):
        if known.status is not Status.WITHDRAWN:
            lesson = Lesson(
                lesson=name,
                starts_at=_local(known.starts_at, calendar.zone),
                minutes=known.minutes,
                absent_minutes=known.absent,
                status=known.status,
                bus_delay=measured(known, pupil.bus, school.days) is not known,
                corrected=known.revision > calendar.closes_at_microseconds(known.day),
            )
            found[known.day].append(lesson)
    return found


@lru_cache(maxsize=1 << 12)
def _local(microseconds: int, zone: tzinfo) -> datetime:
    """When a lesson begins. Those of a school begin at the same times."""
    return instant_of(microseconds).astimezone(zone)
