"""The oracle's life of a finding held against examples worked out by hand."""

from datetime import UTC, date, datetime, time
from fractions import Fraction
from typing import Any

from tests.oracle.facts import (
    CALENDAR,
    DAYS,
    RUN,
    SHARE,
    UNEXCUSED,
    YEAR_END,
    Plain,
    at_least,
    close,
    closes,
    day,
    lesson_of,
    lessons,
    record,
    rulebook,
    school,
    sentence,
    told,
)
from tests.oracle.judge import steps

# ---- Opened --------------------------------------------------------------------------------


def test_the_threshold_itself_counts() -> None:
    facts = [*school(1, 9, "present"), *school(10, 10, "excused")]

    assert told(facts, SHARE) == ["day 10: opened 1, since 10"]


def test_one_minute_below_the_threshold_opens_nothing() -> None:
    facts = [*school(1, 9, "present"), lessons(10, "excused", absent_minutes=59), close(10)]

    assert told(facts, SHARE) == []


def test_a_threshold_is_the_number_that_was_written_even_as_a_float() -> None:
    # 0.1 as a float is a little more than a tenth, and 3 of 30 would not reach it.
    facts = [*school(1, 9, "present", "present", "present")]
    facts += school(10, 10, "excused", "excused", "excused")

    assert told(facts, rulebook({1: at_least("absence_share", 0.1, days=20)})) == [
        "day 10: opened 1, since 10"
    ]


def test_a_finding_opens_at_the_highest_level_that_holds() -> None:
    facts = [lessons(1, *["unexcused"] * 5), close(1)]

    assert told(facts) == ["day 1: opened 2, since 1"]


def test_a_share_waits_for_ten_days_with_lessons() -> None:
    facts = [*school(1, 9, "excused"), *school(10, 10, "present")]

    assert told(facts[:18], SHARE) == []
    assert told(facts, SHARE) == ["day 10: opened 1, since 10"]


def test_a_rule_that_counts_judges_the_first_day() -> None:
    assert told([lessons(1, "unexcused", "unexcused"), close(1)]) == ["day 1: opened 1, since 1"]


def test_coverage_of_nine_tenths_is_enough_and_less_is_not() -> None:
    whole, half = ("excused", "excused"), ("excused", "unreported")
    nine_tenths = [*school(1, 8, *whole), *school(9, 10, *half)]
    less = [*school(1, 7, *whole), *school(8, 10, *half)]

    assert told(nine_tenths, SHARE) == ["day 10: opened 1, since 10"]
    assert told(less, SHARE) == []


def test_a_withdrawn_lesson_is_not_scheduled() -> None:
    facts = [*school(1, 9, "excused"), *school(10, 10, "excused", "withdrawn", "withdrawn")]

    assert told(facts, SHARE) == ["day 10: opened 1, since 10"]


def test_the_need_must_be_met_in_every_window_that_the_levels_name() -> None:
    levels = {
        1: at_least("absence_share", "0.1", days=20),
        2: at_least("absence_share", "0.1", days=9),
    }

    assert told(school(1, 30, "excused"), rulebook(levels)) == []


def test_a_need_that_a_rule_sets_replaces_the_default() -> None:
    book = rulebook({1: at_least("absence_share", "0.1", days=20)})
    book["rules"][0]["needs"] = {"days": 2}

    assert told(school(1, 2, "excused"), book) == ["day 2: opened 1, since 2"]


def test_of_nothing_scheduled_only_the_coverage_of_zero_is_met() -> None:
    for coverage, sentences in (("0.5", []), (0, ["day 2: cleared 1, since 1"])):
        book = rulebook({1: at_least("lates", 1, days=1)}, clear_after=1)
        book["rules"][0]["needs"] = {"coverage": coverage}

        assert told([lessons(1, "late"), close(1), close(2)], book)[1:] == sentences


def test_a_share_of_nothing_offered_holds_nothing() -> None:
    book = rulebook({1: {"indicator": "absence_share", "days": 5, "at_most": "0.5"}})
    book["rules"][0]["needs"] = {"days": 0, "coverage": 0}

    assert told([lessons(1, "unreported"), close(1)], book) == []
    assert told([lessons(1, "present"), close(1)], book) == ["day 1: opened 1, since 1"]


