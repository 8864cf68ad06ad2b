"""What signals are worth against a known truth: found, how soon, and at what cost in noise."""

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from services.ingest.simulated import Truth
from services.ingest.simulated_pupil import Kind
from services.score import Score, lines_of, pooled, score
from shared.calendar import SchoolCalendar
from shared.events import CaseStep, Clearing, StepKind
from tests.suite.processes import Suite

CALENDAR = SchoolCalendar.model_validate(
    {"school_years": [{"terms": [{"first": date(2025, 8, 18), "last": date(2025, 12, 19)}]}]}
)
ONSET = date(2025, 9, 12)
"""A Friday."""

TRUTH = [
    Truth("alvik", "glider", Kind.TRUANCY, ONSET),
    Truth("alvik", "vägrar", Kind.REFUSAL, ONSET),
    Truth("alvik", "vanlig", Kind.ORDINARY, None),
    Truth("alvik", "vanlig2", Kind.ORDINARY, None),
]


def a_step(pupil: str, on: date = ONSET, **said: Any) -> CaseStep:
    known: dict[str, Any] = {
        "step_id": "s",
        "school": "alvik",
        "pupil": pupil,
        "rule": "high-absence",
        "kind": StepKind.OPENED,
        "level": 2,
        "as_of": on,
        "since": on,
        "title": {"sv": "Hög frånvaro"},
        "audience": ("contact_teacher",),
        "evidence": (),
        "clearing": Clearing(quiet_days=10, conditions=()),
        "rulebook": "r",
    }
    return CaseStep.model_validate(known | said)


def scored(steps: Iterable[CaseStep], days: int = 50, per_teacher: int = 20) -> Score:
    return score(steps, TRUTH, CALENDAR, days=days, pupils_per_teacher=per_teacher)


@pytest.mark.parametrize(
    ("on", "days"),
    [(date(2025, 9, 12), 0), (date(2025, 9, 15), 1), (date(2025, 9, 19), 5)],
)
def test_a_pupil_is_found_by_the_first_signal_on_or_after_the_onset(on: date, days: int) -> None:
    told = scored([a_step("glider", date(2025, 10, 1)), a_step("glider", on)])

    assert told.kinds["truancy"].delays == (days,)
    assert told.found.share == 0.5
    assert told.found.median_days == days


def test_a_signal_before_the_onset_neither_finds_nor_is_noise() -> None:
    told = scored([a_step("glider", date(2025, 9, 11))])

    assert told.found.delays == ()
    assert told.found.share == 0
    assert told.found.median_days is None
    assert told.noise == 0


def test_a_raise_to_level_two_or_further_is_a_signal_like_one_that_opens_there() -> None:
    steps = [
        a_step("vanlig", level=1),
        a_step("vanlig", kind="raised", level=2),
        a_step("vanlig", kind="raised", level=4),
        a_step("vanlig2", level=3),
    ]

    assert scored(steps).noise_signals == {"high-absence": 3}


@pytest.mark.parametrize(
    "said",
    [
        {"level": 1},
        {"kind": "retracted", "remaining": 2, "level": 3},
        {"kind": "cleared"},
        {"shadow": True},
        {"good_news": True},
        {"pupil": "", "unit": "class/7A"},
        {"school": "annan"},
    ],
)
def test_what_nobody_is_told_of_as_new_is_no_signal(said: dict[str, Any]) -> None:
    steps = [a_step(**({"pupil": pupil} | said)) for pupil in ("glider", "vanlig")]

    told = scored(steps)

    assert told.found.delays == ()
    assert told.noise_signals == {}


def test_noise_is_signals_about_ordinary_pupils_per_contact_teacher_and_week() -> None:
    steps = [a_step("vanlig"), a_step("vanlig", rule="late-arrivals"), a_step("vanlig2")]

    told = scored(steps, days=50, per_teacher=2)

    # Four pupils of two a teacher, for ten weeks: twenty weeks of a teacher.
    assert told.teacher_weeks == 20
    assert told.noise == pytest.approx(3 / 20)
    assert told.noise_by_rule == {"high-absence": 2 / 20, "late-arrivals": 1 / 20}


def test_each_kind_is_told_by_itself_also_when_none_of_it_was_found() -> None:
    told = scored([a_step("glider")])

    assert {kind: (each.sliding, each.share) for kind, each in told.kinds.items()} == {
        "refusal": (1, 0),
        "truancy": (1, 1),
    }


def test_the_median_is_over_those_who_were_found() -> None:
    steps = [a_step("glider", date(2025, 9, 15)), a_step("vägrar", date(2025, 9, 18))]

    assert scored(steps).found.median_days == 2.5


def test_cohorts_that_are_pooled_weigh_by_their_pupils_and_weeks() -> None:
    one = scored([a_step("glider"), a_step("vanlig")], days=50)
    other = scored([a_step("glider", date(2025, 9, 16)), a_step("vägrar")], days=150)

    told = pooled([one, other])

    assert (told.found.sliding, told.found.delays) == (4, (0, 0, 2))
    assert told.noise == pytest.approx(1 / (one.teacher_weeks * 4))


def test_without_pupils_who_slide_there_is_noise_only() -> None:
    told = score([a_step("vanlig")], TRUTH[2:], CALENDAR, days=0)

    assert (told.found.share, told.noise) == (None, 0)
    assert len(list(lines_of(told))) == 5


def test_a_simulated_school_is_scored_by_the_command(school: Path, tmp_path: Path) -> None:
    suite = Suite("", tmp_path)
    files = (school, "--truth", school.with_suffix(".truth.csv"), "--roster", school.parent)

    (told,) = suite.told("backtest", *files)
    (doubled,) = suite.told("backtest", *files, "--pupils-per-teacher", 40)
    text = suite.call("backtest", *files).stdout

    assert 0 < told["found"] <= told["sliding"]
    assert told["share"] == told["found"] / told["sliding"]
    assert sum(kind["found"] for kind in told["kinds"].values()) == told["found"]
    assert doubled["noise"] == pytest.approx(2 * told["noise"])
    assert f"{told['found']} of {told['sliding']}" in text


def test_another_file_than_the_truth_is_refused(school: Path, tmp_path: Path) -> None:
    suite = Suite("", tmp_path)

    refused = suite.call("backtest", school, "--truth", school)

    assert refused.exit_code == 1
    assert "wanted the header school,pupil,kind,onset" in refused.stderr
