"""The matcher: a rulebook compiled to durable_rules, asked which levels hold for some figures.

durable_rules decides; nothing else in the service compares a figure with a threshold. It is
used as a stateless matcher: a fact goes in, the rules that hold call their action, the fact is
taken back. Its own windows and timers stay unused, because they can't be replayed, corrected or
explained. See docs/decisions/0001-durable-rules-as-stateless-matcher.md.

A rule is thresholds on figures, so the outcome depends only on which thresholds each figure has
reached. The same combination is therefore asked once and remembered.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import Any, NamedTuple

from durable.engine import Host, MessageNotHandledException

from services.rules.indicators import COUNTING_DAYS, COVERAGE, Figure, Figures
from shared.rulebook import Condition, FigureKey, Rule, Rulebook

PLACES = 10**12
"""Figures and thresholds go in as whole numbers of 10⁻¹²: durable_rules reads no exponents. With
figure and threshold both rounded down (at_least) or both up (at_most), equal ones stay equal, and
different ones differ by more than that: their denominators are minutes, and at most 10⁶."""

_MOST_REMEMBERED = 200_000


class Judgement(NamedTuple):
    """What the rulebook says of some figures."""

    enough: frozenset[str]
    """Rules whose needs are met."""
    levels: Mapping[str, int]
    """Rules of which a level holds, with the highest; whether or not the need is met."""
    eased: frozenset[str]
    """Rules of which a level would hold with its thresholds eased by `clear_factor`."""
    parts: frozenset[int]
    """Which alternatives hold, by number: evidence names only those."""

    def level(self, rule: str) -> int | None:
        """The level that holds, 0 for none, None when there is not enough data."""
        return self.levels.get(rule, 0) if rule in self.enough else None

    def quiet(self, rule: str) -> bool:
        return rule in self.enough and rule not in self.eased


class _Name(NamedTuple):
    """What a compiled durable_rules rule stands for."""

    what: str
    rule: str
    number: int

    def __str__(self) -> str:
        return f"{self.what} {self.rule} {self.number}"


class Engine:
    """One rulebook, ready to judge. Not thread-safe."""

    def __init__(self, rulebook: Rulebook) -> None:
        self.rulebook = rulebook
        self.rules = {rule.id: rule for rule in rulebook.active}
        compiled = _Compiled(rulebook)
        self.figures = tuple(sorted(compiled.figures))
        self._thresholds = [
            (key, sorted(compiled.at_least.get(key, ())), sorted(compiled.at_most.get(key, ())))
            for key in self.figures
        ]
        self._always_enough = frozenset(rule.id for rule in rulebook.active if not _needs(rule))
        self._parts = compiled.parts
        self._matcher = _Matcher(compiled.definitions)
        self._remembered: dict[tuple[int, ...], Judgement] = {}

    def judge(self, figures: Figures) -> Judgement:
        """Which needs are met and which levels hold; wants a figure for each of `self.figures`."""
        reached: list[int] = []
        for key, floors, ceilings in self._thresholds:
            figure = figures[key]
            if figure is None:
                reached.append(-1)
                continue
            reached.append(bisect_right(floors, figure[0] * PLACES // figure[1]))
            if ceilings:
                reached.append(bisect_left(ceilings, _up(figure)))
        combination = tuple(reached)
        known = self._remembered.get(combination)
        if known is None:
            if len(self._remembered) >= _MOST_REMEMBERED:
                self._remembered.clear()
            known = self._remembered[combination] = self._ask(figures)
        return known

    def deciding(self, condition: Condition, judgement: Judgement) -> Iterator[Condition]:
        """The thresholds by which a condition holds that holds: all of `all`, those of `any`."""
        if condition.indicator is not None:
            yield condition
        for part in condition.all or ():
            yield from self.deciding(part, judgement)
        for part in condition.any or ():
            if self._parts[part] in judgement.parts:
                yield from self.deciding(part, judgement)

    def _ask(self, figures: Figures) -> Judgement:
        matched = self._matcher.match(_fact(figures))
        levels: dict[str, int] = {}
        for name in matched:
            if name.what == "level":
                levels[name.rule] = max(name.number, levels.get(name.rule, 0))
        return Judgement(
            enough=self._always_enough | {name.rule for name in matched if name.what == "enough"},
            levels=levels,
            eased=frozenset(name.rule for name in matched if name.what == "eased"),
            parts=frozenset(name.number for name in matched if name.what == "part"),
        )


class _Compiled:
    """A rulebook as durable_rules definitions, with the figures and thresholds in them."""

    def __init__(self, rulebook: Rulebook) -> None:
        self.definitions: dict[_Name, Any] = {}
        self.parts: dict[Condition, int] = {}
        self.figures: set[FigureKey] = set()
        self.at_least: dict[FigureKey, set[int]] = {}
        self.at_most: dict[FigureKey, set[int]] = {}
        ease = Fraction(rulebook.clear_factor)
        for rule in rulebook.active:
            for level, condition in rule.levels.items():
                self._add(_Name("level", rule.id, level), condition, Fraction(1))
                self._add(_Name("eased", rule.id, level), condition, ease)
                self._add_parts(rule.id, condition)
            if needs := _needs(rule):
                self._add(_Name("enough", rule.id, 0), _all_of(needs), Fraction(1))

    def _add(self, name: _Name, condition: Condition, ease: Fraction) -> None:
        self.definitions[name] = _expression(condition, ease)
        for leaf in condition.leaves:
            self.figures.add(leaf.figure)
            side = self.at_least if leaf.at_least is not None else self.at_most
            side.setdefault(leaf.figure, set()).add(_threshold(leaf, ease))

    def _add_parts(self, rule: str, condition: Condition) -> None:
        for part in condition.any or ():
            if part not in self.parts:
                number = self.parts[part] = len(self.parts)
                self._add(_Name("part", rule, number), part, Fraction(1))
        for part in (*(condition.all or ()), *(condition.any or ())):
            self._add_parts(rule, part)


def _needs(rule: Rule) -> tuple[Condition, ...]:
    """A rule's needs as conditions on each window that its levels name."""
    needs: list[Condition] = []
    for days in rule.windows:
        for indicator, least in (
            (COUNTING_DAYS, Decimal(rule.need_days)),
            (COVERAGE, rule.need_coverage),
        ):
            if least > 0:
                needs.append(
                    Condition.model_construct(indicator=indicator, days=days, at_least=least)
                )
    return tuple(needs)