def test_at_most_counts_its_edge() -> None:
    book = rulebook({1: {"indicator": "lates", "days": 5, "at_most": 1}})

    assert told([lessons(1, "late"), close(1)], book) == ["day 1: opened 1, since 1"]
    assert told([lessons(1, "late", "late"), close(1)], book) == []


def test_a_pupil_known_from_the_roster_alone_is_judged() -> None:
    book = rulebook({1: {"indicator": "lates", "days": 5, "at_most": 0}})

    assert told([record(enrolled=1), close(1)], book) == ["day 1: opened 1, since 1"]


def test_an_opened_step_names_the_deciding_figures_and_their_lessons() -> None:
    any_of = {
        "any": [
            at_least("unexcused_days", 2, days=5),
            at_least("lates", 1, days=5),
            {"all": [at_least("absent_run", 1), at_least("unexcused_lessons", 1, days=1)]},
        ]
    }
    facts = [lessons(1, "present"), lessons(2, "unexcused"), close(2, history=True)]

    (step,) = steps(facts, rulebook({4: any_of}), CALENDAR)

    assert step["history"] is True
    run, count = step["figures"]
    assert run == {
        "indicator": "absent_run",
        "kind": None,
        "days": None,
        "value": 1,
        "at_least": Fraction(1),
        "lessons": {lesson_of(2)},
    }
    assert (count["indicator"], count["days"], count["value"]) == ("unexcused_lessons", 1, 1)


# ---- Raised --------------------------------------------------------------------------------


def test_a_finding_rises_and_a_lower_value_does_not_lower_it() -> None:
    facts = [*school(1, 1, "unexcused", "unexcused"), *school(2, 2, "unexcused", "unexcused")]
    facts += school(3, 6, "present")

    # On day 6 the window holds day 2's two lessons: level 1, and the finding stays at 2.
    assert told(facts) == ["day 1: opened 1, since 1", "day 2: raised 2, since 1"]


def test_a_raised_step_whose_level_holds_today_carries_figures() -> None:
    facts = [*school(1, 2, "unexcused", "unexcused")]

    raised = steps(facts, UNEXCUSED, CALENDAR)[-1]

    assert raised["kind"] == "raised"
    assert [figure["value"] for figure in raised["figures"]] == [4]


# ---- Retracted -----------------------------------------------------------------------------


def test_a_correction_of_all_days_takes_the_finding_away() -> None:
    facts = [*school(1, 2, "unexcused", "unexcused"), lessons(1, "present", revision=1)]
    facts += [lessons(2, "present", "present", revision=1), close(3)]

    # One unexcused lesson is left: no level on any day. The step keeps the since it had.
    assert told(facts)[2:] == ["day 3: retracted 2 leaving 0, since 1"]


def test_a_correction_to_a_lower_level_leaves_that_level_and_moves_since() -> None:
    facts = [*school(1, 2, "unexcused", "unexcused"), lessons(1, "present", revision=1), close(3)]

    # Day 1 holds one lesson, day 2 three: level 1 from day 2 on.
    assert told(facts)[2:] == ["day 3: retracted 2 leaving 1, since 2"]


def test_a_correction_that_keeps_the_level_gives_no_step_but_moves_since() -> None:
    facts = [*school(1, 1, "unexcused", "unexcused"), *school(2, 2, "unexcused", "present")]
    facts += [lessons(1, "present", revision=1), close(3), *closes(4, YEAR_END)]

    # Day 2 now is the first with two. Its window lets go of day 1's lesson on day 6: the quiet
    # days are 6 to 15.
    assert told(facts) == ["day 1: opened 1, since 1", "day 15: cleared 1, since 2"]


def test_a_finding_once_retracted_may_open_anew() -> None:
    facts = [*school(1, 1, "unexcused", "unexcused"), lessons(1, "present", revision=1), close(2)]
    facts += school(3, 3, "unexcused")

    assert told(facts)[1:] == [
        "day 2: retracted 1 leaving 0, since 1",
        "day 3: opened 1, since 3",
    ]


def test_a_correction_may_raise_a_finding_on_a_day_that_is_past() -> None:
    facts = [*school(1, 1, "unexcused", "unexcused"), *school(2, 6, "present")]
    facts += [lessons(1, "unexcused", "unexcused", "unexcused", "unexcused", revision=1), close(7)]

    found = steps(facts, UNEXCUSED, CALENDAR)

    assert [sentence(step) for step in found][1:] == ["day 7: raised 2, since 1"]
    assert found[-1]["figures"] is None


