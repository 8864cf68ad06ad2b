"""Day closes: what becomes of each pupil's findings, for schools that close together.

What is the same for every pupil, measuring and finding which thresholds are reached, is done
for all at once; a pupil is looked at alone only when something stands, comes or was corrected.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from services.rules.case import Change, Today, close, end, ended, rise
from services.rules.closing import Asked, Closing, DayClose, Found, Part, Wanted
from services.rules.engine import Engine, Judgement
from services.rules.evidence import Cause, step_of
from services.rules.pupil import Pupil
from services.rules.school import School
from shared.events import CaseStep, StepKind
from shared.rulebook import Rule

_HELD_BY_A_CAUSE = 2
"""The highest level whose telling a known cause holds."""


class SchoolClose(NamedTuple):
    """A school's day that closes, for some of its pupils."""

    school: School
    at: DayClose
    names: Sequence[str]


class Closed(NamedTuple):
    """What a school's close gave."""

    steps: list[CaseStep]
    touched: list[str]
    """The pupils who were looked at."""
    judged: list[Judgement]
    """Of the pupils in the order in which they were named."""


@dataclass
class _Looked:
    """A pupil who is looked at alone, and what became of it."""

    place: int
    """Of the school among those that close."""
    name: str
    asked: Asked
    corrected: int | None
    changes: list[tuple[str, Change]] = field(default_factory=list)

    @property
    def pupil(self) -> Pupil:
        return self.asked.pupil

    @property
    def at(self) -> DayClose:
        return self.asked.part.at


def close_together(closes: Sequence[SchoolClose]) -> list[Closed]:
    """Judge every rule for the named pupils, whether or not they had lessons.

    All close the same day by the same calendar and rulebook.
    """
    closing = Closing([each.school.part(each.at) for each in closes])
    named = [list(_asked(each, part)) for each, part in zip(closes, closing.parts, strict=True)]
    looked: list[_Looked] = []
    waiting: list[_Looked] = []
    for place, asked in enumerate(named):
        for name, each in asked:
            pupil = each.pupil
            one = _Looked(place, name, each, pupil.corrected)
            if closing.plain[each.column].levels or pupil.findings or pupil.corrected is not None:
                looked.append(one)
                pupil.corrected = None
            else:
                waiting.append(one)
    for one in looked:
        _end_what_is_gone(one)
    _decide(closing, looked, on_case=False)
    if closing.judges.case.rules:
        looked += [one for one in waiting if closing.case()[one.asked.column].levels]
        _decide(closing, looked, on_case=True)
    looked.sort(key=lambda one: (one.place, one.name))
    closed = [Closed([], [], [closing.plain[each.column] for _, each in asked]) for asked in named]
    for one in looked:
        closed[one.place].touched.append(one.name)
        closed[one.place].steps.extend(_steps(closing, one))
    return closed


def judge_early(school: School, at: DayClose, names: Sequence[str]) -> Closed:
    """Judge the rules that don't wait for the close, for some pupils, as of an open day."""
    closing = Closing([school.part(at)])
    by_engine: dict[Engine, list[tuple[str, Asked]]] = defaultdict(list)
    for name, asked in _asked(SchoolClose(school, at, names), closing.parts[0]):
        lowered = closing.is_lowered(asked)
        engine = at.judges.early_lowered if lowered else at.judges.early
        by_engine[engine].append((name, asked))
    steps: list[CaseStep] = []
    for engine, group in by_engine.items():
        found = closing.find([asked for _, asked in group], engine)
        for (name, _), each in zip(group, found, strict=True):
            steps += _early_steps(closing, name, each)
    return Closed(sorted(steps, key=lambda step: step.pupil), list(names), [])


def _asked(close: SchoolClose, part: Part) -> Iterator[tuple[str, Asked]]:
    for name in close.names:
        yield name, Asked(part, close.school.pupils[name], close.at.day)


