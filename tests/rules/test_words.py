"""Evidence and clearing in words."""

import re
from decimal import Decimal
from fractions import Fraction

import pytest

from services.rules.language import Amount
from services.rules.phrases import LANGUAGES
from services.rules.words import clears, seen
from shared.events import Evidence
from shared.indicators import INDICATORS
from shared.rulebook import Condition

FIGURES = [(name, kind) for name, known in INDICATORS.items() for kind in known.kinds or (None,)]

VALUES: dict[Amount, tuple[float, float]] = {
    Amount.COUNT: (17, 14),
    Amount.SHARE: (0.217, 0.14),
    Amount.POINTS: (0.217, 0.14),
    Amount.TIMES: (3.7, 2.4),
    Amount.CHANCE: (0.017, 0.04),
}
"""A value and its limit of each kind of amount, without a word of their own."""

SHOWN = {
    Amount.COUNT: ("17", "14"),
    Amount.SHARE: ("21,7", "14"),
    Amount.POINTS: ("21,7", "14"),
    Amount.TIMES: ("3,7", "2,4"),
    Amount.CHANCE: ("1,7", "4"),
}


def evidence(name: str, value: float | None, limit: float = 3, **keys: object) -> Evidence:
    known = INDICATORS[name]
    given = {
        "days": None if known.days == "none" else 19,
        "share": 0.11 if "share" in known.keys else None,
        "level": 2 if "level" in known.keys else None,
        "at_least": None if "at_most" in keys else limit,
    }
    return Evidence(**{"indicator": name, "value": value, **given, **keys})  # type: ignore[arg-type]


def share(value: float | None, limit: float = 0.2, **keys: object) -> Evidence:
    return evidence("absence_share", value, limit, **keys)


def condition(text: dict[str, object]) -> Condition:
    return Condition.model_validate(text)


def quiet(*levels: dict[str, object], ease: str = "0.8", days: int = 10) -> dict[str, str]:
    return clears([condition(each) for each in levels], Fraction(ease), days)


@pytest.mark.parametrize(("name", "kind"), FIGURES)
def test_every_figure_is_worded_with_every_number_of_its_evidence(
    name: str, kind: str | None
) -> None:
    amount = LANGUAGES["sv"].phrases_of(name, kind).amount
    value, limit = VALUES[amount]

    words = seen([evidence(name, value, limit, kind=kind, coverage=0.93)])

    wanted = [*SHOWN[amount]]
    wanted += ["93"] if INDICATORS[name].reach else []  # else no window that could be covered
    wanted += ["11"] if "share" in INDICATORS[name].keys else []
    for code, sign in (("sv", ","), ("en", ".")):
        text = words[code]
        numbers = re.findall(r"\d+(?:[.,]\d+)?", text)
        assert {each.replace(",", sign) for each in wanted} <= set(numbers), text
        assert re.fullmatch(r"[A-ZÅÄÖ0-9].*\.", text), text
        assert not re.search(r"[{}]|  | ,|None", text), text


@pytest.mark.parametrize(("name", "kind"), FIGURES)
def test_the_days_are_told(name: str, kind: str | None) -> None:
    if INDICATORS[name].days == "none" or name == "edge_ratio":  # its days are in the hits
        return
    value, limit = VALUES[LANGUAGES["sv"].phrases_of(name, kind).amount]

    words = seen([evidence(name, value, limit, kind=kind)])

    assert all("19" in text or "38" in text for text in words.values())


@pytest.mark.parametrize(("name", "kind"), FIGURES)
@pytest.mark.parametrize("value", [None, 0, 1, 1000])
def test_no_value_none_one_and_without_end_can_be_said(
    name: str, kind: str | None, value: float | None
) -> None:
    words = seen([evidence(name, value, 1, kind=kind)])

    for text in words.values():
        assert re.fullmatch(r"[A-ZÅÄÖ0-9].*\.", text), text
        assert not re.search(r"[{}]|  | ,|None|\b1 (lektioner|dagar|gånger|days|lessons)\b", text)