def test_a_rise_by_correction_that_holds_today_carries_figures() -> None:
    facts = [*school(1, 1, "unexcused", "unexcused")]
    facts += [lessons(1, *["unexcused"] * 4, revision=1), close(2)]

    raised = steps(facts, UNEXCUSED, CALENDAR)[-1]

    assert sentence(raised) == "day 2: raised 2, since 1"
    assert [figure["value"] for figure in raised["figures"]] == [4]


def test_a_correction_opens_nothing_on_a_day_that_is_past() -> None:
    facts = [*school(1, 6, "present"), lessons(1, "unexcused", "unexcused", revision=1), close(7)]

    assert told(facts) == []


def test_a_correction_of_a_past_day_may_open_a_finding_on_what_holds_today() -> None:
    facts = [*school(1, 4, "present"), lessons(1, "unexcused", "unexcused", revision=1), close(5)]

    assert told(facts) == ["day 5: opened 1, since 5"]


def test_a_withdrawal_is_a_correction() -> None:
    facts = [*school(1, 1, "unexcused", "unexcused"), lessons(1, "withdrawn", revision=1), close(2)]

    assert told(facts)[1:] == ["day 2: retracted 1 leaving 0, since 1"]


def test_moving_a_lesson_away_from_a_closed_day_is_a_correction() -> None:
    moved = datetime.combine(day(9), time(9), UTC)
    facts = [*school(1, 1, "unexcused", "unexcused")]
    facts += [lessons(1, "unexcused", revision=1, starts_at=moved), close(2)]

    assert told(facts)[1:] == ["day 2: retracted 1 leaving 0, since 1"]


def test_a_registration_of_a_day_not_yet_closed_is_no_correction() -> None:
    facts = [*school(1, 1, "unexcused", "unexcused"), lessons(2, "present"), close(2)]
    facts += [lessons(1, "present"), close(3)]

    # The last registration is of an old revision and takes no effect either.
    assert told(facts) == ["day 1: opened 1, since 1"]


def test_a_changed_enrolment_is_a_correction() -> None:
    facts = [*school(1, 1, "unexcused", "unexcused"), record(enrolled=2), close(2)]

    assert told(facts)[1:] == ["day 2: retracted 1 leaving 0, since 1"]


def test_the_newest_record_says_the_enrolment_in_whatever_order_they_come() -> None:
    newest, older = record(enrolled=2, valid_from=2), record(enrolled=1, valid_from=1, revision=9)
    facts = [newest, older, *school(1, 1, "unexcused", "unexcused")]

    assert told(facts) == []


def test_a_record_that_says_no_enrolment_lets_windows_reach_the_first_lesson() -> None:
    facts = [record(enrolled=2), *school(1, 1, "unexcused", "unexcused")]
    facts += [record(enrolled=None, revision=1), close(2)]

    assert told(facts) == ["day 2: opened 1, since 2"]


def test_a_day_without_enough_data_keeps_the_level_it_was_judged_at() -> None:
    book = rulebook({1: at_least("unexcused_lessons", 2, days=5)})
    book["rules"][0]["needs"] = {"coverage": "1"}
    facts = [*school(1, 1, "unexcused", "unexcused"), *school(2, 2, "present")]
    facts += [lessons(1, "present", "unreported", revision=1), close(3)]

    # Day 1 is now half reported, so that no day of its window can be judged anew.
    assert told(facts, book) == ["day 1: opened 1, since 1"]


def test_a_day_keeps_the_level_to_which_it_raised_the_finding() -> None:
    book = rulebook({n: at_least("unexcused_lessons", 2 * n, days=1) for n in (1, 2)})
    book["rules"][0]["needs"] = {"coverage": "1"}
    facts = [*school(1, 1, "unexcused", "unexcused"), *school(2, 2, *["unexcused"] * 4)]
    facts += [lessons(2, "unreported", "unreported", revision=1), close(3)]

    # Day 2 can't be judged anew, and day 1 alone would leave level 1.
    assert told(facts, book) == ["day 1: opened 1, since 1", "day 2: raised 2, since 1"]


# ---- Sixty school days ---------------------------------------------------------------------


def test_a_registration_for_the_sixtieth_school_day_back_takes_effect() -> None:
    facts = [*school(1, 3, "excused"), *closes(4, 61), lessons(1, "present", revision=1), close(62)]

    # A day without lessons neither counts nor breaks: the run of three has stood since day 3.
    assert told(facts, RUN) == [
        "day 3: opened 1, since 3",
        "day 62: retracted 1 leaving 0, since 3",
    ]


