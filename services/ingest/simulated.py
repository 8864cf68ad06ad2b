"""Simulated schools: registrations as teachers make them, ordered by when they were recorded.

Thresholds can't be tried on real pupils before there are any, and a demonstration may show
none. What is made here is deterministic in the seed, and a sidecar says which pupil slides
from which day, so that what was found can be compared with what was there.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from functools import cache
from random import Random
from typing import NamedTuple, TextIO

from services.ingest.csv_rows import csv_rows
from services.ingest.roster import Roster
from services.ingest.simulated_pupil import WINTER, Kind, Outcome, SimulatedPupil
from services.ingest.simulated_school import (
    FIRST_LESSON,
    SLIDES,
    Lesson,
    SchoolClass,
    class_name,
    pupil_name,
    pupil_source,
    school_class,
    school_name,
    school_roster,
)
from shared.calendar import SchoolCalendar
from shared.events import WHOLLY_ABSENT, AttendanceEvent, Status

# Forgotten lessons are mended, and mistakes corrected, at rates that together are about 3 %.
_FORGOTTEN = 0.01
_OFTEN_FORGOTTEN = 0.4
_MENDED = 0.6
_MISTAKEN_ABSENCE = 0.15
_MISTAKEN_PRESENCE = 0.0075
_THREE_DAYS = timedelta(days=3)


class Truth(NamedTuple):
    """Of which kind a pupil is, and from which school day; no day for ordinary pupils."""

    school: str
    pupil: str
    kind: Kind
    onset: date | None


def simulate(
    calendar: SchoolCalendar,
    *,
    schools: int,
    pupils: int,
    days: int,
    seed: int,
    first: date | None = None,
    slides: float = SLIDES,
    forgetful: bool = False,
    outbreaks: bool = False,
) -> Iterator[AttendanceEvent]:
    """The registrations of `days` school days from `first` on, by the time they were recorded.

    `pupils` is per school; `first` is the calendar's first school day when not given.
    `forgetful`: in some groups many lessons are never registered, or late. `outbreaks`: in half
    of the classes a quarter or more fall ill on the same day of the winter. Raises `ValueError`
    when the calendar has fewer days. Memory holds a few days of registrations.
    """
    plan = _school_days(calendar, days, first)
    everybody = [
        _School(seed, number, pupils, plan, slides, forgetful=forgetful, outbreaks=outbreaks)
        for number in range(1, schools + 1)
    ]
    recorded: defaultdict[date, list[_Registration]] = defaultdict(list)
    for index, day in enumerate(plan):
        midnight = datetime.combine(day, time(), calendar.zone)
        for school in everybody:
            for on, registration in school.day(index, midnight):
                recorded[on].append(registration)
        for registration in sorted(recorded.pop(day)):
            yield registration.event(midnight)


def roster(
    calendar: SchoolCalendar,
    *,
    schools: int,
    pupils: int,
    seed: int,
    first: date | None = None,
    slides: float = SLIDES,
) -> Roster:
    """The pupils and staff of the same schools, from the first day of the school year on."""
    begins = first or calendar.school_days[0]
    valid_from = calendar.year_start(begins) or begins
    parts = [
        school_roster(seed, school_name(number), pupils, valid_from, slides)
        for number in range(1, schools + 1)
    ]
    return Roster(
        tuple(pupil for part in parts for pupil in part.pupils),
        tuple(member for part in parts for member in part.staff),
    )


def truth(
    calendar: SchoolCalendar,
    *,
    schools: int,
    pupils: int,
    days: int,
    seed: int,
    first: date | None = None,
    slides: float = SLIDES,
) -> Iterator[Truth]:
    """Who is of which kind from which day; give it what `simulate` was given."""
    plan = _school_days(calendar, days, first)
    for number in range(1, schools + 1):
        school = _School(seed, number, pupils, plan, slides)
        for pupil in school.pupils:
            onset = None if pupil.onset is None else plan[pupil.onset]
            yield Truth(school.name, pupil.name, pupil.kind, onset)


def write_truth(rows: Iterable[Truth], out: TextIO) -> None:
    """The sidecar CSV: `school,pupil,kind,onset`. Open `out` in UTF-8 with `newline=""`."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(Truth._fields)
    writer.writerows((row.school, row.pupil, row.kind.value, row.onset or "") for row in rows)


