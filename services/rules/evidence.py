"""From a decided change to the step that others read: evidence, clearing, and an id of content."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

from services.rules.case import Change
from services.rules.engine import Engine, Judgement, Pair, eased
from services.rules.indicators import COVERAGE
from services.rules.window import Registration
from services.rules.words import clears, seen
from shared.calendar import SchoolCalendar
from shared.events import CaseStep, Clearing, Evidence, Figure, StepKind
from shared.indicators import FigureKey
from shared.rulebook import Condition, Rule

_SHOWN_PLACES = 12

Named = Sequence[tuple[str, Registration]]
"""Lessons with their ids."""


class Cause(NamedTuple):
    """What a step is about, and the day that brought it."""

    school: str
    pupil: str
    """Empty: a unit's."""
    unit: str
    as_of: date
    history: bool
    rulebook: str
    held_until: date | None = None


@dataclass(frozen=True)
class Seen:
    """What was measured and judged on the day that decided a change."""

    pair: Callable[[FigureKey], Pair | None]
    judgement: Judgement
    calendar: SchoolCalendar
    lessons: Callable[[FigureKey], Named] = field(default=lambda _: ())

    def value(self, key: FigureKey) -> Figure | None:
        pair = self.pair(key)
        return None if pair is None else _quotient(*pair)


def step_of(cause: Cause, change: Change, rule: Rule, engine: Engine, measured: Seen) -> CaseStep:
    """The step for `change`: `engine` and `measured` are those of the day that decided it.

    Cleared, or retracted to nothing: the evidence is the old level's thresholds with the
    values that no longer reach them.
    """
    shown = change.remaining or change.level
    held = change.kind is not StepKind.CLEARED and change.remaining != 0
    thresholds = _deciding(engine, rule, shown, measured, held=held)
    lessons = [measured.lessons(each.key) for each in thresholds]
    evidence = tuple(
        each.beside(measured, [lesson for lesson, _ in found])
        for each, found in zip(thresholds, lessons, strict=True)
    )
    known = [registration for found in lessons for _, registration in found]
    came_late = change.kind is StepKind.OPENED and any(
        _came_late(each, measured.calendar) for each in known
    )
    return CaseStep(
        step_id=_step_id(cause, change, rule, known),
        school=cause.school,
        pupil=cause.pupil,
        unit=cause.unit,
        rule=rule.id,
        kind=change.kind,
        level=change.level,
        remaining=change.remaining,
        as_of=cause.as_of,
        since=change.since,
        history=cause.history,
        corrected=came_late,
        shadow=rule.shadow,
        good_news=rule.good_news,
        held_until=cause.held_until,
        damps=rule.damps,
        title={"sv": rule.title.sv, "en": rule.title.en},
        audience=rule.audience_at(shown),
        words=seen(evidence),
        evidence=evidence,
        clearing=_clearing(engine, rule, measured),
        rulebook=cause.rulebook,
    )


class _Threshold(NamedTuple):
    """A threshold as it is shown."""

    leaf: Condition
    key: FigureKey
    coverage: FigureKey | None
    fields: dict[str, Any]

    def beside(self, measured: Seen, lessons: Iterable[str] = ()) -> Evidence:
        """The threshold beside what was measured."""
        return Evidence(
            value=measured.value(self.key),
            coverage=measured.value(self.coverage) if self.coverage else None,
            lessons=tuple(lessons),
            **self.fields,
        )


def _threshold(leaf: Condition, ease: Fraction) -> _Threshold:
    edge = eased(leaf, ease)
    fields = {
        "indicator": leaf.figure.indicator,
        "kind": leaf.kind,
        "days": leaf.days,
        "at_least" if leaf.at_least is not None else "at_most": _quotient(*edge.as_integer_ratio()),
        "share": None if leaf.share is None else _quotient(*leaf.share.as_integer_ratio()),
        "level": leaf.level,
    }
    coverage = FigureKey(COVERAGE, leaf.days) if leaf.days else None
    return _Threshold(leaf, leaf.figure, coverage, fields)


def _deciding(
    engine: Engine, rule: Rule, level: int, measured: Seen, *, held: bool
) -> list[_Threshold]:
    """The thresholds that hold a level up; once it is gone, all of them."""
    judged = engine.rules.get(rule.id)
    condition = (judged or rule).levels.get(level)
    if condition is None:  # the rulebook has dropped the level since the finding reached it
        return []
    if judged is None:
        return [_threshold(leaf, Fraction(1)) for leaf in condition.leaves]
    known = _of_rule(engine, rule.id)
    holding = engine.deciding(rule.id, condition, measured.judgement)
    return [known[id(leaf)] for leaf in (holding if held else condition.leaves)]


@lru_cache(maxsize=1024)
def _of_rule(engine: Engine, rule: str) -> dict[int, _Threshold]:
    """A rule's thresholds by the identity of their conditions, as the engine asks them."""
    return {id(leaf): _threshold(leaf, engine.scale[rule]) for leaf in engine.rules[rule].leaves}


def _clearing(engine: Engine, rule: Rule, measured: Seen) -> Clearing:
    """The eased thresholds: once none of the levels holds by them, the day is quiet."""
    if rule.id not in engine.rules:
        return Clearing(quiet_days=1, conditions=())
    thresholds, words = _of_clearing(engine, rule.id)
    return Clearing(
        quiet_days=engine.clear_after[rule.id],
        conditions=tuple(each.beside(measured) for each in thresholds),
        words=words,
    )


@lru_cache(maxsize=1024)
def _of_clearing(engine: Engine, rule: str) -> tuple[tuple[_Threshold, ...], dict[str, str]]:
    ease = engine.scale[rule] * engine.ease[rule]
    judged = engine.rules[rule]
    thresholds = tuple(_threshold(leaf, ease) for leaf in _each_once(judged))
    return thresholds, clears(judged.levels.values(), ease, engine.clear_after[rule])


def _each_once(rule: Rule) -> Iterator[Condition]:
    """Each threshold of each level, once: a day is quiet when no level holds by any of them."""
    seen_so_far: set[Condition] = set()
    for leaf in rule.leaves:
        if leaf not in seen_so_far:
            seen_so_far.add(leaf)
            yield leaf


def _quotient(over: int, under: int) -> Figure:
    """A number for people and programs to read; nothing compares it."""
    return over // under if over % under == 0 else round(over / under, _SHOWN_PLACES)


def _came_late(known: Registration, calendar: SchoolCalendar) -> bool:
    """Recorded after its day's close."""
    return known.revision > calendar.closes_at_microseconds(known.day)


def _step_id(cause: Cause, change: Change, rule: Rule, known: list[Registration]) -> str:
    """Names the step by its content, never by a counter: made again, it is the same."""
    revision = max((each.revision for each in known), default=0)
    content = (
        cause.school,
        f"{cause.pupil}/{cause.unit}" if cause.unit else cause.pupil,
        rule.id,
        change.kind,
        str(change.level),
        cause.as_of.isoformat(),
        str(revision),
    )
    return sha256("\x1f".join(content).encode()).hexdigest()[:32]
