"""`narvara ingest`, and the commands that bring data in: import, roster, golive, quarantine."""

import asyncio
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import click

from services.ingest.app import create_app, newest_recorded, school_now, turn_clock
from services.ingest.config_files import read_calendar, read_rulebook, send_config
from services.ingest.csv_rows import HeaderError
from services.ingest.imports import (
    Import,
    ImportRefusedError,
    Report,
    Rows,
    digest_of,
    go_live,
    send_roster,
)
from services.ingest.profile import CANONICAL
from services.ingest.progress import progress_bar
from services.ingest.publish import Publisher
from services.ingest.refused_rows import show_refused
from services.ingest.roster import Roster, read_roster
from services.ingest.settings import Settings
from services.ingest.store import IngestStore
from shared.broker import connected
from shared.calendar import SchoolCalendar
from shared.streams import entry_order
from shared.telemetry import serve, set_up_logging

PROFILES = {"canonical": CANONICAL}
OUTCOMES = ("accepted", "duplicate", "superseded", "expired")


@click.group()
def ingest() -> None:
    """Bring data and school time in: the ingest service."""


@ingest.command()
def run() -> None:
    """Run the service until it is stopped."""
    settings = Settings()
    set_up_logging(settings.log_level)
    sys.exit(serve(create_app(settings), settings.host, settings.ingest_port))


@click.command("import")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--profile", default="canonical", type=click.Choice(sorted(PROFILES)))
@click.option("--history", is_flag=True, help="Past days, with their closes; tells nobody.")
@click.option("--dry-run", is_flag=True, help="Read and report; write nothing.")
@click.option("--wait", is_flag=True, help="Return when rules has folded all; say what came of it.")
@click.option("--format", "form", default="text", type=click.Choice(["text", "jsonl"]))
def import_(
    files: tuple[Path, ...], *, profile: str, history: bool, dry_run: bool, wait: bool, form: str
) -> None:
    """Import registrations from CSV FILES; exits 1 when a row was refused."""
    report = Report()
    rows = Rows(list(files), PROFILES[profile], report, newest_recorded(Settings()))
    outcomes: Counter[str] | None = None
    try:
        with progress_bar("rows read") as progress:
            if dry_run:
                for _ in rows.counted():
                    progress(report.read)
            else:
                outcomes = asyncio.run(
                    _import(list(files), rows, report, progress, history=history, wait=wait)
                )
    except (HeaderError, ImportRefusedError) as error:
        if report.read:
            _show(report, outcomes, dry_run=dry_run, form=form)
        sent = "; what was sent before may be sent again" if report.sent else ""
        raise click.ClickException(f"{error}{sent}") from None
    _show(report, outcomes, dry_run=dry_run, form=form)
    sys.exit(1 if report.refused else 0)


async def _import(
    files: list[Path],
    rows: Rows,
    report: Report,
    progress: Callable[[int], None],
    *,
    history: bool,
    wait: bool,
) -> Counter[str] | None:
    settings = Settings()
    source = uuid4().hex[:12]
    async with connected(settings.url, settings.partitions) as client:
        store = IngestStore(client)
        publisher = Publisher(client, settings.partitions, source, history=history)
        calendar = await _config_sent(settings, store, publisher)
        work = Import(store, publisher, settings.partitions, rows, report, progress)
        if history:
            with tempfile.TemporaryDirectory(prefix="narvara-") as folder:
                await work.history(calendar, digest_of(files), Path(folder), source)
        else:
            await work.live(calendar, await school_now(settings, store))
        if not wait:
            return None
        return await _folded(store, publisher.last, source)


async def _config_sent(
    settings: Settings, store: IngestStore, publisher: Publisher
) -> SchoolCalendar:
    """Calendar and rulebook go before what is read by them; returns the calendar."""
    calendar = read_calendar(settings.config_dir)
    await send_config(store, publisher, calendar, read_rulebook(settings.config_dir))
    return calendar


