"""What the oracle measures of a pupil, held against examples worked out by hand."""

from datetime import UTC, date, datetime, time
from fractions import Fraction
from typing import Any

from tests.oracle.facts import (
    CALENDAR,
    YEAR_END,
    Plain,
    at_least,
    book,
    close,
    day,
    lessons,
    record,
    rule,
    told,
    value,
)
from tests.oracle.judge import steps

TERM_END, SECOND_TERM = 85, 86


def days_of(*days: tuple[int, str], slots: int = 1) -> list[Plain]:
    """One status for all lessons of each of these days."""
    return [lessons(n, *[status] * slots) for n, status in days]


def attended(first: int, last: int, *, but: dict[int, str] | None = None) -> list[Plain]:
    """A lesson on each day from `first` to `last`, present where nothing else is said."""
    return days_of(*((n, (but or {}).get(n, "present")) for n in range(first, last + 1)))


# ---- Shares --------------------------------------------------------------------------------


def test_scattered_absence_is_what_is_left_without_the_longest_excused_spell() -> None:
    away = {2: "excused", 3: "leave", 4: "excused", 6: "excused", 8: "unexcused"}
    facts = days_of(*((n, away.get(n, "present")) for n in range(1, 11) if n != 5))

    # Day 5 has no lesson: days 2, 3, 4 and 6 are one spell. Of nine lessons five are
    # missed, four of them in it.
    assert value([*facts, close(10)], "absence_share", 10) == Fraction(5, 9)
    assert value([*facts, close(10)], "scattered_share", 10) == Fraction(1, 9)


def test_an_excused_spell_has_no_other_lesson_in_it_and_lies_in_the_window() -> None:
    broken = [*days_of((1, "excused"), (3, "excused")), lessons(2, "excused", "unexcused")]
    whole = [*attended(1, 4, but={1: "excused", 2: "excused", 4: "excused"}), close(4)]

    assert value([*broken, close(3)], "scattered_share", 5) == Fraction(3, 4)
    assert value(whole, "scattered_share", 4) == Fraction(1, 4)
    assert value(whole, "scattered_share", 3) == Fraction(1, 3)
    assert value([close(3)], "scattered_share", 5) is None


def test_a_rise_is_the_newest_share_against_twice_as_many_days_before() -> None:
    facts = [*attended(1, 6, but={1: "excused", 5: "unexcused"}), close(6)]

    assert value(facts, "rise", 2) == Fraction(1, 2) - Fraction(1, 4)
    assert value(facts, "rise_ratio", 2) == 2
    # As of day 6 the three before the newest three are 1 to 3; the year has no more.
    assert value(facts, "rise", 3) == 0


def test_a_rise_has_no_value_without_days_before_or_now() -> None:
    assert value([*attended(1, 2), close(2)], "rise", 2) is None
    assert value([*attended(1, 2), close(4)], "rise", 2) is None
    enrolled = [*attended(1, 6), record(enrolled=5), close(6)]
    assert value(enrolled, "rise", 2) is None


def test_a_ratio_to_nothing_is_a_thousand_and_of_nothing_to_nothing_is_none() -> None:
    assert value([*attended(1, 6, but={6: "excused"}), close(6)], "rise_ratio", 2) == 1000
    assert value([*attended(1, 6), close(6)], "rise_ratio", 2) is None
    assert value([*attended(1, 6, but={2: "excused"}), close(6)], "rise_ratio", 2) == 0


def test_blocks_are_counted_back_while_whole_and_over_the_share() -> None:
    away = dict.fromkeys((1, 2, 4, 6, 7), "excused")
    facts = [*attended(1, 7, but=away), close(7)]

    # Days 6-7, 4-5 and 2-3; day 1 alone is no whole block.
    assert value(facts, "persistent_blocks", 2, share="0.5") == 3
    assert value(facts, "persistent_blocks", 2, share="0.51") == 1
    assert (
        value([*facts[:-1], record(enrolled=3), close(7)], "persistent_blocks", 2, share=0.5) == 2
    )


