"""A school's classes and groups: counted in each partition, judged in one (P19, P20).

At each close every partition says what it counts of the school's units, all that changed since
it last did; the partition that the school's own name belongs to gathers these, and judges when
all have come. A count that comes twice replaces itself, so sending again after a crash is
harmless. See docs/decisions/0009-units-are-counted-everywhere-and-judged-in-one-place.md.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from functools import cached_property
from typing import NamedTuple

import msgspec
import numpy as np

from services.rules.case import Change, Finding, Today, close, end
from services.rules.closing import DayClose
from services.rules.engine import Engine, Judgement, Pair
from services.rules.evidence import Cause, Seen, step_of
from services.rules.indicators import Figures, Numbers, ratio
from services.rules.pupil import CORRECTION_DAYS
from shared.calendar import SchoolCalendar
from shared.events import CaseStep, UnitCell, UnitsCounted
from shared.indicators import INDICATORS, FigureKey
from shared.rulebook import Rule

SCHOOL = "school"
_FEWEST_DAYS = 10
"""Days with a share that a class's median is made of, at least."""

Counts = dict[int, dict[int, tuple[int, int]]]
"""Of one unit, by date (ordinal) and partition: of how many, and how many of them."""

Count = tuple[str, int, int, int]
"""A unit and a date (ordinal), of how many, and how many of them."""


class Counted(msgspec.Struct, frozen=True, array_like=True):
    """What one partition counted at a close, as it is kept until all have."""

    whole: date | None
    date: date
    history: bool
    partition: int
    cells: tuple[UnitCell, ...]


class Units(msgspec.Struct, dict=True):
    """All that is kept of a school's units; part of each checkpoint."""

    arrived: dict[int, dict[int, Counted]] = {}
    """By the ordinal of a close and partition, what has come until all have."""
    closed: int = 0
    """The newest close that all have told of, as an ordinal."""
    judged: int = 0
    """The newest close that was judged."""
    counts: dict[str, Counts] = {}
    """`class/…` and `group/…`; `group/` alone for lessons of no group."""
    findings: dict[str, dict[str, Finding]] = {}

    @cached_property
    def sums(self) -> "Sums":
        """The counts added up; not kept, since they are added up again after a start."""
        return Sums(
            (unit, day, of, hits)
            for unit, counts in self.counts.items()
            for day, parts in counts.items()
            for of, hits in parts.values()
        )


def gather(units: Units, message: UnitsCounted, partitions: int) -> list[list[Counted]]:
    """Take in what one partition counted; gives the closes for which all have come, in order."""
    day = message.date.toordinal()
    if day > units.closed:
        arrived = units.arrived.setdefault(day, {})
        counted = Counted(
            message.whole, message.date, message.history, message.partition, message.cells
        )
        arrived.setdefault(message.partition, counted)
    ready: list[list[Counted]] = []
    for day in sorted(units.arrived):
        if len(units.arrived[day]) < partitions:
            break
        ready.append(list(units.arrived.pop(day).values()))
        units.closed = day
    return ready


class _Unit(NamedTuple):
    """One unit at one close."""

    units: Units
    school: str
    name: str
    at: DayClose
    corrected: int
    """The earliest earlier day of which a count of it changed since the last close; 0: none."""

    def judgement(self, day: date, engine: Engine) -> Judgement:
        (found,) = _judge_all(self.units, [self.name], day, self.at.calendar, engine)
        return found


def judge(
    units: Units, school: str, messages: Iterable[Counted], at: DayClose
) -> Iterator[CaseStep]:
    """Judge every rule for every unit of the school, with the counts of one close."""
    sums = units.sums  # as they were before
    changes = [change for each in messages for change in _take_in(units, each)]
    sums.add(changes)
    corrected: dict[str, int] = {}
    for unit, day, _, _ in changes:
        if day <= units.judged:
            corrected[unit] = min(day, corrected.get(unit, day))
    of_groups = [day for unit, day in corrected.items() if unit.startswith("group/")]
    corrected[SCHOOL] = min(of_groups, default=0)
    units.judged = at.day.toordinal()
    names = sorted((units.counts.keys() | units.findings.keys() | {SCHOOL}) - {"group/"})
    judgements = _judge_all(units, names, at.day, at.calendar, at.judges.units)
    for name, judgement in zip(names, judgements, strict=True):
        if judgement.levels or name in units.findings:
            one = _Unit(units, school, name, at, corrected.get(name, 0))
            for rule, change in _decide(one, judgement):
                yield from _step(one, rule, change)
    oldest = at.calendar.year_start(at.calendar.horizon(at.day, CORRECTION_DAYS) or at.day)
    if oldest is not None:
        _forget(units, oldest.toordinal())


