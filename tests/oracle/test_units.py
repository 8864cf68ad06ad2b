"""Classes, groups and the school, worked out by hand."""

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
    closes,
    day,
    lessons,
    record,
    rule,
    sentence,
)
from tests.oracle.judge import steps

PUPILS = "abcd"


def of_class(name: str = "7A", pupils: str = PUPILS) -> list[Plain]:
    return [record(enrolled=1) | {"pupil": pupil, "class": name} for pupil in pupils]


def at_school(n: int, away: str = "", status: str = "excused", pupils: str = PUPILS) -> list[Plain]:
    """A lesson of each pupil on a day; those `away` miss it."""
    return [
        lessons(n, status if pupil in away else "present", pupil=pupil, lesson=f"{n}-{pupil}")
        for pupil in pupils
    ]


def unit_rule(kind: str, *levels: Plain, **more: Any) -> Plain:
    return {"id": "r", "levels": dict(enumerate(levels, 1)), "units": kind.split(), **more}


def said_of(facts: list[Plain], rules: Plain, unit: str) -> list[str]:
    return [sentence(step) for step in steps(facts, rules, CALENDAR) if step["unit"] == unit]


def figure(facts: list[Plain], unit: str, indicator: str, **keys: Any) -> Any:
    """What is measured of the unit on the facts' last close."""
    condition = {"indicator": indicator, **keys, "at_most": 1000}
    kinds = "class" if unit.startswith("class") else "school group"
    rules = book(unit_rule(kinds, condition), clear_after=1)
    newest = [fact for fact in facts if fact["type"] == "day_closed"][-1]
    before = [fact for fact in facts if fact is not newest]
    silent = {"rules": [], "clear_after": 1}
    change = {"type": "rulebook_changed", "version": "2", "content": rules}
    found = steps([*before, change, newest], silent, CALENDAR)
    values = [step["figures"][0]["value"] for step in found if step["unit"] == unit]
    return values[0] if values else None


# ---- Classes -------------------------------------------------------------------------------


def newly_absent(facts: list[Plain]) -> Any:
    return figure([*of_class(), *facts], "class/7A", "class_newly_absent")


def test_newly_absent_are_those_who_were_not_the_day_before() -> None:
    facts = [*at_school(1, "a"), close(1), *at_school(2, "abc"), close(2)]

    assert newly_absent(facts[:5]) == Fraction(1, 4)
    assert newly_absent(facts) == Fraction(2, 4)


def test_only_who_has_counting_lessons_is_of_the_class_that_day() -> None:
    assert newly_absent([*at_school(2, "a", pupils="ab"), close(2)]) == Fraction(1, 2)
    assert newly_absent([*at_school(2, "abcd", "unreported"), close(2)]) is None


def test_a_day_before_without_lessons_is_no_absent_day() -> None:
    facts = [*at_school(1, "a"), *closes(1, 2), *at_school(3, "a"), close(3)]
    assert newly_absent(facts) == Fraction(1, 4)

    over_the_year = [*at_school(YEAR_END, "a"), close(YEAR_END), *at_school(YEAR_END + 1, "a")]
    assert newly_absent([*over_the_year, close(YEAR_END + 1)]) == Fraction(1, 4)


def usual(shares: list[str], today: str, days: int) -> Any:
    """The ratio on the last of these days, of each of which the newly absent are named."""
    facts = of_class()
    for n, away in enumerate([*shares, today], start=1):
        facts += [*at_school(2 * n, away), close(2 * n)]
    return figure(facts, "class/7A", "class_newly_absent_ratio", days=days)


def test_a_class_is_held_against_its_median() -> None:
    # Every other day has lessons: the ten shares before lie within twenty school days.
    assert usual(["a"] * 6 + ["ab"] * 4, "abc", 20) == 3
    assert usual(["a"] * 5 + ["ab"] * 5, "abc", 20) == Fraction(3, 4) / Fraction(3, 8)
    assert usual([""] * 6 + ["a"] * 4, "a", 20) == 1000
    assert usual([""] * 6 + ["a"] * 4, "", 20) is None


