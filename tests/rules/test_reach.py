"""Every level of a rule can be the level that holds, or `narvara check` says why it can't."""

from decimal import Decimal
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.rules.engine import Engine
from services.rules.reach import Flaw, flaws
from shared.config import ConfigError, parse_config, read_config
from shared.indicators import FigureKey
from shared.rulebook import Condition, Rule, Rulebook

DEPLOYED = Path(__file__).parents[2] / "deploy" / "config" / "rulebook.yaml"


def rulebook(levels: dict[int, str], beside: str = "", others: str = "") -> Rulebook:
    lines = "".join(f"      {level}: {{{condition}}}\n" for level, condition in levels.items())
    text = (
        f"rules:\n  - id: tried\n    title: {{sv: Prövad, en: Tried}}\n{beside}"
        f"    levels:\n{lines}{others}"
    )
    return parse_config(text, Rulebook, "rulebook.yaml")


def said(levels: dict[int, str], beside: str = "", others: str = "") -> list[Flaw]:
    return list(flaws(rulebook(levels, beside, others)))


SHARE = "indicator: absence_share, days: 20, at_least: "
LATES = "indicator: lates, days: "


def test_the_deployed_rulebook_has_no_flaw() -> None:
    assert list(flaws(read_config(DEPLOYED, Rulebook))) == []


@pytest.mark.parametrize(
    "hidden",
    [
        pytest.param({1: SHARE + "0.2", 2: SHARE + "0.15"}, id="a lower threshold above"),
        pytest.param({1: SHARE + "0.2", 2: SHARE + "0.2"}, id="the same threshold above"),
        pytest.param(
            {1: LATES + "10, at_least: 4", 2: LATES + "20, at_least: 4"},
            id="as many in a longer window above",
        ),
        pytest.param(
            {
                1: "indicator: absence_share, kind: unexcused, days: 20, at_least: 0.1",
                2: SHARE + "0.1",
            },
            id="all absence above a part of it",
        ),
        pytest.param(
            {
                1: "indicator: unexcused_lessons, days: 5, at_least: 13",
                2: "indicator: unexcused_days, days: 10, at_least: 2",
            },
            id="more lessons than one day has, above two days",
        ),
        pytest.param(
            {
                1: "indicator: leave_days, days: year, at_least: 5",
                2: "any: [{indicator: quarter_days, days: year, at_least: 4}, "
                "{indicator: lates, days: 5, at_least: 1}]",
            },
            id="one of two ways above always holds too",
        ),
        pytest.param(
            {
                1: "indicator: improvement, days: 10, at_most: 0.5",
                2: "indicator: improvement, days: 10, at_most: 0.6",
            },
            id="a milder ceiling above",
        ),
    ],
)
def test_a_level_that_a_higher_one_always_hides_is_an_error(hidden: dict[int, str]) -> None:
    (flaw,) = said(hidden)

    assert (flaw.rule, flaw.level, flaw.warning) == ("tried", 1, False)
    assert "can never be the level that holds: whenever it holds, level 2 does" in flaw.what


@pytest.mark.parametrize(
    "fine",
    [
        pytest.param({1: SHARE + "0.1", 2: SHARE + "0.100001"}, id="the next threshold"),
        pytest.param(
            {1: LATES + "20, at_least: 4", 2: LATES + "10, at_least: 4"},
            id="as many in a shorter window above",
        ),
        pytest.param(
            {1: LATES + "20, at_least: 4", 2: LATES + "term, at_least: 4"},
            id="a term that is younger than the window",
        ),
        pytest.param(
            {
                1: "indicator: unexcused_lessons, days: 5, at_least: 12",
                2: "indicator: unexcused_days, days: 10, at_least: 2",
            },
            id="as many lessons as one day has",
        ),
        pytest.param(
            {
                1: "indicator: absence_share, kind: excused, days: 20, at_least: 0.1",
                2: "indicator: absence_share, kind: unexcused, days: 20, at_least: 0.1",
            },
            id="kinds that exclude one another",
        ),
        pytest.param(
            {
                1: "indicator: improvement, days: 10, at_most: 0.5",
                2: "indicator: improvement, days: 10, at_most: 0.4",
            },
            id="a stricter ceiling above",
        ),
    ],
)
def test_a_level_that_can_be_the_highest_is_fine(fine: dict[int, str]) -> None:
    assert said(fine) == []