def test_a_registration_for_the_sixty_first_school_day_back_changes_nothing() -> None:
    facts = [*school(1, 3, "excused"), *closes(4, 62), lessons(1, "present", revision=1), close(63)]

    assert told(facts, RUN) == ["day 3: opened 1, since 3"]


def test_a_lesson_held_on_a_day_too_old_is_not_moved_nearer() -> None:
    book = rulebook({1: at_least("unexcused_lessons", 1, days=10)})
    nearer = datetime.combine(day(60), time(9), UTC)
    facts = [*school(1, 1, "present"), *closes(2, 62)]
    facts += [lessons(1, "unexcused", revision=1, starts_at=nearer), close(63)]

    assert told(facts, book) == []


def test_a_lesson_is_not_moved_to_a_day_too_old() -> None:
    book = rulebook({1: at_least("unexcused_lessons", 1, days=10)})
    farther = datetime.combine(day(2), time(9), UTC)
    facts = [*school(60, 60, "unexcused"), *closes(61, 63)]
    facts += [lessons(60, "unexcused", revision=1, starts_at=farther), close(64)]

    assert told(facts, book) == ["day 60: opened 1, since 60"]


def test_a_day_sixty_one_school_days_back_keeps_its_level_and_one_sixty_back_is_judged() -> None:
    facts = [*school(1, 3, "excused"), *closes(4, 62), lessons(3, "present", revision=1)]

    # From the close of day 63 day 3 lies 60 back, from that of day 64 it lies 61 back.
    assert told([*facts, close(63)], RUN)[1:] == ["day 63: retracted 1 leaving 0, since 3"]
    assert told([*facts, close(64), close(65)], RUN)[1:] == []


# ---- Cleared -------------------------------------------------------------------------------


def test_a_finding_is_cleared_at_the_close_of_the_tenth_quiet_day() -> None:
    facts = [*school(1, 1, "unexcused", "unexcused"), *closes(2, 15)]

    # Days 2 to 5 still hold both lessons in their window; 6 to 15 are the quiet ones.
    assert told(facts[:-1]) == ["day 1: opened 1, since 1"]
    assert told(facts)[1:] == ["day 15: cleared 1, since 1"]


def test_the_eased_threshold_itself_is_not_quiet() -> None:
    book = rulebook({1: at_least("absence_share", "0.10", days=10)}, clear_after=1)

    def ten_days(first: int, last: int) -> list[Plain]:
        """Minutes missed on the first and on the tenth day: 60 of 600 together."""
        begin = [lessons(1, "excused", absent_minutes=first), *school(2, 9, "present")]
        return [*begin, lessons(10, "excused", absent_minutes=last), close(10)]

    # On day 11 the first day has left the window: 48 of 600 minutes are the eased 0.08.
    assert told([*ten_days(12, 48), *school(11, 11, "present")], book) == [
        "day 10: opened 1, since 10"
    ]
    assert told([*ten_days(13, 47), *school(11, 11, "present")], book) == [
        "day 10: opened 1, since 10",
        "day 11: cleared 1, since 10",
    ]


def test_an_eased_at_most_is_divided() -> None:
    book = rulebook({1: {"indicator": "lates", "days": 1, "at_most": 4}}, clear_after=1)
    edge = [*school(1, 1, "present"), *school(2, 2, *["late"] * 5)]
    more = [*school(1, 1, "present"), *school(2, 2, *["late"] * 6)]

    assert told(edge, book) == ["day 1: opened 1, since 1"]
    assert told(more, book) == ["day 1: opened 1, since 1", "day 2: cleared 1, since 1"]


def test_a_day_that_is_not_quiet_starts_the_count_again() -> None:
    facts = [*school(1, 1, "unexcused", "unexcused"), *closes(2, 14)]
    facts += [*school(15, 15, "unexcused", "unexcused"), *closes(16, 29)]

    # Nine quiet days (6 to 14) are lost on day 15; the next are 20 to 29.
    assert told(facts)[1:] == ["day 29: cleared 1, since 1"]