def test_a_median_needs_ten_days() -> None:
    assert usual(["a"] * 9, "ab", 20) is None
    assert usual(["a"] * 10, "ab", 20) == 2
    assert usual(["a"] * 10, "ab", 19) is None


OUTBREAK = book(unit_rule("class", at_least("class_newly_absent", "0.5"), damps=["x"]))


def test_a_classs_finding_opens_and_is_cleared() -> None:
    facts = [*of_class(), *at_school(1, "ab"), close(1), *at_school(2), close(2)]
    found = steps(facts, OUTBREAK, CALENDAR)

    assert [sentence(step) for step in found] == [
        "day 1: opened 1, since 1",
        "day 2: cleared 1, since 1",
    ]
    assert [(s["pupil"], s["unit"], s["damps"]) for s in found] == [("", "class/7A", ("x",))] * 2


LASTING = {**OUTBREAK, "clear_after": 9}


def test_a_changed_count_of_an_earlier_day_is_a_correction() -> None:
    facts = [*of_class(), *at_school(1, "ab"), close(1)]
    mended = lessons(1, "present", pupil="a", lesson="1-a", revision=1)

    assert said_of([*facts, mended, close(2)], LASTING, "class/7A")[1:] == [
        "day 2: retracted 1 leaving 0, since 1"
    ]


def test_who_changes_class_takes_their_days_along() -> None:
    facts = [*of_class(), *at_school(1, "ab"), close(1)]
    moved = record(enrolled=1, revision=1) | {"pupil": "a", "class": "7B"}

    # Of three left one was newly absent; in 7B one of one.
    assert said_of([*facts, moved, close(2)], LASTING, "class/7A")[1:] == [
        "day 2: retracted 1 leaving 0, since 1"
    ]
    assert said_of([*facts, moved, close(2)], LASTING, "class/7B") == []


def test_counts_older_than_sixty_school_days_stay_as_they_were() -> None:
    facts = [*of_class(), *at_school(1, "ab"), *closes(1, 60)]
    moved = record(enrolled=1, revision=1) | {"pupil": "a", "class": "7B"}
    slow = {**OUTBREAK, "clear_after": 100}

    # From the close of day 61 day 1 lies sixty back, from that of day 62 sixty-one.
    assert said_of([*facts, moved, close(61)], slow, "class/7A")[1:] == [
        "day 61: retracted 1 leaving 0, since 1"
    ]
    assert said_of([*facts, close(61), moved, close(62)], slow, "class/7A")[1:] == []


def test_a_median_may_reach_back_to_counts_that_old() -> None:
    facts = [fact for n in range(1, 11) for fact in (*at_school(n, "ab"[n % 2]), close(n))]
    facts = [*of_class(), *facts, *closes(11, 79), *at_school(80, "ab"), close(80)]

    assert figure(facts, "class/7A", "class_newly_absent_ratio", days=79) == 2


# ---- Registers -----------------------------------------------------------------------------


def in_group(on: int | date, *statuses: str, group: str = "7A-MA", **more: Any) -> Plain:
    return lessons(on, *statuses, group=group, **more)


def unregistered(facts: list[Plain], unit: str = "group/7A-MA", days: int = 2) -> Any:
    return figure(facts, unit, "unregistered_lessons", days=days)


def test_a_lesson_comes_due_a_day_after_its_end_at_the_next_close_hour() -> None:
    # From 9 to 10 UTC, noon by the school's clock: due on the next day at five.
    facts = [in_group(1, "unreported")]
    assert unregistered([*facts, close(1)]) == 0
    assert unregistered([*facts, close(2)]) == 1

    # One that ends at five sharp is due at five the next day; a minute later, a day later.
    sharp = datetime.combine(day(1), time(14), UTC)
    late = sharp.replace(minute=1)
    assert unregistered([in_group(1, "unreported", starts_at=sharp), close(2)]) == 1
    assert unregistered([in_group(1, "unreported", starts_at=late), close(2)]) == 0
    assert unregistered([in_group(1, "unreported", starts_at=late), close(3)]) == 1


