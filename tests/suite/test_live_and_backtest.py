"""The live path and the back-test are one fold: they give the same steps."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from itertools import groupby, pairwise
from pathlib import Path

from services.ingest.config_files import read_calendar, read_rulebook
from services.ingest.csv_export import write_events
from services.ingest.csv_rows import open_rows
from services.ingest.profile import Accepted, read_rows
from shared.calendar import SchoolCalendar
from shared.events import AttendanceEvent
from tests.suite.processes import Step, Suite, by_day

DAYS = 45
KINDS = {"opened", "raised", "retracted", "cleared"}


def test_a_term_of_400_pupils_gives_the_same_steps_live_and_back_tested(suite: Suite) -> None:
    term = read_calendar(suite.config).school_years[0].terms[0]
    days = len(read_calendar(suite.config).between(term.first, term.last))
    events = suite.folder / "events.csv"
    suite.run("simulate", "--pupils", 400, "--days", days, "--seed", 7, "--out", events)
    suite.start("ingest", "rules", "notify")

    suite.run("roster", suite.folder)
    (imported,) = suite.told("import", events, "--history", "--wait")
    live = suite.steps()
    backtested = suite.told("backtest", events, "--roster", suite.folder)

    assert imported["sent"] == imported["accepted"] == imported["read"] > 150_000
    assert imported["closes"] == days
    assert live == by_day(backtested)
    assert {step["kind"] for step in live} == KINDS


def test_a_school_fed_day_by_day_gets_the_steps_of_the_back_test(suite: Suite) -> None:
    suite.environment["NARVARA_CLOCK"] = "simulated"
    calendar = read_calendar(suite.config)
    events = suite.folder / "events.csv"
    suite.run("simulate", "--pupils", 80, "--days", DAYS, "--seed", 1, "--out", events)
    # What notify tells comes back to rules as facts of their own, which no export has.
    suite.start("ingest", "rules")

    suite.call("clock", calendar.closes_at(calendar.school_days[0]) - timedelta(hours=10))
    suite.call("roster", suite.folder)
    for close, piece in pieces(events, calendar, suite.folder):
        assert suite.call("import", piece).exit_code == 0
        # A back-test closes no day after that of the last record.
        if calendar.distance(calendar.school_days[0], close.date()) < DAYS:
            assert suite.call("clock", close + timedelta(minutes=1)).exit_code == 0
    suite.wait_until_folded()
    live = suite.steps()
    backtested = by_day(suite.told("backtest", events, "--roster", suite.folder))
    at_once = {rule.id for rule in read_rulebook(suite.config).rules if rule.evaluate == "on_event"}

    assert [step | {"history": True} for step in of_others(at_once, live)] == of_others(
        at_once, backtested
    )
    assert standing(at_once, live) == standing(at_once, backtested)
    assert {step["kind"] for step in live} == KINDS
    assert not any(step["history"] for step in live)


def of_others(rules: AbstractSet[str], steps: Sequence[Step]) -> list[Step]:
    return [step for step in steps if step["rule"] not in rules]


def standing(rules: AbstractSet[str], steps: Sequence[Step]) -> list[tuple[str, ...]]:
    """What stands of rules that are judged on event, each time that it changed between two closes.

    Live, a finding may open at the third lesson and rise at the fifth; a back-test closes whole
    days. After the close both must say the same.
    """
    after: dict[tuple[str, str], dict[str, tuple[str, str]]] = defaultdict(dict)
    for step in steps:
        if step["rule"] in rules:
            level = {"retracted": step["remaining"], "cleared": 0}.get(step["kind"], step["level"])
            stands = (str(level), step["since"]) if level else ("0", "")
            after[step["pupil"], step["rule"]][step["as_of"]] = stands
    return [
        (*whose, day, *now)
        for whose, days in sorted(after.items())
        for (_, before), (day, now) in pairwise([("", ("0", "")), *days.items()])
        if now != before
    ]


def pieces(events: Path, calendar: SchoolCalendar, folder: Path) -> Iterator[tuple[datetime, Path]]:
    """What was recorded up to each close, as a file of its own, with that close."""
    with open_rows(events) as lines:
        read = [row.event for row in read_rows(lines) if isinstance(row, Accepted)]
    for close, group in groupby(read, key=lambda event: next_close(event, calendar)):
        piece = folder / f"until-{close:%Y-%m-%d}.csv"
        with piece.open("w", encoding="utf-8", newline="") as out:
            write_events(group, out)
        yield close, piece


def next_close(event: AttendanceEvent, calendar: SchoolCalendar) -> datetime:
    day = calendar.local_date(event.recorded_at)
    coming = map(calendar.closes_at, calendar.between(day, calendar.school_days[-1]))
    return next(close for close in coming if event.recorded_at <= close)
