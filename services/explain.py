"""`narvara explain`: all that is seen of one pupil on a day, and why it is or is not signalled."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError
from redis.asyncio import Redis
from rich.console import Console

from services.ingest.imports import Report
from services.ingest.refused_rows import refusals_told
from services.recorded import recorded
from services.rules.explain import ExplainError
from services.rules.explain import explain as explained
from services.rules.explain_text import Asked, show
from services.rules.explanation import Explanation
from services.rules.partition import EntryId, NothingInForceError
from services.rules.reading import by_contract
from services.rules.replay import Replay
from shared import streams
from shared.broker import connected, text
from shared.calendar import SchoolCalendar
from shared.config import CALENDAR, RULEBOOK, plain, read_config, version_of
from shared.events import (
    AttendanceBatch,
    AttendanceEvent,
    CalendarChanged,
    Fact,
    RulebookChanged,
)
from shared.rulebook import Rulebook
from shared.settings import Settings

_ENTRIES = 200
"""Read from the server at a time: up to 20,000 registrations, some 5 MB."""

_DAY = click.DateTime(["%Y-%m-%d"])


@click.command()
@click.argument("whom", metavar="SCHOOL/PUPIL")
@click.option("--as-of", type=_DAY, help="The school day to explain. Default: the newest closed.")
@click.option(
    "--known-on",
    type=_DAY,
    help="Only with what was known when that day had closed. Default: with all of it.",
)
@click.option("--format", "form", default="text", type=click.Choice(["text", "jsonl"]))
@click.option("--lang", default="sv", type=click.Choice(["sv", "en"]))
@click.option(
    "--events",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Recorded events (canonical CSV) instead of the server's.",
)
@click.option(
    "--roster",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="With --events: the folder of their roster.",
)
def explain(
    whom: str,
    *,
    as_of: datetime | None,
    known_on: datetime | None,
    form: str,
    lang: str,
    events: Path | None,
    roster: Path | None,
) -> None:
    """Show what is seen of one pupil on a day: lessons, figures, limits, and what is open why.

    The pupil's part of the stream is folded anew as the rules service folds it; nothing is
    written, and no service need run. A date that is no school day stands for the school day
    before it. Rows of EVENTS that can't be read are told on standard error and left out; the exit
    code is then 1.

    --format jsonl prints one object: school, pupil, as_of, closed, known_on, complete, rulebook,
    rulebook_since, calendar, calendar_since, who, strip (days with their lessons), rules (with
    needs, levels and their thresholds beside values), open and ended. Dates are as 2025-11-14,
    shares from 0 to 1.
    """
    school, slash, pupil = whom.partition("/")
    if not (school and slash and pupil) or "/" in pupil:
        raise click.BadParameter(f"met {whom!r}; wanted a school and a pupil: skola-1/p0001")
    if as_of is not None and known_on is not None and as_of > known_on:
        raise click.BadParameter(
            f"--as-of {as_of:%Y-%m-%d} is later than --known-on {known_on:%Y-%m-%d}, "
            "when nothing was known of it; wanted the same day or an earlier one"
        )
    if roster is not None and events is None:
        raise click.BadParameter("--roster goes with --events; the server has its own")
    replay = Replay(school, pupil, known_on.date() if known_on else None)
    day, report = as_of.date() if as_of else None, Report()
    with refusals_told(report):
        try:
            if events is None:
                asyncio.run(_replay(Settings(), replay))
            else:
                _replay_file(events, roster, replay, report)
            found = explained(replay, day)
        except ExplainError as error:
            raise click.ClickException(str(error)) from None
        except NothingInForceError:
            raise click.ClickException(
                "the stream's beginning is gone, and with it the calendar; nothing can be explained"
            ) from None
        if form == "jsonl":
            click.echo(found.as_json)
        else:
            _show(found, lang, Asked(day, replay.known_on))


def _show(found: Explanation, lang: str, asked: Asked) -> None:
    console = Console(highlight=False)
    with console.capture() as page:
        show(found, console, lang, asked)
    click.echo("\n".join(line.rstrip() for line in page.get().splitlines()))


async def _replay(settings: Settings, replay: Replay) -> None:
    """Fold the pupil's part of the partition's stream; entries that can't be read are passed."""
    async with connected(settings.url, settings.partitions) as client:
        partition = streams.partition_of(replay.school, replay.name, settings.partitions)
        async for entry, body in _entries(client, streams.attendance(partition)):
            if replay.over:
                break
            if _may_concern(body, replay.name):
                try:
                    fact = by_contract(body)
                except ValidationError:  # the owner has put it into the quarantine
                    continue
                replay.fold(entry, fact)


async def _entries(client: Redis, stream: str) -> AsyncIterator[tuple[EntryId, bytes]]:
    after = "-"
    while True:
        entries: Any = await client.xrange(stream, after, count=_ENTRIES)
        if not entries:
            return
        for entry, fields in entries:
            yield streams.entry_order(text(entry)), fields.get(streams.BODY, b"")
        after = f"({text(entries[-1][0])}"


def _may_concern(body: bytes, pupil: str) -> bool:
    """Registrations of others alone need not be parsed, which is most of the work."""
    is_batch = b'"attendance"' in body[:32]
    return not (is_batch and pupil.isascii()) or json.dumps(pupil).encode() in body


def _replay_file(events: Path, roster: Path | None, replay: Replay, report: Report) -> None:
    """Fold the pupil's part of recorded events, by the rulebook and calendar of the config."""
    config = Settings().config_dir
    rulebook = read_config(config / RULEBOOK, Rulebook)
    calendar = read_config(config / CALENDAR, SchoolCalendar)
    in_force: list[Fact] = [
        CalendarChanged(version=version_of(calendar), content=plain(calendar)),
        RulebookChanged(version=version_of(rulebook), content=plain(rulebook)),
    ]
    facts = (*in_force, *_alone(recorded(events, calendar, roster, report)))
    for number, fact in enumerate(facts, 1):
        replay.fold((number, 0), fact)


def _alone(facts: Iterable[AttendanceEvent | Fact]) -> Iterator[Fact]:
    """Each registration as an entry of its own."""
    for fact in facts:
        if isinstance(fact, AttendanceEvent):
            yield AttendanceBatch.model_construct(source="file", history=True, events=[fact])
        else:
            yield fact
