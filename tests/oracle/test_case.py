"""Case figures, handover, holding and a school's own rules, worked out by hand."""

from typing import Any

from tests.oracle.facts import (
    CALENDAR,
    DAYS,
    YEAR_END,
    Plain,
    at_least,
    book,
    close,
    closes,
    day,
    lessons,
    record,
    rule,
    said,
    school,
    told,
)
from tests.oracle.judge import Step, steps

UNEXCUSED = rule("unexcused", {n: at_least("unexcused_lessons", n, days=1) for n in (1, 2)})
LATE = rule("late", {1: at_least("lates", 1, days=1)})


def case(condition: Plain, *others: Plain, **more: Any) -> Plain:
    """A rulebook with the two rules above and one on a case."""
    return book(rule("case", {1: condition}), UNEXCUSED, LATE, *others, **more)


def telling(on: int) -> Plain:
    return {"type": "case_told", "school": "s", "pupil": "p", "recipient": "x", "on": day(on)}


def answer(on: int, kind: str = "talked", until: int | None = None) -> Plain:
    return {
        "type": "case_answer",
        "school": "s",
        "pupil": "p",
        "answer": kind,
        "by": "x",
        "on": day(on),
        "until": None if until is None else day(until),
    }


# ---- Findings ------------------------------------------------------------------------------


def two_rules(apart: int) -> list[Plain]:
    between = school(2, apart, "present")
    return [*school(1, 1, "unexcused"), *between, *school(apart + 1, apart + 1, "late")]


def test_findings_counts_rules_that_reached_the_level_within_the_days() -> None:
    two_in_three = case(at_least("findings", 2, days=3))

    # The first is cleared on day 2, and still on record.
    assert said(two_rules(2), two_in_three, "unexcused")[-1] == "day 2: cleared 1, since 1"
    assert said(two_rules(2), two_in_three, "case") == ["day 3: opened 1, since 3"]
    assert said(two_rules(3), two_in_three, "case") == []


def test_findings_looks_at_a_level_and_at_some_rules() -> None:
    high = case(at_least("findings", 1, days=3, level=2))
    some = case(at_least("findings", 1, days=3, rules=["late"]))
    facts = [*school(1, 1, "unexcused"), *school(2, 2, "unexcused", "unexcused")]

    assert said(facts, high, "case") == ["day 2: opened 1, since 2"]
    assert said(facts, some, "case") == []
    assert said(two_rules(1), some, "case") == ["day 2: opened 1, since 2"]


def test_findings_counts_from_the_first_day_at_the_level() -> None:
    lasting = {**UNEXCUSED, "clear_after": 9}
    rules = book(lasting, rule("case", {1: at_least("findings", 1, days=2)}))
    facts = [*school(1, 2, "unexcused"), *school(3, 3, "unexcused", "unexcused")]

    assert said(facts, rules, "case") == ["day 1: opened 1, since 1", "day 3: cleared 1, since 1"]


def test_a_retracted_finding_is_not_on_record_and_takes_the_case_with_it() -> None:
    rules = case(at_least("findings", 2, days=5), clear_after=9)
    facts = [*two_rules(1), lessons(1, "present", revision=1), close(3)]

    assert said(facts, rules, "unexcused")[1:] == ["day 3: retracted 1 leaving 0, since 1"]
    assert said(facts, rules, "case") == [
        "day 2: opened 1, since 2",
        "day 3: retracted 1 leaving 0, since 2",
    ]


def test_what_is_in_shadow_good_news_or_on_a_case_is_no_ordinary_finding() -> None:
    rules = book(
        {**UNEXCUSED, "shadow": True},
        {**LATE, "good_news": True},
        rule("case", {1: at_least("findings", 1, days=5)}),
        rule("other", {1: {"indicator": "findings", "days": 5, "at_most": 0}}),
    )

    assert said(two_rules(1), rules, "case") == []
    assert said(two_rules(1), rules, "other") == ["day 1: opened 1, since 1"]


