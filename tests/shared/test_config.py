"""A mistake in a file is told with its line, what was met and what is wanted."""

from pathlib import Path

import pytest

from services.notify.routing import Routing
from shared.calendar import SchoolCalendar
from shared.config import ConfigError, parse_config, read_config, version_of
from shared.rulebook import Rulebook

DEPLOYED = Path(__file__).parents[2] / "deploy" / "config"

RULEBOOK = """\
clear_factor: 0.8
rules:
  - id: high-absence
    title: {sv: Hög frånvaro, en: High absence}
    needs: {days: 10, coverage: 0.9}
    levels:
      1:
        indicator: absence_share
        days: 20
        at_least: 0.10
"""

CALENDAR = """\
day_close: "17:00"
school_years:
  - terms:
      - {first: 2025-08-18, last: 2025-12-19}
    days_off:
      - {first: 2025-10-27, last: 2025-10-31}
"""

RULEBOOK_MISTAKES = {
    "a misspelt indicator": (
        ("absence_share", "absense_share"),
        8,
        ["nothing measures 'absense_share'", "absence_share"],
    ),
    "an unknown key": (("at_least:", "atleast:"), 10, ["'atleast'", "did you mean at_least?"]),
    "an unknown key at the top": (("clear_factor", "clearfactor"), 1, ["did you mean clear_f"]),
    "a level that does not exist": (("      1:", "      5:"), 7, ["no level 5", "1 watch"]),
    "a key given twice": (
        ("        days: 20\n", "        days: 20\n        days: 10\n"),
        10,
        ["'days' stands twice", "line 9"],
    ),
    "per cent instead of a share": (
        ("at_least: 0.10", "at_least: 10"),
        7,
        ["share from 0 to 1", "10 per cent is written 0.1"],
    ),
    "a level given as number and as text": (
        ("      1:\n", '      1: {indicator: lates, days: 5, at_least: 3}\n      "1":\n'),
        8,
        ["'1' stands twice", "line 7"],
    ),
    "a tag beside what it can't be of": (("0.8", "!!bool abc"), 1, ["met 'abc'"]),
    "no YAML": (("rules:", "rules: ]"), 2, ["is no YAML"]),
    "a tag that YAML has not": (("0.8", "!factor 0.8"), 1, ["is no YAML", "!factor"]),
    "a character that no text has": (("0.8", "0.8\x07"), 1, ["is no YAML"]),
    "a key that is a list": (("clear_factor:", "[clear, factor]:"), 1, ["a word as a key"]),
    "a word where a number belongs": (("days: 20", "days: twenty"), 9, ["'twenty'", "whole numb"]),
    "both thresholds": (
        ("at_least: 0.10", "at_least: 0.10\n        at_most: 0.20"),
        7,
        ["exactly one of at_least and at_most"],
    ),
    "no window": (("        days: 20\n", ""), 7, ["give it a number of them"]),
    "a kind that the indicator has not": (
        ("days: 20", "days: 20\n        kind: late"),
        7,
        ["no kind 'late'", "all, excused, unexcused"],
    ),
    "a missing title": (("    title: {sv: Hög frånvaro, en: High absence}\n", ""), 3, ["missing"]),
    "a threshold that always holds": (("0.10", "0"), 7, ["always holds"]),
    "an id with spaces": (("id: high-absence", "id: High absence"), 3, ["'High absence'"]),
}

A_SCHOOL = f"""\
{RULEBOOK}schools:
  skola-1:
    clear_after: 5
    rules:
      - id: high-absence
        clear_factor: 0.7
"""