def test_days_without_enough_data_neither_count_nor_break() -> None:
    book = rulebook({1: at_least("unexcused_lessons", 1, days=1)}, clear_after=3)
    book["rules"][0]["needs"] = {"days": 1}
    facts = [*school(1, 1, "unexcused"), *school(2, 3, "present"), *closes(4, 8)]
    facts += school(9, 9, "present")

    # Quiet are 2, 3 and 9; on 4 to 8 there is no lesson to judge by.
    assert told(facts, book) == ["day 1: opened 1, since 1", "day 9: cleared 1, since 1"]


def test_a_correction_does_not_start_the_count_again() -> None:
    facts = [*school(1, 1, *["unexcused"] * 4), *closes(2, 14)]
    facts += [lessons(1, "present", revision=1), close(15)]

    assert told(facts)[1:] == [
        "day 15: retracted 2 leaving 1, since 1",
        "day 15: cleared 1, since 1",
    ]


def test_a_rulebook_that_asks_for_fewer_quiet_days_clears_on_the_next_one() -> None:
    facts = [*school(1, 1, "unexcused", "unexcused"), *closes(2, 12)]
    facts += [rulebook_changed(UNEXCUSED | {"clear_after": 5}), close(13)]

    # Seven quiet days have been, 6 to 12; day 13 is the eighth.
    assert told(facts)[1:] == ["day 13: cleared 1, since 1"]


def test_a_cleared_finding_is_history_and_the_rule_may_open_anew() -> None:
    facts = [*school(1, 1, "unexcused", "unexcused"), *closes(2, 15)]
    facts += [*school(16, 16, "unexcused", "unexcused"), lessons(1, "present", revision=1)]
    facts += [close(17)]

    # The correction concerns the finding that is history: the new one stands.
    assert told(facts)[2:] == ["day 16: opened 1, since 16"]


def test_at_the_school_years_end_every_open_finding_ends() -> None:
    facts = [*school(YEAR_END - 1, YEAR_END - 1, "unexcused", "unexcused")]
    facts += school(YEAR_END, YEAR_END, "unexcused", "unexcused")

    assert told(facts) == [
        f"day {YEAR_END - 1}: opened 1, since {YEAR_END - 1}",
        f"day {YEAR_END}: raised 2, since {YEAR_END - 1}",
        f"day {YEAR_END}: cleared 2, since {YEAR_END - 1}",
    ]


def test_a_finding_that_opens_on_the_last_school_day_ends_with_it() -> None:
    assert told(school(YEAR_END, YEAR_END, "unexcused", "unexcused")) == [
        f"day {YEAR_END}: opened 1, since {YEAR_END}",
        f"day {YEAR_END}: cleared 1, since {YEAR_END}",
    ]


# ---- What is known -------------------------------------------------------------------------


def test_the_highest_revision_wins_in_whatever_order_they_come() -> None:
    old, new = lessons(1, "unexcused", "unexcused"), lessons(1, "present", "present", revision=1)

    assert told([new, old, close(1)]) == told([old, new, close(1)]) == []


def test_of_equal_revisions_the_greater_text_wins_in_whatever_order_they_come() -> None:
    # Sorted by key the texts first differ in "absent_minutes": as text 60 is more than 0.
    one, other = lessons(1, "unexcused", "unexcused"), lessons(1, "present", "present")

    assert told([one, other, close(1)]) == told([other, one, close(1)])
    assert told([one, other, close(1)]) == ["day 1: opened 1, since 1"]


def test_texts_are_compared_as_text_and_not_as_numbers() -> None:
    book = rulebook({1: at_least("lates", 1, days=1)})
    facts = [lessons(1, "present", absent_minutes=5), lessons(1, "late", absent_minutes=45)]

    assert told([*facts, close(1)], book) == []


def test_facts_read_from_json_are_judged_like_those_made_here() -> None:
    facts = [*school(1, 2, "unexcused", "unexcused"), lessons(1, "present", revision=1), close(3)]

    assert told(_as_text(facts), _as_text(UNEXCUSED), _as_text(CALENDAR)) == told(facts)


def _as_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _as_text(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_as_text(each) for each in value]
    return value.isoformat() if isinstance(value, date) else value


# ---- What is measured ----------------------------------------------------------------------


def measured(facts: list[Plain], *conditions: Plain) -> list[Fraction | int]:
    """The values on the last close's day, by a rule that holds on whatever there is."""
    book = rulebook({1: {"all": list(conditions)}})
    book["rules"][0]["needs"] = {"days": 0, "coverage": 0}
    (step,) = [each for each in steps(facts, book, CALENDAR) if each["kind"] == "opened"]
    return [figure["value"] for figure in step["figures"]]