def test_the_years_first_day_ends_the_look_back_and_an_enrolment_does_not() -> None:
    rules = case(at_least("findings", 2, days=5))
    over_the_year = [*school(YEAR_END, YEAR_END, "unexcused")]
    over_the_year += school(YEAR_END + 1, YEAR_END + 1, "late")
    enrolled = [*school(1, 1, "unexcused"), close(2), record(enrolled=3), *school(3, 3, "late")]

    assert said(over_the_year, rules, "case") == []
    assert said(enrolled, rules, "case") == ["day 3: opened 1, since 3"]


# ---- Relapse, improvement, unanswered ------------------------------------------------------


def test_a_relapse_is_absence_while_all_is_cleared() -> None:
    rules = case(at_least("relapse", "0.4", days=3))
    facts = [*school(1, 1, "unexcused"), *school(2, 2, "present"), *school(3, 3, "excused")]

    # Cleared on day 2, when one of two lessons was missed: at once half. Day 1 alone, while the
    # finding stands open, is none.
    assert said(facts[:2], rules, "case") == []
    assert said(facts, rules, "case") == ["day 2: opened 1, since 2"]


def test_a_relapse_looks_for_what_was_cleared_within_the_days() -> None:
    rules = case(at_least("relapse", "0.4", days=3))
    facts = [*school(1, 1, "unexcused"), *school(2, 4, "present")]
    sooner = [*facts[:-2], *school(4, 4, "excused", "excused", "excused", "excused")]
    later = [*facts, *school(5, 5, *["excused"] * 9)]

    assert said(facts, rules, "case")[0] == "day 2: opened 1, since 2"
    # Four of six lessons on day 4; cleared on day 2, which is within three days, and on day 5 not.
    high = case(at_least("relapse", "0.6", days=3))
    assert said(sooner, high, "case") == ["day 4: opened 1, since 4"]
    assert said(later, high, "case") == []


def test_a_retracted_finding_leaves_no_relapse() -> None:
    rules = case(at_least("relapse", "0.4", days=3), clear_after=9)
    facts = [*school(1, 1, "unexcused"), lessons(1, "excused", revision=1), close(2)]

    assert said(facts, rules, "case") == []


def halved(at_most: str, **more: Any) -> Plain:
    lasting = {**UNEXCUSED, "clear_after": 9}
    condition = {"indicator": "improvement", "days": 2, "at_most": at_most}
    return book(lasting, rule("case", {1: condition}, **more))


def test_an_improvement_is_held_against_the_day_of_the_oldest_open_finding() -> None:
    facts = [*school(1, 1, "unexcused", "present"), *school(2, 2, "present", "present")]

    # Half on day 1; on day 2 one of four lessons in two days.
    assert said(facts, halved("0.5"), "case") == ["day 2: opened 1, since 2"]
    assert said(facts, halved("0.49"), "case") == []


def test_without_a_finding_or_a_base_nothing_has_improved() -> None:
    none_open = school(1, 3, "present")
    no_base = [lessons(1, "unexcused", absent_minutes=0), close(1), *school(2, 2, "excused")]

    assert said(none_open, halved("1000"), "case") == []
    assert said(no_base, halved("1000"), "case") == []


def test_of_several_open_findings_the_oldest_is_the_base() -> None:
    lasting = [{**each, "clear_after": 9} for each in (UNEXCUSED, LATE)]
    condition = {"indicator": "improvement", "days": 1, "at_most": "0.5"}
    rules = book(*lasting, rule("case", {1: condition}))
    facts = [*school(1, 1, "unexcused"), *school(2, 2, "excused", "late", "present", "excused")]

    # As of day 1 all was missed, as of day 2 half, which is no half of itself.
    assert said(facts, rules, "case") == ["day 2: opened 1, since 2"]


def test_unanswered_counts_school_days_after_the_oldest_open_telling() -> None:
    lasting = {**UNEXCUSED, "clear_after": 9}
    rules = book(lasting, rule("case", {n: at_least("unanswered", n) for n in (1, 2, 3)}))
    facts = [*school(1, 1, "unexcused"), telling(2), *closes(2, 3), telling(4), *closes(4, 4)]
    answered = [*facts[:-2], answer(3), telling(4), *closes(4, 5)]

    assert said(facts, rules, "case") == ["day 3: opened 1, since 3", "day 4: raised 2, since 3"]
    # The answer, of a day already closed, takes day 3 away; the telling after it waits since.
    assert said(answered, rules, "case") == [
        "day 3: opened 1, since 3",
        "day 4: retracted 1 leaving 0, since 3",
        "day 5: opened 1, since 5",
    ]