@pytest.mark.parametrize(("name", "kind"), FIGURES)
@pytest.mark.parametrize("edge", ["at_least", "at_most"])
def test_every_figure_can_clear_by_both_edges(name: str, kind: str | None, edge: str) -> None:
    known = INDICATORS[name]
    keys = {"days": 19 if known.days != "none" else None, "kind": kind, edge: Decimal("0.4")}
    keys |= {"share": Decimal("0.1")} if "share" in known.keys else {}

    words = quiet({"indicator": name, **keys})

    for text in words.values():
        assert re.fullmatch(r"(Signalen|The signal) .*\.", text), text
        assert not re.search(r"[{}]|  | ,|None", text), text


def test_a_share_is_told_in_per_cent_with_its_limit_and_coverage() -> None:
    words = seen([share(0.213, days=20, coverage=0.98)])

    assert words == {
        "sv": "Borta 21,3 % av lektionstiden de senaste 20 skoldagarna (gränsen är 20 %). "
        "98 % av lektionerna är registrerade.",
        "en": "Away 21.3 % of lesson time over the last 20 school days (the limit is 20 %). "
        "98 % of the lessons are registered.",
    }


def test_days_that_are_the_same_are_told_once() -> None:
    words = seen(
        [
            evidence("unexcused_lessons", 4, 3, days=10, coverage=1),
            evidence("unexcused_days", 1, 2, days=10, coverage=1),
        ]
    )

    assert words["sv"] == (
        "4 ogiltiga lektioner de senaste 10 skoldagarna (gränsen är 3). "
        "Ogiltig frånvaro på 1 dag (gränsen är 2). Alla lektioner är registrerade."
    )
    assert words["en"] == (
        "4 unexcused lessons over the last 10 school days (the limit is 3). "
        "Unexcused absence on 1 day (the limit is 2). All lessons are registered."
    )


def test_coverages_that_differ_are_told_with_their_days() -> None:
    words = seen([share(0.3, days=10, coverage=0.95), share(0.2, days=20, coverage=1)])

    assert words["sv"].endswith(
        "95 % av lektionerna de senaste 10 skoldagarna är registrerade. "
        "Alla lektioner de senaste 20 skoldagarna är registrerade."
    )


def test_a_ratio_to_nothing_says_that_there_is_nothing_beside() -> None:
    words = seen([evidence("edge_ratio", 1000, 2, days=10)])

    assert words["sv"] == (
        "Borta minst halva dagen bara intill helg eller lov, aldrig annars (gränsen är 2 gånger)."
    )


@pytest.mark.parametrize(
    ("value", "sv", "en"),
    [
        (0.5, "hälften så hög", "half as high"),
        (1, "lika hög", "as high"),
        (2, "dubbelt så hög", "twice as high"),
        (3, "tre gånger så hög", "three times as high"),
        (2.44, "2,4 gånger så hög", "2.4 times as high"),
        (1.04, "lika hög", "as high"),
        (1.96, "1,96 gånger så hög", "1.96 times as high"),  # the limit is 2, and this is less
        (3.04, "3 gånger så hög", "3 times as high"),
        (0.04, "0,04 gånger så hög", "0.04 times as high"),  # and not none
    ],
)
def test_ratios_are_told_as_people_say_them(value: float, sv: str, en: str) -> None:
    words = seen([evidence("rise_ratio", value, 2, days=10)])

    assert sv in words["sv"]
    assert en in words["en"]


def test_a_rise_that_has_become_a_fall_is_told_as_one() -> None:
    words = seen([evidence("rise", -0.05, 0.1, days=10)])

    assert words["sv"] == (
        "Frånvaron de senaste 10 skoldagarna är 5 procentenheter lägre än under de 20 skoldagarna "
        "före dem (gränsen är 10 procentenheter)."
    )


def test_rounding_never_makes_a_figure_meet_a_limit_that_it_does_not_meet() -> None:
    words = seen([share(0.19996)])

    assert words["sv"].startswith("Borta 19,996 % av")


def test_a_lower_limit_for_a_new_pupil_is_the_first_whole_number_that_meets_it() -> None:
    words = seen([evidence("lates", 3, 2.4, days=10)])

    assert words["sv"] == "3 sena ankomster de senaste 10 skoldagarna (gränsen är 3)."


def test_a_figure_that_cannot_be_measured_says_so() -> None:
    words = seen([evidence("subject_ratio", None, 3, days=20)])

    assert words["sv"] == (
        "Skillnaden mellan ett ämne och de andra de senaste 20 skoldagarna: "
        "för lite att jämföra med."
    )


