"""An example is a strip of days that the fold itself judges."""

from datetime import date
from typing import Any

import pytest

from services.rules.example import EXAMPLE_CALENDAR, MOST_DAYS, facts, outcome
from shared.config import parse_config
from shared.events import (
    AttendanceBatch,
    AttendanceEvent,
    CaseAnswer,
    CaseTold,
    DayClosed,
    PupilRecord,
)
from shared.rulebook import Example, Rulebook

MONDAY = date(2025, 8, 18)

RULEBOOK = """\
clear_after: 10
handover: {days: 40, factor: 0.6}
rules:
  - id: unbroken
    title: {sv: Sammanhängande frånvaro, en: Unbroken absence}
    levels:
      1: {indicator: absent_run, at_least: 3}
      2: {indicator: absent_run, at_least: 5}
  - id: lates
    enabled: false
    title: {sv: Sena ankomster, en: Late arrivals}
    levels: {1: {indicator: lates, days: 10, at_least: 4}}
  - id: subject
    title: {sv: Ämnesundvikande, en: Subject avoidance}
    levels: {2: {indicator: subject_missed, days: 20, at_least: 3}}
  - id: unanswered
    title: {sv: Obesvarad, en: Unanswered}
    levels: {1: {indicator: unanswered, at_least: 3}}
  - id: outbreak
    title: {sv: Klassutbrott, en: Outbreak}
    units: [class]
    levels: {1: {indicator: class_newly_absent, at_least: 0.2}}
  - id: unregistered
    title: {sv: Oregistrerat, en: Unregistered}
    units: [group]
    levels: {1: {indicator: unregistered_lessons, days: 5, at_least: 4}}
"""


@pytest.fixture(scope="module")
def rulebook() -> Rulebook:
    return parse_config(RULEBOOK, Rulebook, "rulebook.yaml")


def strip(days: str, **beside: Any) -> Example:
    return Example(strip=days, level=0, **beside)


def registrations(example: Example) -> list[AttendanceEvent]:
    batches = (fact for fact in facts(example) if isinstance(fact, AttendanceBatch))
    return [event for batch in batches for event in batch.events]


def closed(example: Example) -> list[date]:
    return [fact.date for fact in facts(example) if isinstance(fact, DayClosed)]


def by_day(example: Example) -> list[str]:
    """Each closed day's lessons, by the first letter of their status."""
    days = dict.fromkeys(closed(example), "")
    for event in registrations(example):
        days[EXAMPLE_CALENDAR.local_date(event.starts_at)] += event.status[0]
    return list(days.values())


def test_a_letter_is_a_lesson_and_a_word_a_day() -> None:
    lessons = registrations(strip("plevuo-"))

    assert [(event.status, event.absent_minutes) for event in lessons] == [
        ("present", 0),
        ("late", 10),
        ("excused", 60),
        ("leave", 60),
        ("unexcused", 60),
        ("other", 0),
        ("unreported", 0),
    ]
    assert {event.minutes for event in lessons} == {60}
    assert [f"{event.starts_at:%H:%M}" for event in lessons[:3]] == ["08:00", "09:10", "10:20"]
    assert [f"{event.recorded_at:%H:%M}" for event in lessons[:2]] == ["08:01", "09:11"]
    assert [event.subject for event in lessons[:2]] == ["subject-1", "subject-2"]
    assert {event.group for event in lessons} == {"group-1"}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("pp uu", ["pp", "uu"]),
        ("p . u", ["p", "", "u"]),
        ("p*3", ["p", "p", "p"]),
        (".*2 p", ["", "", "p"]),
        ("(p u)*2", ["p", "u", "p", "u"]),
        ("(p (u e)*2)*2 l", ["p", *"ueue", "p", *"ueue", "l"]),
        ("(p u) e", ["p", "u", "e"]),
        ("\n  pp\n  uu\n", ["pp", "uu"]),
    ],
)
def test_days_are_repeated_one_by_one_or_together(written: str, meant: list[str]) -> None:
    assert by_day(strip(written)) == meant


def test_days_follow_one_another_on_school_days_and_close_after_their_lessons() -> None:
    found = facts(strip("p*6"))

    assert closed(strip("p*6")) == [date(2025, 8, day) for day in (18, 19, 20, 21, 22, 25)]
    assert [type(fact).__name__ for fact in found[:5]] == [
        "PupilRecord",
        "AttendanceBatch",
        "DayClosed",
        "AttendanceBatch",
        "DayClosed",
    ]


def test_told_and_answered_happen_on_the_day_before_them() -> None:
    happened = [
        fact
        for fact in facts(strip("p p told p answered"))
        if isinstance(fact, CaseTold | CaseAnswer)
    ]

    assert [(fact.type, fact.on) for fact in happened] == [
        ("case_told", date(2025, 8, 19)),
        ("case_answer", date(2025, 8, 20)),
    ]


def test_a_need_comes_with_an_enrolment() -> None:
    (plain,) = (fact for fact in facts(strip("p")) if isinstance(fact, PupilRecord))
    (need,) = (fact for fact in facts(strip("p", need=True)) if isinstance(fact, PupilRecord))

    assert (plain.need, plain.enrolled, plain.school_class) == (False, None, "example")
    assert (need.need, need.enrolled, need.school_class) == (True, MONDAY, "example")


def test_a_class_is_lines_of_pupils() -> None:
    example = Example(pupils=("2: pp*3", "1: pp*2 ee"), level=0)

    assert by_day(example) == ["pppppp", "pppppp", "ppppee"]
    assert len({event.pupil for event in registrations(example)}) == 3
    assert len(closed(example)) == 3


