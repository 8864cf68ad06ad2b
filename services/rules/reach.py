"""Can every level of a rule be the level that holds? Else a rulebook says what it never does.

A level above another with a lower threshold hides it, a count can ask for more days than its
window has, and a rule can hold for a pupil who was never away. None of these is a mistake of
form, so this looks for figures with which the matcher answers each level.

Conditions know `all` and `any` and no `not`: each is a number of *ways* to hold, each way some
thresholds. A figure of which the rule only asks `at_least` hides less the smaller it is; so for
a way it takes the least value that the way and the known relations to other figures allow, and
if any values make a level the highest, these do. The few figures with an `at_most` take their least
value on each side of it. The matcher judges each such case; it alone compares.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from itertools import islice, pairwise, permutations, product
from math import ceil, floor, prod
from typing import NamedTuple

from services.rules.engine import Engine
from services.rules.indicators import COUNTING_DAYS, COVERAGE
from shared.indicators import INDICATORS, FigureKey
from shared.rulebook import Condition, Rule, Rulebook

Figure = tuple[int, int] | None
"""Numerator and denominator; None: no value."""

_YEAR = 220
"""School days: no window is longer."""

_LESSONS = 12
"""Of one pupil on one day, at most."""

_MANY = 1_000_000
"""More than any count of a school's."""

_MOST_TRIES = 5_000
"""Of one level: ways to hold, times regions of figures, can be more than anybody waits for."""

_PARTS = 10**7
"""Shares and ratios are tried as whole numbers of 10⁻⁷: between any two thresholds lies one."""


class Flaw(NamedTuple):
    """What a rule says that it can't mean. `level` is None when it is of the whole rule."""

    rule: str
    level: int | None
    what: str
    warning: bool
    """It judges as it is written, though hardly as it was meant."""


def flaws(rulebook: Rulebook) -> Iterator[Flaw]:
    """The flaws of each enabled rule, in order."""
    for rule in rulebook.active:
        yield from flaws_of(rule, rulebook)


def flaws_of(rule: Rule, rulebook: Rulebook) -> Iterator[Flaw]:
    """Levels that can't be the one that holds; a rule that never speaks, or always does."""
    matcher = _Matcher(rule, rulebook)
    never: list[int] = []
    for level, condition in rule.levels.items():
        found = matcher.found(level, condition)
        if level in found:
            continue
        if matcher.tries(condition) > _MOST_TRIES:
            what = (
                "can hold in more ways than are tried, and in none of those tried is it the "
                "level that holds; give the rule fewer thresholds of at_most"
            )
            yield Flaw(rule.id, level, what, warning=True)
        elif found <= {None}:
            never.append(level)
        else:
            higher = f"level {next(iter(found))}" if len(found) == 1 else "a higher level"
            what = (
                f"can never be the level that holds: whenever it holds, {higher} does; "
                "give the higher level a stricter threshold, or leave this one out"
            )
            yield Flaw(rule.id, level, what, warning=False)
    if len(never) == len(rule.levels):
        yield Flaw(rule.id, None, f"never fires: {matcher.why_never(rule.leaves)}", warning=True)
    else:
        for level in never:
            why = matcher.why_never(rule.levels[level].leaves)
            yield Flaw(rule.id, level, f"can never hold: {why}", warning=True)
    if always := matcher.level(matcher.nothing_amiss):
        where = "where every lesson is registered" if rule.units else "for a pupil never away"
        yield Flaw(rule.id, None, f"always fires: level {always} holds {where}", warning=True)


class _Bounds(NamedTuple):
    """The values that a figure may take, in parts of one; both included."""

    least: int
    most: int
    none: bool = False
    """No value at all: holds nothing."""