def test_absence_shares_by_kind() -> None:
    facts = [
        lessons(1, "present", "excused", "leave", "unexcused", "other", "unreported", "withdrawn"),
        lessons(2, "late", absent_minutes=12),
        close(2),
    ]
    kinds = [
        at_least("absence_share", "0.001", days=5, **kind)
        for kind in ({}, {"kind": "all"}, {"kind": "excused"}, {"kind": "unexcused"})
    ]

    # Six lessons count, 360 minutes; missed are 180 and the late pupil's 12.
    assert measured(facts, *kinds) == [
        Fraction(192, 360),
        Fraction(192, 360),
        Fraction(120, 360),
        Fraction(72, 360),
    ]


def test_the_lessons_of_a_share_are_those_with_missed_minutes_of_its_kind() -> None:
    share = at_least("absence_share", "0.1", days=5, kind="excused")
    book = rulebook({1: share})
    book["rules"][0]["needs"] = {"days": 0}
    facts = [lessons(1, "present", absent_minutes=5), lessons(2, "excused", absent_minutes=0)]
    facts += [lessons(3, "unexcused"), lessons(4, "leave"), close(4)]

    (step,) = steps(facts, book, CALENDAR)

    (figure,) = step["figures"]
    assert figure["lessons"] == {lesson_of(4)}


def test_lessons_and_days_are_counted() -> None:
    facts = [lessons(1, "unexcused", "unexcused", "late"), lessons(2, "unexcused"), close(2)]

    assert measured(
        facts,
        at_least("unexcused_lessons", 1, days=5),
        at_least("unexcused_days", 1, days=5),
        at_least("lates", 1, days=5),
    ) == [3, 2, 1]


def test_a_window_skips_breaks_and_days_off() -> None:
    before_break = DAYS.index(date(2025, 10, 24)) + 1
    facts = [lessons(before_break, "late"), lessons(date(2025, 10, 28), "late")]
    facts += [lessons(before_break + 1, "late"), close(before_break + 1)]

    assert measured(facts, at_least("lates", 1, days=2)) == [2]


def test_a_window_does_not_reach_back_past_the_school_years_first_day() -> None:
    facts = [lessons(YEAR_END, "late"), lessons(YEAR_END + 1, "late"), close(YEAR_END + 1)]

    assert measured(facts, at_least("lates", 1, days=20)) == [1]


def test_a_lesson_belongs_to_the_local_date_on_which_it_starts() -> None:
    just_after_midnight = datetime.combine(day(1), time(22, 30), UTC)
    facts = [lessons(1, "late", starts_at=just_after_midnight), close(2)]

    assert measured(facts, at_least("lates", 1, days=1)) == [1]


def test_a_run_bridges_days_without_counting_lessons() -> None:
    facts = [lessons(1, "present"), lessons(2, "excused"), lessons(3, "unreported")]
    facts += [lessons(5, "leave", "unexcused", "unreported"), close(6)]

    assert measured(facts, at_least("absent_run", 1)) == [2]


def test_a_run_is_broken_by_a_lesson_that_is_not_wholly_missed() -> None:
    for attended in (
        lessons(2, "excused", absent_minutes=59),
        lessons(2, "late", absent_minutes=60),
        lessons(2, "other", absent_minutes=60),
        lessons(2, "excused", "present"),
    ):
        facts = [lessons(1, "excused"), attended, lessons(3, "excused"), close(3)]

        assert measured(facts, at_least("absent_run", 1)) == [1]


def test_a_run_does_not_reach_back_past_the_enrolment_nor_the_school_year() -> None:
    facts = [lessons(n, "excused") for n in range(YEAR_END - 1, YEAR_END + 4)]

    late = [*facts, record(enrolled=YEAR_END + 3), close(YEAR_END + 3)]
    assert measured([*facts, close(YEAR_END + 3)], at_least("absent_run", 1)) == [3]
    assert measured(late, at_least("absent_run", 1)) == [1]


# ---- Changes and closes --------------------------------------------------------------------


def rulebook_changed(content: Plain) -> Plain:
    return {"type": "rulebook_changed", "version": "2", "content": content}


def calendar_changed(content: Plain) -> Plain:
    return {"type": "calendar_changed", "version": "2", "content": content}