def test_an_answer_on_the_day_answers_and_one_before_does_not() -> None:
    lasting = {**UNEXCUSED, "clear_after": 9}
    rules = book(lasting, rule("case", {1: at_least("unanswered", 1)}))
    start = school(1, 1, "unexcused")

    assert said([*start, telling(2), answer(2), *closes(2, 5)], rules, "case") == []
    before = said([*start, telling(2), answer(1), *closes(2, 5)], rules, "case")
    assert before == ["day 3: opened 1, since 3"]


def test_nothing_open_leaves_nothing_to_answer() -> None:
    rules = case(at_least("unanswered", 1))
    facts = [*school(1, 1, "unexcused"), telling(1), *closes(2, 5)]

    assert said(facts, rules, "case") == []


# ---- Handover ------------------------------------------------------------------------------

FIVE = rule("r", {1: at_least("unexcused_lessons", 5, days=20)})
HANDOVER = {"handover": {"days": 3, "share": "0.10", "factor": "0.6"}}


def handed_over(n: int, **said_of_pupil: Any) -> list[str]:
    """Three of five lessons on day `n` of a pupil who was enrolled on day 2."""
    facts = [record(enrolled=2) | said_of_pupil, *school(n, n, *["unexcused"] * 3)]
    return told(facts, book(FIVE, **HANDOVER))


def test_thresholds_are_lower_for_a_pupil_whom_the_handover_calls_for() -> None:
    assert handed_over(2, need=True) == ["day 2: opened 1, since 2"]
    assert handed_over(4, need=True) == ["day 4: opened 1, since 4"]
    assert handed_over(5, need=True) == []
    assert handed_over(2, last_year_share="0.10") == ["day 2: opened 1, since 2"]
    assert handed_over(2, last_year_share="0.09") == []
    assert handed_over(2, last_year_share=None) == []
    assert handed_over(2, need=True, enrolled=None) == []


def test_only_ordinary_rules_are_stricter() -> None:
    facts = [record(enrolled=1) | {"need": True}, *school(1, 1, *["unexcused"] * 3)]

    for other in ({"good_news": True}, {"shadow": True}):
        assert told(facts, book({**FIVE, **other}, **HANDOVER)) == []
    assert told(facts, book(FIVE)) == []


def test_at_most_is_divided_for_them_and_clearing_comes_on_top() -> None:
    few = rule("r", {1: {"indicator": "lates", "days": 1, "at_most": 3}})
    facts = [record(enrolled=1) | {"need": True}, *school(1, 1, *["late"] * 5)]
    two_days = rule("r", {1: at_least("unexcused_lessons", 5, days=1)})
    eased = [record(enrolled=1) | {"need": True}, *school(1, 1, *["unexcused"] * 3)]

    # 3 / 0.6 = 5.
    assert told(facts, book(few, **HANDOVER)) == ["day 1: opened 1, since 1"]
    # 5 * 0.6 * 0.8 = 2.4: two lessons are quiet, three are not.
    three = told([*eased, *school(2, 2, *["unexcused"] * 3)], book(two_days, **HANDOVER))
    two = told([*eased, *school(2, 2, "unexcused", "unexcused")], book(two_days, **HANDOVER))
    assert (len(three), two[1:]) == (1, ["day 2: cleared 1, since 1"])


def test_each_day_is_judged_by_what_the_pupil_was_on_it() -> None:
    rules = book(FIVE, clear_after=9, **HANDOVER)
    facts = [record(enrolled=2) | {"need": True}, *school(4, 4, *["unexcused"] * 3), *closes(5, 6)]
    late = [*facts, record(enrolled=1, revision=1) | {"need": True}, close(7)]
    gone = [*facts, record(enrolled=2, revision=1) | {"need": False}, close(7)]

    assert told(facts, rules) == ["day 4: opened 1, since 4"]
    assert told(late, rules)[1:] == ["day 7: retracted 1 leaving 0, since 4"]
    assert told(gone, rules)[1:] == ["day 7: retracted 1 leaving 0, since 4"]