def test_a_block_with_nothing_offered_ends_the_row() -> None:
    facts = days_of(*((n, "excused") for n in (1, 2, 5, 6)))

    assert value([*facts, close(6)], "persistent_blocks", 2, share="0.1") == 1


# ---- Counts --------------------------------------------------------------------------------


def test_spells_are_runs_of_absent_days_that_begin_in_the_window() -> None:
    away = dict.fromkeys((1, 3, 5, 7, 8, 9, 10), "excused")
    facts = [lessons(n, away.get(n, "present")) for n in range(1, 11) if n != 4]
    facts.append(close(10))

    # Days 1; 3 and 5, with no lesson between; 7 to 10.
    assert value(facts, "spells", 10) == 3
    assert value(facts, "spell_days", 10) == 1 + 2 + 4
    assert value(facts, "bradford", 10) == 2 * 2 * (1 + 2)
    # Of five days the first is day 6, of three day 8: the last spell began before.
    assert (value(facts, "spells", 5), value(facts, "spell_days", 5)) == (1, 4)
    assert value(facts, "spells", 3) == 0


def test_a_spell_of_three_days_is_short_and_one_of_four_is_not() -> None:
    three = [*attended(1, 4, but=dict.fromkeys((2, 3, 4), "leave")), close(4)]
    four = [*attended(1, 5, but=dict.fromkeys((2, 3, 4, 5), "leave")), close(5)]

    assert value(three, "bradford", 20) == 3
    assert value(four, "bradford", 20) == 0


def test_a_spell_begins_with_the_enrolment_at_the_earliest() -> None:
    facts = [*attended(1, 5, but=dict.fromkeys(range(1, 6), "excused")), record(enrolled=4)]

    assert value([*facts, close(5)], "spell_days", 20) == 2
    assert value([*facts, close(5)], "spells", 1) == 0


def test_the_worst_weekday() -> None:
    # Mondays 1, 6 and 11 and Wednesday 3, the last by exactly half.
    facts = attended(1, 20, but=dict.fromkeys((1, 6, 11), "excused"))
    facts += [lessons(3, "late", absent_minutes=30, revision=1), close(20)]

    assert value(facts, "weekday_hits", 20) == 3
    assert value(facts, "weekday_share", 20) == Fraction(3, 4)
    # Four of twenty days are Mondays: P(X >= 3) of Bin(4, 1/5) = 4 * 4/625 + 1/625.
    assert value(facts, "weekday_tail", 20) == Fraction(17, 625)


def test_a_weekday_tail_is_rounded_up() -> None:
    facts = [*attended(1, 3, but={1: "excused"}), close(3)]

    assert value(facts, "weekday_tail", 5) == Fraction(333333333334, 10**12)


def test_of_equal_weekdays_the_worst_has_the_fewest_days_then_is_the_earliest() -> None:
    # Monday, missed once of twice, and Tuesday, missed the only time.
    facts = [*days_of((1, "excused"), (2, "excused"), (6, "present")), close(6)]
    alike = [*days_of((2, "excused"), (3, "excused"), (4, "present")), close(6)]

    assert value(facts, "weekday_tail", 10) == Fraction(555555555556, 10**12)
    assert _deciding_lessons(alike, "weekday_hits") == {f"{day(2)}-0"}


def _deciding_lessons(facts: list[Plain], indicator: str) -> set[str]:
    book_of_one = book(rule("r", {1: at_least(indicator, "0.001", days=10)}))
    (step,) = steps(facts, book_of_one, CALENDAR)
    return set(step["figures"][0]["lessons"])


def test_without_a_half_missed_day_no_weekday_has_a_share() -> None:
    facts = [*attended(1, 5), lessons(2, "late", absent_minutes=29, revision=1), close(5)]

    assert value(facts, "weekday_hits", 5) == 0
    assert value(facts, "weekday_share", 5) is None
    assert value(facts, "weekday_tail", 5) is None


