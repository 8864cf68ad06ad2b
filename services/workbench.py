"""Work on files alone, without a server: check what people edited, back-test recorded events."""

import json
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path

import click
from pydantic import BaseModel

from services.checks import Remark, remarks
from services.ingest.csv_rows import open_rows
from services.ingest.imports import Report
from services.ingest.progress import progress_bar
from services.ingest.refused_rows import refusals_told
from services.ingest.simulated import Truth, read_truth
from services.notify.routing import Routing
from services.recorded import recorded
from services.rules.backtest import backtest as fold
from services.rules.report import show_steps
from services.score import PUPILS_PER_TEACHER, Score, lines_of, score
from services.without_effect import days_elsewhere, unknown_rules
from shared.calendar import SchoolCalendar
from shared.config import (
    CALENDAR,
    ROUTING,
    RULEBOOK,
    ConfigError,
    Problem,
    read_config,
    read_located,
)
from shared.events import AttendanceEvent, DayClosed, Fact
from shared.garbage import collecting_seldom
from shared.rulebook import Rulebook
from shared.settings import Settings

FILES: dict[str, type[BaseModel]] = {
    CALENDAR: SchoolCalendar,
    RULEBOOK: Rulebook,
    ROUTING: Routing,
}


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path))
def check(folder: Path | None) -> None:
    """Check the config files in FOLDER (default: the config folder); exits 1 on any problem.

    The rulebook's examples are run, and levels that can never hold are found; so are rules that
    the routing names and nobody has, and days of the calendar without effect. Warnings are told and
    leave the exit code as it is.
    """
    folder = folder or Settings().config_dir
    said = [Remark(problem) for problem in problems_in(folder)]
    unread = {remark.problem.file for remark in said}
    calendar, rulebook, routing = (folder / file for file in FILES)
    if str(calendar) not in unread:
        said += days_elsewhere(calendar, read_located(calendar, SchoolCalendar))
    if str(rulebook) not in unread:
        read = read_located(rulebook, Rulebook)
        with progress_bar("examples") as done:
            said += remarks(rulebook, read, done)
        if str(routing) not in unread:
            said += unknown_rules(routing, read_located(routing, Routing), read.value)
    for remark in said:
        click.echo(str(remark))
    unfit = {remark.problem.file for remark in said if not remark.warning}
    for file in FILES:
        if str(folder / file) not in unfit:
            click.echo(f"{folder / file}: good")
    raise SystemExit(1 if unfit else 0)


def problems_in(folder: Path) -> list[Problem]:
    """Everything that is wrong in the form of a folder's config files."""
    problems: list[Problem] = []
    for file, model in FILES.items():
        try:
            read_config(folder / file, model)
        except ConfigError as error:
            problems += error.problems
    return problems


@click.command()
@click.argument("events", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--rulebook", type=click.Path(path_type=Path), help="Default: the config folder's.")
@click.option("--calendar", type=click.Path(path_type=Path), help="Default: the config folder's.")
@click.option("--roster", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--truth",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Say how well the signals agree with a simulated school's truth file instead.",
)
@click.option(
    "--pupils-per-teacher",
    default=PUPILS_PER_TEACHER,
    show_default=True,
    type=click.IntRange(min=1),
    help="Of a contact teacher, for the noise that --truth tells.",
)
@click.option("--format", "form", default="text", type=click.Choice(["text", "jsonl"]))
@collecting_seldom()
def backtest(
    events: Path,
    *,
    rulebook: Path | None,
    calendar: Path | None,
    roster: Path | None,
    truth: Path | None,
    pupils_per_teacher: int,
    form: str,
) -> None:
    """Print the steps that recorded EVENTS (canonical CSV) lead to, from the fold that is live.

    With --truth: what share of the pupils who slide had a signal (level 2 or more) after their
    onset, how soon, and how many signals there were about ordinary pupils.

    Rows that can't be read are told on standard error and left out; the exit code is then 1.
    """
    config = Settings().config_dir
    book = read_config(rulebook or config / RULEBOOK, Rulebook)
    days = read_config(calendar or config / CALENDAR, SchoolCalendar)
    known = None if truth is None else _truth(truth)
    report = Report()
    facts = recorded(events, days, roster, report)
    with refusals_told(report):
        if known is None:
            show_steps(fold(facts, book, days), form)
        else:
            closed: set[date] = set()
            steps = list(fold(_noting_closes(facts, closed), book, days))
            _show_score(
                score(steps, known, days, days=len(closed), pupils_per_teacher=pupils_per_teacher),
                form,
            )


def _truth(path: Path) -> list[Truth]:
    try:
        with open_rows(path) as lines:
            return list(read_truth(lines))
    except ValueError as error:
        raise click.ClickException(f"{path}: {error}") from None


def _noting_closes(
    facts: Iterable[AttendanceEvent | Fact], closed: set[date]
) -> Iterator[AttendanceEvent | Fact]:
    """The facts; the dates that they close are put into `closed`."""
    for fact in facts:
        if isinstance(fact, DayClosed):
            closed.add(fact.date)
        yield fact


def _show_score(told: Score, form: str) -> None:
    if form == "jsonl":
        click.echo(json.dumps(told.as_json))
    else:
        for line in lines_of(told):
            click.echo(line)