def test_a_finding_whose_rule_is_disabled_or_gone_ends_at_the_next_close() -> None:
    off = {**UNEXCUSED["rules"][0], "enabled": False}
    for rules in ([off], []):
        facts = [*school(1, 1, "unexcused", "unexcused"), rulebook_changed({"rules": rules})]
        facts += [lessons(1, "present", revision=1), close(2)]

        assert told(facts)[1:] == ["day 2: cleared 1, since 1"]


def test_a_past_day_is_judged_anew_by_the_rulebook_that_was_in_force_on_it() -> None:
    stricter = rulebook({3: at_least("unexcused_lessons", 1, days=5)})
    facts = [*school(1, 2, "unexcused", "unexcused"), rulebook_changed(stricter)]
    facts += [lessons(1, "present", revision=1), lessons(2, "present", revision=1), close(3)]

    # By the new rule days 1 and 2 would hold level 3. By their own, day 1 holds none and day 2,
    # with two lessons, level 1; day 3 is judged by the new one.
    assert told(facts)[2:] == ["day 3: raised 3, since 2"]


def test_of_several_changes_before_a_close_the_last_one_counts() -> None:
    never = rulebook({1: at_least("unexcused_lessons", 99, days=5)})
    facts = [rulebook_changed(never), rulebook_changed(UNEXCUSED)]
    facts += school(1, 1, "unexcused", "unexcused")

    assert told(facts, never) == ["day 1: opened 1, since 1"]


def without_day_one() -> Plain:
    study_day = {"first": day(1), "last": day(1)}
    year = CALENDAR["school_years"][0]
    return calendar_changed({**CALENDAR, "school_years": [{**year, "days_off": [study_day]}]})


def test_a_changed_calendar_alone_judges_no_day_anew() -> None:
    facts = [*school(1, 1, "unexcused"), *school(2, 2, "unexcused", "present")]
    facts += [lessons(2, "unexcused", "late", revision=1), close(3), without_day_one(), close(4)]

    # The correction was judged at the close of day 3, before the calendar changed.
    assert told(facts) == ["day 2: opened 1, since 2"]


def test_past_days_are_judged_anew_by_the_calendar_in_force_now() -> None:
    facts = [*school(1, 1, "unexcused"), *school(2, 2, "unexcused", "present")]
    facts += [without_day_one(), lessons(2, "unexcused", "late", revision=1), close(3)]

    # Day 1 is no school day any more: its lesson lies in no window, and one doesn't reach two.
    assert told(facts) == ["day 2: opened 1, since 2", "day 3: retracted 1 leaving 0, since 2"]


def test_a_close_repeated_or_late_or_on_a_day_off_is_ignored() -> None:
    saturday, break_day = date(2025, 8, 23), date(2025, 10, 27)
    facts = [close(2), lessons(2, "unexcused", "unexcused"), close(2), close(1), close(saturday)]
    facts += [close(break_day)]

    assert told(facts) == []


def test_a_calendar_that_comes_in_the_holidays_comes_into_force() -> None:
    one_year = {**CALENDAR, "school_years": CALENDAR["school_years"][:1]}
    facts = [close(YEAR_END), calendar_changed(CALENDAR)]
    facts += school(YEAR_END + 1, YEAR_END + 1, "unexcused", "unexcused")

    assert told(facts, calendar=one_year) == [f"day {YEAR_END + 1}: opened 1, since {YEAR_END + 1}"]


def test_steps_of_a_close_stand_by_pupil_and_by_the_rulebooks_order() -> None:
    late = {"id": "z", "levels": {1: at_least("lates", 1, days=1)}}
    away = {"id": "a", "levels": {1: at_least("unexcused_lessons", 1, days=1)}}
    facts = [lessons(1, "late", "unexcused", pupil=pupil) for pupil in ("q", "p")]

    found = steps([*facts, close(1)], {"rules": [late, away]}, CALENDAR)

    assert [(step["pupil"], step["rule"]) for step in found] == [
        ("p", "z"),
        ("p", "a"),
        ("q", "z"),
        ("q", "a"),
    ]


def test_schools_close_their_days_each_for_itself() -> None:
    elsewhere = lessons(1, "unexcused", "unexcused", school="t")

    assert told([elsewhere, close(1), lessons(1, "unexcused", "unexcused")]) == []
    assert told([elsewhere, close(1) | {"school": "t"}]) == ["day 1: opened 1, since 1"]
