"""The matcher: rules compiled to durable_rules, asked which levels hold for some figures.

durable_rules decides; nothing else in the service says whether a condition holds. It is used as
a stateless matcher: a fact goes in, the rules that hold call their action, the fact is taken
back. Its own windows and timers stay unused, because they can't be replayed, corrected or
explained. See docs/decisions/0001-durable-rules-as-stateless-matcher.md.

A rule is thresholds on figures, so the outcome depends only on which thresholds are reached.
The same combination is therefore asked once and remembered; which combination a pupil is in is
found for a whole school at a time.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import Any, NamedTuple

import numpy as np
from durable.engine import Host, MessageNotHandledException

from services.rules.indicators import COUNTING_DAYS, COVERAGE, Figures, Measured
from shared.indicators import FigureKey
from shared.rulebook import Condition, Rule, Rulebook

PLACES = 10**12
"""Figures and thresholds go in as whole numbers of 10⁻¹²: durable_rules reads no exponents. With
figure and threshold both rounded down (at_least) or both up (at_most), equal ones stay equal, and
different ones differ by more than that: their denominators are minutes, and at most 10⁶."""

_MOST_REMEMBERED = 200_000

Pair = tuple[int, int]
"""A figure's numerator and denominator."""


class Judgement(NamedTuple):
    """What the rules say of some figures."""

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
    """Some rules of a rulebook, ready to judge. Not thread-safe.

    `factor` lowers the thresholds of ordinary rules: for a pupil whom the handover calls for.
    """

    def __init__(
        self,
        rulebook: Rulebook,
        rules: Iterable[Rule] | None = None,
        factor: Fraction = Fraction(1),
    ) -> None:
        chosen = tuple(rulebook.active if rules is None else rules)
        self.rules = {rule.id: rule for rule in chosen}
        self.ease = {rule.id: _ease(rule, rulebook) for rule in chosen}
        self.clear_after = {rule.id: rule.clear_after or rulebook.clear_after for rule in chosen}
        self.scale = {rule.id: factor if rule.ordinary else Fraction(1) for rule in chosen}
        compiled = _Compiled(chosen, self.scale, self.ease)
        self.figures = tuple(sorted(compiled.figures, key=str))
        self._always_enough = frozenset(rule.id for rule in chosen if not _needs(rule))
        self._parts = compiled.parts
        self._matcher = _Matcher(compiled.definitions)
        self._remembered: dict[bytes, Judgement] = {}
        place = {key: number for number, key in enumerate(self.figures)}
        self._least = _edges(compiled.at_least, place)
        self._most = _edges(compiled.at_most, place)

    def judge_all(self, figures: Measured, count: int) -> list[Judgement]:
        """One judgement for each of `count` columns; wants each of `self.figures`."""
        if not self.figures:
            return [self._ask({})] * count
        over = np.stack([figures[key].over for key in self.figures])
        under = np.stack([figures[key].under for key in self.figures])
        # Numerator and denominator are exact, and division rounds right: equal fractions give
        # equal values, and other ones differ by far more than a rounding.
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.where(under != 0, over / under, np.nan)
        reached = np.concatenate(
            (
                values[self._least.places] >= self._least.edges[:, None],
                values[self._most.places] <= self._most.edges[:, None],
            )
        )
        packed = np.ascontiguousarray(np.packbits(reached, axis=0).T)
        found: list[Judgement] = []
        for column, combination in enumerate(packed):
            key = combination.tobytes()
            known = self._remembered.get(key)
            if known is None:
                if len(self._remembered) >= _MOST_REMEMBERED:
                    self._remembered.clear()
                known = self._remembered[key] = self._ask(
                    {
                        figure: (int(over[place, column]), int(under[place, column]))
                        for place, figure in enumerate(self.figures)
                        if under[place, column]
                    }
                )
            found.append(known)
        return found

    def judge(self, figures: Mapping[FigureKey, Pair | None]) -> Judgement:
        """Judge one set of figures; those that are None or left out have no value."""
        columns = {}
        for key in self.figures:
            over, under = figures.get(key) or (0, 0)
            columns[key] = Figures(np.array([over]), np.array([under]))
        return self.judge_all(columns, 1)[0]

    def deciding(
        self, rule: str, condition: Condition, judgement: Judgement
    ) -> Iterator[Condition]:
        """The thresholds by which a condition holds that holds: all of `all`, those of `any`."""
        if condition.indicator is not None:
            yield condition
        for part in condition.all or ():
            yield from self.deciding(rule, part, judgement)
        for part in condition.any or ():
            if self._parts[rule, part] in judgement.parts:
                yield from self.deciding(rule, part, judgement)

    def _ask(self, figures: Mapping[FigureKey, Pair]) -> Judgement:
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


def _ease(rule: Rule, rulebook: Rulebook) -> Fraction:
    return Fraction(rule.clear_factor or rulebook.clear_factor)


class _Edges(NamedTuple):
    """Thresholds on one side, with the places of the figures that they are on."""

    places: Any
    edges: Any


def _edges(thresholds: Mapping[FigureKey, set[Fraction]], place: Mapping[FigureKey, int]) -> _Edges:
    pairs = sorted((place[key], edge) for key, edges in thresholds.items() for edge in edges)
    return _Edges(
        np.array([number for number, _ in pairs], np.int64),
        np.array([float(edge) for _, edge in pairs], np.float64),
    )