def read_truth(lines: Iterable[str]) -> Iterator[Truth]:
    """The rows of a sidecar; raises `HeaderError`, and `ValueError` at a row that can't be one."""
    for row in csv_rows(lines, Truth._fields):
        try:
            school, pupil, kind, onset = row.cells
            began = date.fromisoformat(onset) if Kind(kind) is not Kind.ORDINARY else None
        except ValueError:
            raise ValueError(
                f"line {row.line}: wanted {','.join(Truth._fields)}, the kind one of "
                f"{', '.join(Kind)}, the onset a date where it is not ordinary"
            ) from None
        yield Truth(school, pupil, Kind(kind), began)


def _school_days(calendar: SchoolCalendar, days: int, first: date | None) -> tuple[date, ...]:
    begins = first or calendar.school_days[0]
    coming = calendar.between(begins, calendar.school_days[-1])
    if not 0 <= days <= len(coming):
        raise ValueError(
            f"met {days} days; wanted 0 to {len(coming)}, the school days from {begins} to the "
            "calendar's end (a school year added to it gives more)"
        )
    return coming[:days]


_When = tuple[date, int]
"""A school day, and a second of it."""


class _Lesson(NamedTuple):
    """A class's lesson on a day, and its registration: its second, or forgotten and when mended."""

    name: str
    group: str
    starts_at: datetime
    place: Lesson
    second: int
    forgotten: bool
    mended: _When | None


class _Registration(NamedTuple):
    """What is recorded at a second of some day; what comes first in it also sorts first."""

    second: int
    school: str
    pupil: str
    lesson: _Lesson
    outcome: Outcome

    def event(self, midnight: datetime) -> AttendanceEvent:
        return AttendanceEvent(
            school=self.school,
            pupil=self.pupil,
            lesson=self.lesson.name,
            starts_at=self.lesson.starts_at,
            minutes=self.lesson.place.minutes,
            subject=self.lesson.place.subject,
            group=self.lesson.group,
            status=self.outcome.status,
            absent_minutes=self.outcome.absent,
            recorded_at=midnight + timedelta(seconds=self.second),
        )


