"""docs/patterns.md says what deploy/config/rulebook.yaml does, and its examples come true."""

import re
from pathlib import Path

import pytest

from services.patterns_page import AUDIENCES, FORMULAS, PAGE, RULEBOOK, page_of
from services.rules.example import outcome
from shared.config import read_config
from shared.indicators import INDICATORS
from shared.rulebook import Example, Rule, Rulebook, Wording

ROOT = Path(__file__).parents[2]
FILE = read_config(ROOT / RULEBOOK, Rulebook)
TEXT = (ROOT / PAGE).read_text(encoding="utf-8")

EXAMPLES = [
    pytest.param(rule.id, example, id=f"{rule.id}-{number}")
    for rule in FILE.rules
    for number, example in enumerate(rule.examples)
]
EXAMPLES += [
    pytest.param(None, example, id=f"handover-{number}")
    for number, example in enumerate(FILE.handover.examples if FILE.handover else ())
]


def section(anchor: str) -> str:
    """A rule's part of the page."""
    _, _, after = TEXT.partition(f'<a id="{anchor}"></a>')
    return after.partition("<a id=")[0]


def row(text: str, level: int) -> str:
    """The line of a level in a rule's table."""
    (found,) = re.findall(rf"^\| {level} \w+ \|.*$", text, re.MULTILINE)
    assert isinstance(found, str)
    return found


def test_the_page_follows_the_rulebook() -> None:
    assert page_of(FILE, TEXT) == TEXT, "run python -m services.patterns_page"


def test_a_page_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="no part to fill"):
        page_of(FILE, "# Patterns")


@pytest.mark.parametrize("rule", FILE.rules, ids=lambda rule: rule.id)
def test_every_rule_has_its_section(rule: Rule) -> None:
    text = section(rule.id)

    assert f"`{rule.id}`" in text
    assert rule.title.sv in text
    assert rule.title.en in text
    assert rule.source in text
    for words in (rule.why, rule.runbook):
        assert words is not None
        assert words.sv in text
        assert words.en in text
    for name in {leaf.figure.indicator for leaf in rule.leaves}:
        assert f"- `{name}`: {FORMULAS[name]}" in text
    for example in rule.examples:
        assert all(strip in text for strip in (example.strip, *(example.pupils or ())) if strip)


@pytest.mark.parametrize("rule", FILE.rules, ids=lambda rule: rule.id)
def test_every_level_stands_with_its_numbers_and_audience(rule: Rule) -> None:
    for level, condition in rule.levels.items():
        text = row(section(rule.id), level)
        for leaf in condition.leaves:
            threshold = leaf.at_least if leaf.at_least is not None else leaf.at_most
            assert threshold is not None
            share = leaf.known.most == 1
            number = f"{(threshold * 100 if share else threshold).normalize():f}"
            shown = re.escape(f"{number} %" if share else number)
            assert re.search(rf" at (least|most) {shown}(?![\d.])", text)
            assert leaf.days is None or re.search(rf"\b{leaf.days}\b", text)
        assert text.endswith(
            f"| {', '.join(AUDIENCES[each] for each in rule.audience_at(level))} |"
        )


def test_the_handover_has_its_section() -> None:
    handover = FILE.handover
    assert handover is not None
    assert handover.title is not None

    text = section("handover")

    assert handover.title.sv in text
    assert f"first {handover.days} school days" in text
    assert str(handover.factor) in text


def test_every_indicator_has_a_formula_on_the_page() -> None:
    assert set(FORMULAS) == set(INDICATORS)
    assert all(f"- `{name}`: {formula}" in TEXT for name, formula in FORMULAS.items())


def test_the_patterns_are_numbered_in_order() -> None:
    numbers = [rule.pattern for rule in FILE.rules if re.fullmatch(r"P\d+", rule.pattern)]
    numbers.append(FILE.handover.pattern if FILE.handover else "")

    assert sorted(set(numbers), key=lambda each: int(each[1:])) == [f"P{n}" for n in range(1, 25)]
    assert numbers[:-1] == sorted(numbers[:-1], key=lambda each: int(each[1:]))


@pytest.mark.parametrize(("rule", "example"), EXAMPLES)
def test_an_example_comes_true(rule: str | None, example: Example) -> None:
    assert outcome(FILE, rule, example) == example.level


@pytest.mark.parametrize("rule", FILE.rules, ids=lambda rule: rule.id)
def test_examples_show_the_highest_level_and_what_stays_quiet(rule: Rule) -> None:
    levels = {example.level for example in rule.examples}

    assert {0, max(rule.levels)} <= levels


@pytest.mark.parametrize("rule", FILE.rules, ids=lambda rule: rule.id)
def test_prose_repeats_no_number_that_may_be_changed(rule: Rule) -> None:
    texts: list[Wording | None] = [rule.title, rule.why, rule.runbook]

    assert not any(re.search(r"\d", each.sv + each.en) for each in texts if each is not None)