def _all_of(conditions: tuple[Condition, ...]) -> Condition:
    return Condition.model_construct(all=conditions)


def _expression(condition: Condition, ease: Fraction) -> dict[str, Any]:
    if condition.indicator is not None:
        name = str(condition.figure)
        threshold = _threshold(condition, ease)
        if condition.at_least is not None:
            return {"$gte": {name: threshold}}
        return {"$lte": {f"{name}_up": threshold}}
    parts = [_expression(part, ease) for part in (condition.all or condition.any or ())]
    if len(parts) == 1:
        return parts[0]
    return {"$and" if condition.all else "$or": parts}


def _threshold(leaf: Condition, ease: Fraction) -> int:
    if leaf.at_least is not None:
        return int(Fraction(leaf.at_least) * ease * PLACES)
    assert leaf.at_most is not None, "a leaf has one threshold"  # noqa: S101
    return ceil(Fraction(leaf.at_most) / ease * PLACES)


def _down(figure: tuple[int, int]) -> int:
    return figure[0] * PLACES // figure[1]


def _up(figure: tuple[int, int]) -> int:
    return -(-figure[0] * PLACES // figure[1])


def _fact(figures: Mapping[FigureKey, Figure]) -> dict[str, Any]:
    fact: dict[str, Any] = {}
    for key, figure in figures.items():
        if figure is not None:
            fact[str(key)] = _down(figure)
            fact[f"{key}_up"] = _up(figure)
    return fact


class _Matcher(Host):  # type: ignore[misc]
    """A private host with one ruleset: durable_rules' own registry is global and has threads."""

    def __init__(self, definitions: Mapping[_Name, Any]) -> None:
        self._names = {str(name): name for name in definitions}
        self._matched: set[_Name] = set()
        rules = {
            str(name): {"all": [{"m": expression}], "run": str(name)}
            for name, expression in definitions.items()
        }
        super().__init__({"rulebook": rules} if rules else None)

    def match(self, fact: dict[str, Any]) -> frozenset[_Name]:
        """The names of all rules that hold for a fact; nothing of it stays behind."""
        if not self._names or not fact:
            return frozenset()
        self._matched.clear()
        # Asserting raises when no rule holds; there is then nothing to take back.
        for act in (self.assert_fact, self.retract_fact):
            try:
                act("rulebook", fact | {"sid": "0", "id": "0"})
            except MessageNotHandledException:
                break
        return frozenset(self._matched)

    def get_action(self, action_name: str) -> Any:
        def matched(_: Any) -> None:
            self._matched.add(self._names[action_name])

        return matched

    def _run(self) -> None:
        """No threads: they serve timers and stored state, which stay unused."""