SCHOOL_MISTAKES = {
    "a rule that nobody has": (
        ("id: high-absence\n        clear_", "id: hog-franvaro\n        clear_"),
        15,
        ["rules.0.id: no rule is called 'hog-franvaro'", "there are high-absence", "a title"],
    ),
    "a misspelt rule": (
        ("id: high-absence\n        clear_", "id: high-absense\n        clear_"),
        15,
        ["did you mean high-absence?"],
    ),
    "a change that makes no rule": (
        ("clear_factor: 0.7", "damps: [high-absence]"),
        15,
        ["skola-1.rules.0: damps belongs to a rule with units"],
    ),
    "no level left": (("clear_factor: 0.7", "levels: {1: null}"), 16, ["rules.0.levels: met {}"]),
    "nothing for the school": (
        ("clear_after: 5", "clear_after:"),
        13,
        ["skola-1.clear_after: met nothing", "leave the key out"],
    ),
    "no handover for the school": (("clear_after: 5", "handover: ~"), 13, ["met nothing"]),
    "nothing for a rule of the school": (
        ("clear_factor: 0.7", "clear_factor:"),
        16,
        ["rules.0.clear_factor: met nothing"],
    ),
    "two changes of one rule": (
        ("clear_factor: 0.7", "clear_factor: 0.7\n      - {id: high-absence, enabled: false}"),
        14,
        ["two rules are called 'high-absence'"],
    ),
}

CALENDAR_MISTAKES = {
    "a term that ends before it begins": (("2025-12-19", "2025-08-01"), 4, ["ends on 2025-08-01"]),
    "a date that does not exist": (("2025-10-31", "2025-10-32"), 6, ["2025-10-32"]),
    "a time without quotes": (('"17:00"', "17:00"), 1, ["1020", '"17:00", in quotes']),
    "a close at another offset than the school's": (
        ('"17:00"', '"17:00+02:00"'),
        1,
        ["17:00+02:00", "a local time"],
    ),
    "a bus at another offset than the school's": (
        (
            "school_years:",
            'bus_delays:\n  - {date: 2025-08-19, before: "09:30Z", why: snow}\nschool_years:',
        ),
        3,
        ["09:30Z", "a local time"],
    ),
    "a time zone that is a folder of them": (
        ('day_close: "17:00"', "timezone: Europe"),
        1,
        ["'Europe'", "wanted one such as"],
    ),
    "an unknown time zone": (
        ('day_close: "17:00"', "timezone: Europe/Stokholm"),
        1,
        ["Europe/Stokholm", "wanted one such as"],
    ),
    "a year without a school day": (
        ("2025-10-27, last: 2025-10-31", "2025-08-01, last: 2026-01-01"),
        2,
        ["from 2025-08-18 has no school day"],
    ),
}

ENDLESS = {
    "a list that holds itself": ("rules: &all [*all]", "is nested too deeply"),
    "a thousand brackets": ("rules: " + "[" * 1000 + "]" * 1000, "is nested too deeply"),
    "aliases of aliases": (
        "\n".join(
            [
                "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]",
                *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)),
            ]
        ),
        "more than 100000 values",
    ),
}


def told(text: str, model: type[Rulebook | SchoolCalendar], name: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, model, name)
    return caught.value


@pytest.mark.parametrize("mistake", RULEBOOK_MISTAKES)
def test_a_mistake_in_the_rulebook_is_told_with_its_line(mistake: str) -> None:
    (wrong, right), line, words = RULEBOOK_MISTAKES[mistake]
    assert wrong in RULEBOOK

    error = told(RULEBOOK.replace(wrong, right), Rulebook, "rulebook.yaml")

    assert error.problems[0].line == line, str(error)
    assert str(error).startswith(f"rulebook.yaml:{line}: ")
    assert all(word in str(error) for word in words), str(error)


@pytest.mark.parametrize("mistake", SCHOOL_MISTAKES)
def test_a_mistake_in_what_a_school_has_otherwise_is_told_with_its_line(mistake: str) -> None:
    (wrong, right), line, words = SCHOOL_MISTAKES[mistake]
    assert A_SCHOOL.count(wrong) == 1
    parse_config(A_SCHOOL, Rulebook, "rulebook.yaml")

    error = told(A_SCHOOL.replace(wrong, right), Rulebook, "rulebook.yaml")

    assert error.problems[0].line == line, str(error)
    assert all(word in str(error) for word in words), str(error)


@pytest.mark.parametrize("text", ENDLESS)
def test_a_file_that_would_have_no_end_is_refused(text: str) -> None:
    written, why = ENDLESS[text]

    assert why in str(told(written, Rulebook, "rulebook.yaml"))


