"""Work on files alone, without a server: check what people edited, back-test recorded events."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
from pydantic import BaseModel
from rich.console import Console

from services.ingest.config_files import CALENDAR, RULEBOOK
from services.ingest.csv_rows import HeaderError
from services.ingest.history import in_order, with_closes
from services.ingest.imports import Report, Rows
from services.ingest.profile import CANONICAL
from services.ingest.roster import read_roster, records
from services.notify.routing import Routing
from services.rules.backtest import backtest as fold
from services.rules.cli import show_steps
from shared.calendar import SchoolCalendar
from shared.config import ConfigError, Problem, read_config
from shared.events import AttendanceEvent, Fact
from shared.rulebook import Rulebook
from shared.settings import Settings

shown = Console(stderr=True, highlight=False)

FILES: dict[str, type[BaseModel]] = {
    CALENDAR: SchoolCalendar,
    RULEBOOK: Rulebook,
    "routing.yaml": Routing,
}


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path))
def check(folder: Path | None) -> None:
    """Check the config files in FOLDER (default: the config folder); exits 1 on any problem."""
    folder = folder or Settings().config_dir
    problems = problems_in(folder)
    for problem in problems:
        click.echo(str(problem))
    for file in FILES:
        if not any(problem.file == str(folder / file) for problem in problems):
            click.echo(f"{folder / file}: good")
    raise SystemExit(1 if problems else 0)


def problems_in(folder: Path) -> list[Problem]:
    """Everything that is wrong in the config files of a folder."""
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
@click.option("--format", "form", default="text", type=click.Choice(["text", "jsonl"]))
def backtest(
    events: Path, *, rulebook: Path | None, calendar: Path | None, roster: Path | None, form: str
) -> None:
    """Print the steps that recorded EVENTS (canonical CSV) lead to, from the fold that is live.

    Rows that can't be read are told on standard error and left out; the exit code is then 1.
    """
    config = Settings().config_dir
    book = read_config(rulebook or config / RULEBOOK, Rulebook)
    days = read_config(calendar or config / CALENDAR, SchoolCalendar)
    report = Report()
    try:
        show_steps(fold(_facts(events, days, roster, report), book, days), form)
    except HeaderError as error:
        raise click.ClickException(str(error)) from None
    for file, row in report.reasons:
        shown.print(f"{file.name}:{row.line}: {row.reason}", style="yellow", soft_wrap=True)
    if report.refused:
        shown.print(f"{report.refused} of {report.read} rows were refused")
        raise SystemExit(1)


def _facts(
    events: Path, calendar: SchoolCalendar, roster: Path | None, report: Report
) -> Iterator[AttendanceEvent | Fact]:
    """Roster records first, then the events as they were recorded, with their closes."""
    if roster is not None:
        read = read_roster(roster)
        first = calendar.closes_at(calendar.school_days[0])
        yield from records(read.pupils, first)
    with tempfile.TemporaryDirectory(prefix="narvara-") as folder:
        rows = Rows([events], CANONICAL, report)
        yield from with_closes(in_order(rows.counted(), Path(folder)), calendar)