def threshold(figure: str, edge: str) -> str:
    """A condition on a figure such as `lates 10` or `first_last_misses 10 kind:last`."""
    indicator, days, *beside = figure.replace(":", ": ").split(maxsplit=2)
    return ", ".join([f"indicator: {indicator}", f"days: {days}", *beside, f"at_least: {edge}"])


@pytest.mark.parametrize(
    ("lesser", "edge", "greater", "implied"),
    [
        ("internal_truancy_days 5", "2", "unexcused_days 5", "2"),
        ("internal_truancy_days 5", "2", "unexcused_lessons 5", "2"),
        ("unexcused_days 10", "4", "unexcused_lessons year", "4"),
        ("unexcused_lessons term", "25", "unexcused_days year", "3"),
        ("leave_days 20", "5", "quarter_days 20", "5"),
        ("spells 40", "3", "spell_days 40", "3"),
        ("spells 20", "3", "spells 40", "3"),
        ("bradford 40", "50", "bradford 60", "50"),
        ("scattered_share 20", "0.1", "absence_share 20", "0.1"),
        ("absence_share 20 kind:excused", "0.1", "absence_share 20", "0.1"),
        ("rise 10", "0.1", "absence_share 10", "0.1"),
        ("weekday_share 40", "0.5", "weekday_hits 40", "1"),
        ("weekday_hits 40", "4", "weekday_share 40", "0.1"),
        ("subject_share 20", "0.3", "subject_missed 20", "1"),
        ("subject_missed 10", "6", "subject_share 10", "0.05"),
        ("edge_hits 10", "4", "edge_hits 12", "4"),
        ("term_start_days 10", "4", "term_start_days 20", "4"),
        ("first_last_misses 10 kind:last", "4", "first_last_misses 20 kind:last", "4"),
        ("persistent_blocks 20 share:0.2", "3", "persistent_blocks 20 share:0.1", "3"),
    ],
)
def test_what_is_never_more_than_another_can_not_hold_alone(
    lesser: str, edge: str, greater: str, implied: str
) -> None:
    more = str(Decimal(implied) + (1 if Decimal(implied) >= 1 else Decimal("0.01")))

    hidden = said({1: threshold(lesser, edge), 2: threshold(greater, implied)})
    fine = said({1: threshold(lesser, edge), 2: threshold(greater, more)})

    assert [(flaw.level, flaw.warning) for flaw in hidden] == [(1, False)]
    assert fine == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("unexcused_days 20", "unexcused_lessons 10"),
        ("first_last_misses 10 kind:first", "first_last_misses 10 kind:last"),
        ("scattered_share 20", "absence_share 40"),
        ("absence_share 20", "absence_share 20 kind:excused"),
        ("lates year", "lates term"),
        ("scattered_share 20", "absence_share 20 kind:excused"),
        ("spell_days 20", "spells 20"),
        ("persistent_blocks 20 share:0.1", "persistent_blocks 20 share:0.2"),
        ("persistent_blocks 20 share:0.2", "persistent_blocks 10 share:0.1"),
        ("subject_missed 10", "subject_missed 20"),
    ],
)
def test_what_does_not_follow_can_hold_alone(one: str, other: str) -> None:
    edge = "0.1" if "share 20" in one else "2"

    assert said({1: threshold(one, edge), 2: threshold(other, edge)}) == []


def test_findings_of_more_rules_or_lower_levels_are_never_fewer() -> None:
    others = "".join(
        f"  - id: {name}\n    title: {{sv: Annan, en: Other}}\n    levels:\n"
        "      3: {indicator: lates, days: 5, at_least: 1}\n"
        for name in ("one", "two", "three")
    )
    findings = "indicator: findings, at_least: 1, days: 20"

    def hidden(lower: str, higher: str) -> list[int | None]:
        levels = {1: f"{findings}, {lower}", 2: f"{findings}, {higher}"}
        return [flaw.level for flaw in said(levels, others=others)]

    assert hidden("level: 3", "level: 2") == [1]
    assert hidden("level: 2", "level: 3") == []
    assert hidden("rules: [one]", "rules: [one, two]") == [1]
    assert hidden("rules: [one, two]", "rules: [one]") == []
    assert hidden("rules: [one, two]", "level: 1") == [1]
    assert hidden("level: 1", "rules: [one, two]") == []