class _School:
    """A school, asked for its days in order."""

    def __init__(
        self,
        seed: int,
        number: int,
        pupils: int,
        plan: tuple[date, ...],
        slides: float,
        *,
        forgetful: bool = False,
        outbreaks: bool = False,
    ) -> None:
        self.name = name = school_name(number)
        self._seed = seed
        self._plan = plan
        room = cache(lambda title: school_class(seed, name, title))
        self.pupils = [
            SimulatedPupil(pupil, room(title), pupil_source(seed, name, pupil), len(plan), slides)
            for pupil, title in map(_enrolled, range(1, pupils + 1))
        ]
        self._rooms: defaultdict[SchoolClass, list[str]] = defaultdict(list)
        for each in self.pupils:
            self._rooms[each.room].append(each.name)
        self._forgetful = forgetful
        self._caught = {
            caught
            for each, members in self._rooms.items()
            for caught in (self._outbreak(each, members) if outbreaks else ())
        }

    def _outbreak(self, room: SchoolClass, members: list[str]) -> Iterator[tuple[str, int]]:
        """Whom what goes round in a class catches, with the indices of their days."""
        rng = Random(f"{self._seed}/{self.name}/{room.name}/outbreak")
        winter = [index for index, day in enumerate(self._plan) if day.month in WINTER]
        if not winter or rng.random() >= _OUTBREAKS:
            return
        begins = rng.choice(winter)
        for pupil in rng.sample(members, round(rng.uniform(*_CATCHES) * len(members))):
            for index in range(begins, begins + rng.randint(1, 3)):
                yield pupil, index

    def day(self, index: int, midnight: datetime) -> Iterator[tuple[date, _Registration]]:
        """All that will be recorded of one school day, each with the day on which it is."""
        lessons = {room: self._lessons(room, index, midnight) for room in self._rooms}
        for pupil in self.pupils:
            yield from self._recorded(pupil, index, lessons[pupil.room])

    def _lessons(self, room: SchoolClass, index: int, midnight: datetime) -> list[_Lesson]:
        day = midnight.date()
        rng = Random(f"{self._seed}/{self.name}/{room.name}/{day}")
        lessons = []
        for place in room.week[day.weekday()]:
            often = self._forgetful and place.subject in room.forgetful
            second = place.starts * 60 + rng.randint(120, 720)
            if place.subject in room.late_registering:
                second = rng.randint(*_END_OF_DAY)
            forgotten = rng.random() < (_OFTEN_FORGOTTEN if often else _FORGOTTEN)
            mended = self._later(rng, index) if forgotten and rng.random() < _MENDED else None
            starts_at = midnight + timedelta(minutes=place.starts)
            name = f"{room.name}-{day:%Y%m%d}-{place.number}"
            group = room.group(place.subject)
            lessons.append(_Lesson(name, group, starts_at, place, second, forgotten, mended))
        return lessons

    def _recorded(
        self, pupil: SimulatedPupil, index: int, lessons: list[_Lesson]
    ) -> Iterator[tuple[date, _Registration]]:
        day = self._plan[index]
        places = tuple(lesson.place for lesson in lessons)
        outcomes = pupil.day(index, day, places, caught=(pupil.name, index) in self._caught)
        slips = _slips(pupil.rng, outcomes)
        corrected = self._later(pupil.rng, index) if any(slips) else None
        for lesson, outcome, slip in zip(lessons, outcomes, slips, strict=True):
            first, later = outcome, None
            if lesson.forgotten:
                first, later = _UNREPORTED, lesson.mended
            elif slip:
                first, later = _mistaken(pupil.rng, outcome, lesson.place), corrected
            yield day, _Registration(_second(lesson, first), self.name, pupil.name, lesson, first)
            if later:
                on, second = later
                yield on, _Registration(second, self.name, pupil.name, lesson, outcome)

    def _later(self, rng: Random, index: int) -> _When:
        """When a registration of the day with this index is put right: within three days."""
        day = self._plan[index]
        on = rng.choice([d for d in self._plan[index : index + 4] if d - day <= _THREE_DAYS])
        earliest, latest = _OFFICE_HOURS
        if on == day:
            earliest, latest = _EVENING
        elif on - day == _THREE_DAYS:
            latest = FIRST_LESSON * 60 - 1
        return on, rng.randint(earliest, latest)


_OUTBREAKS = 0.5
_CATCHES = (0.28, 0.4)
"""Of the class; some of them are ill already, so that fewer are newly absent."""


def _enrolled(number: int) -> tuple[str, str]:
    return pupil_name(number), class_name(number)


_HOUR = 3600
_END_OF_DAY = (15 * _HOUR + 35 * 60, 16 * _HOUR + 29 * 60)
_FOUND_FORGOTTEN = 16 * _HOUR + 45 * 60
_EVENING = (16 * _HOUR + 46 * 60, 19 * _HOUR)
_OFFICE_HOURS = (7 * _HOUR + 30 * 60, 17 * _HOUR + 30 * 60)

_UNREPORTED = Outcome(Status.UNREPORTED, 0)


def _second(lesson: _Lesson, first: Outcome) -> int:
    """When a lesson is first recorded; nobody is known to be late before they have come."""
    if first.status is Status.UNREPORTED:
        return _FOUND_FORGOTTEN
    if first.status is Status.LATE:
        return max(lesson.second, (lesson.place.starts + first.absent + 1) * 60)
    return lesson.second


def _slips(rng: Random, outcomes: list[Outcome]) -> list[bool]:
    """Which lessons are registered wrongly at first: a day at home wholly so, or not at all."""
    if all(outcome.status in WHOLLY_ABSENT for outcome in outcomes):
        return [rng.random() < _MISTAKEN_ABSENCE] * len(outcomes)
    return [
        rng.random()
        < (_MISTAKEN_PRESENCE if outcome.status is Status.PRESENT else _MISTAKEN_ABSENCE)
        for outcome in outcomes
    ]


def _mistaken(rng: Random, outcome: Outcome, lesson: Lesson) -> Outcome:
    """What a teacher registers first who doesn't know better yet."""
    match outcome.status:
        case Status.PRESENT if rng.random() < 0.5:
            return Outcome(Status.LATE, rng.randint(3, 10))
        case Status.LATE | Status.UNEXCUSED:
            return Outcome(Status.PRESENT, 0)
        case _:
            return Outcome(Status.UNEXCUSED, lesson.minutes)
