"""One partition: folds the entries of its stream, in order, into pupils and steps.

The fold is deterministic: time, calendar and rulebook changes are entries like any other, so
that reading the same entries again gives the same pupils and the same steps. A pupil whose
record is already ahead of an entry skips it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from typing import NamedTuple

import msgspec

from services.rules import units
from services.rules.closes import Closed, SchoolClose, close_together, judge_early
from services.rules.closing import DayClose
from services.rules.judges import Judges
from services.rules.pupil import CORRECTION_DAYS, Pupil, answer, register, tell
from services.rules.reading import QuickBatch
from services.rules.school import School
from services.rules.units import Units
from shared.calendar import SchoolCalendar
from shared.events import (
    AttendanceBatch,
    CalendarChanged,
    CaseAnswer,
    CaseMessage,
    CaseTold,
    DayClosed,
    Fact,
    PupilRecord,
    RulebookChanged,
    SchoolLive,
    TimeReached,
    UnitsCounted,
)
from shared.rulebook import Rulebook

EntryId = tuple[int, int]
Message = Fact | QuickBatch

JudgesKnown = dict[tuple[str, str], Judges]
"""By school (empty: all without rules of their own) and the rulebook's version."""

_MOST_CLOSES = 20
"""Schools that close together: with 50 pupils of each some 40 MB of figures late in the year."""

FORGET_EVERY = 10
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
    missed: list[date] = []
    """School days that nobody closed, as far back as a correction reaches."""


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
    units: dict[str, Units] = {}
    """Of the schools whose units are judged here."""


@dataclass
class Counts:
    """What a fold did, for the metrics."""

    outcomes: dict[str, int] = field(default_factory=dict)
    closes: Counter[str] = field(default_factory=Counter)
    not_enough: Counter[str] = field(default_factory=Counter)
    day_off: int = 0


class Folded(NamedTuple):
    """What came of an entry, in a repeatable order."""

    messages: list[CaseMessage]
    """For the case steps."""
    counted: UnitsCounted | None = None
    """For the partition that judges the school's units."""


