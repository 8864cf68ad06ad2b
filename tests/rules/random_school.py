"""Random pupils of one school, laid into the service's arrays and told to the oracle alike.

Few school days, lessons and minutes, so that windows end, spells break and figures tie again and
again: nobody's absence looks like this.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.rules.closing import DayClose
from services.rules.judges import Judges
from services.rules.pupil import Pupil
from services.rules.school import School
from shared.calendar import SchoolCalendar
from shared.events import WHOLLY_ABSENT, AttendanceEvent, PupilRecord, Status
from tests.oracle.figures import Figures, Lesson
from tests.oracle.files import Calendar

CALENDAR_CONTENT: dict[str, Any] = {
    "timezone": "Europe/Stockholm",
    "day_close": "17:00",
    "school_years": [
        {
            "terms": [
                {"first": "2025-08-20", "last": "2025-10-10"},
                {"first": "2025-10-15", "last": "2025-11-14"},
            ],
            "days_off": [
                {"first": "2025-09-10", "last": "2025-09-10"},
                {"first": "2025-09-18", "last": "2025-09-19"},
            ],
        },
        {
            "terms": [
                {"first": "2025-11-17", "last": "2025-12-02"},
                {"first": "2025-12-03", "last": "2025-12-19"},
            ],
        },
    ],
    "bus_delays": [
        {"date": "2025-08-29", "before": "09:00"},
        {"date": "2025-10-02", "before": "10:20", "buses": ["811", "812"]},
        {"date": "2025-11-20", "before": "12:00", "buses": ["811"]},
    ],
}
"""Two school years that follow upon each other, of two terms each, those of the second as well:
a year or term that is cut at the wrong day is seen at once."""

CALENDAR = SchoolCalendar.model_validate(CALENDAR_CONTENT)
OTHER_CALENDAR = Calendar(CALENDAR_CONTENT)
"""The oracle's."""

SUBJECTS = ("ma", "sv", "Bild", "ämne", "idrott", "")
BUSES = ("", "811", "812", "900")
CLASSES = ("7a", "7b", "")
GROUPS = ("7a-ma", "7b-ma", "")


def close_of(day: date, judges: Judges) -> DayClose:
    """A close of a school that has had one calendar and one rulebook, and closed each day."""
    return DayClose(
        day=day,
        history=False,
        rulebook="",
        calendar=CALENDAR,
        calendar_since=CALENDAR.school_days[0],
        missed=frozenset(),
        judges=judges,
        judges_on=lambda _: judges,
        judges_before=lambda _: None,
    )


_TO_JULY = datetime(2025, 7, 1, tzinfo=UTC)