# ---- One school's own ----------------------------------------------------------------------


def test_a_school_has_some_keys_and_levels_otherwise() -> None:
    own = {
        "clear_after": 2,
        "rules": [{"id": "r", "levels": {"1": None, "2": at_least("lates", 2, days=1)}}],
    }
    levels = {1: at_least("lates", 1, days=1), 3: at_least("lates", 3, days=1)}
    facts = [*school(1, 1, "late"), *school(2, 2, "late", "late"), *closes(3, 4)]

    here = told(facts, book(rule("r", levels), schools={"s": own}))
    there = told(facts, book(rule("r", levels), schools={"t": own}))

    assert here == ["day 2: opened 2, since 2", "day 4: cleared 2, since 2"]
    assert there == ["day 1: opened 1, since 1", "day 3: cleared 1, since 1"]


def test_a_school_may_add_a_rule_disable_one_and_have_no_handover() -> None:
    own = {"handover": None, "rules": [{"id": "r", "enabled": False}, LATE]}
    facts = [record(enrolled=1) | {"need": True}, lessons(1, "late", *["unexcused"] * 5), close(1)]
    rules = book(FIVE, schools={"s": own}, **HANDOVER)

    assert said(facts, rules, "r") == []
    assert said(facts, rules, "late") == ["day 1: opened 1, since 1"]


def test_a_rule_may_be_cleared_otherwise_than_the_others() -> None:
    levels = {1: at_least("lates", 10, days=1)}
    facts = [*school(1, 1, *["late"] * 10), *school(2, 3, *["late"] * 8)]

    assert told(facts, book(rule("r", levels))) == ["day 1: opened 1, since 1"]
    own = rule("r", levels, clear_factor="0.9", clear_after=2)
    assert told(facts, book(own))[1:] == ["day 3: cleared 1, since 1"]


# ---- On events -----------------------------------------------------------------------------

AT_ONCE = book({**UNEXCUSED, "evaluate": "on_event"}, clear_after=9)


def test_a_rule_on_events_opens_when_a_registration_takes_effect() -> None:
    facts = [close(1), lessons(2, "unexcused")]

    assert told(facts, AT_ONCE) == ["day 2: opened 1, since 2"]
    assert told([*facts, close(2)], AT_ONCE) == ["day 2: opened 1, since 2"]
    assert told([*facts, lessons(2, "unexcused")], AT_ONCE) == ["day 2: opened 1, since 2"]


def test_in_history_and_before_the_first_close_it_waits_for_the_close() -> None:
    history = lessons(2, "unexcused") | {"history": True}

    assert told([close(1), history], AT_ONCE) == []
    assert told([lessons(1, "unexcused")], AT_ONCE) == []
    assert told([close(1), history, close(2)], AT_ONCE) == ["day 2: opened 1, since 2"]


def test_it_is_judged_once_after_the_whole_entry_and_may_rise() -> None:
    whole = [close(1), lessons(2, "unexcused", "unexcused")]
    more = [close(1), lessons(2, "unexcused"), lessons(2, "unexcused", "unexcused")]

    assert told(whole, AT_ONCE) == ["day 2: opened 2, since 2"]
    assert told(more, AT_ONCE) == ["day 2: opened 1, since 2", "day 2: raised 2, since 2"]


def test_what_was_corrected_during_the_day_is_retracted_at_its_close() -> None:
    mended = [close(1), lessons(2, "unexcused"), lessons(2, "present", revision=1)]
    lower = [close(1), lessons(2, "unexcused", "unexcused"), lessons(2, "late", revision=1)]

    assert told(mended, AT_ONCE) == ["day 2: opened 1, since 2"]
    assert told([*mended, close(2)], AT_ONCE)[1:] == ["day 2: retracted 1 leaving 0, since 2"]
    assert told([*lower, close(2)], AT_ONCE)[1:] == ["day 2: retracted 2 leaving 1, since 2"]


