"""From a decided change to the step that others read: evidence, clearing, and an id of content."""

from collections.abc import Iterable, Iterator
from datetime import date
from fractions import Fraction
from hashlib import sha256
from typing import NamedTuple

from services.rules.case import Change
from services.rules.engine import Engine
from services.rules.indicators import Figure as Measured
from services.rules.indicators import Figures, View, deciding_lessons, measure
from services.rules.window import Registration, instant_of
from shared.events import CaseStep, Clearing, Evidence, Figure, StepKind
from shared.rulebook import Condition, Rule

_SHOWN_PLACES = 12


class Cause(NamedTuple):
    """What a step is about, and the day that brought it."""

    school: str
    pupil: str
    as_of: date
    history: bool
    rulebook: str


def step_of(cause: Cause, change: Change, rule: Rule, engine: Engine, view: View) -> CaseStep:
    """The step for `change`: `engine` and `view` are those of the day that decided it.

    Cleared, or retracted to nothing: the evidence is the old level's thresholds with the
    values that no longer reach them.
    """
    figures = measure(view, engine.figures)
    shown = change.remaining or change.level
    held = change.kind is not StepKind.CLEARED and change.remaining != 0
    judged = engine.rules.get(rule.id, rule)
    conditions = _conditions(engine, judged, shown, figures, held=held)
    lessons = [tuple(deciding_lessons(view, leaf.figure)) for leaf in conditions]
    evidence = tuple(
        _evidence(leaf, figures[leaf.figure], (lesson for lesson, _ in found))
        for leaf, found in zip(conditions, lessons, strict=True)
    )
    known = [registration for found in lessons for _, registration in found]
    return CaseStep(
        step_id=_step_id(cause, change, rule, known),
        school=cause.school,
        pupil=cause.pupil,
        rule=rule.id,
        kind=change.kind,
        level=change.level,
        remaining=change.remaining,
        as_of=cause.as_of,
        since=change.since,
        history=cause.history,
        corrected=change.kind is StepKind.OPENED and any(_came_late(each, view) for each in known),
        title=rule.title.model_dump(),
        audience=rule.audience_at(shown),
        evidence=evidence,
        clearing=_clearing(engine, judged, figures),
        rulebook=cause.rulebook,
    )


def _conditions(
    engine: Engine, rule: Rule, level: int, figures: Figures, *, held: bool
) -> tuple[Condition, ...]:
    condition = rule.levels.get(level)
    if condition is None:  # the rulebook has dropped the level since the finding reached it
        return ()
    if held:
        return tuple(engine.deciding(condition, engine.judge(figures)))
    return tuple(condition.leaves)


def _evidence(leaf: Condition, measured: Measured, lessons: Iterable[str]) -> Evidence:
    return Evidence(
        indicator=leaf.figure.indicator,
        kind=leaf.kind,
        days=leaf.days,
        value=None if measured is None else _shown(Fraction(*measured)),
        at_least=None if leaf.at_least is None else _shown(Fraction(leaf.at_least)),
        at_most=None if leaf.at_most is None else _shown(Fraction(leaf.at_most)),
        lessons=tuple(lessons),
    )


def _clearing(engine: Engine, rule: Rule, figures: Figures) -> Clearing:
    """The eased thresholds of the lowest level: once they no longer hold, no other does."""
    ease = Fraction(engine.rulebook.clear_factor)
    return Clearing(
        quiet_days=engine.rulebook.clear_after,
        conditions=tuple(
            Evidence(
                indicator=leaf.figure.indicator,
                kind=leaf.kind,
                days=leaf.days,
                value=_value(figures.get(leaf.figure)),
                at_least=None if leaf.at_least is None else _shown(Fraction(leaf.at_least) * ease),
                at_most=None if leaf.at_most is None else _shown(Fraction(leaf.at_most) / ease),
            )
            for leaf in _eased_leaves(rule)
        ),
    )


def _eased_leaves(rule: Rule) -> Iterator[Condition]:
    """Each threshold of each level, once: a day is quiet when no level holds by any of them."""
    seen: set[Condition] = set()
    for condition in rule.levels.values():
        for leaf in condition.leaves:
            if leaf not in seen:
                seen.add(leaf)
                yield leaf


def _value(measured: Measured) -> Figure | None:
    return None if measured is None else _shown(Fraction(*measured))


def _shown(value: Fraction) -> Figure:
    """A number for people and programs to read; nothing compares it."""
    return int(value) if value.denominator == 1 else round(float(value), _SHOWN_PLACES)


def _came_late(known: Registration, view: View) -> bool:
    """Recorded after its day's close."""
    return instant_of(known.revision) > view.calendar.closes_at(known.day)


def _step_id(cause: Cause, change: Change, rule: Rule, known: list[Registration]) -> str:
    """Names the step by its content, never by a counter: made again, it is the same."""
    revision = max((each.revision for each in known), default=0)
    content = (
        cause.school,
        cause.pupil,
        rule.id,
        change.kind,
        str(change.level),
        cause.as_of.isoformat(),
        str(revision),
    )
    return sha256("\x1f".join(content).encode()).hexdigest()[:32]
