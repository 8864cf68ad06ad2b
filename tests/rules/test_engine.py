"""durable_rules decides, and decides as exact arithmetic would."""

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.rules import engine as module
from services.rules.backtest import backtest
from services.rules.engine import Engine, Pair
from services.rules.indicators import COUNTING_DAYS, COVERAGE, MEASURED
from shared.calendar import SchoolCalendar
from shared.indicators import INDICATORS, FigureKey
from shared.rulebook import Condition, Rule, Rulebook
from tests.streams import CALENDAR_CONTENT, RULEBOOK_CONTENT, random_stream

LEAVES: tuple[tuple[dict[str, Any], bool], ...] = (
    ({"indicator": "absence_share", "days": 20}, True),
    ({"indicator": "absence_share", "days": 20, "kind": "excused"}, True),
    ({"indicator": "lates", "days": 10}, False),
    ({"indicator": "absent_run"}, False),
)

Known = dict[FigureKey, Pair | None]

SHARES = ("0.000001", "0.02", "0.1", "0.15", "0.3", "0.333333", "0.5", "1")
COUNTS = ("1", "2", "3", "5", "2.5")


@st.composite
def leaves(draw: st.DrawFn) -> Condition:
    leaf, share = draw(st.sampled_from(LEAVES))
    side = draw(st.sampled_from(("at_least", "at_most")))
    threshold = draw(st.sampled_from(SHARES if share else COUNTS))
    return Condition(**leaf, **{side: Decimal(threshold)})


def conditions() -> st.SearchStrategy[Condition]:
    return st.recursive(
        leaves(),
        lambda parts: st.builds(
            lambda which, of: Condition(**{which: tuple(of)}),
            st.sampled_from(("all", "any")),
            st.lists(parts, min_size=1, max_size=3),
        ),
        max_leaves=5,
    )


@st.composite
def rulebooks(draw: st.DrawFn) -> Rulebook:
    return Rulebook(
        clear_factor=Decimal(draw(st.sampled_from(("0.8", "0.7", "0.35", "0.999999", "1")))),
        rules=tuple(
            Rule.model_validate(
                {
                    "id": f"rule-{number}",
                    "title": {"sv": "Regel", "en": "Rule"},
                    "levels": draw(st.dictionaries(st.integers(1, 4), conditions(), min_size=1)),
                    "needs": draw(st.sampled_from(({}, {"days": 3, "coverage": "0.3"}))),
                }
            )
            for number in range(draw(st.integers(1, 3)))
        ),
    )


@st.composite
def figures(draw: st.DrawFn, rulebook: Rulebook, wanted: tuple[FigureKey, ...]) -> Known:
    """Figures that often lie on a threshold, plain or eased, and else beside."""
    ease = Fraction(rulebook.clear_factor)
    edges = [each for text in (*SHARES, *COUNTS) for each in edges_of(Fraction(text), ease)]
    return {key: draw(st.one_of(st.none(), near(edges), measured())) for key in wanted}


def edges_of(threshold: Fraction, ease: Fraction) -> Iterator[Fraction]:
    yield from (threshold, threshold * ease, threshold / ease)


def near(edges: list[Fraction]) -> st.SearchStrategy[Pair]:
    return st.builds(
        lambda edge, by: (max(0, edge.numerator * 1000 + by), edge.denominator * 1000),
        st.sampled_from(edges),
        st.sampled_from((-1, 0, 0, 1)),
    )


def measured() -> st.SearchStrategy[Pair]:
    return st.tuples(st.integers(0, 12_000), st.integers(1, 12_000))


def holds(condition: Condition, known: Known, ease: Fraction = Fraction(1)) -> bool:
    if condition.all is not None:
        return all(holds(part, known, ease) for part in condition.all)
    if condition.any is not None:
        return any(holds(part, known, ease) for part in condition.any)
    figure = known[condition.figure]
    if figure is None:
        return False
    if condition.at_least is not None:
        return Fraction(*figure) >= Fraction(condition.at_least) * ease
    assert condition.at_most is not None
    return Fraction(*figure) <= Fraction(condition.at_most) / ease