def test_a_figure_without_a_value_holds_neither_way() -> None:
    assert (
        said({1: LATES + "10, at_least: 4", 2: "indicator: rise_ratio, days: 10, at_most: 1000"})
        == []
    )


def test_a_level_may_be_hidden_by_two_together() -> None:
    flaws = said(
        {
            1: SHARE + "0.1",
            2: "indicator: absence_share, days: 20, at_most: 0.2",
            3: SHARE + "0.15",
        }
    )

    assert [(flaw.level, flaw.warning) for flaw in flaws] == [(1, False), (None, True)]
    assert "whenever it holds, a higher level does" in flaws[0].what


def test_a_level_that_asks_for_more_than_its_window_has_is_told() -> None:
    (flaw,) = said(
        {1: LATES + "5, at_least: 2", 2: "indicator: unexcused_days, days: 10, at_least: 12"}
    )

    assert (flaw.level, flaw.warning) == (2, True)
    assert (
        flaw.what == "can never hold: unexcused_days over 10 days is at most 10, and 12 is wanted"
    )


@pytest.mark.parametrize(
    ("figure", "most"),
    [
        ("lates 5", 60),
        ("unexcused_lessons 1", 12),
        ("subject_missed 2", 24),
        ("internal_truancy_days 10", 10),
        ("spells 20", 10),
        ("spell_days 20", 20),
        ("bradford 10", 125),
        ("persistent_blocks 20 share:0.1", 11),
        ("quarter_days year", 220),
    ],
)
def test_as_much_as_a_window_has_can_be_and_no_more(figure: str, most: int) -> None:
    (never,) = said({1: threshold(figure, str(most + 1))})

    assert f" is at most {most}, and {most + 1} is wanted" in never.what
    assert said({1: threshold(figure, str(most))}) == []


def test_a_level_whose_parts_exclude_one_another_is_told() -> None:
    few_and_many = f"all: [{{{SHARE}0.3}}, {{indicator: absence_share, days: 20, at_most: 0.2}}]"

    (flaw,) = said({1: SHARE + "0.3", 2: few_and_many})

    assert (flaw.level, flaw.warning) == (2, True)
    assert flaw.what == "can never hold: no figures meet all of it"


def one_of_each(groups: int) -> str:
    """A condition of so many groups, of which each has six alternatives."""
    return "all: [{}]".format(
        ", ".join(
            "{{any: [{}]}}".format(
                ", ".join(f"{{{LATES}{days}, at_least: {least}}}" for days in range(10, 16))
            )
            for least in range(2, 2 + groups)
        )
    )


def test_as_many_ways_as_the_matcher_takes_are_tried_and_more_are_no_condition() -> None:
    assert said({1: one_of_each(3), 2: LATES + "20, at_least: 9"}) == []
    with pytest.raises(ConfigError, match="can hold in 1296 ways, of which the matcher takes 1000"):
        rulebook({1: one_of_each(4)})


def test_a_level_with_more_cases_than_are_tried_is_told_and_not_called_impossible() -> None:
    counts = "lates spells weekday_hits edge_hits unexcused_days unexcused_lessons quarter_days"
    few = [
        f"{{indicator: {name}, days: 20, at_most: {most}}}"
        for name in counts.split()
        for most in (2, 4, 6)
    ]
    hidden = ", ".join([*few, "{indicator: leave_days, days: 20, at_least: 1}"])

    hides, *_ = said({1: "indicator: leave_days, days: 20, at_least: 2", 2: f"any: [{hidden}]"})

    assert (hides.level, hides.warning) == (1, True)
    assert hides.what.startswith("can hold in more ways than are tried")


def test_a_rule_that_never_has_enough_data_never_fires() -> None:
    (flaw,) = said({1: "indicator: absence_share, days: 5, at_least: 0.1"})

    assert (flaw.level, flaw.warning) == (None, True)
    assert flaw.what == "never fires: it needs 10 days with lessons, and a window of it has 5"
    assert not said(
        {1: "indicator: absence_share, days: 5, at_least: 0.1"}, "    needs: {days: 5}\n"
    )


