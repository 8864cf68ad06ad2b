"""What the rulebook's signals are worth, measured on simulated cohorts whose truth is known.

Each seed is a school of its own, once over 90 school days and once over 178; the pooled figures
are what docs and thresholds go by. `python -m tests.bench.cohorts --help` tells the options; with
`--usual` a rule such as many schools have today is measured instead of the rulebook.
"""

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import chain, product
from pathlib import Path
from typing import Any, NamedTuple

from services.ingest.history import with_closes
from services.ingest.roster import records
from services.ingest.simulated import roster, simulate, truth
from services.rules.backtest import backtest
from services.score import LEAST_LEVEL, Score, lines_of, pooled, score
from shared.calendar import SchoolCalendar
from shared.config import read_config
from shared.rulebook import Rulebook
from tests.suite.processes import CONFIG

PROCESSES = 2
PUPILS = 400
DAYS = (90, 178)
"""An autumn and a school year."""

USUAL: dict[str, dict[str, Any]] = {
    "share-10": {"indicator": "absence_share", "days": 10, "at_least": "0.10"},
    "share-15": {"indicator": "absence_share", "days": 20, "at_least": "0.15"},
    "four-unexcused-lessons": {"indicator": "unexcused_lessons", "days": 45, "at_least": 4},
    "four-unexcused-days": {"indicator": "unexcused_days", "days": 45, "at_least": 4},
    "three-days-or-five-lates": {
        "any": [
            {"indicator": "absent_run", "at_least": 3},
            {"indicator": "lates", "days": 5, "at_least": 5},
        ]
    },
}
"""Rules that schools use today, in school days; judged daily and cleared as ours are."""


class Cohort(NamedTuple):
    """One simulated school."""

    seed: int
    days: int
    pupils: int


class Run(NamedTuple):
    """What a rulebook was worth there, and the seconds that it took."""

    cohort: Cohort
    score: Score
    seconds: float


def main() -> int:
    """Back-test every cohort, and print a line for each and the pooled figures."""
    asked = _asked()
    book = usual(asked.usual) if asked.usual else read_config(asked.rulebook, Rulebook)
    calendar = read_config(asked.calendar, SchoolCalendar)
    cohorts = [Cohort(seed, days, asked.pupils) for days, seed in product(asked.days, asked.seeds)]
    runs: defaultdict[int, list[Score]] = defaultdict(list)
    print(f"{'seed':>6}{'days':>6}{'found':>14}{'share':>8}{'median':>8}{'noise':>8}{'seconds':>9}")
    for run in measured(cohorts, book, calendar):
        runs[run.cohort.days].append(run.score)
        print(_line(run), flush=True)
    for days, scores in runs.items():
        print(f"\n{len(scores)} schools of {asked.pupils} pupils, {days} school days")
        print("\n".join(lines_of(pooled(scores))))
    if asked.json:
        told = {days: pooled(scores).as_json for days, scores in runs.items()}
        asked.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return 0


def usual(name: str) -> Rulebook:
    """One of `USUAL` as a rulebook of its own, at the level from which staff are told."""
    title = {"sv": name, "en": name}
    rule = {"id": name, "title": title, "levels": {LEAST_LEVEL: USUAL[name]}}
    return Rulebook.model_validate({"rules": [rule]})


def measured(
    cohorts: list[Cohort], book: Rulebook, calendar: SchoolCalendar, processes: int = PROCESSES
) -> Iterator[Run]:
    """The cohorts' scores, in their order, as they are known."""
    with ProcessPoolExecutor(processes) as pool:
        count = len(cohorts)
        yield from pool.map(measure, cohorts, [book] * count, [calendar] * count)


def measure(cohort: Cohort, book: Rulebook, calendar: SchoolCalendar) -> Run:
    """One school, from its roster and registrations to the score of its steps."""
    began = time.perf_counter()
    seed, days, pupils = cohort
    first = calendar.closes_at(calendar.school_days[0])
    people = roster(calendar, schools=1, pupils=pupils, seed=seed).pupils
    events = simulate(calendar, schools=1, pupils=pupils, days=days, seed=seed)
    facts = chain(records(people, first), with_closes(events, calendar))
    who = truth(calendar, schools=1, pupils=pupils, days=days, seed=seed)
    told = score(backtest(facts, book, calendar), who, calendar, days=days)
    return Run(cohort, told, time.perf_counter() - began)


def _line(run: Run) -> str:
    found = run.score.found
    of = f"{len(found.delays)} of {found.sliding}"
    share = f"{found.share or 0:.0%}"
    days = "–" if found.median_days is None else f"{found.median_days:g}"
    return (
        f"{run.cohort.seed:>6}{run.cohort.days:>6}{of:>14}{share:>8}{days:>8}"
        f"{run.score.noise:>8.3f}{run.seconds:>9.1f}"
    )


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rulebook", type=Path, default=CONFIG / "rulebook.yaml")
    parser.add_argument("--usual", choices=USUAL, help="Measure this rule instead.")
    parser.add_argument("--calendar", type=Path, default=CONFIG / "calendar.yaml")
    parser.add_argument("--seeds", type=_span, default=range(101, 111), metavar="101-110")
    parser.add_argument("--days", type=int, nargs="+", default=DAYS)
    parser.add_argument("--pupils", type=int, default=PUPILS)
    parser.add_argument("--json", type=Path, help="Write the pooled figures there too.")
    return parser.parse_args()


def _span(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


if __name__ == "__main__":
    sys.exit(main())
