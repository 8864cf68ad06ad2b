"""A simulated pupil's days: mostly there, ill in spells, and for some a slide with a shape.

The rates are chosen to look like a lower-secondary school, so that thresholds tried on it
speak neither of everybody nor of nobody. Each pupil has a random source of their own: what
others do, and how many they are, never changes a pupil's days.
"""

from collections import Counter
from datetime import date
from enum import StrEnum
from random import Random
from typing import NamedTuple

from services.ingest.simulated_school import Lesson, SchoolClass
from shared.events import Status


class Kind(StrEnum):
    """How a pupil's absence goes, from their onset day on."""

    ORDINARY = "ordinary"
    TRUANCY = "truancy"
    REFUSAL = "refusal"
    SUBJECT = "subject"
    MORNINGS = "mornings"
    WEEKDAY = "weekday"
    RECOVERS = "recovers"


SLIDES = tuple(kind for kind in Kind if kind is not Kind.ORDINARY)

CALM_DAYS = 15
"""School days at the start on which nobody slides, so that a slide has a before."""

# Illness: with spells of 2.2 days on average these give 7.2 % away in winter, 4.8 % otherwise.
WINTER = frozenset({11, 12, 1, 2, 3})
_FALLS_ILL = {True: 0.035, False: 0.0228}
_SPELL_DAYS = (1, 2, 3, 4, 5)
_SPELL_WEIGHTS = (38, 27, 18, 10, 7)
_SPELL_ON_LEAVE = 0.06
_SKIPS = 0.002
_ELSEWHERE = 0.005
"""On another school activity."""

_AFTERNOON = 12 * 60 + 30
_RAMP = 20
"""School days from onset to a slide's full slope."""


class Outcome(NamedTuple):
    """What truly became of a lesson for the pupil."""

    status: Status
    absent: int