class _Matcher:
    """One rule in the real engine, and the cases worth asking it about."""

    def __init__(self, rule: Rule, rulebook: Rulebook) -> None:
        self._rule = rule
        self._engine = Engine(rulebook, (rule,))
        self._data: dict[FigureKey, Figure] = {
            key: _full_data(key) for key in self._engine.figures if key.indicator not in INDICATORS
        }
        self._keys = [key for key in self._engine.figures if key.indicator in INDICATORS]
        self._most = {key: _most(key, rulebook) for key in self._keys}
        self._orders = [
            (lesser, greater, times)
            for lesser, greater in permutations(self._keys, 2)
            if (times := _never_more_than(lesser, greater))
        ]
        self._regions = {
            key: _regions(key, self._most[key], tuple(rule.leaves))
            for key in self._keys
            if any(leaf.at_most is not None for leaf in rule.leaves if leaf.figure == key)
        }

    def level(self, figures: Mapping[FigureKey, Figure]) -> int | None:
        """The highest level that holds, 0 for none, None when there can't be enough data."""
        return self._engine.judge({**self._data, **figures}).level(self._rule.id)

    @property
    def nothing_amiss(self) -> dict[FigureKey, Figure]:
        """The figures of a pupil who was never away, or of a school that registers all."""
        return {key: _nothing_amiss(key) for key in self._keys}

    def found(self, level: int, condition: Condition) -> set[int | None]:
        """The levels that hold in the condition's cases, up to the first in which `level` does."""
        found: set[int | None] = set()
        for figures in self.cases(condition):
            found.add(self.level(figures))
            if level in found:
                break
        return found

    def cases(self, condition: Condition) -> Iterator[dict[FigureKey, Figure]]:
        """Figures with which the condition holds and as little else as can be; not all of many."""
        tries = ((way, where) for way in _ways(condition) for where in self._wheres())
        for way, where in islice(tries, _MOST_TRIES):
            bounds = {key: _Bounds(0, most) for key, most in self._most.items()} | where
            for leaf in way:
                bounds[leaf.figure] = _narrowed(bounds[leaf.figure], leaf)
            if least := self._least(bounds):
                yield {
                    key: None if bounds[key].none else (value, _parts(key))
                    for key, value in least.items()
                }

    def tries(self, condition: Condition) -> int:
        """How many cases there would be, by ways and regions."""
        return condition.ways * prod(map(len, self._regions.values()))

    def _wheres(self) -> Iterator[dict[FigureKey, _Bounds]]:
        """Each choice of a region for each figure that has some."""
        for regions in product(*self._regions.values()):
            yield dict(zip(self._regions, regions, strict=True))

    def why_never(self, leaves: Iterator[Condition]) -> str:
        """Why no figures make any of a rule's levels hold, as far as one threshold says."""
        needed, windows = self._rule.need_days, self._rule.windows
        shortest = min((days for days in windows if isinstance(days, int)), default=needed)
        if shortest < needed:
            return f"it needs {needed} days with lessons, and a window of it has {shortest}"
        for leaf in leaves:
            most = self._most[leaf.figure]
            if leaf.at_least is not None and leaf.at_least * _parts(leaf.figure) > most:
                over = f" over {leaf.days} days" if isinstance(leaf.days, int) else ""
                return (
                    f"{leaf.indicator}{over} is at most {most // _parts(leaf.figure)}, "
                    f"and {leaf.at_least} is wanted"
                )
        return "no figures meet all of it"

    def _least(self, bounds: Mapping[FigureKey, _Bounds]) -> dict[FigureKey, int] | None:
        """The least values within the bounds that keep the known relations; None: there are none.

        A relation only lifts the greater figure, so lifting until nothing moves finds them.
        """
        least = {key: bound.least for key, bound in bounds.items()}
        moved = True
        while moved:
            moved = False
            if any(least[key] > bound.most for key, bound in bounds.items()):
                return None
            for lesser, greater, times in self._orders:
                # Rounded up: least[greater] / parts >= least[lesser] / (parts × times)
                lifted = -(-least[lesser] * _parts(greater) // (_parts(lesser) * times))
                if lifted > least[greater]:
                    least[greater] = lifted
                    moved = True
        return least


def _ways(condition: Condition) -> Iterator[frozenset[Condition]]:
    """The sets of thresholds by which a condition holds."""
    if condition.indicator is not None:
        yield frozenset({condition})
    for part in condition.any or ():
        yield from _ways(part)
    if condition.all:
        for each in product(*map(list, map(_ways, condition.all))):
            yield reduce(frozenset.union, each)


def _narrowed(bounds: _Bounds, leaf: Condition) -> _Bounds:
    """The bounds within which a threshold holds; empty ones where it can't."""
    if bounds.none:
        return _Bounds(1, 0)
    least, most, parts = bounds.least, bounds.most, _parts(leaf.figure)
    if leaf.at_least is not None:
        least = max(least, ceil(leaf.at_least * parts))
    if leaf.at_most is not None:
        most = min(most, floor(leaf.at_most * parts))
    return _Bounds(least, most)


def _regions(key: FigureKey, most: int, leaves: Sequence[Condition]) -> list[_Bounds]:
    """A figure's values, cut where an `at_most` ceases to hold; and no value, if it can be."""
    ceilings = (leaf.at_most for leaf in leaves if leaf.figure == key)
    cuts = {floor(edge * _parts(key)) + 1 for edge in ceilings if edge is not None}
    within = sorted({0, most + 1, *(cut for cut in cuts if cut <= most)})
    regions = [_Bounds(first, following - 1) for first, following in pairwise(within)]
    return [*regions, _Bounds(0, 0, none=True)] if _parts(key) > 1 else regions


def _full_data(key: FigureKey) -> Figure:
    if key.indicator == COVERAGE:
        return (1, 1)
    assert key.indicator == COUNTING_DAYS, "needs ask for days and coverage"  # noqa: S101 - ours alone
    return (_days(key), 1)


def _nothing_amiss(key: FigureKey) -> Figure:
    if key.indicator == "registered_share":
        return (1, 1)
    return None if key.indicator in _OF_ABSENCE else (0, 1)


_OF_ABSENCE = frozenset(
    {
        "weekday_share",
        "weekday_tail",
        "edge_ratio",
        "subject_ratio",
        "rise_ratio",
        "improvement",
        "class_newly_absent_ratio",
    }
)
"""Without any absence these have no value."""


def _days(key: FigureKey) -> int:
    """The most school days of a figure's window."""
    return key.days if isinstance(key.days, int) and key.days else _YEAR


def _parts(key: FigureKey) -> int:
    """A share or ratio is tried in small parts, a count in ones."""
    return 1 if INDICATORS[key.indicator].most is None else _PARTS


def _most(key: FigureKey, rulebook: Rulebook) -> int:
    """The greatest value that a figure can take, in its parts."""
    capped = INDICATORS[key.indicator].most
    if capped is not None:
        return capped * _PARTS
    days = _days(key)
    counts = {
        "unexcused_lessons": days * _LESSONS,
        "lates": days * _LESSONS,
        "subject_missed": days * _LESSONS,
        "spells": (days + 1) // 2,
        "bradford": ((days + 1) // 2) ** 3,  # each second day a spell of its own
        "persistent_blocks": _YEAR // days,
        "findings": sum(
            max(rule.levels) >= key.level
            for rule in rulebook.active
            if rule.ordinary and (not key.rules or rule.id in key.rules)
        ),
        "unregistered_lessons": _MANY,
    }
    return counts.get(key.indicator, days)


_WITHIN = {
    ("unexcused_days", "unexcused_lessons"): 1,
    ("unexcused_lessons", "unexcused_days"): _LESSONS,
    ("internal_truancy_days", "unexcused_days"): 1,
    ("internal_truancy_days", "unexcused_lessons"): 1,
    ("leave_days", "quarter_days"): 1,
    ("spells", "spell_days"): 1,
    ("scattered_share", "absence_share"): 1,
    ("rise", "absence_share"): 1,
    ("weekday_share", "weekday_hits"): 1,
    ("subject_share", "subject_missed"): 1,
}
"""The first is never more than so many times the second, over the same days."""

_GROWING = frozenset(
    {
        "unexcused_lessons",
        "unexcused_days",
        "lates",
        "spells",
        "spell_days",
        "bradford",
        "weekday_hits",
        "edge_hits",
        "internal_truancy_days",
        "first_last_misses",
        "term_start_days",
        "quarter_days",
        "leave_days",
        "findings",
        "unregistered_lessons",
    }
)
"""Never less over more days."""


def _never_more_than(lesser: FigureKey, greater: FigureKey) -> int:
    """How many times `greater` is never less than `lesser`; 0: nothing is known."""
    grows = greater.indicator in _GROWING and _is_within(lesser, greater)
    if lesser.days != greater.days and not grows:
        return 0
    if lesser.indicator == greater.indicator:
        return int(_is_part_of(lesser, greater))
    if greater.kind not in ("", "all"):
        return 0
    days = _days(lesser)
    # Hits are at most a share of all the window's days, missed lessons of all its lessons.
    shares = {
        ("weekday_hits", "weekday_share"): days,
        ("subject_missed", "subject_share"): days * _LESSONS,
    }
    return (_WITHIN | shares).get((lesser.indicator, greater.indicator), 0)


def _is_part_of(lesser: FigureKey, greater: FigureKey) -> bool:
    """Does all that the one counts, of the same indicator, count in the other too?"""
    match lesser.indicator:
        case "absence_share":
            return greater.kind == "all"
        case "persistent_blocks":
            return (lesser.share or 0) > (greater.share or 0)
        case "findings":
            among = lesser.rules and set(lesser.rules) <= set(greater.rules)
            return bool(among or not greater.rules) and lesser.level >= greater.level
    return lesser.indicator in _GROWING and lesser.kind == greater.kind


def _is_within(lesser: FigureKey, greater: FigureKey) -> bool:
    """Is the one's window a part of the other's? A number of days may reach before a term."""
    if isinstance(lesser.days, int) and isinstance(greater.days, int):
        return lesser.days <= greater.days
    return greater.days == "year"
