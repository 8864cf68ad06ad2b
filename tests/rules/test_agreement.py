"""The fold and the oracle, which know nothing of each other, tell the same story."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings

from services.rules.backtest import backtest
from shared.calendar import SchoolCalendar
from shared.events import CaseStep, Fact
from shared.rulebook import Rulebook
from tests.oracle.judge import steps as oracle_steps
from tests.streams import (
    CALENDAR_CONTENT,
    RULEBOOK_CONTENT,
    SMALL_CALENDAR_CONTENT,
    SMALL_RULEBOOK_CONTENT,
    random_stream,
    reordered_streams,
    small_streams,
)

Told = dict[str, Any]


def told(facts: Iterable[Fact], rulebook: Told, calendar: Told) -> list[CaseStep]:
    return list(
        backtest(facts, Rulebook.model_validate(rulebook), SchoolCalendar.model_validate(calendar))
    )


def expected(facts: Sequence[Fact], rulebook: Told, calendar: Told) -> list[Told]:
    plain = [fact.model_dump(mode="python", by_alias=True) for fact in facts]
    return oracle_steps(plain, rulebook, calendar)


def life(step: CaseStep) -> Told:
    """A step in the oracle's words, without its evidence."""
    fields = ("school", "pupil", "rule", "level", "remaining", "as_of", "since", "history")
    return {name: getattr(step, name) for name in fields} | {"kind": step.kind.value}


def assert_same(steps: list[CaseStep], wanted: list[Told]) -> None:
    """Rule by rule in the order of life; which rule comes first is nobody's promise."""
    steps = sorted(steps, key=lambda step: (step.as_of, step.school, step.pupil, step.rule))
    wanted = sorted(
        wanted, key=lambda want: (want["as_of"], want["school"], want["pupil"], want["rule"])
    )
    for step, want in zip(steps, wanted, strict=False):
        assert life(step) == {key: want[key] for key in life(step)}
        if want["figures"] is not None:
            assert evidence(step) == figures(want)
    assert len(steps) == len(wanted)


def evidence(step: CaseStep) -> list[Told]:
    return [
        {
            "indicator": each.indicator,
            "kind": each.kind or ("all" if each.indicator == "absence_share" else None),
            "days": each.days,
            "value": each.value,
            "at_least": each.at_least,
            "at_most": each.at_most,
            "lessons": set(each.lessons),
        }
        for each in step.evidence
    ]


def figures(want: Told) -> list[Told]:
    return [
        each
        | {
            "value": shown(each["value"]),
            "at_least": shown(each.get("at_least")),
            "at_most": shown(each.get("at_most")),
        }
        for each in want["figures"]
    ]


def shown(value: Fraction | int | None) -> float | int | None:
    return None if value is None else round(float(value), 12)


@pytest.mark.parametrize("seed", range(40))
def test_a_term_full_of_corrections_gives_the_steps_the_oracle_gives(seed: int) -> None:
    facts = random_stream(seed)

    steps = told(facts, RULEBOOK_CONTENT, CALENDAR_CONTENT)

    assert_same(steps, expected(facts, RULEBOOK_CONTENT, CALENDAR_CONTENT))


def test_a_year_whose_last_day_was_taken_away_is_judged_by_the_rulebooks_it_had() -> None:
    """A finding outlives its year; corrections judge last year's days anew, weeks into the next."""
    facts = random_stream(2008, days=150)

    steps = told(facts, RULEBOOK_CONTENT, CALENDAR_CONTENT)

    assert_same(steps, expected(facts, RULEBOOK_CONTENT, CALENDAR_CONTENT))


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1000, 1400))
def test_many_terms_full_of_corrections_give_the_steps_the_oracle_gives(seed: int) -> None:
    facts = random_stream(seed, days=160)

    steps = told(facts, RULEBOOK_CONTENT, CALENDAR_CONTENT)

    assert_same(steps, expected(facts, RULEBOOK_CONTENT, CALENDAR_CONTENT))


@given(small_streams())
@settings(max_examples=300, deadline=None)
def test_any_small_stream_gives_the_steps_the_oracle_gives(facts: list[Fact]) -> None:
    steps = told(facts, SMALL_RULEBOOK_CONTENT, SMALL_CALENDAR_CONTENT)

    assert_same(steps, expected(facts, SMALL_RULEBOOK_CONTENT, SMALL_CALENDAR_CONTENT))


@given(reordered_streams())
@settings(max_examples=300, deadline=None)
def test_order_and_repetition_between_two_day_closes_do_not_matter(
    streams: tuple[list[Fact], list[Fact]],
) -> None:
    facts, reordered = streams

    steps = told(facts, SMALL_RULEBOOK_CONTENT, SMALL_CALENDAR_CONTENT)

    assert told(reordered, SMALL_RULEBOOK_CONTENT, SMALL_CALENDAR_CONTENT) == steps


@pytest.mark.parametrize("seed", range(10))
def test_no_two_steps_of_a_stream_share_an_id(seed: int) -> None:
    steps = told(random_stream(seed), RULEBOOK_CONTENT, CALENDAR_CONTENT)

    assert len({step.step_id for step in steps}) == len(steps) > 0