def test_edge_days_are_next_to_a_weekend() -> None:
    facts = [*attended(1, 10, but=dict.fromkeys((3, 5, 6), "excused")), close(10)]

    # Days 1, 5, 6 and 10 are Mondays and Fridays: two of four, against one of six.
    assert value(facts, "edge_hits", 4) == 2
    assert value(facts, "edge_ratio", 4) == 3
    # The last two are 6 and 10; 7 to 9 between them were not missed.
    assert value(facts, "edge_hits", 2) == 1
    assert value(facts, "edge_ratio", 2) == 1000


def test_a_day_off_in_the_week_makes_edges() -> None:
    year = CALENDAR["school_years"][0]
    off = {**CALENDAR, "school_years": [{**year, "days_off": [{"first": day(3), "last": day(3)}]}]}
    facts = [*days_of((2, "excused"), (4, "excused")), close(4)]

    assert value(facts, "edge_hits", 10, calendar=off) == 2
    assert value(facts, "edge_hits", 10) == 0


def test_edges_have_no_ratio_without_days_on_both_sides() -> None:
    assert value([*days_of((1, "excused")), close(1)], "edge_ratio", 5) is None
    assert value([*days_of((2, "excused")), close(2)], "edge_ratio", 5) is None
    assert value([*attended(1, 5), close(5)], "edge_ratio", 5) is None
    cut = [*attended(1, 7, but={1: "excused", 6: "excused"}), record(enrolled=2), close(7)]
    assert value(cut, "edge_hits", 10) == 1


def in_subjects(n: int, **statuses: str) -> list[Plain]:
    """A lesson of each subject on a day."""
    return [
        lessons(n, status, subject=subject, lesson=f"{n}-{subject}")
        for subject, status in statuses.items()
    ]


def test_the_worst_subject() -> None:
    facts = [*in_subjects(1, ma="unexcused", sv="excused"), *in_subjects(2, ma="leave", sv="late")]
    facts += [*in_subjects(3, ma="excused", sv="present", id="present"), close(4)]
    facts += in_subjects(4, ma="present", sv="present", id="present")

    # Registered after the close: day 4 does not count yet.
    assert value(facts[:-3], "subject_missed", 10) == 3
    whole = [*facts[:-4], *facts[-3:], close(4)]
    assert value(whole, "subject_missed", 10) == 3
    assert value(whole, "subject_share", 10) == Fraction(3, 4)
    # Of the six other lessons one is missed.
    assert value(whole, "subject_ratio", 10) == Fraction(3, 4) / Fraction(1, 6)


def test_the_worst_subject_is_the_one_of_which_most_is_missed_beyond_the_others() -> None:
    facts = in_subjects(1, a="unexcused")
    for n in range(2, 12):
        facts += in_subjects(n, b="unexcused" if n < 8 else "present", c="present")

    # a: 1 - 1 * 6/20; b: 6 - 10 * 1/11; c misses none.
    assert value([*facts, close(11)], "subject_missed", 20) == 6


def test_lessons_without_a_subject_belong_to_none() -> None:
    alone = [*in_subjects(1, ma="unexcused"), lessons(1, "present", "unexcused", subject="")]
    two = [*alone, *in_subjects(2, sv="present")]

    assert value([*alone, close(2)], "subject_missed", 10) is None
    assert value([*two, close(2)], "subject_share", 10) == 1
    assert value([*two, close(2)], "subject_ratio", 10) == 1000


def test_of_equal_subjects_the_alphabetically_first_is_the_worst() -> None:
    missed = [*in_subjects(1, b="excused", a="excused"), close(1)]
    attended_all = [*in_subjects(1, b="present", a="late"), close(1)]

    assert _deciding_lessons(missed, "subject_missed") == {"1-a"}
    assert value(attended_all, "subject_share", 10) == 0
    assert value(attended_all, "subject_ratio", 10) is None