@pytest.mark.parametrize("mistake", CALENDAR_MISTAKES)
def test_a_mistake_in_the_calendar_is_told_with_its_line(mistake: str) -> None:
    (wrong, right), line, words = CALENDAR_MISTAKES[mistake]
    assert wrong in CALENDAR

    error = told(CALENDAR.replace(wrong, right), SchoolCalendar, "calendar.yaml")

    assert error.problems[0].line == line, str(error)
    assert all(word in str(error) for word in words), str(error)


def test_all_that_is_wrong_is_told_at_once() -> None:
    text = RULEBOOK.replace("days: 20", "days: twenty").replace("coverage: 0.9", "coverage: 90")

    error = told(text, Rulebook, "rulebook.yaml")

    assert [(problem.line, problem.where) for problem in error.problems] == [
        (5, "rules.0.needs.coverage"),
        (9, "rules.0.levels.1.days"),
    ]


@pytest.mark.parametrize(
    ("days", "told_as"),
    [
        ("twenty", "met 'twenty'; wanted a whole number, term or year"),
        ("1.5", "met 1.5; wanted a whole number, term or year"),
        ("[20]", "met [20]; wanted a whole number, term or year"),
        ("{from: 2025-08-18}", "met {'from': 2025-08-18}; wanted a whole number, term or year"),
        ("x" * 101, f"met '{'x' * 99}…; wanted a whole number, term or year"),
        ("0", "met 0; wanted greater than or equal to 1"),
        ("500", "met 500; wanted less than or equal to 220"),
    ],
)
def test_what_may_be_a_number_or_a_word_is_refused_once(days: str, told_as: str) -> None:
    error = told(RULEBOOK.replace("days: 20", f"days: {days}"), Rulebook, "rulebook.yaml")

    assert str(error) == f"rulebook.yaml:9: rules.0.levels.1.days: {told_as}"


def test_the_change_log_is_written_as_the_delivered_file_shows_it() -> None:
    text = (DEPLOYED / "rulebook.yaml").read_text(encoding="utf-8")
    shown = text.replace("# changes:\n#   - {on:", "changes:\n  - {on:")
    assert shown != text

    (line,) = parse_config(shown, Rulebook, "rulebook.yaml").changes

    assert (line.on.isoformat(), line.by) == ("2025-10-06", "EHT")


def test_two_rules_of_one_name_are_told() -> None:
    rule = RULEBOOK.partition("rules:\n")[2]

    assert "two rules are called 'high-absence'" in str(told(RULEBOOK + rule, Rulebook, "r.yaml"))


@pytest.mark.parametrize("text", ["", "\n", "# nothing but a comment\n"])
def test_an_empty_file_is_told(text: str) -> None:
    assert str(told(text, Rulebook, "rulebook.yaml")) == "rulebook.yaml:1: is empty"


@pytest.mark.parametrize("text", ["17", "[1, 2]", "words"])
def test_a_file_that_holds_something_else_is_told(text: str) -> None:
    assert "rulebook.yaml:1: " in str(told(text, Rulebook, "rulebook.yaml"))


def test_a_file_that_is_not_there_or_no_text_is_told(tmp_path: Path) -> None:
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("title: Hög".encode("latin-1"))

    with pytest.raises(ConfigError, match=r"absent\.yaml:1: there is no such file"):
        read_config(tmp_path / "absent.yaml", Rulebook)
    with pytest.raises(ConfigError, match=r"latin\.yaml:1: cannot be read as UTF-8"):
        read_config(latin, Rulebook)


def test_the_files_that_are_deployed_are_good() -> None:
    read_config(DEPLOYED / "rulebook.yaml", Rulebook)
    read_config(DEPLOYED / "calendar.yaml", SchoolCalendar)
    read_config(DEPLOYED / "routing.yaml", Routing)


def test_a_version_names_what_is_meant_and_not_how_it_is_written() -> None:
    plain = parse_config(RULEBOOK, Rulebook, "a")
    reworded = RULEBOOK.replace("clear_factor: 0.8\n", "# a comment\n")
    changed = parse_config(RULEBOOK.replace("0.10", "0.11"), Rulebook, "b")

    assert version_of(plain) == version_of(parse_config(reworded, Rulebook, "b"))
    assert version_of(plain) != version_of(changed)