class _Compiled:
    """Rules as durable_rules definitions, with the figures and thresholds in them."""

    def __init__(
        self,
        rules: Sequence[Rule],
        scale: Mapping[str, Fraction],
        ease: Mapping[str, Fraction],
    ) -> None:
        self.definitions: dict[_Name, Any] = {}
        self.parts: dict[tuple[str, Condition], int] = {}
        self.figures: set[FigureKey] = set()
        self.at_least: dict[FigureKey, set[Fraction]] = {}
        self.at_most: dict[FigureKey, set[Fraction]] = {}
        for rule in rules:
            lowered = scale[rule.id]
            for level, condition in rule.levels.items():
                self._add(_Name("level", rule.id, level), condition, lowered)
                self._add(_Name("eased", rule.id, level), condition, lowered * ease[rule.id])
                self._add_parts(rule.id, condition, lowered)
            if needs := _needs(rule):
                self._add(_Name("enough", rule.id, 0), _all_of(needs), Fraction(1))

    def _add(self, name: _Name, condition: Condition, ease: Fraction) -> None:
        self.definitions[name] = _expression(condition, ease)
        for leaf in condition.leaves:
            self.figures.add(leaf.figure)
            side = self.at_least if leaf.at_least is not None else self.at_most
            side.setdefault(leaf.figure, set()).add(eased(leaf, ease))

    def _add_parts(self, rule: str, condition: Condition, ease: Fraction) -> None:
        for part in condition.any or ():
            if (rule, part) not in self.parts:
                number = self.parts[rule, part] = len(self.parts)
                self._add(_Name("part", rule, number), part, ease)
        for part in (*(condition.all or ()), *(condition.any or ())):
            self._add_parts(rule, part, ease)


def _needs(rule: Rule) -> tuple[Condition, ...]:
    """A rule's needs as conditions on each window that its levels name."""
    if rule.units:
        return ()
    needs: list[Condition] = []
    for days in rule.windows:
        for indicator, least in (
            (COUNTING_DAYS, Decimal(rule.need_days)),
            (COVERAGE, rule.need_coverage),
        ):
            if least > 0:
                needs.append(_Need.model_construct(indicator=indicator, days=days, at_least=least))
    return tuple(needs)


class _Need(Condition):
    """A threshold on a figure that no rulebook names."""

    @property
    def figure(self) -> FigureKey:
        return FigureKey(self.indicator or "", self.days or 0)


def _all_of(conditions: tuple[Condition, ...]) -> Condition:
    return Condition.model_construct(all=conditions)


def _expression(condition: Condition, ease: Fraction) -> dict[str, Any]:
    if condition.indicator is not None:
        name = str(condition.figure)
        threshold = eased(condition, ease) * PLACES
        if condition.at_least is not None:
            return {"$gte": {name: int(threshold)}}
        return {"$lte": {f"{name}_up": ceil(threshold)}}
    parts = [_expression(part, ease) for part in (condition.all or condition.any or ())]
    if len(parts) == 1:
        return parts[0]
    return {"$and" if condition.all else "$or": parts}


def eased(leaf: Condition, ease: Fraction) -> Fraction:
    """A threshold made easier to reach: an `at_least` multiplied, an `at_most` divided."""
    if leaf.at_least is not None:
        return Fraction(leaf.at_least) * ease
    assert leaf.at_most is not None, "a leaf has one threshold"  # noqa: S101
    return Fraction(leaf.at_most) / ease


def _fact(figures: Mapping[FigureKey, Pair]) -> dict[str, Any]:
    fact: dict[str, Any] = {}
    for key, (over, under) in figures.items():
        fact[str(key)] = over * PLACES // under
        fact[f"{key}_up"] = -(-over * PLACES // under)
    return fact


class _Matcher:
    """The definitions, in rulesets of a few each.

    When more than some sixty rules of one ruleset hold for a fact, durable_rules gives up with
    error 303: its agenda has 64 places (MAX_STACK_SIZE in its events.c).
    """

    def __init__(self, definitions: Mapping[_Name, Any]) -> None:
        items = list(definitions.items())
        self._rulesets = [
            _Ruleset(dict(items[start : start + _MOST_IN_A_RULESET]))
            for start in range(0, len(items), _MOST_IN_A_RULESET)
        ]

    def match(self, fact: dict[str, Any]) -> frozenset[_Name]:
        """The names of all rules that hold for a fact; nothing of it stays behind."""
        if not fact:
            return frozenset()
        return frozenset().union(*(ruleset.match(fact) for ruleset in self._rulesets))


_MOST_IN_A_RULESET = 20


class _Ruleset(Host):  # type: ignore[misc]
    """A private host with one ruleset: durable_rules' own registry is global and has threads."""

    def __init__(self, definitions: Mapping[_Name, Any]) -> None:
        self._names = {str(name): name for name in definitions}
        self._matched: set[_Name] = set()
        rules = {
            str(name): {"all": [{"m": expression}], "run": str(name)}
            for name, expression in definitions.items()
        }
        super().__init__({"rulebook": rules})

    def match(self, fact: dict[str, Any]) -> frozenset[_Name]:
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