def test_internal_truancy_is_unexcused_between_two_attended_lessons() -> None:
    days = [
        ("present", "unexcused", "present"),
        ("late", "unexcused", "excused", "other"),
        ("unexcused", "present", "unexcused"),
        ("present", "excused", "present"),
        ("present", "unexcused", "unreported"),
    ]
    facts = [lessons(n, *statuses) for n, statuses in enumerate(days, start=1)]

    assert value([*facts, close(5)], "internal_truancy_days", 5) == 2


def test_the_order_of_a_day_is_that_of_the_starts_and_not_of_the_names() -> None:
    early = datetime.combine(day(1), time(7), UTC)
    facts = [lessons(1, "present"), lessons(1, "unexcused", lesson="0", starts_at=early)]
    between = [*facts, lessons(1, "present", lesson="z", starts_at=early.replace(hour=6))]

    assert value([*facts, close(1)], "internal_truancy_days", 1) == 0
    assert value([*between, close(1)], "internal_truancy_days", 1) == 1


def test_a_first_lesson_is_missed_wholly_or_late() -> None:
    facts = [lessons(1, "late", "present"), lessons(2, "excused", "late")]
    facts += [lessons(3, "excused", "present", absent_minutes=59), lessons(4, "present", "leave")]
    facts += [lessons(5, "unreported", "unexcused")]

    # Day 5's only counting lesson is its first and its last.
    assert value([*facts, close(5)], "first_last_misses", 5) == 3
    assert value([*facts, close(5)], "first_last_misses", 5, kind="first") == 3
    assert value([*facts, close(5)], "first_last_misses", 5, kind="last") == 3


def test_absent_days_at_the_terms_start() -> None:
    away = {TERM_END: "excused", SECOND_TERM: "excused", SECOND_TERM + 2: "unexcused"}
    facts = attended(TERM_END, SECOND_TERM + 3, but=away)

    def at(n: int, number: int, *more: Plain) -> Any:
        return value([*facts, *more, close(n)], "term_start_days", number)

    assert at(SECOND_TERM, 3) == 1
    assert at(SECOND_TERM + 2, 3) == 2
    assert at(SECOND_TERM + 3, 3) == 0
    assert at(SECOND_TERM + 2, 3, record(enrolled=SECOND_TERM + 1)) == 1


def test_a_quarter_of_the_day_is_much_and_less_is_not() -> None:
    facts = [lessons(1, "late", absent_minutes=15), lessons(2, "late", absent_minutes=14)]

    assert value([*facts, lessons(3, "unexcused"), close(3)], "quarter_days", 5) == 2


def test_a_leave_day_is_leave_all_through() -> None:
    facts = [lessons(1, "leave", "leave"), lessons(2, "leave", "excused"), lessons(3, "leave")]
    facts += [lessons(4, "leave", "unreported"), lessons(5, "leave", "present"), close(5)]

    assert value(facts, "leave_days", "year") == 3


def test_a_return_ends_a_run_of_absent_days() -> None:
    facts = days_of((1, "excused"), (2, "unexcused"), (4, "late"), (5, "present"))

    assert value([*attended(1, 1), close(1)], "return") == 0
    assert value([*facts, close(2)], "return") == 0
    assert value([*facts, close(3)], "return") == 0
    assert value([*facts, close(4)], "return") == 2
    assert value([*facts, close(5)], "return") == 0
    assert value([*facts, record(enrolled=2), close(4)], "return") == 1


def test_a_window_may_be_the_term_or_the_year_so_far() -> None:
    facts = days_of((TERM_END, "late"), (SECOND_TERM, "late"), (SECOND_TERM + 1, "late"))

    assert value([*facts, close(SECOND_TERM + 1)], "lates", "term") == 2
    assert value([*facts, close(SECOND_TERM + 1)], "lates", "year") == 3
    year_on = [lessons(YEAR_END + 1, "late"), close(YEAR_END + 1)]
    assert value([*facts, *year_on], "lates", "year") == 1