def _take_in(units: Units, message: Counted) -> list[Count]:
    """Put the counts in their places; gives those that changed, and by how much."""
    partition = message.partition
    told = {
        (f"{kind}/{name}", day.toordinal()): (of, hits)
        for kind, name, day, of, hits in message.cells
    }
    if message.whole is not None:
        first, last = message.whole.toordinal(), message.date.toordinal()
        told = {
            (unit, day): (0, 0)
            for unit, counts in units.counts.items()
            for day, of_day in counts.items()
            if first <= day <= last and partition in of_day
        } | told
    changes: list[Count] = []
    for (unit, day), now in told.items():
        of_unit = units.counts.setdefault(unit, {})
        of_day = of_unit.setdefault(day, {})
        before = of_day.pop(partition, (0, 0))
        if now != before:
            changes.append((unit, day, now[0] - before[0], now[1] - before[1]))
        if now != (0, 0):
            of_day[partition] = now
        if not of_day:
            del of_unit[day]
        if not of_unit:
            del units.counts[unit]
    return changes


def _decide(unit: _Unit, today: Judgement) -> list[tuple[str, Change]]:
    """The life of each finding of one unit."""
    at = unit.at
    standing = unit.units.findings.pop(unit.name, {})
    changes: list[tuple[str, Change]] = []
    engine = at.judges.units
    mine = {name for name, rule in engine.rules.items() if _is_of(rule, unit.name)}
    for gone in sorted(standing.keys() - mine):
        changes += [(gone, change) for change in end(standing.pop(gone), at.day)]
    for rule_id in (name for name in engine.rules if name in mine):
        before = standing.pop(rule_id, None)
        if before is None and rule_id not in today.levels:
            continue
        now = Today(
            at.day,
            today.level(rule_id),
            today.quiet(rule_id),
            engine.clear_after[rule_id],
            at.calendar.ends_school_year(at.day),
        )
        anew = None
        if before is not None and unit.corrected:
            anew = _anew(unit, rule_id, before)
        after, made, _ = close(before, now, anew)
        changes += [(rule_id, change) for change in made]
        if after is not None:
            standing[rule_id] = after
    if standing:
        unit.units.findings[unit.name] = standing
    return changes


def _anew(unit: _Unit, rule: str, finding: Finding) -> dict[int, int]:
    """The level of each school day of what stands, as it is known now."""
    at = unit.at
    oldest = at.calendar.horizon(at.day, CORRECTION_DAYS) or date.min
    first = date.fromordinal(unit.corrected)
    if at.calendar_since > finding.since:
        first = finding.since
    levels: dict[int, int] = {}
    for day in at.calendar.between(finding.since, at.day):
        level: int | None = None
        if day >= oldest and (day >= first or day in at.missed):
            judges = at.judges if day == at.day else at.judges_on(day)
            level = unit.judgement(day, judges.units).level(rule)
        ordinal = day.toordinal()
        levels[ordinal] = finding.levels.get(ordinal, 0) if level is None else level
    return levels


def _step(unit: _Unit, rule_id: str, change: Change) -> Iterator[CaseStep]:
    at = unit.at
    rule, judges = at.rule_and_judges(rule_id, change.decided_on)
    if rule is None or judges is None:
        return

    def pair(key: FigureKey) -> Pair | None:
        if key.indicator not in INDICATORS:
            return None
        return figure(unit.units, unit.name, key, change.decided_on, at.calendar)

    judgement = unit.judgement(change.decided_on, judges.units)
    cause = Cause(unit.school, "", unit.name, at.day, at.history, at.rulebook)
    yield step_of(cause, change, rule, judges.units, Seen(pair, judgement, at.calendar))


def _is_of(rule: Rule, unit: str) -> bool:
    return unit.partition("/")[0] in rule.units


def _judge_all(
    units: Units, names: Sequence[str], day: date, calendar: SchoolCalendar, engine: Engine
) -> list[Judgement]:
    sums = units.sums
    rows = sums.rows(names)
    figures = {key: _figures(sums, rows, key, day, calendar) for key in engine.figures}
    return engine.judge_all(figures, len(names))


def _forget(units: Units, oldest: int) -> None:
    if units.sums.first >= oldest:
        return
    for unit, counts in list(units.counts.items()):
        for day in [each for each in counts if each < oldest]:
            del counts[day]
        if not counts:
            del units.counts[unit]
    del units.sums


# -- figures of units