def test_only_the_strictest_limit_of_several_levels_clears() -> None:
    words = quiet(
        {"indicator": "absence_share", "days": 20, "at_least": "0.10"},
        {"indicator": "absence_share", "days": 20, "at_least": "0.50"},
    )

    assert words == {
        "sv": "Signalen avslutas efter tio skoldagar i rad då frånvaron de senaste 20 skoldagarna "
        "är under 8 %.",
        "en": "The signal ends after ten school days in a row on which absence over the last "
        "20 school days is below 8 %.",
    }


def test_counts_clear_by_whole_numbers() -> None:
    words = quiet({"indicator": "absent_run", "at_least": 3}, days=1)

    assert words["sv"] == (
        "Signalen avslutas efter en skoldag då antalet hela frånvarodagar i rad är högst 2."
    )


def test_of_limits_that_must_all_be_met_one_is_enough_to_clear() -> None:
    both = [
        {"indicator": "unexcused_lessons", "days": 10, "at_least": 3},
        {"indicator": "unexcused_days", "days": 10, "at_least": 2},
    ]

    assert quiet({"all": both})["sv"] == (
        "Signalen avslutas efter tio skoldagar i rad då, räknat på de senaste 10 skoldagarna, "
        "antingen antalet ogiltiga lektioner är högst 2 eller antalet dagar med ogiltig frånvaro "
        "är högst 1."
    )
    assert quiet({"any": both})["sv"] == (
        "Signalen avslutas efter tio skoldagar i rad då, räknat på de senaste 10 skoldagarna, "
        "antalet ogiltiga lektioner är högst 2 och antalet dagar med ogiltig frånvaro är högst 1."
    )


def test_what_must_hold_in_any_case_is_said_before_the_alternatives() -> None:
    """For "either a or b and c" can be read in two ways."""
    words = quiet(
        {
            "all": [
                {"indicator": "unexcused_lessons", "days": 10, "at_least": 3},
                {"indicator": "lates", "days": 10, "at_least": 2},
            ]
        },
        {"indicator": "unexcused_days", "days": 10, "at_least": 4},
    )

    assert words["sv"].endswith(
        "antalet dagar med ogiltig frånvaro är högst 3 och antingen antalet ogiltiga lektioner är "
        "högst 2 eller antalet sena ankomster är högst 1."
    )


def test_alternatives_to_each_of_two_levels_are_told_apart() -> None:
    def level(one: str, other: str) -> dict[str, object]:
        return {
            "all": [
                {"indicator": one, "days": 10, "at_least": 3},
                {"indicator": other, "days": 10, "at_least": 3},
            ]
        }

    words = quiet(level("unexcused_lessons", "lates"), level("spells", "unexcused_days"))

    assert words["en"].endswith(
        "either the number of unexcused lessons is at most 2 or the number of late arrivals is at "
        "most 2, and either the number of spells of absence is at most 2 or the number of days "
        "with unexcused absence is at most 2."
    )


def test_a_level_that_asks_more_of_the_same_adds_nothing_to_clearing() -> None:
    def rise(least: str) -> dict[str, object]:
        return {
            "all": [
                {"indicator": "rise", "days": 10, "at_least": least},
                {"indicator": "rise_ratio", "days": 10, "at_least": 2},
            ]
        }

    assert quiet(rise("0.1"), rise("0.2")) == quiet(rise("0.1"))
    assert quiet(rise("0.2"), rise("0.1")) == quiet(rise("0.1"))


def test_a_level_within_a_level_is_said_as_it_is_meant() -> None:
    late = {"indicator": "lates", "days": 10, "at_least": 5}
    away = {"indicator": "absent_run", "at_least": 5}
    spells = {"indicator": "spells", "days": "term", "at_least": 5}

    words = quiet({"all": [late, {"any": [away, spells]}]})

    assert words["en"] == (
        "The signal ends after ten school days in a row on which either the number of late "
        "arrivals over the last 10 school days is at most 3 or both the number of whole days of "
        "absence in a row is at most 3 and the number of spells of absence so far this term is at "
        "most 3."
    )


def test_at_most_clears_above_its_eased_limit() -> None:
    words = quiet({"indicator": "improvement", "days": 10, "at_most": "0.4"})

    assert words["sv"] == (
        "Signalen avslutas efter tio skoldagar i rad då frånvaron de senaste 10 skoldagarna är "
        "mer än hälften så hög som när signalen öppnades."
    )