async def _folded(store: IngestStore, last: dict[int, str], source: str) -> Counter[str]:
    """What became of an import, once every checkpoint has passed what it sent.

    And once more what that brought: counts of classes and groups come back on the streams.
    """
    await _passed(store, last)
    await _passed(store, {partition: await store.newest(partition) for partition in last})
    outcomes: Counter[str] = Counter()
    for partition in last:
        for key, count in (await store.outcomes(partition)).items():
            which, _, outcome = key.partition(" ")
            if which == source:
                outcomes[outcome] += count
    return outcomes


async def _passed(store: IngestStore, last: dict[int, str]) -> None:
    for partition, entry_id in last.items():
        while entry_order(await store.checkpoint(partition)) < entry_order(entry_id):
            await asyncio.sleep(0.1)


def _show(report: Report, outcomes: Counter[str] | None, *, dry_run: bool, form: str) -> None:
    told: dict[str, Any] = {
        "read": report.read,
        "sent": 0 if dry_run else report.sent,
        "refused": report.refused,
        "closes": report.closes,
    }
    if outcomes is not None:
        told |= {outcome: outcomes[outcome] for outcome in OUTCOMES}
    show_refused(report)
    if form == "jsonl":
        click.echo(json.dumps(told))
        return
    click.echo(", ".join(f"{count} {name}" for name, count in told.items()))
    if report.refused and not dry_run:
        click.echo("What was refused is kept: narvara quarantine list")


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def roster(folder: Path) -> None:
    """Read pupils.csv, staff.csv and, when there, absences.csv from FOLDER.

    The last good roster stays when anything in them is wrong.
    """
    read = read_roster(folder)
    pupils = asyncio.run(_roster(read))
    click.echo(f"{pupils} pupil records sent, {len(read.staff)} staff rows kept")


async def _roster(read: Roster) -> int:
    settings = Settings()
    async with connected(settings.url, settings.partitions) as client:
        store = IngestStore(client)
        publisher = Publisher(client, settings.partitions, "roster")
        calendar = await _config_sent(settings, store, publisher)
        now = await school_now(settings, store)
        return await send_roster(store, publisher, read, now or _first_close(calendar))


def _first_close(calendar: SchoolCalendar) -> datetime:
    """Stands in for a simulated clock that is not set yet."""
    return calendar.closes_at(calendar.school_days[0])


@click.command()
@click.argument("school")
def golive(school: str) -> None:
    """Put SCHOOL on the clock: its days close, and its steps are told from today on."""

    async def go() -> None:
        settings = Settings()
        async with connected(settings.url, settings.partitions) as client:
            store = IngestStore(client)
            publisher = Publisher(client, settings.partitions, "golive")
            now = await school_now(settings, store)
            if now is None:
                raise click.ClickException("the simulated clock is not set: narvara clock TIME")
            calendar = await _config_sent(settings, store, publisher)
            await go_live(store, publisher, school, calendar.local_date(now), now)

    asyncio.run(go())
    click.echo(f"{school} is live")


@click.command()
@click.argument("time")
def clock(time: str) -> None:
    """Set the simulated clock to TIME (ISO 8601 with offset), with NARVARA_CLOCK=simulated.

    Returns when school time has reached it: the closes and quarter-hours up to it are sent.
    """
    try:
        now: datetime | None = datetime.fromisoformat(time)
    except ValueError:
        now = None
    if now is None or now.tzinfo is None:
        raise click.ClickException(
            f"met {time!r}; wanted a time with offset such as 2025-09-01T15:00:00+02:00"
        )

    async def turn() -> None:
        settings = Settings()
        if settings.clock != "simulated":
            raise click.ClickException("only a simulated clock can be set: NARVARA_CLOCK=simulated")
        async with connected(settings.url, settings.partitions) as client:
            await turn_clock(IngestStore(client), now)

    asyncio.run(turn())
    click.echo(f"school time is {now.isoformat()}")