class Partition:
    """The pupils of one partition and what they are judged by."""

    def __init__(
        self,
        memory: Memory | None = None,
        *,
        number: int = 0,
        partitions: int = 1,
        judges: JudgesKnown | None = None,
    ) -> None:
        self.memory = memory or Memory()
        self.schools: dict[str, School] = {}
        self.changed: set[tuple[str, str]] = set()
        """School and pupil of those changed since the last checkpoint."""
        self.ahead: EntryId = (0, 0)
        """The newest entry that a pupil is folded up to; a checkpoint before it would make the
        pupil forget that, and fold again what it has seen."""
        self.counts = Counts()
        self._restored: dict[str, list[tuple[str, Pupil]]] = defaultdict(list)
        """Pupils whom a first checkpoint, cut short, wrote ahead of the calendar they came by."""
        self._number = number
        self._partitions = partitions
        self._calendars: dict[str, SchoolCalendar] = {}
        self._rulebooks: dict[str, Rulebook] = {}
        # What one partition of a process has asked the matcher, the others need not ask again.
        self._judges: JudgesKnown = {} if judges is None else judges

    @property
    def pupils(self) -> int:
        """How many there are."""
        waiting = sum(map(len, self._restored.values()))
        return waiting + sum(len(school.pupils) for school in self.schools.values())

    def take_counts(self) -> Counts:
        counts, self.counts = self.counts, Counts()
        return counts

    def fold_together(self, entries: Sequence[tuple[EntryId, Message]]) -> list[Folded]:
        """Fold entries as `together` puts them."""
        closes = [(entry, fact) for entry, fact in entries if isinstance(fact, DayClosed)]
        if len(closes) == len(entries):
            return self._close(closes)
        return [self.fold(entry, message) for entry, message in entries]

    def fold(self, entry: EntryId, message: Message) -> Folded:
        """Fold one entry."""
        match message:
            case AttendanceBatch() | QuickBatch():
                return Folded(list(self._register(entry, message)))
            case DayClosed():
                return self._close([(entry, message)])[0]
            case UnitsCounted():
                return Folded(list(self._judge_units(message)))
            case PupilRecord() | CaseTold() | CaseAnswer():
                self._hear(entry, message)
            case TimeReached() | SchoolLive():
                return Folded([message])
            case RulebookChanged():
                self.memory.rulebook = message.version
                self.memory.rulebooks[message.version] = _json(message.content)
            case CalendarChanged():
                self.memory.calendar = message.version
                self.memory.calendars[message.version] = _json(message.content)
        return Folded([])

    def on_day(self, school: str, day: date) -> DayClose | None:
        """What a school's day is judged by as of its newest close; None: it has closed none."""
        time = self.memory.schools.get(school)
        if time is None or time.closed is None:
            return None
        return self._day_close(school, time, day, history=False)

    def record(self, key: tuple[str, str], folded: EntryId) -> Pupil:
        """A changed pupil as it is to be written, folded up to an entry."""
        school, name = key
        pupil = self._school(school).record(name)
        pupil.folded = folded
        return pupil

    def restore(self, pupils: Iterable[tuple[str, Pupil]], checkpoint: EntryId) -> None:
        """Take in pupils, by `school/pupil`, as of a checkpoint.

        Those that a cut-short checkpoint wrote ahead of it are skipped by the replay; their
        tallies since are added here.
        """
        self.ahead = checkpoint
        for key, pupil in pupils:
            school, _, name = key.partition("/")
            self._restored[school].append((name, pupil))
            if pupil.folded <= checkpoint:
                pupil.tally = {}
                continue
            self.ahead = max(self.ahead, pupil.folded)
            self.changed.add((school, name))
            for source, outcomes in pupil.tally.items():
                total = self.memory.tallies.setdefault(source, {})
                for outcome, count in outcomes.items():
                    total[outcome] = total.get(outcome, 0) + count
        for school in list(self._restored) if self.memory.calendar else ():
            self._school(school)

    def checkpointed(self) -> None:
        """All changed pupils and the memory are written."""
        for school, name in self.changed:
            self._school(school).pupils[name].tally = {}
        self.changed.clear()

    def _register(
        self, entry: EntryId, batch: AttendanceBatch | QuickBatch
    ) -> Iterator[CaseMessage]:
        source, live, changed = batch.source, not batch.history, self.changed
        met: dict[str, int] = defaultdict(int)
        fresh: dict[str, set[str]] = {}
        name = None
        for event in batch.events:
            if event.school != name:
                name = event.school
                school = self._school(name)
                pupils, days, book, registers = school.intake
                accepted = fresh.setdefault(name, set())
            who = event.pupil
            pupil = pupils.get(who) or school.pupil(who)
            if pupil.folded >= entry:
                continue
            outcome = register(pupil, event, days, book, registers)
            met[outcome] += 1
            own = pupil.tally.get(source)
            if own is None:  # the first since the checkpoint, or of another source
                changed.add((name, who))
                own = pupil.tally[source] = {}
            own[outcome] = own.get(outcome, 0) + 1
            if outcome == "accepted":
                if live:
                    accepted.add(who)
                if pupil.lessons[event.lesson].day not in days.school_days:
                    self.counts.day_off += 1
        for counts in (self.counts.outcomes, self.memory.tallies.setdefault(source, {})):
            for each, count in met.items():
                counts[each] = counts.get(each, 0) + count
        if live:
            for name, accepted in fresh.items():
                yield from self._judge_early(name, accepted)

    def _judge_early(self, name: str, pupils: Iterable[str]) -> Iterator[CaseMessage]:
        """Rules that don't wait for the close, as of the school day that is open now."""
        time = self._time(name)
        if time.closed is None or not self._judges_of(name, time.rulebooks[-1]).early.rules:
            return
        day = self._calendar(time.calendar).after(time.closed, 1)
        if day is None or not pupils:
            return
        at = self._day_close(name, time, day, history=False)
        closed = judge_early(self._school(name), at, sorted(pupils))
        self._touch(name, closed)
        yield from closed.steps

    def _hear(self, entry: EntryId, message: PupilRecord | CaseTold | CaseAnswer) -> None:
        school = self._school(message.school)
        pupil = school.pupil(message.pupil)
        if pupil.folded >= entry:
            return
        match message:
            case PupilRecord():
                school.enrol(pupil, message)
            case CaseTold():
                tell(pupil, message, school.days)
            case CaseAnswer():
                answer(pupil, message, school.days)
        self.changed.add((message.school, message.pupil))

    def _close(self, closes: Sequence[tuple[EntryId, DayClosed]]) -> list[Folded]:
        """Close days of different schools: those that close the same day are judged together."""
        begun = [self._begin(entry, message) for entry, message in closes]
        together: dict[tuple[date, str, Judges], list[int]] = defaultdict(list)
        for place, close in enumerate(begun):
            if close is not None:
                at = close.at
                together[at.day, self._time(close.school.name).calendar, at.judges].append(place)
        folded = [Folded([])] * len(closes)
        for places in together.values():
            group = [close for place in places if (close := begun[place]) is not None]
            for place, close, closed in zip(places, group, close_together(group), strict=True):
                entry, message = closes[place]
                folded[place] = self._end(entry, message, close, closed)
        return folded

    def _begin(self, entry: EntryId, message: DayClosed) -> SchoolClose | None:
        """Put in force what the day is judged by; None: it has been closed, or is a day off."""
        time = self._time(message.school)
        newest = self.memory.calendar
        if not newest or not self.memory.rulebook:
            raise NothingInForceError(
                f"{message.school} closes {message.date}, but no "
                f"{'calendar' if not newest else 'rulebook'} has come; ingest sends both first"
            )
        late = time.closed is not None and message.date <= time.closed
        if late or not self._calendar(newest).is_school_day(message.date):
            self.counts.closes["ignored"] += 1
            return None
        self.counts.closes["judged"] += 1
        self._put_in_force(time, message.date)
        calendar = self._calendar(time.calendar)
        if time.closed is not None:
            between = calendar.between(time.closed, message.date)
            time.missed += [day for day in between if time.closed < day < message.date]
        school = self._school(message.school)
        school.turn(calendar, time.closed)
        at = self._day_close(message.school, time, message.date, history=message.history)
        names = sorted(name for name, each in school.pupils.items() if each.folded < entry)
        return SchoolClose(school, at, names)

    def _end(
        self, entry: EntryId, message: DayClosed, close: SchoolClose, closed: Closed
    ) -> Folded:
        """What a school's judged day leaves behind."""
        school, at = close.school, close.at
        self._touch(school.name, closed)
        for enough, count in Counter(each.enough for each in closed.judged).items():
            for rule in at.judges.plain.rules.keys() - enough:
                self.counts.not_enough[rule] += count
        # Until the replay is past what a pupil has seen, it is not known what was told of units.
        cells, whole = school.count_units(at, known=entry > self.ahead)
        counted = UnitsCounted(
            school=school.name,
            date=at.day,
            history=at.history,
            partition=self._number,
            whole=whole,
            cells=cells,
        )
        time = self._time(school.name)
        time.closed = message.date
        school.turn(at.calendar, time.closed)
        if len(at.calendar.window(at.day)) % FORGET_EVERY == 0:
            self._forget(school.name, time, at)
        return Folded(list(closed.steps), counted)

    def _judge_units(self, message: UnitsCounted) -> Iterator[CaseMessage]:
        known = self.memory.units.setdefault(message.school, Units())
        time = self._time(message.school)
        for messages in units.gather(known, message, self._partitions):
            first = messages[0]
            at = self._day_close(message.school, time, first.date, history=first.history)
            yield from units.judge(known, message.school, messages, at)

    def _touch(self, school: str, closed: Closed) -> None:
        self.changed.update((school, name) for name in closed.touched)

    def _put_in_force(self, time: SchoolTime, day: date) -> None:
        if time.calendar != self.memory.calendar:
            time.calendar, time.calendar_since = self.memory.calendar, day
        if not time.rulebooks or time.rulebooks[-1].rulebook != self.memory.rulebook:
            time.rulebooks = [*time.rulebooks, InForce(day, self.memory.rulebook)]

    def _day_close(self, school: str, time: SchoolTime, day: date, *, history: bool) -> DayClose:
        def in_force(on: date) -> InForce:
            older = [each for each in time.rulebooks if each.first <= on] or time.rulebooks[:1]
            return older[-1]

        @cache
        def judges_on(on: date) -> Judges:
            return self._judges_of(school, in_force(on))

        def judges_before(rule: str) -> Judges | None:
            known = (self._judges_of(school, each) for each in reversed(time.rulebooks))
            return next((judges for judges in known if rule in judges.rules), None)

        return DayClose(
            day,
            history,
            in_force(day).rulebook,
            self._calendar(time.calendar),
            time.calendar_since,
            frozenset(time.missed),
            judges_on(day),
            judges_on,
            judges_before,
        )

    def _forget(self, school: str, time: SchoolTime, at: DayClose) -> None:
        """Now and then, by the calendar alone, so that a replay forgets at the same entries.

        Lessons that can still be corrected stay whole; of older ones those that evidence may
        list, and the sums of days, stay from the start of the school year in which a correction
        can still fall: a finding of last year may stand when a changed calendar took its last
        school day away.
        """
        oldest = at.calendar.horizon(at.day, CORRECTION_DAYS)
        if oldest is None:
            return
        kept = at.calendar.year_start(oldest) or oldest
        self.schools[school].forget(oldest.toordinal(), kept.toordinal())
        self.changed.update((school, name) for name in self.schools[school].pupils)
        # Days are judged anew only as far back as a correction reaches.
        time.missed = [day for day in time.missed if day >= oldest]
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

    def _school(self, name: str) -> School:
        found = self.schools.get(name)
        if found is None:
            time = self._time(name)
            version = time.calendar or self.memory.calendar
            if not version:
                raise NothingInForceError(
                    f"registrations of {name} came before any calendar; ingest sends that first"
                )
            found = self.schools[name] = School(name, self._calendar(version), time.closed)
            for pupil, known in self._restored.pop(name, ()):
                found.add(pupil, known)
        return found

    def _time(self, school: str) -> SchoolTime:
        time = self.memory.schools.get(school)
        if time is None:
            time = self.memory.schools[school] = SchoolTime()
        return time

    def _calendar(self, version: str) -> SchoolCalendar:
        found = self._calendars.get(version)
        if found is None:
            content = self.memory.calendars[version]
            found = self._calendars[version] = SchoolCalendar.model_validate_json(content)
        return found

    def _judges_of(self, school: str, at: InForce) -> Judges:
        key = (school, at.rulebook)
        found = self._judges.get(key)
        if found is None:
            rulebook = self._rulebooks.get(at.rulebook)
            if rulebook is None:
                content = self.memory.rulebooks[at.rulebook]
                rulebook = self._rulebooks[at.rulebook] = Rulebook.model_validate_json(content)
            own = rulebook.for_school(school)
            # Schools without rules of their own share one, and what it remembers.
            shared = ("", at.rulebook)
            if own is rulebook:
                found = self._judges[key] = self._judges.setdefault(shared, Judges(own))
            else:
                found = self._judges[key] = Judges(own)
        return found


def together(entries: Iterable[tuple[EntryId, Message]]) -> Iterator[list[tuple[EntryId, Message]]]:
    """Entries in their order, by what is folded at one go.

    Day closes of different schools that follow on each other, as they do at the hour at which
    schools close, come to the same together as one by one, and cost less.
    """
    closes: dict[str, tuple[EntryId, Message]] = {}
    for entry, message in entries:
        school = message.school if isinstance(message, DayClosed) else None
        if closes and (school is None or school in closes or len(closes) >= _MOST_CLOSES):
            yield list(closes.values())
            closes = {}
        if school is None:
            yield [(entry, message)]
        else:
            closes[school] = (entry, message)
    if closes:
        yield list(closes.values())


class NothingInForceError(RuntimeError):
    """School time or registrations came before the calendar or rulebook that they are read by."""


def _json(content: dict[str, object]) -> str:
    return msgspec.json.encode(content).decode()