def is_met(rule: Rule, known: Known) -> bool:
    def reaches(figure: Pair | None, least: Fraction) -> bool:
        return not least or (figure is not None and Fraction(*figure) >= least)

    return all(
        reaches(known.get(FigureKey(COUNTING_DAYS, days)), Fraction(rule.need_days))
        and reaches(known.get(FigureKey(COVERAGE, days)), Fraction(rule.need_coverage))
        for days in rule.windows
    )


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_the_matcher_decides_as_fractions_do(data: st.DataObject) -> None:
    rulebook = data.draw(rulebooks())
    engine = Engine(rulebook)

    for _ in range(5):
        known = data.draw(figures(rulebook, engine.figures))
        judgement = engine.judge(known)

        for rule in rulebook.rules:
            held = [level for level, each in rule.levels.items() if holds(each, known)]
            ease = Fraction(rulebook.clear_factor)
            assert judgement.levels.get(rule.id, 0) == max(held, default=0)
            assert (rule.id in judgement.eased) == any(
                holds(each, known, ease) for each in rule.levels.values()
            )
            assert (rule.id in judgement.enough) == is_met(rule, known)
            for level in held:
                deciding = list(engine.deciding(rule.id, rule.levels[level], judgement))
                assert deciding
                assert all(holds(leaf, known) for leaf in deciding)


def one_rule(at_least: str) -> Rulebook:
    level = {"indicator": "absence_share", "days": 20, "at_least": at_least}
    rule = {"id": "high", "title": {"sv": "Hög", "en": "High"}, "levels": {1: level}}
    return Rulebook.model_validate({"rules": [rule | {"needs": {"days": 0, "coverage": 0}}]})


@pytest.mark.parametrize(
    ("absent", "offered", "level"),
    [(10, 100, 1), (99_999, 1_000_000, 0), (1, 10, 1), (3333, 33_331, 0), (3334, 33_331, 1)],
)
def test_the_threshold_itself_counts_and_nothing_is_rounded_up_to_it(
    absent: int, offered: int, level: int
) -> None:
    engine = Engine(one_rule("0.10"))

    judgement = engine.judge(dict.fromkeys(engine.figures, (absent, offered)))

    assert judgement.level("high") == level


def test_a_rule_may_hold_by_many_alternatives_at_once() -> None:
    def level(number: int) -> dict[str, Any]:
        leaf = {"indicator": "lates", "at_least": number}
        return {"any": [leaf | {"days": days} for days in range(1, 31)]}

    rule = {"id": "many", "title": {"sv": "Många", "en": "Many"}}
    levels = {number: level(number) for number in (1, 2, 3, 4)}
    engine = Engine(Rulebook.model_validate({"rules": [rule | {"levels": levels}]}))

    judgement = engine.judge(dict.fromkeys(engine.figures, (9, 1)))

    assert judgement.levels == {"many": 4}
    assert len(judgement.parts) == 120


def test_a_share_of_nothing_offered_holds_nothing() -> None:
    engine = Engine(one_rule("0.000001"))

    judgement = engine.judge(dict.fromkeys(engine.figures))

    assert judgement.level("high") == 0


def test_a_rulebook_without_rules_finds_nothing() -> None:
    engine = Engine(Rulebook(rules=()))

    assert engine.judge({}).levels == {}


def test_with_a_matcher_that_matches_nothing_no_step_comes_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    facts = random_stream(3)
    world = (
        Rulebook.model_validate(RULEBOOK_CONTENT),
        SchoolCalendar.model_validate(CALENDAR_CONTENT),
    )
    found = list(backtest(facts, *world))

    monkeypatch.setattr(module._Matcher, "match", lambda *_: frozenset())

    assert found
    assert list(backtest(facts, *world)) == []


def test_what_the_rulebook_may_name_is_what_is_measured() -> None:
    assert {name for name, known in INDICATORS.items() if known.of == "pupil"} == MEASURED