class Sums:
    """What all partitions count of a school's units, added up.

    As arrays, so that a figure of all units is one sum over some dates; the school is a unit, of
    which all that is counted of groups is counted.
    """

    def __init__(self, counts: Iterable[Count]) -> None:
        self._rows = {SCHOOL: 0}
        self._cells = np.zeros((2, 1, 0), np.int32)
        """Of how many, and how many of them; by unit; by date."""
        self.first = 0
        """The date of the first column, as an ordinal."""
        self.of_class = np.array([False])
        """By row, whether the unit is a class."""
        self.add(list(counts))

    def add(self, counts: Sequence[Count]) -> None:
        """So much more is counted now; less is negative."""
        if not counts:
            return
        units, days, of, hits = zip(*counts, strict=True)
        rows = self.rows(units)
        self._reach(min(days), max(days))
        columns = np.array(days) - self.first
        groups = ~self.of_class[rows]
        for cells, more in zip(self._cells, np.array((of, hits), np.int32), strict=True):
            np.add.at(cells, (rows, columns), more)
            np.add.at(cells[self._rows[SCHOOL]], columns[groups], more[groups])

    def rows(self, units: Iterable[str]) -> Numbers:
        """Where units are found; of one that is new nothing is counted yet."""
        known = self._rows
        found = np.array([known.setdefault(unit, len(known)) for unit in units])
        new = len(known) - len(self.of_class)
        if new:
            self._cells = np.pad(self._cells, ((0, 0), (0, new), (0, 0)))
            self.of_class = np.array([unit.startswith("class/") for unit in known])
        return found

    def between(self, rows: Numbers, first: int, last: int) -> tuple[Numbers, Numbers]:
        """Of each unit, in all from one date to another: of how many, and how many of them."""
        begin, end = max(0, first - self.first), max(0, last + 1 - self.first)
        of, hits = self._cells[:, rows, begin:end].sum(axis=2, dtype=np.int64)
        return of, hits

    def on(self, rows: Numbers, days: Iterable[date]) -> tuple[Numbers, Numbers]:
        """The same of single dates, those left out that lie beyond all counts; units by dates."""
        columns = [day.toordinal() - self.first for day in days]
        columns = [each for each in columns if 0 <= each < self._cells.shape[2]]
        of, hits = self._cells[:, rows][:, :, columns].astype(np.int64)
        return of, hits

    def _reach(self, first: int, last: int) -> None:
        """Make columns for dates that have none."""
        width = self._cells.shape[2]
        self.first = self.first if width else first
        before, after = max(0, self.first - first), max(0, last + 1 - self.first - width)
        if before or after:
            self._cells = np.pad(self._cells, ((0, 0), (0, 0), (before, after)))
            self.first -= before


def figure(
    units: Units, unit: str, key: FigureKey, day: date, calendar: SchoolCalendar
) -> Pair | None:
    """A unit's figure as of a day; None: nothing to measure, or not of this kind of unit."""
    ((over,), (under,)) = _figures(units.sums, units.sums.rows([unit]), key, day, calendar)
    return (int(over), int(under)) if under else None


def _figures(
    sums: Sums, rows: Numbers, key: FigureKey, day: date, calendar: SchoolCalendar
) -> Figures:
    """The same of several units; without a value where there is none."""
    fitting = sums.of_class[rows] == key.indicator.startswith("class_")
    asked = rows[fitting]
    if key.indicator == "class_newly_absent":
        of, hits = sums.between(asked, day.toordinal(), day.toordinal())
        found = Figures(hits, of)
    elif key.indicator == "class_newly_absent_ratio":
        found = _beside_median(sums, asked, day, calendar.window(day, int(key.days) + 1)[:-1])
    else:
        of, unreported = sums.between(asked, *_span(day, int(key.days), calendar))
        if key.indicator == "unregistered_lessons":
            found = Figures(unreported, np.ones_like(of))
        else:
            found = Figures(of - unreported, of)
    over, under = np.zeros((2, len(rows)), np.int64)
    over[fitting], under[fitting] = found
    return Figures(over, under)


def _beside_median(sums: Sums, rows: Numbers, day: date, before: Iterable[date]) -> Figures:
    """Shares of a day over the medians of shares of days before, exactly."""
    now_of, now = sums.between(rows, day.toordinal(), day.toordinal())
    of, hits = sums.on(rows, before)
    known = np.count_nonzero(of, axis=1)
    enough = known >= _FEWEST_DAYS
    if not enough.any():
        return Figures(now, np.zeros_like(now))
    # Equal fractions are equal floats, and different ones keep their order: both are small.
    shares = np.divide(hits, of, out=np.full(of.shape, np.inf), where=of > 0)
    order, each = np.argsort(shares, axis=1), np.arange(len(rows))
    one, other = order[each, (known - 1) // 2], order[each, known // 2]
    usual = hits[each, one] * of[each, other] + hits[each, other] * of[each, one]
    usual_of = 2 * of[each, one] * of[each, other]
    found = ratio(now * usual_of, now_of * usual)
    return Figures(found.over, np.where(enough, found.under, 0))


def _span(day: date, days: int, calendar: SchoolCalendar) -> tuple[int, int]:
    """The first and last date on which lessons came due since the close `days` closes ago."""
    window = calendar.window(day, days + 1)
    if not window:
        return 1, 0
    first = window[0].toordinal()
    return (first + 1 if len(window) > days else first), day.toordinal()
