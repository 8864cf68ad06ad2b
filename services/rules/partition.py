"""One partition: folds the entries of its stream, in order, into pupils and steps.

The fold is deterministic: time, calendar and rulebook changes are entries like any other, so
that reading the same entries again gives the same pupils and the same steps. A pupil whose
record is already ahead of an entry skips it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date

import msgspec

from services.rules.engine import Engine
from services.rules.evidence import Cause
from services.rules.pupil import (
    CORRECTION_DAYS,
    DayClose,
    Pupil,
    SchoolDays,
    close_day,
    enrol,
    forget,
    register,
)
from shared.calendar import SchoolCalendar
from shared.events import (
    AttendanceBatch,
    CalendarChanged,
    CaseMessage,
    CaseStep,
    DayClosed,
    Fact,
    PupilRecord,
    RulebookChanged,
    SchoolLive,
    TimeReached,
)
from shared.rulebook import Rulebook

EntryId = tuple[int, int]

FORGET_EVERY = 20
"""School days between two rounds of forgetting; a round looks at every lesson of every pupil."""


class InForce(msgspec.Struct, frozen=True, array_like=True):
    """From the close of `first` on, a school's days are judged by this rulebook."""

    first: date
    rulebook: str


class SchoolTime(msgspec.Struct):
    """How far a school's time has come, and what was in force."""

    closed: date | None = None
    calendar: str = ""
    calendar_since: date = date.min
    """The first day that was closed by this calendar."""
    rulebooks: list[InForce] = []


class Memory(msgspec.Struct):
    """What a partition knows beside its pupils; part of each checkpoint."""

    schools: dict[str, SchoolTime] = {}
    rulebook: str = ""
    calendar: str = ""
    rulebooks: dict[str, str] = {}
    """Content as JSON, by version; those that no school's days need are dropped."""
    calendars: dict[str, str] = {}
    tallies: dict[str, dict[str, int]] = {}
    """Outcomes of registrations by source."""


@dataclass
class Counts:
    """What a fold did, for the metrics."""

    outcomes: dict[str, int] = field(default_factory=dict)
    closes: Counter[str] = field(default_factory=Counter)
    not_enough: Counter[str] = field(default_factory=Counter)
    day_off: int = 0