class SimulatedPupil:
    """One pupil, asked for their school days in order, each once."""

    def __init__(self, name: str, room: SchoolClass, rng: Random, days: int, slides: float) -> None:
        self.name = name
        self.room = room
        self.rng = rng
        slides_at_all, kind = rng.random() < slides, rng.choice(SLIDES)
        onset = rng.randint(CALM_DAYS, max(CALM_DAYS, days - 10))
        self.kind = kind if slides_at_all and days > CALM_DAYS else Kind.ORDINARY
        self.onset = None if self.kind is Kind.ORDINARY else onset
        """Index of the school day on which the slide begins."""
        self._tardiness = rng.uniform(0.003, 0.02)
        self._frailty = rng.uniform(0.6, 1.4)
        self._subject = rng.choice(_main_subjects(room))
        self._weekday = rng.randrange(5)
        self._ill_days = 0
        self._ill_status = Status.EXCUSED
        self._stayed_home = False

    def day(
        self, index: int, day: date, lessons: tuple[Lesson, ...], *, caught: bool = False
    ) -> list[Outcome]:
        """What becomes of the lessons on the school day with this index.

        `caught`: what goes round in the class has caught this pupil today.
        """
        if self._is_ill(day):
            return _away(lessons, self._ill_status)
        if caught:
            return _away(lessons, Status.EXCUSED)
        severity = self._severity(index)
        if severity:
            return self._sliding(severity, day, lessons)
        return [self._ordinary(lesson) for lesson in lessons]

    def _is_ill(self, day: date) -> bool:
        if not self._ill_days and self.rng.random() < (
            _FALLS_ILL[day.month in WINTER] * self._frailty
        ):
            (self._ill_days,) = self.rng.choices(_SPELL_DAYS, _SPELL_WEIGHTS)
            on_leave = self.rng.random() < _SPELL_ON_LEAVE
            self._ill_status = Status.LEAVE if on_leave else Status.EXCUSED
        elif not self._ill_days:
            return False
        self._ill_days -= 1
        return True

    def _severity(self, index: int) -> float:
        """0 before the onset, then up to 1; for one who recovers up, on, and down to 0 again."""
        if self.onset is None or index < self.onset:
            return 0.0
        since = index - self.onset + 1
        if self.kind is Kind.RECOVERS:
            return max(0.0, min(since / 15, 1.0, (40 - since) / 15))
        return min(since / _RAMP, 1.0)

    def _ordinary(self, lesson: Lesson) -> Outcome:
        chance = self.rng.random()
        late = self._tardiness * (2 if lesson.number == 1 else 1)
        if chance < late:
            return Outcome(Status.LATE, self.rng.randint(3, 15))
        if chance < late + _SKIPS:
            return _missed(lesson, Status.UNEXCUSED)
        if chance < late + _SKIPS + _ELSEWHERE:
            return Outcome(Status.OTHER, 0)
        return _PRESENT

    def _sliding(self, severity: float, day: date, lessons: tuple[Lesson, ...]) -> list[Outcome]:
        match self.kind:
            case Kind.TRUANCY:
                return [self._truant(severity, lesson) for lesson in lessons]
            case Kind.SUBJECT:
                return [self._avoiding(severity, lesson) for lesson in lessons]
            case Kind.MORNINGS:
                return [self._sleepy(severity, lesson) for lesson in lessons]
            case Kind.WEEKDAY:
                return self._weekly(severity, day, lessons)
            case _:
                return self._refusing(severity, day, lessons)

    def _truant(self, severity: float, lesson: Lesson) -> Outcome:
        skips = (0.06 + 0.34 * severity) * (1.4 if lesson.starts >= _AFTERNOON else 0.7)
        chance = self.rng.random()
        if chance < skips:
            return _missed(lesson, Status.UNEXCUSED)
        if chance < skips + 0.06:
            return Outcome(Status.LATE, self.rng.randint(5, 25))
        return _PRESENT

    def _avoiding(self, severity: float, lesson: Lesson) -> Outcome:
        if lesson.subject == self._subject and self.rng.random() < 0.3 + 0.6 * severity:
            excused = self.rng.random() < 0.4
            return _missed(lesson, Status.EXCUSED if excused else Status.UNEXCUSED)
        return self._ordinary(lesson)

    def _sleepy(self, severity: float, lesson: Lesson) -> Outcome:
        misses = (0.25 + 0.5 * severity) / (1 if lesson.number == 1 else 4)
        if lesson.number > 2 or self.rng.random() >= misses:
            return self._ordinary(lesson)
        if self.rng.random() < 0.5:
            return Outcome(Status.LATE, self.rng.randint(15, 35))
        return _missed(lesson, Status.UNEXCUSED)

    def _weekly(self, severity: float, day: date, lessons: tuple[Lesson, ...]) -> list[Outcome]:
        if day.weekday() == self._weekday and self.rng.random() < 0.35 + 0.5 * severity:
            return _away(lessons, self._reason(excused=0.7))
        return [self._ordinary(lesson) for lesson in lessons]

    def _refusing(self, severity: float, day: date, lessons: tuple[Lesson, ...]) -> list[Outcome]:
        harder = 0.15 if day.weekday() == 0 or self._stayed_home else 0.0
        self._stayed_home = self.rng.random() < 0.1 + 0.55 * severity + harder
        if self._stayed_home:
            return _away(lessons, self._reason(excused=0.85))
        there = len(lessons)
        if self.rng.random() < 0.3 * severity:
            there = self.rng.randint(1, len(lessons))
        attended = [self._ordinary(lesson) for lesson in lessons[:there]]
        return attended + _away(lessons[there:], Status.EXCUSED)

    def _reason(self, excused: float) -> Status:
        return Status.EXCUSED if self.rng.random() < excused else Status.UNEXCUSED


_PRESENT = Outcome(Status.PRESENT, 0)


def _missed(lesson: Lesson, status: Status) -> Outcome:
    return Outcome(status, lesson.minutes)


def _away(lessons: tuple[Lesson, ...], status: Status) -> list[Outcome]:
    return [_missed(lesson, status) for lesson in lessons]


def _main_subjects(room: SchoolClass) -> list[str]:
    """The subjects that come often enough in the week for avoiding one to show."""
    lessons = Counter(lesson.subject for day in room.week for lesson in day)
    often = min(3, max(lessons.values()))
    return sorted(subject for subject, count in lessons.items() if count >= often)