# ---- Delayed buses -------------------------------------------------------------------------


def delayed(**delay: Any) -> Plain:
    return {**CALENDAR, "bus_delays": [{"date": str(day(1)), "before": "11:30", **delay}]}


def test_who_was_late_by_a_delayed_bus_was_not_late() -> None:
    # At nine and ten UTC: eleven and twelve by the school's clock.
    facts = [lessons(1, "late", "late", absent_minutes=10), lessons(2, "late"), close(2)]

    assert value(facts, "lates", 5) == 3
    assert value(facts, "lates", 5, calendar=delayed()) == 2
    assert value(facts, "absence_share", 5, calendar=delayed()) == Fraction(10, 180)
    assert value(facts, "lates", 5, calendar=delayed(before="11:00")) == 3
    assert value(facts, "lates", 5, calendar=delayed(before=time(11, 1))) == 2
    assert value(facts, "lates", 5, calendar=delayed(date=date(2025, 8, 20))) == 3


def test_a_delay_concerns_those_whose_bus_it_names() -> None:
    facts = [lessons(1, "late"), close(1)]
    one_bus = delayed(buses=["811"])

    assert value(facts, "lates", 5, calendar=one_bus) == 1
    assert value([record(enrolled=1), *facts], "lates", 5, calendar=one_bus) == 1
    assert value([record(enrolled=1) | {"bus": "812"}, *facts], "lates", 5, calendar=one_bus) == 1
    assert value([record(enrolled=1) | {"bus": "811"}, *facts], "lates", 5, calendar=one_bus) == 0


def test_only_lates_are_excused_by_a_bus() -> None:
    facts = [lessons(1, "unexcused"), close(1)]

    assert value(facts, "unexcused_lessons", 5, calendar=delayed()) == 1


def test_a_changed_bus_is_a_correction() -> None:
    rules = book(rule("r", {1: at_least("lates", 1, days=5)}), clear_after=9)
    facts = [lessons(1, "late"), close(1), record(enrolled=1) | {"bus": "811"}, close(2)]

    assert told(facts, rules, delayed(buses=["811"])) == [
        "day 1: opened 1, since 1",
        "day 2: retracted 1 leaving 0, since 1",
    ]


# ---- Needs ---------------------------------------------------------------------------------


def test_a_share_or_rate_needs_ten_days_by_default() -> None:
    for indicator, edge in (("scattered_share", "0.1"), ("weekday_share", "0.1")):
        rules = {"rules": [{"id": "r", "levels": {1: at_least(indicator, edge, days=20)}}]}
        facts = attended(1, 10, but={1: "unexcused"})

        assert told([*facts[:9], close(9)], rules) == []
        assert told([*facts, close(10)], rules) == ["day 10: opened 1, since 10"]


def test_a_rise_needs_them_in_both_its_windows() -> None:
    levels = {1: at_least("rise", "0.01", days=10)}
    many = attended(1, 30, but=dict.fromkeys(range(21, 31), "unexcused"))
    few = [fact for n, fact in enumerate(many) if n < 20 or n > 20]
    hidden = [*many, *(lessons(n, "unreported", revision=1) for n in (1, 2, 3, 4))]

    assert told([*many, close(30)], {"rules": [{"id": "r", "levels": levels}]}) != []
    # Nine days in the newest ten; and a coverage of 26 lessons of 30.
    assert told([*few, close(30)], {"rules": [{"id": "r", "levels": levels}]}) == []
    assert told([*hidden, close(30)], {"rules": [{"id": "r", "levels": levels}]}) == []


def test_counts_need_no_days_and_term_starts_name_no_window() -> None:
    start = {
        "id": "r",
        "levels": {1: at_least("term_start_days", 1, days=20)},
        "needs": {"days": 9},
    }

    assert told([lessons(1, "excused"), close(1)], {"rules": [start]}) != []