@pytest.mark.parametrize(
    ("written", "met"),
    [
        ("pp x", "met 'x'; wanted a day of"),
        ("pp p.p", "met 'p.p'; wanted a day of"),
        ("ppppppppp", "met 'ppppppppp'; wanted a day of"),
        ("P", "met 'P'; wanted a day of"),
        ("pp*", "met 'pp*'; wanted a day of"),
        ("pp * 5", "met '*'; wanted a day of"),
        ("told p", "met 'told'; wanted it after the day"),
        ("p (told)", "met 'told'; wanted it after the day"),
        ("p told*2", "met 'told*2'; wanted a day of"),
        ("p)", "met ')'; wanted days in parentheses"),
        ("()*2", "met ')*2'; wanted days in parentheses"),
        ("(p", "met the end of the strip; wanted a closing parenthesis"),
        ("p*0", "met '*0'; wanted a number of times"),
        (f"p*{MOST_DAYS + 1}", "met '*171'; wanted a number of times that gives 1 to 170 days"),
        ("p*123456789012", "met '*123456789012'; wanted a number of times"),
        ("(p*100)*2", "met '*2'; wanted a number of times"),
        ("p*100 p*100", "met a strip of 200 days; wanted 1 to 170"),
        (" ", "met a strip of 0 days; wanted 1 to 170"),
    ],
)
def test_a_word_that_is_no_day_is_named_with_what_is_wanted(written: str, met: str) -> None:
    with pytest.raises(ValueError, match="wanted") as told:
        facts(strip(written))

    assert str(told.value).startswith(met)


@pytest.mark.parametrize(
    ("lines", "met"),
    [
        (("pp*3",), "met 'pp*3'; wanted a number of pupils and their strip"),
        (("0: pp",), "met '0'; wanted 1 to 100 pupils"),
        (("60: pp", "60: pp"), "met '60'; wanted 1 to 100 pupils"),
        (("2: pp*3", "2: pp*2"), "met a strip of 2 days beside one of 3"),
        (("2: px",), "met 'px'; wanted a day"),
    ],
)
def test_a_class_that_is_none_is_named_with_what_is_wanted(
    lines: tuple[str, ...], met: str
) -> None:
    with pytest.raises(ValueError, match="wanted") as told:
        facts(Example(pupils=lines, level=0))

    assert str(told.value).startswith(met)


@pytest.mark.parametrize(
    ("rule", "days", "level"),
    [
        ("unbroken", "pp*5 ee*2", 0),
        ("unbroken", "pp*5 ee*3", 1),
        ("unbroken", "pp*5 ee*5", 2),
        pytest.param("unbroken", "pp*5 ee*5 pp", 2, id="a lower value lowers nothing"),
        pytest.param("unbroken", "pp*5 ee*5 pp*9", 2, id="not yet cleared"),
        pytest.param("unbroken", "pp*5 ee*5 pp*10", 0, id="cleared"),
        pytest.param(
            "unbroken", "pp*5 ee*3 . .*3 ee*2", 2, id="days without lessons break nothing"
        ),
        pytest.param("lates", "lp ll pl", 1, id="a disabled rule is tried all the same"),
        pytest.param("subject", "ppu*3 pppp*5", 2, id="one subject of three"),
        pytest.param("unanswered", "ee*3 told ee*2", 0, id="not long unanswered"),
        pytest.param("unanswered", "ee*3 told ee*3", 1, id="long unanswered"),
        pytest.param("unanswered", "ee*3 told ee*2 answered ee*3", 0, id="answered"),
    ],
)
def test_the_outcome_is_what_stands_open_after_the_last_close(
    rulebook: Rulebook, rule: str, days: str, level: int
) -> None:
    assert outcome(rulebook, rule, strip(days)) == level


def test_a_need_lowers_the_thresholds_and_the_handover_counts_any_rule(rulebook: Rulebook) -> None:
    two_days_away = "pp*5 ee*2"

    assert outcome(rulebook, "unbroken", strip(two_days_away, need=True)) == 1
    assert outcome(rulebook, "subject", strip(two_days_away, need=True)) == 2
    assert outcome(rulebook, None, strip(two_days_away, need=True)) == 2
    assert outcome(rulebook, None, strip(two_days_away)) == 0


def test_a_class_is_judged_as_one(rulebook: Rulebook) -> None:
    well = Example(pupils=("9: pp*12", "1: pp*11 ee"), level=0)
    ill = Example(pupils=("8: pp*12", "2: pp*11 ee"), level=1)

    assert outcome(rulebook, "outbreak", well) == 0
    assert outcome(rulebook, "outbreak", ill) == 1


def test_lessons_that_nobody_registers_come_due(rulebook: Rulebook) -> None:
    assert outcome(rulebook, "unregistered", strip("pp*5 --*2")) == 0
    assert outcome(rulebook, "unregistered", strip("pp*5 --*2 pp")) == 1


def test_of_several_pupils_the_highest_counts(rulebook: Rulebook) -> None:
    example = Example(pupils=("3: pp*10", "1: pp*7 ee*3", "1: pp*5 ee*5"), level=2)

    assert outcome(rulebook, "unbroken", example) == 2


def test_the_longest_strip_ends_before_the_school_year(rulebook: Rulebook) -> None:
    assert outcome(rulebook, "unbroken", strip(f"pp*{MOST_DAYS - 5} ee*5")) == 2


def test_no_school_has_the_examples_of_all_otherwise() -> None:
    schools = "schools: {example: {rules: [{id: unbroken, enabled: false}]}}\n"
    rulebook = parse_config(RULEBOOK + schools, Rulebook, "rulebook.yaml")

    assert outcome(rulebook, "unbroken", strip("pp*5 ee*3")) == 1
    assert outcome(rulebook.for_school("example"), "unbroken", strip("pp*5 ee*3")) == 1