def test_a_rule_on_more_findings_than_there_are_rules_never_fires() -> None:
    other = (
        "  - id: other\n    title: {sv: Annan, en: Other}\n    levels:\n"
        "      2: {indicator: lates, days: 5, at_least: 1}\n"
    )

    (two,) = said({3: "indicator: findings, days: 20, at_least: 2"}, others=other)
    (high,) = said({3: "indicator: findings, days: 20, at_least: 1, level: 3"}, others=other)

    assert two.what == ("never fires: findings over 20 days is at most 1, and 2 is wanted")
    assert high.what.startswith("never fires: ")
    assert said({3: "indicator: findings, days: 20, at_least: 1, level: 2"}, others=other) == []


@pytest.mark.parametrize(
    ("level", "beside", "whom"),
    [
        ("indicator: absence_share, days: 20, at_most: 0.1", "", "for a pupil never away"),
        ("indicator: unanswered, at_most: 3", "", "for a pupil never away"),
        (
            "indicator: registered_share, days: 5, at_least: 0.95",
            "    units: [school]\n",
            "where every lesson is registered",
        ),
    ],
)
def test_a_rule_that_holds_when_nothing_is_amiss_is_told(
    level: str, beside: str, whom: str
) -> None:
    (flaw,) = said({1: level}, beside)

    assert (flaw.level, flaw.warning) == (None, True)
    assert flaw.what == f"always fires: level 1 holds {whom}"


def test_good_news_of_an_open_finding_alone_is_no_news_of_everybody() -> None:
    both = (
        "all: [{indicator: absence_share, days: 10, at_most: 0.05}, "
        "{indicator: improvement, days: 10, at_most: 0.5}]"
    )

    assert said({1: both}, "    good_news: true\n") == []


GRID: dict[FigureKey, list[tuple[int, int] | None]] = {
    FigureKey("lates", 2): [(value, 1) for value in range(6)],
    FigureKey("lates", 3): [(value, 1) for value in range(6)],
    FigureKey("subject_ratio", 20): [None, *((value, 2) for value in range(12))],
}
"""Values on, below, between and above all thresholds that `conditions` draws."""


def conditions() -> st.SearchStrategy[Condition]:
    leaves = st.builds(
        lambda key, side, edge: Condition(
            indicator=key.indicator, days=key.days, **{side: Decimal(edge)}
        ),
        st.sampled_from(list(GRID)),
        st.sampled_from(("at_least", "at_least", "at_most")),
        st.integers(1, 4),
    )
    return st.recursive(
        leaves,
        lambda parts: st.builds(
            lambda which, of: Condition(**{which: tuple(of)}),
            st.sampled_from(("all", "any")),
            st.lists(parts, min_size=2, max_size=3),
        ),
        max_leaves=4,
    )


def _holding(rule: Rule) -> tuple[set[int], set[int]]:
    """Levels that are the highest for some figures, and those that hold at all: all tried."""
    highest: set[int] = set()
    holding: set[int] = set()
    of_each = {level: rule_of({level: rule.levels[level]}) for level in rule.levels}
    engines = {level: Engine(book) for level, book in of_each.items()}
    engine = Engine(rule_of(dict(rule.levels)))
    for values in product(*GRID.values()):
        figures: dict[FigureKey, Any] = dict(zip(GRID, values, strict=True))
        shorter, longer = (Fraction(*figures[key]) for key in list(GRID)[:2])
        if shorter <= longer:
            highest.add(engine.judge(figures).levels.get("tried", 0))
            holding |= {level for level, each in engines.items() if each.judge(figures).levels}
    return highest, holding


def rule_of(levels: dict[int, Condition]) -> Rulebook:
    rule = {
        "id": "tried",
        "title": {"sv": "Prövad", "en": "Tried"},
        "needs": {"days": 0, "coverage": 0},
        "levels": levels,
    }
    return Rulebook(rules=(Rule.model_validate(rule),))


@given(st.dictionaries(st.integers(1, 3), conditions(), min_size=1))
@settings(max_examples=40, deadline=None)
def test_what_is_said_is_what_trying_all_figures_finds(levels: dict[int, Condition]) -> None:
    book = rule_of(levels)
    highest, holding = _holding(book.rules[0])

    told = list(flaws(book))

    assert {flaw.level for flaw in told if not flaw.warning} == holding - highest
    assert any("never fires" in flaw.what for flaw in told) is not bool(holding)
    if holding:
        never = {flaw.level for flaw in told if "can never hold" in flaw.what}
        assert never == set(levels) - holding