def _early_steps(closing: Closing, name: str, found: Found) -> Iterator[CaseStep]:
    pupil, at = found.asked.pupil, found.asked.part.at
    last = at.calendar.ends_school_year(at.day)
    for rule in found.engine.rules.values():
        today = _today(at.day, found.engine, rule.id, found.judgement, last=last)
        finding, changes = rise(pupil.findings.get(rule.id), today)
        if finding is not None:
            pupil.findings[rule.id] = finding
        for change in changes:
            cause = _cause(name, found.asked, rule, change)
            yield step_of(cause, change, rule, found.engine, closing.evidence(found))


def _steps(closing: Closing, looked: _Looked) -> Iterator[CaseStep]:
    at = looked.at
    for rule_id, change in looked.changes:
        rule, judges = at.rule_and_judges(rule_id, change.decided_on)
        if judges and rule:
            cause = _cause(looked.name, looked.asked, rule, change)
            asked = looked.asked._replace(day=change.decided_on)
            engine, seen = closing.seen(asked, judges, rule_id)
            yield step_of(cause, change, rule, engine, seen)


def _cause(name: str, asked: Asked, rule: Rule, change: Change) -> Cause:
    at = asked.part.at
    held = _held_until(asked.pupil, rule, change, at)
    return Cause(asked.part.school, name, "", at.day, at.history, at.rulebook, held)


def _end_what_is_gone(looked: _Looked) -> None:
    """Findings whose rules are gone or disabled are cleared."""
    at, pupil = looked.at, looked.pupil
    for rule in [each for each in pupil.findings if each not in at.judges.rules]:
        finding = pupil.findings.pop(rule)
        pupil.ended.append(ended(rule, finding, at.day, cleared=True))
        looked.changes += [(rule, change) for change in end(finding, at.day)]


def _decide(closing: Closing, looked: Sequence[_Looked], *, on_case: bool) -> None:
    """The life of each finding of the plain rules, or of those on cases."""
    engine = closing.judges.case if on_case else closing.judges.plain
    today = closing.case() if on_case else closing.plain
    wanted: list[tuple[_Looked, Wanted]] = []
    for each in looked:
        rules = each.pupil.findings.keys() & engine.rules.keys()
        rules |= today[each.asked.column].levels.keys()
        if rules:
            in_order = sorted(rules, key=closing.judges.order.__getitem__)
            wanted.append((each, Wanted(each.asked, each.corrected, in_order)))
    anew = closing.anew([each for _, each in wanted], on_case=on_case)
    for each, (asked, _, mine) in wanted:
        pupil, at, column = each.pupil, each.at, asked.column
        judgement, last = today[column], at.calendar.ends_school_year(at.day)
        for rule in mine:
            before = pupil.findings.pop(rule, None)
            now = _today(at.day, engine, rule, judgement, last=last)
            after, changes, was = close(before, now, anew.get((column, rule)))
            each.changes += [(rule, change) for change in changes]
            if after is not None:
                pupil.findings[rule] = after
            elif was is not None:
                cleared = changes[-1].kind is StepKind.CLEARED
                pupil.ended.append(ended(rule, was, at.day, cleared=cleared))


def _today(day: date, engine: Engine, rule: str, judgement: Judgement, *, last: bool) -> Today:
    """`last`: of the school year."""
    return Today(day, judgement.level(rule), judgement.quiet(rule), engine.clear_after[rule], last)


def _held_until(pupil: Pupil, rule: Rule, change: Change, at: DayClose) -> date | None:
    """Until when telling waits: a cool-down after the rule's last finding, or a known cause."""
    if change.kind not in (StepKind.OPENED, StepKind.RAISED):
        return None
    held: list[date] = []
    cool_down = at.judges.rulebook.cool_down
    if change.kind is StepKind.OPENED and cool_down:
        ends = [
            each.on for each in pupil.ended if each.rule == rule.id and each.on < at.day.toordinal()
        ]
        if ends:
            over = at.calendar.after(date.fromordinal(max(ends)), cool_down)
            held += [over] if over is not None and at.day <= over else []
    if change.level <= _HELD_BY_A_CAUSE:
        held += [
            date.fromordinal(each.until)
            for each in pupil.answers
            if each.answer == "known_cause" and at.day.toordinal() <= each.until
        ]
    return max(held, default=None)
