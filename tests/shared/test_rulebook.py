"""What a rulebook means where it says nothing."""

from decimal import Decimal
from typing import Any

import pytest

from shared.rulebook import Rule, Rulebook

SHARE = {"indicator": "absence_share", "days": 20, "at_least": "0.10"}
COUNT = {"indicator": "unexcused_lessons", "days": 10, "at_least": 3}


def a_rule(*levels: dict[str, Any], **more: Any) -> Rule:
    numbered = dict(enumerate(levels, start=1))
    title = {"sv": "Regel", "en": "Rule"}
    return Rule.model_validate({"id": "a-rule", "title": title, "levels": numbered, **more})


def test_a_rule_on_a_share_needs_ten_days_and_nine_lessons_in_ten_reported() -> None:
    rule = a_rule(SHARE)

    assert (rule.need_days, rule.need_coverage) == (10, Decimal("0.9"))


def test_a_rule_that_counts_needs_nothing_so_that_a_first_week_counts() -> None:
    rule = a_rule(COUNT)

    assert (rule.need_days, rule.need_coverage) == (0, Decimal(0))


def test_one_share_anywhere_in_a_rule_makes_it_need_data() -> None:
    rule = a_rule(COUNT, {"any": [COUNT, {"all": [COUNT, SHARE]}]})

    assert (rule.need_days, rule.need_coverage) == (10, Decimal("0.9"))
    assert rule.windows == (10, 20)


def test_needs_that_are_given_stand_and_the_other_keeps_its_default() -> None:
    share, count = a_rule(SHARE, needs={"days": 5}), a_rule(COUNT, needs={"coverage": "0.5"})

    assert (share.need_days, share.need_coverage) == (5, Decimal("0.9"))
    assert (count.need_days, count.need_coverage) == (0, Decimal("0.5"))


@pytest.mark.parametrize(
    ("level", "audience"),
    [
        (1, ("contact_teacher",)),
        (2, ("contact_teacher", "eht")),
        (3, ("eht", "rektor")),
        (4, ("admin",)),
    ],
)
def test_a_level_without_an_audience_tells_the_default_one(
    level: int, audience: tuple[str, ...]
) -> None:
    assert a_rule(SHARE, audience={4: ["admin"]}).audience_at(level) == audience


def test_a_disabled_rule_is_known_and_not_active() -> None:
    rulebook = Rulebook(rules=(a_rule(SHARE, enabled=False),))

    assert rulebook.active == ()
    assert len(rulebook.rules) == 1
