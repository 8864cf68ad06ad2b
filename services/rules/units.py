"""A school's classes and groups: counted in each partition, judged in one (P19, P20).

At each close every partition says what it counts of the school's units, all that changed since
it last did; the partition that the school's own name belongs to gathers these, and judges when
all have come. A count that comes twice replaces itself, so sending again after a crash is
harmless. See docs/decisions/0009-units-are-counted-everywhere-and-judged-in-one-place.md.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from fractions import Fraction
from typing import NamedTuple

import msgspec
import numpy as np

from services.rules.case import Change, Finding, Today, close, end
from services.rules.closing import DayClose
from services.rules.engine import Engine, Judgement, Pair
from services.rules.evidence import Cause, Seen, step_of
from services.rules.indicators import Figures, ratio
from services.rules.pupil import CORRECTION_DAYS
from shared.calendar import SchoolCalendar
from shared.events import CaseStep, UnitsCounted
from shared.indicators import INDICATORS, FigureKey
from shared.rulebook import Rule

SCHOOL = "school"
_FEWEST_DAYS = 10
"""Days with a share that a class's median is made of, at least."""

Counts = dict[int, dict[int, tuple[int, int]]]
"""Of one unit, by date (ordinal) and partition: of how many, and how many of them."""


class Units(msgspec.Struct):
    """All that is kept of a school's units; part of each checkpoint."""

    arrived: dict[int, dict[int, str]] = {}
    """By the ordinal of a close and partition, what has come until all have: messages as JSON."""
    closed: int = 0
    """The newest close that all have told of, as an ordinal."""
    judged: int = 0
    """The newest close that was judged."""
    counts: dict[str, Counts] = {}
    """`class/…` and `group/…`; `group/` alone for lessons of no group."""
    findings: dict[str, dict[str, Finding]] = {}


def gather(units: Units, message: UnitsCounted, partitions: int) -> list[list[UnitsCounted]]:
    """Take in what one partition counted; gives the closes for which all have come, in order."""
    day = message.date.toordinal()
    if day > units.closed:
        arrived = units.arrived.setdefault(day, {})
        arrived.setdefault(message.partition, message.model_dump_json())
    ready: list[list[UnitsCounted]] = []
    for day in sorted(units.arrived):
        if len(units.arrived[day]) < partitions:
            break
        whole = units.arrived.pop(day)
        ready.append([UnitsCounted.model_validate_json(each) for each in whole.values()])
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
    units: Units, school: str, messages: Iterable[UnitsCounted], at: DayClose
) -> Iterator[CaseStep]:
    """Judge every rule for every unit of the school, with the counts of one close."""
    corrected: dict[str, int] = {}
    for unit, day in sorted(place for each in messages for place in _take_in(units, each)):
        if day <= units.judged:
            corrected.setdefault(unit, day)
    of_groups = [day for unit, day in corrected.items() if unit.startswith("group/")]
    corrected[SCHOOL] = min(of_groups, default=0)
    units.judged = at.day.toordinal()
    named = {unit for unit, counts in units.counts.items() if counts and unit != "group/"}
    named |= units.findings.keys()
    names = sorted(named | {SCHOOL})
    judgements = _judge_all(units, names, at.day, at.calendar, at.judges.units)
    for name, judgement in zip(names, judgements, strict=True):
        if judgement.levels or name in units.findings:
            one = _Unit(units, school, name, at, corrected.get(name, 0))
            for rule, change in _decide(one, judgement):
                yield from _step(one, rule, change)
    oldest = at.calendar.year_start(at.calendar.horizon(at.day, CORRECTION_DAYS) or at.day)
    if oldest is not None:
        _forget(units, oldest.toordinal())