class Partition:
    """The pupils of one partition and what they are judged by."""

    def __init__(self, memory: Memory | None = None, pupils: dict[str, Pupil] | None = None):
        self.memory = memory or Memory()
        self.pupils: dict[str, Pupil] = {}
        self.changed: set[str] = set()
        """`school/pupil` of those changed since the last checkpoint."""
        self.ahead: EntryId = (0, 0)
        """The newest entry that a pupil is folded up to; a checkpoint before it would make the
        pupil forget that, and fold again what it has seen."""
        self.counts = Counts()
        self._schools: dict[str, dict[str, Pupil]] = {}
        self._calendars: dict[str, SchoolCalendar] = {}
        self._engines: dict[str, Engine] = {}
        for key, pupil in (pupils or {}).items():
            school, _, name = key.partition("/")
            self._add(school, name, pupil)

    def take_counts(self) -> Counts:
        counts, self.counts = self.counts, Counts()
        return counts

    def fold(self, entry: EntryId, message: Fact) -> list[CaseMessage]:
        """Fold one entry; returns what it puts on the case steps, in a repeatable order."""
        match message:
            case AttendanceBatch():
                self._register(entry, message)
            case PupilRecord():
                self._enrol(entry, message)
            case DayClosed():
                return list(self._close(entry, message))
            case TimeReached() | SchoolLive():
                return [message]
            case RulebookChanged():
                self.memory.rulebook = message.version
                self.memory.rulebooks[message.version] = _json(message.content)
            case CalendarChanged():
                self.memory.calendar = message.version
                self.memory.calendars[message.version] = _json(message.content)
        return []

    def record(self, key: str, folded: EntryId) -> Pupil:
        """A changed pupil as it is to be written, folded up to an entry."""
        pupil = self.pupils[key]
        pupil.folded = folded
        return pupil

    def checkpointed(self) -> None:
        """All changed pupils and the memory are written."""
        for key in self.changed:
            self.pupils[key].tally = {}
        self.changed.clear()

    def _register(self, entry: EntryId, batch: AttendanceBatch) -> None:
        tally = self.memory.tallies.setdefault(batch.source, {})
        outcomes = self.counts.outcomes
        name = None
        for event in batch.events:
            if event.school != name:
                name = event.school
                school = self._school_days(name)
                horizon = school.horizon
                pupils = self._schools.setdefault(name, {})
            pupil = pupils.get(event.pupil) or self._add(name, event.pupil, Pupil())
            if pupil.folded >= entry:
                continue
            outcome = register(pupil, event, school, horizon)
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
            tally[outcome] = tally.get(outcome, 0) + 1
            own = pupil.tally.get(batch.source)
            if own is None:  # the first since the checkpoint, or of another source
                self.changed.add(f"{name}/{event.pupil}")
                own = pupil.tally[batch.source] = {}
            own[outcome] = own.get(outcome, 0) + 1
            if outcome == "accepted":
                day = pupil.window.lessons[event.lesson].day
                self.counts.day_off += not school.calendar.is_school_day(day)

    def _enrol(self, entry: EntryId, record: PupilRecord) -> None:
        known = self._schools.setdefault(record.school, {}).get(record.pupil)
        pupil = known or self._add(record.school, record.pupil, Pupil())
        if pupil.folded < entry:
            enrol(pupil, record, self._time(record.school).closed)
            self.changed.add(f"{record.school}/{record.pupil}")

    def _close(self, entry: EntryId, message: DayClosed) -> Iterator[CaseStep]:
        time = self._time(message.school)
        newest = self.memory.calendar
        if not newest or not self.memory.rulebook:
            raise NothingInForceError(
                f"{message.school} closes {message.date}, but no "
                f"{'calendar' if not newest else 'rulebook'} has come; ingest sends both first"
            )
        if time.closed is not None and message.date <= time.closed:
            self.counts.closes["ignored"] += 1
            return
        if not self._calendar(newest).is_school_day(message.date):
            self.counts.closes["ignored"] += 1
            return
        self.counts.closes["judged"] += 1
        self._put_in_force(time, message.date)
        closing = self._day_close(time, message)
        yield from self._judge_all(entry, message.school, closing)
        time.closed = message.date
        if len(closing.calendar.window(closing.day)) % FORGET_EVERY == 0:
            self._forget(message.school, time, closing)

    def _judge_all(self, entry: EntryId, school: str, closing: DayClose) -> Iterator[CaseStep]:
        enough: Counter[frozenset[str]] = Counter()
        pupils = self._schools.get(school, {})
        for name in sorted(pupils):
            pupil = pupils[name]
            if pupil.folded >= entry:
                continue
            touched = bool(pupil.findings) or pupil.corrected is not None
            steps, judgement = close_day(pupil, name, closing)
            enough[judgement.enough] += 1
            if steps or touched:
                self.changed.add(f"{school}/{name}")
            yield from steps
        for rules, count in enough.items():
            for rule in closing.engine.rules.keys() - rules:
                self.counts.not_enough[rule] += count

    def _put_in_force(self, time: SchoolTime, day: date) -> None:
        if time.calendar != self.memory.calendar:
            time.calendar, time.calendar_since = self.memory.calendar, day
        if not time.rulebooks or time.rulebooks[-1].rulebook != self.memory.rulebook:
            time.rulebooks = [*time.rulebooks, InForce(day, self.memory.rulebook)]

    def _day_close(self, time: SchoolTime, message: DayClosed) -> DayClose:
        def cause(pupil: str) -> Cause:
            return Cause(message.school, pupil, message.date, message.history, self.memory.rulebook)

        def engine_on(day: date) -> Engine:
            in_force = [each for each in time.rulebooks if each.first <= day] or time.rulebooks[:1]
            return self._engine(in_force[-1].rulebook)

        def engine_before(rule: str) -> Engine | None:
            engines = (self._engine(each.rulebook) for each in reversed(time.rulebooks))
            return next((engine for engine in engines if rule in engine.rules), None)

        return DayClose(
            cause,
            self._calendar(time.calendar),
            time.calendar_since,
            message.date,
            self._engine(time.rulebooks[-1].rulebook),
            engine_on,
            engine_before,
        )

    def _forget(self, school: str, time: SchoolTime, closing: DayClose) -> None:
        """Now and then, by the calendar alone, so that a replay forgets at the same entries."""
        longest = max((key.days for key in closing.engine.figures), default=0)
        for name, pupil in self._schools.get(school, {}).items():
            forget(pupil, closing.calendar, closing.day, longest)
            self.changed.add(f"{school}/{name}")
        # Days are judged anew only as far back as a correction reaches.
        oldest = closing.calendar.horizon(closing.day, CORRECTION_DAYS) or date.min
        older = [each for each in time.rulebooks if each.first <= oldest]
        time.rulebooks = [*older[-1:], *(each for each in time.rulebooks if each.first > oldest)]
        self._drop_unused()

    def _drop_unused(self) -> None:
        times = self.memory.schools.values()
        rulebooks = {each.rulebook for time in times for each in time.rulebooks}
        rulebooks.add(self.memory.rulebook)
        calendars = {time.calendar for time in times} | {self.memory.calendar}
        for kept, wanted in (
            (self.memory.rulebooks, rulebooks),
            (self.memory.calendars, calendars),
        ):
            for version in kept.keys() - wanted:
                del kept[version]

    def _add(self, school: str, name: str, pupil: Pupil) -> Pupil:
        self.pupils[f"{school}/{name}"] = pupil
        self._schools.setdefault(school, {})[name] = pupil
        return pupil

    def _time(self, school: str) -> SchoolTime:
        time = self.memory.schools.get(school)
        if time is None:
            time = self.memory.schools[school] = SchoolTime()
        return time

    def _school_days(self, school: str) -> SchoolDays:
        time = self._time(school)
        version = time.calendar or self.memory.calendar
        if not version:
            raise NothingInForceError(
                f"registrations of {school} came before any calendar; ingest sends that first"
            )
        return SchoolDays(self._calendar(version), time.closed)

    def _calendar(self, version: str) -> SchoolCalendar:
        found = self._calendars.get(version)
        if found is None:
            content = self.memory.calendars[version]
            found = self._calendars[version] = SchoolCalendar.model_validate_json(content)
        return found

    def _engine(self, version: str) -> Engine:
        found = self._engines.get(version)
        if found is None:
            content = self.memory.rulebooks[version]
            found = self._engines[version] = Engine(Rulebook.model_validate_json(content))
        return found


class NothingInForceError(RuntimeError):
    """School time or registrations came before the calendar or rulebook that they are read by."""


def restore(memory: Memory, pupils: Iterable[tuple[str, Pupil]], checkpoint: EntryId) -> Partition:
    """The partition as of its checkpoint, with pupils that a cut-short checkpoint wrote ahead.

    Their tallies since the checkpoint are added here, since the replay will skip them.
    """
    held: dict[str, Pupil] = {}
    for key, pupil in pupils:
        held[key] = pupil
        if pupil.folded <= checkpoint:
            pupil.tally = {}
        for source, outcomes in pupil.tally.items():
            total = memory.tallies.setdefault(source, {})
            for outcome, count in outcomes.items():
                total[outcome] = total.get(outcome, 0) + count
    partition = Partition(memory, held)
    partition.changed = {key for key, pupil in held.items() if pupil.folded > checkpoint}
    partition.ahead = max((pupil.folded for pupil in held.values()), default=checkpoint)
    return partition


def _json(content: dict[str, object]) -> str:
    return msgspec.json.encode(content).decode()
