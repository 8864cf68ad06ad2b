"""Decisions of meetings, and rektor's investigations."""

from datetime import timedelta

import pytest

from services.notify.casework import (
    Act,
    CaseworkRefusedError,
    Pupil,
    decide,
    finish,
    investigate,
    newest,
)
from services.notify.desk import Desk
from services.notify.rows import Decision, Happened
from tests.notify.examples import EHT, FRIDAY, PUPIL, SCHOOL, TEACHER, THURSDAY, at

WHOM = Pupil(SCHOOL, PUPIL)
TODAY = Act("rektor-1", at(THURSDAY), THURSDAY)
TOMORROW = Act("rektor-1", at(FRIDAY), FRIDAY)


def decision(what: str = "Möte med hemmet", by: object = FRIDAY) -> Decision:
    return Decision(SCHOOL, PUPIL, what, TEACHER, by, at(THURSDAY), EHT)  # type: ignore[arg-type]


def history(desk: Desk) -> list[Happened]:
    return [row for (table, _), row in desk.take_changes().items() if isinstance(row, Happened)]


def test_a_decision_stands_until_it_is_done_and_is_a_line_of_the_history() -> None:
    desk = Desk()
    decide(desk, "d-1", decision(), THURSDAY)
    decide(desk, "d-1", decision("något annat"), THURSDAY)

    assert desk.decisions["d-1"].what == "Möte med hemmet"
    assert [(line.what, line.name, line.who) for line in history(desk)] == [
        ("decision", "d-1", EHT)
    ]
    assert finish(desk, "d-1", FRIDAY)
    assert desk.decisions["d-1"].done == FRIDAY
    assert not finish(desk, "d-1", FRIDAY)
    assert not finish(desk, "d-2", FRIDAY)


@pytest.mark.parametrize(
    ("what", "by"),
    [("", FRIDAY), (" ", FRIDAY), ("x" * 301, FRIDAY), ("Möte", THURSDAY - timedelta(1))],
)
def test_a_decision_without_words_or_with_a_past_date_is_refused(what: str, by: object) -> None:
    desk = Desk()

    with pytest.raises(CaseworkRefusedError):
        decide(desk, "d-1", decision(what, by), THURSDAY)

    assert desk.decisions == {}


def test_the_longest_decision_is_taken_and_today_is_early_enough() -> None:
    desk = Desk()

    decide(desk, "d-1", decision("x" * 300, THURSDAY), THURSDAY)

    assert len(desk.decisions) == 1


@pytest.mark.parametrize(
    ("elsewhere", "owed"), [(False, ("huvudman",)), (True, ("huvudman", "home_municipality"))]
)
def test_a_started_investigation_owes_its_reports_until_each_is_made(
    *, elsewhere: bool, owed: tuple[str, ...]
) -> None:
    desk = Desk()
    investigate(desk, WHOM, "started", TODAY, elsewhere=elsewhere)

    _, known = newest(desk, WHOM)
    assert known is not None
    assert known.owed == owed
    assert known.is_open

    for report in known.owed:
        investigate(desk, WHOM, "reported", TOMORROW, report=report)
    investigate(desk, WHOM, "ended", TOMORROW)

    _, known = newest(desk, WHOM)
    assert known is not None
    assert (known.owed, known.ended, known.is_open) == ((), FRIDAY, False)
    assert known.made == dict.fromkeys(owed, FRIDAY)
    assert [line.name for line in history(desk)] == [
        "started", *(f"reported {each}" for each in owed), "ended",
    ]  # fmt: skip


def test_one_that_is_not_needed_says_why_and_owes_nothing() -> None:
    desk = Desk()
    with pytest.raises(CaseworkRefusedError):
        investigate(desk, WHOM, "not_needed", TODAY)
    investigate(desk, WHOM, "not_needed", TODAY, why="Utredd i våras, planen gäller")

    _, known = newest(desk, WHOM)
    assert known is not None
    assert (known.needed, known.owed, known.is_open) == (False, (), False)


def test_what_does_not_follow_is_refused_and_changes_nothing() -> None:
    desk = Desk()
    for step in ("ended", "reported"):
        with pytest.raises(CaseworkRefusedError):
            investigate(desk, WHOM, step, TODAY, report="huvudman")
    investigate(desk, WHOM, "started", TODAY)
    for step in ("started", "not_needed"):
        with pytest.raises(CaseworkRefusedError):
            investigate(desk, WHOM, step, TOMORROW, why="x")  # type: ignore[arg-type]
    with pytest.raises(CaseworkRefusedError):
        investigate(desk, WHOM, "reported", TOMORROW, report="home_municipality")
    investigate(desk, WHOM, "ended", TOMORROW)
    with pytest.raises(CaseworkRefusedError):
        investigate(desk, WHOM, "ended", TOMORROW)

    assert len(desk.investigations) == 1
    investigate(desk, WHOM, "started", TOMORROW)
    assert len(desk.investigations) == 2