def test_the_span_begins_after_the_school_day_before_the_window() -> None:
    facts = [in_group(n, "unreported") for n in range(1, 9)]

    # Due on day 2, 3, 4, 5, and what was on Friday, day 5, on Saturday; then day 7.
    assert unregistered([*facts, close(6)], days=1) == 1
    assert unregistered([*facts, close(6)], days=2) == 2
    assert unregistered([*facts, close(7)], days=1) == 1
    assert unregistered([*facts, close(3)], days=9) == 2


def test_withdrawn_lessons_are_due_no_more_and_late_registrations_count() -> None:
    facts = [in_group(1, "unreported", "withdrawn", "unreported", "present"), close(2)]
    later = [*facts, in_group(1, "present", revision=1), close(3)]

    assert unregistered(facts) == 2
    assert unregistered(later) == 1
    assert figure(facts, "group/7A-MA", "registered_share", days=2) == Fraction(1, 3)
    assert figure(later, "group/7A-MA", "registered_share", days=2) == Fraction(2, 3)
    assert figure([*later, *closes(4, 9)], "group/7A-MA", "registered_share", days=2) is None


def test_the_school_has_the_lessons_of_every_group_and_of_none() -> None:
    facts = [in_group(1, "unreported"), in_group(1, "unreported", group="", lesson="z"), close(2)]

    assert unregistered(facts) == 1
    assert unregistered(facts, "school") == 2
    assert {step["unit"] for step in _unregistered_steps(facts)} == {"group/7A-MA", "school"}


def _unregistered_steps(facts: list[Plain]) -> list[dict[str, Any]]:
    rules = book(unit_rule("group school", at_least("unregistered_lessons", 1, days=2)))
    return steps(facts, rules, CALENDAR)


def test_a_register_filled_in_retracts_the_finding_and_units_stand_in_order() -> None:
    rules = book(
        unit_rule("school group", at_least("unregistered_lessons", 1, days=9)), clear_after=9
    )
    facts = [in_group(1, "unreported"), close(2), in_group(1, "present", revision=1), close(3)]

    found = [step for step in steps(facts, rules, CALENDAR) if step["unit"]]

    assert [(step["unit"], step["kind"]) for step in found] == [
        ("group/7A-MA", "opened"),
        ("school", "opened"),
        ("group/7A-MA", "retracted"),
        ("school", "retracted"),
    ]


def test_a_unit_of_a_kind_that_the_rule_names_no_more_ends() -> None:
    at_one = at_least("unregistered_lessons", 1, days=9)
    both = book(unit_rule("school group", at_one), clear_after=9)
    school_only = book(unit_rule("school", at_one), clear_after=9)
    change = {"type": "rulebook_changed", "version": "2", "content": school_only}
    facts = [in_group(1, "unreported"), close(2), change, close(3)]

    assert said_of(facts, both, "group/7A-MA")[1:] == ["day 3: cleared 1, since 2"]
    assert said_of(facts, both, "school")[1:] == []


def test_pupils_rules_and_units_rules_leave_one_another_alone() -> None:
    rules = book(rule("late", {1: at_least("lates", 1, days=1)}), OUTBREAK["rules"][0])
    facts = [*of_class(), *at_school(1, "abc"), *at_school(1, "d", "late"), close(1)]
    facts = [*of_class(), *at_school(1, "abcd", "late"), close(1)]

    found = steps(facts, rules, CALENDAR)

    assert {(step["rule"], step["pupil"], step["unit"]) for step in found} == {
        ("late", pupil, "") for pupil in PUPILS
    }