def _take_in(units: Units, message: UnitsCounted) -> set[tuple[str, int]]:
    """Put the counts in their places; gives the units and days of those that changed."""
    told = {
        (f"{cell.kind}/{cell.unit}", cell.date.toordinal()): (cell.of, cell.hits)
        for cell in message.cells
    }
    if message.whole is not None:
        first, last = message.whole.toordinal(), message.date.toordinal()
        told = {
            (unit, day): (0, 0)
            for unit, counts in units.counts.items()
            for day, of_day in counts.items()
            if first <= day <= last and message.partition in of_day
        } | told
    changed: set[tuple[str, int]] = set()
    for (unit, day), now in told.items():
        of_unit = units.counts.setdefault(unit, {})
        of_day = of_unit.setdefault(day, {})
        if of_day.get(message.partition, (0, 0)) != now:
            changed.add((unit, day))
        if now == (0, 0):
            of_day.pop(message.partition, None)
        else:
            of_day[message.partition] = now
        if not of_day:
            del of_unit[day]
    return changed


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
    figures: dict[FigureKey, Figures] = {}
    for key in engine.figures:
        pairs = [figure(units, unit, key, day, calendar) or (0, 0) for unit in names]
        over, under = np.array(pairs, np.int64).T
        figures[key] = Figures(over, under)
    return engine.judge_all(figures, len(names))


# -- figures of units


def figure(
    units: Units, unit: str, key: FigureKey, day: date, calendar: SchoolCalendar
) -> Pair | None:
    """A unit's figure as of a day; None: nothing to measure, or not of this kind of unit."""
    if unit.startswith("class/") != key.indicator.startswith("class_"):
        return None
    if key.indicator == "class_newly_absent":
        return _some(_on(units.counts.get(unit, {}), day.toordinal()))
    if key.indicator == "class_newly_absent_ratio":
        return _beside_median(units, unit, day, calendar.window(day, int(key.days) + 1)[:-1])
    unreported, of = _came_due(units, unit, *_span(day, int(key.days), calendar))
    if key.indicator == "unregistered_lessons":
        return unreported, 1
    return _some((of - unreported, of))


def _beside_median(units: Units, unit: str, day: date, before: tuple[date, ...]) -> Pair | None:
    counts = units.counts.get(unit, {})
    hits, of = _on(counts, day.toordinal())
    known = [_on(counts, each.toordinal()) for each in before]
    # Equal fractions are equal floats, and different ones keep their order: both are small.
    shares = sorted((over / under, over, under) for over, under in known if under)
    if not of or len(shares) < _FEWEST_DAYS:
        return None
    middle = {(len(shares) - 1) // 2, len(shares) // 2}
    total = sum((Fraction(*shares[place][1:]) for place in middle), Fraction(0))
    usual = total / len(middle)
    found = ratio(np.array([hits * usual.denominator]), np.array([of * usual.numerator]))
    return (int(found.over[0]), int(found.under[0])) if found.under[0] else None


def _came_due(units: Units, unit: str, first: int, last: int) -> tuple[int, int]:
    """Of a group, or of all of a school, lessons that came due and those of them unreported."""
    names = [unit]
    if unit == SCHOOL:
        names = [name for name in units.counts if name.startswith("group/")]
    hits = of = 0
    for name in names:
        counts = units.counts.get(name, {})
        for day in range(first, last + 1):
            more, lessons = _on(counts, day)
            hits += more
            of += lessons
    return hits, of


def _on(counts: Counts, day: int) -> tuple[int, int]:
    """Of one unit on a date, in all partitions: the hits, and of how many."""
    parts = counts.get(day)
    if not parts:
        return 0, 0
    if len(parts) == 1:
        ((of, hits),) = parts.values()
        return hits, of
    return sum(hits for _, hits in parts.values()), sum(of for of, _ in parts.values())


def _span(day: date, days: int, calendar: SchoolCalendar) -> tuple[int, int]:
    """The first and last date on which lessons came due since the close `days` closes ago."""
    window = calendar.window(day, days + 1)
    if not window:
        return 1, 0
    first = window[0].toordinal()
    return (first + 1 if len(window) > days else first), day.toordinal()


def _some(pair: Pair) -> Pair | None:
    return pair if pair[1] else None


def _forget(units: Units, oldest: int) -> None:
    for unit, counts in list(units.counts.items()):
        for day in [each for each in counts if each < oldest]:
            del counts[day]
        if not counts:
            del units.counts[unit]