def test_it_is_judged_as_of_the_first_school_day_after_the_newest_close() -> None:
    # Friday is closed: the next school day is Monday, number 6, in whose window day 5 is not.
    assert told([close(5), lessons(5, "unexcused")], AT_ONCE) == []
    assert told([close(5), lessons(6, "unexcused")], AT_ONCE) == ["day 6: opened 1, since 6"]
    assert told([close(len(DAYS)), lessons(len(DAYS), "unexcused")], AT_ONCE) == []


# ---- Holding -------------------------------------------------------------------------------


def held(facts: list[Plain], rules: Plain) -> list[int | None]:
    """Until which day the steps that open or raise are held."""
    found = [step for step in steps(facts, rules, CALENDAR) if step["kind"] in ("opened", "raised")]
    return [_number(step) for step in found]


def _number(step: Step) -> int | None:
    until = step["held_until"]
    return None if until is None else DAYS.index(until) + 1


def test_what_opens_again_soon_after_its_end_is_held() -> None:
    cooling = book(UNEXCUSED, cool_down=5)
    facts = [*school(1, 1, "unexcused"), *school(2, 6, "present")]

    # Cleared on day 2: days 3 to 7 are within five school days of it.
    assert held([*facts, *school(7, 7, "unexcused")], cooling) == [None, 7]
    assert held([*facts, close(7), *school(8, 8, "unexcused")], cooling) == [None, None]
    assert held([*facts, *school(7, 7, "unexcused")], book(UNEXCUSED)) == [None, None]


def test_a_retraction_to_nothing_begins_a_cool_down_too() -> None:
    cooling = book(UNEXCUSED, cool_down=3, clear_after=9)
    facts = [*school(1, 1, "unexcused"), lessons(1, "present", revision=1), close(2)]

    assert held([*facts, *school(3, 3, "unexcused")], cooling) == [None, 5]


def test_a_known_cause_holds_what_opens_or_rises_to_two_at_most() -> None:
    three = rule("r", {n: at_least("unexcused_lessons", n, days=1) for n in (1, 2, 3)})
    facts = [answer(1, "known_cause", until=3), *school(1, 1, "unexcused")]
    facts += [*school(2, 2, *["unexcused"] * 2), *school(3, 3, *["unexcused"] * 3)]

    assert held(facts, book(three)) == [3, 3, None]
    today = [answer(1, "known_cause", until=1), *school(1, 2, "unexcused")]
    assert held(today, book(three)) == [1]
    late = [answer(1, "known_cause", until=3), *closes(1, 3), *school(4, 4, "unexcused")]
    assert held(late, book(three)) == [None]
    assert held([answer(1, "booked", until=3), *school(1, 1, "unexcused")], book(three)) == [None]


def test_the_later_of_both_holds() -> None:
    cooling = book(UNEXCUSED, cool_down=2)
    facts = [*school(1, 1, "unexcused"), close(2), answer(2, "known_cause", until=9)]

    assert held([*facts, *school(3, 3, "unexcused")], cooling) == [None, 9]


def test_steps_say_what_kind_of_rule_they_are_of() -> None:
    rules = book({**UNEXCUSED, "shadow": True}, {**LATE, "good_news": True})
    found = steps([lessons(1, "late", "unexcused"), close(1)], rules, CALENDAR)

    kinds = {step["rule"]: (step["shadow"], step["good_news"], step["damps"]) for step in found}
    assert kinds == {"unexcused": (True, False, ()), "late": (False, True, ())}


def test_an_equal_registration_of_another_group_is_other_content() -> None:
    rules = book(rule("r", {1: at_least("unexcused_lessons", 1, days=1)}))
    plain, grouped = lessons(1, "unexcused"), lessons(1, "present", group="ma-7")

    # In canonical JSON both begin with absent_minutes, 60 and 0: the former is the greater text.
    assert told([plain, grouped, close(1)], rules) == told([grouped, plain, close(1)], rules)
