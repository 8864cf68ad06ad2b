"""The matcher: rules compiled to durable_rules, asked which levels hold for some figures.

durable_rules decides; nothing else in the service says whether a condition holds. It is used as
a stateless matcher: a fact goes in, the rules that hold call their action, the fact is taken
back. Its own windows and timers stay unused, because they can't be replayed, corrected or
explained. See docs/decisions/0001-durable-rules-as-stateless-matcher.md.

A rule is thresholds on figures, so the outcome depends only on which thresholds are reached.
The same combination is therefore asked once and remembered; which combination a pupil is in is
found for a whole school at a time.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import Any, NamedTuple
from weakref import finalize

import durable_rules_engine
import numpy as np
from durable.engine import Host, MessageNotHandledException

from services.rules.indicators import COUNTING_DAYS, COVERAGE, Figures, Measured, Numbers
from shared.indicators import INDICATORS, FigureKey
from shared.rulebook import Condition, Rule, Rulebook

_PLACES = {True: 10**15, False: 10**12}
"""Figures and thresholds go in as whole numbers of 10⁻¹⁵, counts of 10⁻¹²: durable_rules reads no
exponents, and no numbers beyond 64 bits. With figure and threshold both rounded down (at_least)
or both up (at_most), equal ones stay equal, and different ones differ by more than that."""

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
    parts: frozenset[tuple[str, int]]
    """Which alternatives hold, by rule and number: evidence names only those."""

    def level(self, rule: str) -> int | None:
        """The level that holds, 0 for none, None when there is not enough data."""
        return self.levels.get(rule, 0) if rule in self.enough else None

    def quiet(self, rule: str) -> bool:
        return rule in self.enough and rule not in self.eased


_NOTHING = Judgement(frozenset(), {}, frozenset(), frozenset())
"""What no rules say."""


class _Name(NamedTuple):
    """What a compiled durable_rules rule stands for."""

    what: str
    number: int

    def __str__(self) -> str:
        return f"{self.what} {self.number}"


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
        self._compiled = {
            rule.id: _Compiled(rule, self.scale[rule.id], self.ease[rule.id]) for rule in chosen
        }
        figures = {key for compiled in self._compiled.values() for key, _, _ in compiled.edges}
        self.figures = tuple(sorted(figures, key=str))
        self._remembered: dict[bytes, Judgement] = {}
        self._edges = _Edges(self._compiled.values(), self.figures)

    def figures_of(self, rules: Iterable[str]) -> frozenset[FigureKey]:
        """What some of the rules look at."""
        return frozenset(key for rule in rules for key, _, _ in self._compiled[rule].edges)

    def judge_all(self, figures: Measured, count: int) -> list[Judgement]:
        """One judgement for each of `count` columns; wants each of `self.figures`."""
        if not self.figures:
            return [_NOTHING] * count
        over = np.stack([figures[key].over for key in self.figures])
        under = np.stack([figures[key].under for key in self.figures])
        combinations = self._edges.reached(over, under)
        found: list[Judgement] = []
        for column, key in enumerate(combinations):
            known = self._remembered.get(key)
            if known is None:
                if len(self._remembered) >= _MOST_REMEMBERED:
                    self._remembered.clear()
                known = self._judge(key, over[:, column], under[:, column])
                self._remembered[key] = known
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
            if (rule, self._compiled[rule].parts[part]) in judgement.parts:
                yield from self.deciding(rule, part, judgement)

    def _judge(self, reached: bytes, over: Numbers, under: Numbers) -> Judgement:
        """Put together what each rule says of the thresholds that are reached of its own."""

        def figures() -> dict[FigureKey, Pair]:
            pairs = zip(over.tolist(), under.tolist(), strict=True)
            named = zip(self.figures, pairs, strict=True)
            return {figure: pair for figure, pair in named if pair[1]}

        said = [
            (rule, compiled.ask(reached[own], figures))
            for (rule, compiled), own in zip(
                self._compiled.items(), self._edges.slices, strict=True
            )
        ]
        return Judgement(
            frozenset(rule for rule, each in said if each.enough),
            {rule: each.level for rule, each in said if each.level},
            frozenset(rule for rule, each in said if each.eased),
            frozenset((rule, part) for rule, each in said for part in each.parts),
        )


def _ease(rule: Rule, rulebook: Rulebook) -> Fraction:
    return Fraction(rule.clear_factor or rulebook.clear_factor)


_Edge = tuple[FigureKey, bool, Fraction]
"""A threshold on a figure: at least (True) or at most."""


class _Edges:
    """All rules' thresholds, rule by rule, to be compared with many columns of figures at once."""

    def __init__(self, rules: Iterable["_Compiled"], figures: Sequence[FigureKey]) -> None:
        place = {key: number for number, key in enumerate(figures)}
        rows: list[tuple[int, float, bool]] = []
        self.slices: list[slice] = []
        """Where each rule's own are among the bytes of a combination."""
        for compiled in rules:
            first = len(rows)
            rows += [(place[key], float(edge), least) for key, least, edge in compiled.edges]
            rows += [(0, np.inf, True)] * (-len(compiled.edges) % 8)
            self.slices.append(slice(first // 8, len(rows) // 8))
        self._places = np.array([place for place, _, _ in rows], np.int64)
        self._edges = np.array([edge for _, edge, _ in rows])[:, None]
        self._least = np.array([least for _, _, least in rows])[:, None]

    def reached(self, over: Numbers, under: Numbers) -> list[bytes]:
        """Which thresholds each column reaches, as bits.

        Numerator and denominator are exact, and division rounds right: equal fractions give
        equal values, and other ones differ by far more than a rounding.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.where(under != 0, over / under, np.nan)[self._places]
        held = np.where(self._least, values >= self._edges, values <= self._edges)
        bits = np.packbits(held, axis=0).T
        packed, width = bits.tobytes(), bits.shape[1]
        return [packed[start : start + width] for start in range(0, len(packed), width)]


class _Said(NamedTuple):
    """What durable_rules says of one rule."""

    level: int
    enough: bool
    eased: bool
    parts: frozenset[int]


class _Compiled:
    """One rule as durable_rules definitions, with the thresholds in them."""

    def __init__(self, rule: Rule, scale: Fraction, ease: Fraction) -> None:
        self.parts: dict[Condition, int] = {}
        self._definitions: dict[_Name, Any] = {}
        self._edges: set[_Edge] = set()
        for level, condition in rule.levels.items():
            self._add(_Name("level", level), condition, scale)
            self._add(_Name("eased", level), condition, scale * ease)
            self._add_parts(condition, scale)
        needs = _needs(rule)
        self._always_enough = not needs
        if needs:
            self._add(_Name("enough", 0), _all_of(needs), Fraction(1))
        self.edges = sorted(self._edges, key=lambda edge: (str(edge[0]), edge[1:]))
        self._figures = {key for key, _, _ in self.edges}
        self._matcher = _Matcher(self._definitions)
        self._remembered: dict[bytes, _Said] = {}

    def ask(self, reached: bytes, figures: Callable[[], Mapping[FigureKey, Pair]]) -> _Said:
        """What holds; asked once for a combination of reached thresholds."""
        known = self._remembered.get(reached)
        if known is None:
            own = {key: pair for key, pair in figures().items() if key in self._figures}
            matched = self._matcher.match(_fact(own))
            known = self._remembered[reached] = _Said(
                max((name.number for name in matched if name.what == "level"), default=0),
                self._always_enough or any(name.what == "enough" for name in matched),
                any(name.what == "eased" for name in matched),
                frozenset(name.number for name in matched if name.what == "part"),
            )
        return known

    def _add(self, name: _Name, condition: Condition, ease: Fraction) -> None:
        self._definitions[name] = _expression(condition, ease)
        for leaf in condition.leaves:
            self._edges.add((leaf.figure, leaf.at_least is not None, eased(leaf, ease)))

    def _add_parts(self, condition: Condition, ease: Fraction) -> None:
        for part in condition.any or ():
            if part not in self.parts:
                number = self.parts[part] = len(self.parts)
                self._add(_Name("part", number), part, ease)
        for part in (*(condition.all or ()), *(condition.any or ())):
            self._add_parts(part, ease)


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
        threshold = eased(condition, ease) * _places(condition.figure)
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
    assert leaf.at_most is not None, "a leaf has one threshold"  # noqa: S101 - the model refuses others
    return Fraction(leaf.at_most) / ease


def _places(key: FigureKey) -> int:
    known = INDICATORS.get(key.indicator)
    return _PLACES[known is not None and known.most is not None]


def _fact(figures: Mapping[FigureKey, Pair]) -> dict[str, Any]:
    fact: dict[str, Any] = {}
    for key, (over, under) in figures.items():
        places = _places(key)
        fact[str(key)] = over * places // under
        fact[f"{key}_up"] = -(-over * places // under)
    return fact


class _Matcher:
    """One rule's definitions, in rulesets of a few each.

    One ruleset for all rules would be asked for many more combinations; and when more than some
    forty definitions of a ruleset hold at once, durable_rules gives up with error 303 (its agenda
    has 64 places, MAX_STACK_SIZE in its events.c).
    """

    def __init__(self, definitions: Mapping[_Name, Any]) -> None:
        items = list(definitions.items())
        self._rulesets = [
            _Ruleset(dict(items[start : start + _AT_MOST]))
            for start in range(0, len(items), _AT_MOST)
        ]

    def match(self, fact: dict[str, Any]) -> frozenset[_Name]:
        """The names of all definitions that hold for a fact; nothing of it stays behind."""
        if not fact:
            return frozenset()
        return frozenset().union(*(ruleset.match(fact) for ruleset in self._rulesets))


_AT_MOST = 16
"""Definitions in a ruleset."""


class _Ruleset(Host):  # type: ignore[misc]  # durable_rules has no types
    """A private host with one ruleset: durable_rules' own registry is global and has threads."""

    def __init__(self, definitions: Mapping[_Name, Any]) -> None:
        self._names = {str(name): name for name in definitions}
        self._matched: set[_Name] = set()
        rules = {
            str(name): {"all": [{"m": expression}], "run": str(name)}
            for name, expression in definitions.items()
        }
        super().__init__({"rule": rules})
        # The C extension keeps a ruleset until it is told otherwise: some hundred kB for each.
        for ruleset in self._ruleset_list:
            freed = finalize(self, durable_rules_engine.delete_ruleset, ruleset._handle)
            freed.atexit = False

    def match(self, fact: dict[str, Any]) -> frozenset[_Name]:
        self._matched.clear()
        # Asserting raises when nothing holds; there is then nothing to take back.
        for act in (self.assert_fact, self.retract_fact):
            try:
                act("rule", fact | {"sid": "0", "id": "0"})
            except MessageNotHandledException:
                break
        return frozenset(self._matched)

    def get_action(self, action_name: str) -> Any:
        def matched(_: Any) -> None:
            self._matched.add(self._names[action_name])

        return matched

    def _run(self) -> None:
        """No threads: they serve timers and stored state, which stay unused."""
