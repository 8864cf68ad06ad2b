"""From a decided change to the step that others read: evidence, clearing, and an id of content."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from hashlib import sha256
from typing import NamedTuple

from services.rules.case import Change
from services.rules.engine import Engine, Judgement, Pair, eased
from services.rules.indicators import COVERAGE
from services.rules.window import Registration, instant_of
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
        return None if pair is None else _shown(Fraction(*pair))


def step_of(cause: Cause, change: Change, rule: Rule, engine: Engine, measured: Seen) -> CaseStep:
    """The step for `change`: `engine` and `measured` are those of the day that decided it.

    Cleared, or retracted to nothing: the evidence is the old level's thresholds with the
    values that no longer reach them.
    """
    shown = change.remaining or change.level
    held = change.kind is not StepKind.CLEARED and change.remaining != 0
    judged = engine.rules.get(rule.id, rule)
    conditions = _conditions(engine, judged, shown, measured, held=held)
    scale = engine.scale.get(rule.id, Fraction(1))
    lessons = [measured.lessons(leaf.figure) for leaf in conditions]
    evidence = tuple(
        _evidence(leaf, scale, measured, [lesson for lesson, _ in found])
        for leaf, found in zip(conditions, lessons, strict=True)
    )
    known = [registration for found in lessons for _, registration in found]
    came_late = change.kind is StepKind.OPENED and any(
        _came_late(each, measured.calendar) for each in known
    )
    clearing = _clearing(engine, judged, measured)
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
        title=rule.title.model_dump(),
        audience=rule.audience_at(shown),
        words=seen(evidence),
        evidence=evidence,
        clearing=clearing,
        rulebook=cause.rulebook,
    )


def _conditions(
    engine: Engine, rule: Rule, level: int, measured: Seen, *, held: bool
) -> tuple[Condition, ...]:
    condition = rule.levels.get(level)
    if condition is None:  # the rulebook has dropped the level since the finding reached it
        return ()
    if held:
        return tuple(engine.deciding(rule.id, condition, measured.judgement))
    return tuple(condition.leaves)


def _evidence(
    leaf: Condition,
    ease: Fraction,
    measured: Seen,
    lessons: Iterable[str] = (),
) -> Evidence:
    key = leaf.figure
    threshold = _shown(eased(leaf, ease))
    return Evidence(
        indicator=key.indicator,
        kind=leaf.kind,
        days=leaf.days,
        value=measured.value(key),
        at_least=None if leaf.at_least is None else threshold,
        at_most=None if leaf.at_most is None else threshold,
        share=None if leaf.share is None else _shown(Fraction(leaf.share)),
        level=leaf.level,
        coverage=measured.value(FigureKey(COVERAGE, leaf.days)) if leaf.days else None,
        lessons=tuple(lessons),
    )


def _clearing(engine: Engine, rule: Rule, measured: Seen) -> Clearing:
    """The eased thresholds: once none of the levels holds by them, the day is quiet."""
    ease = engine.scale.get(rule.id, Fraction(1)) * engine.ease.get(rule.id, Fraction(1))
    quiet_days = engine.clear_after.get(rule.id, 1)
    conditions = tuple(_evidence(leaf, ease, measured) for leaf in _each_once(rule))
    return Clearing(
        quiet_days=quiet_days,
        conditions=conditions,
        words=clears(rule.levels.values(), ease, quiet_days),
    )


def _each_once(rule: Rule) -> Iterator[Condition]:
    """Each threshold of each level, once: a day is quiet when no level holds by any of them."""
    seen_so_far: set[Condition] = set()
    for leaf in rule.leaves:
        if leaf not in seen_so_far:
            seen_so_far.add(leaf)
            yield leaf


def _shown(value: Fraction) -> Figure:
    """A number for people and programs to read; nothing compares it."""
    return int(value) if value.denominator == 1 else round(float(value), _SHOWN_PLACES)


def _came_late(known: Registration, calendar: SchoolCalendar) -> bool:
    """Recorded after its day's close."""
    return instant_of(known.revision) > calendar.closes_at(date.fromordinal(known.day))


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
