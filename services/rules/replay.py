"""One pupil's part of a partition's stream, folded alone.

The fold is deterministic and keeps pupils apart, so that what is folded here is what the
partition's owner has. Rules on units are left out: they look at other pupils.
"""

from datetime import date

from services.rules.partition import EntryId, Partition
from services.rules.pupil import Pupil
from services.rules.window import Lessons
from shared.events import (
    AttendanceBatch,
    CalendarChanged,
    CaseAnswer,
    CaseStep,
    CaseTold,
    DayClosed,
    Fact,
    PupilRecord,
    RulebookChanged,
)


class Replay:
    """What is known of one pupil; `known_on`: as it was known when that day had closed."""

    def __init__(self, school: str, name: str, known_on: date | None = None) -> None:
        self.school = school
        self.name = name
        self.known_on = known_on
        self.partition = Partition()
        self.steps: list[CaseStep] = []
        """The pupil's, in the order of their making."""
        self.lessons: Lessons = {}
        """The newest registration of each lesson, of those too that the fold has forgotten."""
        self.over = False
        """Nothing that comes now was known on the day asked for."""

    @property
    def pupil(self) -> Pupil | None:
        """As folded so far; None: nothing has come about anybody of that name."""
        school = self.partition.schools.get(self.school)
        return school.pupils.get(self.name) if school else None

    def fold(self, entry: EntryId, fact: Fact) -> None:
        """Fold an entry as far as it is about the pupil or what they are judged by."""
        mine = self._mine(fact)
        if self.over or mine is None:
            return
        if isinstance(mine, DayClosed) and self.known_on is not None:
            if mine.date > self.known_on:
                self.over = True
                return
            self._close(entry, mine, self.known_on)
            return
        self._fold(entry, mine)

    def _close(self, entry: EntryId, close: DayClosed, known_on: date) -> None:
        self._fold(entry, close)
        at = self.partition.on_day(self.school, close.date)
        self.over = at is not None and not at.calendar.distance(close.date, known_on)

    def _fold(self, entry: EntryId, fact: Fact) -> None:
        folded = self.partition.fold(entry, fact)
        self.steps += [each for each in folded.messages if isinstance(each, CaseStep)]
        if isinstance(fact, AttendanceBatch) and self.pupil is not None:
            known = self.pupil.lessons
            names = {event.lesson for event in fact.events}
            self.lessons.update((name, known[name]) for name in names if name in known)

    def _mine(self, fact: Fact) -> Fact | None:
        match fact:
            case AttendanceBatch():
                events = [
                    event for event in fact.events if self._is_mine(event.school, event.pupil)
                ]
                return fact.model_copy(update={"events": events}) if events else None
            case PupilRecord() | CaseTold() | CaseAnswer():
                return fact if self._is_mine(fact.school, fact.pupil) else None
            case DayClosed():
                return fact if fact.school == self.school else None
            case RulebookChanged() | CalendarChanged():
                return fact
        return None

    def _is_mine(self, school: str, pupil: str) -> bool:
        return school == self.school and pupil == self.name
