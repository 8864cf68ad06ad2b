"""From a decided change to the step that others read: evidence, clearing, and an id of content."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

from services.rules.case import Change
from services.rules.engine import Engine, Judgement, Pair, eased
from services.rules.indicators import COVERAGE
from services.rules.window import Registration
from services.rules.words import clears, seen
from shared.calendar import SchoolCalendar
from shared.events import CaseStep, Clearing, Evidence, Figure, StepKind
from shared.indicators import FigureKey, Span
from shared.rulebook import Condition, Rule

_SHOWN_PLACES = 12

Named = Sequence[tuple[str, Registration]]
"""Lessons with their ids."""

_Values = Mapping[FigureKey, Figure | None]
"""What was measured; None: nothing to measure."""


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
    thresholds = _deciding(engine, rule, shown, measured.judgement, held=held)
    ready = _prepared(engine, rule.id) if rule.id in engine.rules else None
    keys = _keys(thresholds) if ready is None else ready.keys
    values = {key: measured.value(key) for key in keys}
    lessons = [measured.lessons(each.key) for each in thresholds]
    evidence = tuple(
        each.beside(values, tuple([lesson for lesson, _ in found]))
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
        clearing=_UNJUDGED if ready is None else ready.clearing(values),
        rulebook=cause.rulebook,
    )


class _Threshold(NamedTuple):
    """A threshold as it is shown."""

    key: FigureKey
    coverage: FigureKey | None
    indicator: str
    kind: str | None
    days: Span | None
    at_least: Figure | None
    at_most: Figure | None
    share: Figure | None
    level: int | None

    @property
    def keys(self) -> tuple[FigureKey, ...]:
        """The figures that are shown beside it."""
        return (self.key,) if self.coverage is None else (self.key, self.coverage)

    def beside(self, values: _Values, lessons: tuple[str, ...] = ()) -> Evidence:
        """The threshold beside what was measured."""
        key, coverage, indicator, kind, days, at_least, at_most, share, level = self
        covered = None if coverage is None else values[coverage]
        return Evidence(
            indicator, kind, days, values[key], at_least, at_most, share, level, covered, lessons
        )


class _Prepared(NamedTuple):
    """What of a rule's steps is the same whatever was measured."""

    thresholds: Mapping[int, _Threshold]
    """By the identity of their conditions, as the engine asks them."""
    keys: tuple[FigureKey, ...]
    """The figures that are shown, each once."""
    eased: tuple[_Threshold, ...]
    """Each once: a day is quiet when no level holds by any of them."""
    quiet_days: int
    words: dict[str, str]
    """When the finding clears."""

    def clearing(self, values: _Values) -> Clearing:
        """The eased thresholds: once none of the levels holds by them, the day is quiet."""
        beside = tuple([each.beside(values) for each in self.eased])
        return Clearing(self.quiet_days, beside, self.words)


@lru_cache(maxsize=1024)
def _prepared(engine: Engine, rule: str) -> _Prepared:
    judged, scale = engine.rules[rule], engine.scale[rule]
    ease, quiet_days = scale * engine.ease[rule], engine.clear_after[rule]
    thresholds = {id(leaf): _threshold(leaf, scale) for leaf in judged.leaves}
    return _Prepared(
        thresholds,
        _keys(thresholds.values()),
        tuple(_threshold(leaf, ease) for leaf in dict.fromkeys(judged.leaves)),
        quiet_days,
        clears(judged.levels.values(), ease, quiet_days),
    )


def clearing_words(engine: Engine, rule: str) -> dict[str, str]:
    """When a finding of a rule of the engine's clears, by language."""
    return _prepared(engine, rule).words


_UNJUDGED = Clearing(quiet_days=1, conditions=())
"""Of a rule that is no longer judged."""


def _keys(thresholds: Iterable[_Threshold]) -> tuple[FigureKey, ...]:
    return tuple(dict.fromkeys(key for each in thresholds for key in each.keys))


def _threshold(leaf: Condition, ease: Fraction) -> _Threshold:
    edge = _quotient(*eased(leaf, ease).as_integer_ratio())
    return _Threshold(
        leaf.figure,
        FigureKey(COVERAGE, leaf.days) if leaf.days else None,
        leaf.figure.indicator,
        leaf.kind,
        leaf.days,
        edge if leaf.at_least is not None else None,
        edge if leaf.at_least is None else None,
        None if leaf.share is None else _quotient(*leaf.share.as_integer_ratio()),
        leaf.level,
    )


def _deciding(
    engine: Engine, rule: Rule, level: int, judgement: Judgement, *, held: bool
) -> list[_Threshold]:
    """The thresholds that hold a level up; once it is gone, all of them."""
    judged = engine.rules.get(rule.id)
    condition = (judged or rule).levels.get(level)
    if condition is None:  # the rulebook has dropped the level since the finding reached it
        return []
    if judged is None:
        return [_threshold(leaf, Fraction(1)) for leaf in condition.leaves]
    known = _prepared(engine, rule.id).thresholds
    holding = engine.deciding(rule.id, condition, judgement) if held else condition.leaves
    return [known[id(leaf)] for leaf in holding]


def _quotient(over: int, under: int) -> Figure:
    """A number for people and programs to read; nothing compares it."""
    return over // under if over % under == 0 else round(over / under, _SHOWN_PLACES)


def _came_late(known: Registration, calendar: SchoolCalendar) -> bool:
    """Recorded after its day's close."""
    return known.revision > calendar.closes_at_microseconds(known.day)


def _step_id(cause: Cause, change: Change, rule: Rule, known: list[Registration]) -> str:
    """Names the step by its content, never by a counter: made again, it is the same."""
    revision = max([each.revision for each in known], default=0)
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