class RandomSchool:
    """Pupils of a seed. Their lessons come one by one; some are corrected, moved or withdrawn."""

    def __init__(self, seed: int, pupils: int) -> None:
        self.school = School("alvik", CALENDAR, None)
        self._random = Random(seed)
        self._lessons: list[dict[str, AttendanceEvent]] = []
        for number in range(pupils):
            self._lessons.append({})
            self._pupil(f"p{number}")
        self.school.settle()
        for number, lessons in enumerate(self._lessons):
            for event in self._random.sample(list(lessons.values()), len(lessons) // 8):
                self._take(number, self._corrected(event))
        self.school.settle()
        self.figures = self.told(OTHER_CALENDAR)
        """What the oracle measures of each pupil, by slot."""

    def told(self, calendar: Calendar) -> list[Figures]:
        """The oracle's figures of each pupil as they are now, by slot."""
        return [
            Figures(calendar, _record(pupil), map(_lesson, lessons.values()))
            for pupil, lessons in zip(self.pupils, self._lessons, strict=True)
        ]

    @property
    def pupils(self) -> list[Pupil]:
        """By slot."""
        return list(self.school.pupils.values())

    @property
    def enrolled(self) -> NDArray[np.int64]:
        return np.array([pupil.enrolled for pupil in self.pupils], np.int64)

    # -- pupils

    def _pupil(self, name: str) -> None:
        random = self._random
        first, last = CALENDAR.school_days[0], CALENDAR.school_days[-1]
        if random.random() < 0.8:
            joins = first + timedelta(days=random.randrange(-9, (last - first).days))
            self.school.enrol(
                self.school.pupil(name),
                PupilRecord(
                    school="alvik",
                    pupil=name,
                    school_class=random.choice(CLASSES),
                    bus=random.choice(BUSES),
                    enrolled=random.choice((None, joins)),
                    valid_from=first,
                    recorded_at=_TO_JULY,
                ),
            )
        habits = [random.choice(_DAYS) for _ in range(4)]
        lasting, regular = random.random(), random.random()
        subjects = random.sample(SUBJECTS, random.randint(1, 4))
        minutes = random.choice(((60,), (40, 80), (30, 45, 60)))
        dislikes, weekday, only_edges = (
            random.choice(subjects),
            random.randrange(7),
            random.random(),
        )
        kind = habits[0]
        for day in _dates(first - timedelta(days=5), last + timedelta(days=3)):
            if random.random() > lasting:
                kind = random.choice(habits)
            if not CALENDAR.is_school_day(day) and random.random() < 0.8:
                continue
            away = day.weekday() == weekday or (only_edges < 0.3 and CALENDAR.is_edge(day))
            if random.random() > 0.9 * regular + 0.1:
                continue
            for event in self._day(name, day, "gone" if away else kind, subjects, minutes):
                if event.subject == dislikes and random.random() < 0.6:
                    self._take(-1, _with(event, Status.UNEXCUSED, event.minutes))
                else:
                    self._take(-1, event)

    def _day(
        self, name: str, day: date, kind: str, subjects: Sequence[str], minutes: Sequence[int]
    ) -> Iterator[AttendanceEvent]:
        """A day's lessons, some at the same time; their ids are in no order."""
        random = self._random
        count = random.choice((1, 2, 3, 4, 4))
        start = datetime.combine(day, time(random.choice((6, 6, 7, 14))), UTC)
        ids = random.sample(range(100), count)
        for place in range(count):
            status, missed = self._status(kind, place, count)
            offered = random.choice(minutes)
            yield AttendanceEvent(
                school="alvik",
                pupil=name,
                lesson=f"{name}-{day.toordinal()}-{ids[place]}",
                starts_at=start,
                minutes=offered,
                subject=random.choice(subjects),
                status=status,
                absent_minutes=int(offered * missed),
                recorded_at=_TO_JULY,
                group=random.choice(GROUPS),
            )
            start += timedelta(minutes=random.choice((0, 60, 60, 100)))

    def _status(self, kind: str, place: int, count: int) -> tuple[Status, float]:
        """What a lesson is on a day of that kind, and which part of it is missed."""
        random = self._random
        statuses = _STATUSES.get(kind)
        if statuses is not None:
            status = random.choice(statuses)
            return status, float(status in WHOLLY_ABSENT)
        if kind in ("first", "last"):
            at = 0 if kind == "first" else count - 1
            status = random.choice((Status.UNEXCUSED, Status.LATE, Status.LEAVE))
            return (status, 1.0) if place == at else (Status.PRESENT, 0.0)
        if kind == "between":
            inner = 0 < place < count - 1
            return (Status.UNEXCUSED, 1.0) if inner else (Status.PRESENT, 0.0)
        if kind == "half":
            return (Status.EXCUSED, 1.0) if place % 2 else (Status.PRESENT, 0.0)
        if kind == "partly":
            return random.choice((Status.EXCUSED, Status.UNEXCUSED, Status.LEAVE)), 0.5
        status = random.choice(list(Status))
        return status, random.choice((0.0, 0.25, 0.5, 1.0))

    def _corrected(self, event: AttendanceEvent) -> AttendanceEvent:
        """The lesson's next revision."""
        random = self._random
        change: dict[str, Any] = {"recorded_at": event.recorded_at + timedelta(hours=1)}
        what = random.choice(("withdrawn", "moved", "moved", "status", "subject", "present"))
        if what == "withdrawn":
            change |= {"status": Status.WITHDRAWN, "absent_minutes": 0}
        elif what == "moved":
            change["starts_at"] = event.starts_at + timedelta(days=random.randint(-20, 20))
        elif what == "status":
            change |= {"status": random.choice(list(Status)), "absent_minutes": event.minutes}
        elif what == "subject":
            change["subject"] = random.choice(SUBJECTS)
        else:
            change |= {"status": Status.PRESENT, "absent_minutes": 0}
        return event.model_copy(update=change)

    def _take(self, number: int, event: AttendanceEvent) -> None:
        self._lessons[number][event.lesson] = event
        self.school.register(self.school.pupil(event.pupil), event)


_STATUSES: dict[str, tuple[Status, ...]] = {
    "well": (Status.PRESENT,),
    "well but for a bus": (Status.PRESENT, Status.LATE),
    "gone": (Status.UNEXCUSED,),
    "ill": (Status.EXCUSED,),
    "on leave": (Status.LEAVE,),
    "ill or on leave": (Status.EXCUSED, Status.LEAVE),
    "away": (Status.EXCUSED, Status.LEAVE, Status.UNEXCUSED),
    "unknown": (Status.UNREPORTED,),
    "half known": (Status.UNREPORTED, Status.PRESENT, Status.EXCUSED),
    "not at all": (Status.WITHDRAWN,),
}
_DAYS = (*_STATUSES, "well", "well", "first", "last", "between", "half", "partly", "any", "any")
"""Kinds of days."""


def _with(event: AttendanceEvent, status: Status, absent: int) -> AttendanceEvent:
    return event.model_copy(update={"status": status, "absent_minutes": absent})


def _dates(first: date, last: date) -> Iterator[date]:
    for number in range((last - first).days + 1):
        yield first + timedelta(days=number)


def _record(pupil: Pupil) -> dict[str, Any]:
    """A pupil's roster record as the oracle reads it."""
    return {
        "enrolled": date.fromordinal(pupil.enrolled) if pupil.enrolled else None,
        "bus": pupil.bus,
        "class": pupil.school_class,
    }


def _lesson(event: AttendanceEvent) -> Lesson:
    """A registration as the oracle knows it."""
    return Lesson(
        name=event.lesson,
        starts_at=event.starts_at,
        minutes=event.minutes,
        subject=event.subject,
        group=event.group,
        status=event.status.value,
        absent_minutes=event.absent_minutes,
        recorded_at=event.recorded_at,
        canonical="",
    )
