"""What we hold about one pupil's lessons: the latest registration of each, and each day's sums.

Teachers correct registrations for weeks. A window therefore never adds up as it goes: every
lesson can be taken out of its day again and put back as it is known now, and a figure is
computed from the days when it is asked for.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from operator import add, sub
from typing import Literal, NamedTuple

import msgspec

from shared.calendar import Moment
from shared.events import AttendanceEvent, Status

Outcome = Literal["accepted", "duplicate", "superseded", "expired"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_EXCUSED = frozenset({Status.EXCUSED, Status.LEAVE})
_UNEXCUSED_MINUTES = frozenset({Status.UNEXCUSED, Status.LATE})
_ABSENT = _EXCUSED | {Status.UNEXCUSED}


class Registration(NamedTuple):
    """What is known of one lesson. Instants are microseconds since 1970, UTC."""

    day: date
    starts_at: int
    minutes: int
    absent: int
    status: Status
    revision: int
    subject: str

    @property
    def counts(self) -> bool:
        """Reported and not withdrawn."""
        return self.status is not Status.UNREPORTED and self.status is not Status.WITHDRAWN

    @property
    def excused(self) -> bool:
        return self.status in _EXCUSED

    @property
    def unexcused_minutes(self) -> int:
        return self.absent if self.status in _UNEXCUSED_MINUTES else 0


class Day(NamedTuple):
    """Sums over a pupil's lessons of one school day. Lessons are counts, the rest minutes."""

    scheduled: int = 0
    counting: int = 0
    offered: int = 0
    absent: int = 0
    excused: int = 0
    unexcused: int = 0
    unexcused_lessons: int = 0
    lates: int = 0
    missed_whole: int = 0

    @property
    def is_absent(self) -> bool:
        """Has counting lessons, each excused or unexcused with every offered minute missed."""
        return 0 < self.counting == self.missed_whole


NO_DAY = Day()


def day_of(sums: Iterable[int]) -> Day:
    """A day from its sums, in order; `Day._make` without its check, for the hot paths."""
    return tuple.__new__(Day, sums)


class Window(msgspec.Struct):
    """A pupil's lessons by id, and their days. Changed in place by `register` and `forget`."""

    lessons: dict[str, Registration] = {}
    days: dict[date, Day] = {}

    def register(self, lesson: str, known: Registration, event: AttendanceEvent) -> Outcome:
        """Take in what `event` says of a lesson, as `known`; the highest revision wins."""
        held = self.lessons.get(lesson)
        if held is not None:
            if known.revision < held.revision:
                return "superseded"
            if known.revision == held.revision:
                if known == held:
                    return "duplicate"
                if _canonical(known, event) < _canonical(held, event):
                    return "superseded"
            self._count(held, sub)
        self.lessons[lesson] = known
        self._count(known, add)
        return "accepted"

    def of(self, dates: tuple[date, ...]) -> list[Day]:
        """The days among `dates` on which anything is scheduled, in order."""
        days = self.days
        return [days[day] for day in dates if day in days]

    def lessons_on(self, dates: tuple[date, ...]) -> Iterator[tuple[str, Registration]]:
        """The lessons of `dates` with their ids, by day, start and id."""
        wanted = frozenset(dates)
        found = [(known, lesson) for lesson, known in self.lessons.items() if known.day in wanted]
        found.sort(key=lambda pair: (pair[0].day, pair[0].starts_at, pair[1]))
        return ((lesson, known) for known, lesson in found)

    def forget(self, lessons_before: date, days_before: date) -> None:
        """Drop what no window and no correction can reach any more."""
        self.lessons = {
            lesson: known for lesson, known in self.lessons.items() if known.day >= lessons_before
        }
        oldest = min(lessons_before, days_before)
        self.days = {day: sums for day, sums in self.days.items() if day >= oldest}

    def _count(self, known: Registration, how: Callable[[int, int], int]) -> None:
        if known.status is Status.WITHDRAWN:
            return
        share = _counted(known.status, known.minutes, known.absent)
        sums = day_of(map(how, self.days.get(known.day, NO_DAY), share))
        if sums.scheduled:
            self.days[known.day] = sums
        else:
            del self.days[known.day]


def registration_of(event: AttendanceEvent, start: Moment) -> Registration:
    """What `event` says of its lesson, which begins at `start`."""
    return Registration(
        start.date,
        start.microseconds,
        event.minutes,
        event.absent_minutes,
        event.status,
        microseconds_of(event.recorded_at),
        event.subject,
    )


def microseconds_of(at: datetime) -> int:
    """An instant as whole microseconds since 1970, UTC."""
    return round(at.timestamp() * 1_000_000)


def instant_of(microseconds: int) -> datetime:
    """The instant that a registration holds as microseconds."""
    return _EPOCH + timedelta(microseconds=microseconds)


@lru_cache(maxsize=1 << 14)
def _counted(status: Status, minutes: int, absent: int) -> Day:
    """What one scheduled lesson adds to its day. Unreported: scheduled, and no more."""
    if status is Status.UNREPORTED:
        return Day(scheduled=1)
    return Day(
        scheduled=1,
        counting=1,
        offered=minutes,
        absent=absent,
        excused=absent if status in _EXCUSED else 0,
        unexcused=absent if status in _UNEXCUSED_MINUTES else 0,
        unexcused_lessons=1 if status is Status.UNEXCUSED else 0,
        lates=1 if status is Status.LATE else 0,
        missed_whole=1 if status in _ABSENT and absent == minutes else 0,
    )


def _canonical(known: Registration, event: AttendanceEvent) -> str:
    """The registration as canonical JSON, to settle equal revisions alike in any order."""
    return json.dumps(
        {
            "school": event.school,
            "pupil": event.pupil,
            "lesson": event.lesson,
            "starts_at": instant_of(known.starts_at).isoformat(),
            "minutes": known.minutes,
            "subject": known.subject,
            "status": known.status,
            "absent_minutes": known.absent,
            "recorded_at": instant_of(known.revision).isoformat(),
        },
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
    )
