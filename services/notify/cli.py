"""`narvara notify`: run the service, and look after what could not be delivered."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

import click
import msgspec

from services.notify.app import create_app, try_channel
from services.notify.message import (
    WORDS,
    NotOneSegmentError,
    TemplateRefusedError,
    Words,
)
from services.notify.outbox import newest_time
from services.notify.purging import PURGE, Found, look
from services.notify.retention import TABLES, Past
from services.notify.routing import Routing
from services.notify.rows import Asked, DeadLetter, Table
from services.notify.settings import Settings
from services.notify.stages.brake import BRAKE
from services.notify.stages.route import address_key
from services.notify.store import LEASE, Store
from shared.broker import make_client
from shared.calendar import SchoolCalendar
from shared.config import CALENDAR, ROUTING, read_config
from shared.lease import Lease
from shared.telemetry import serve, set_up_logging

Result = TypeVar("Result")


@click.group()
def notify() -> None:
    """Tell the right adults."""


@notify.command()
def run() -> None:
    """Run the service until it is stopped."""
    settings = Settings()
    set_up_logging(settings.log_level)
    try:
        app = create_app(settings)
    except (NotOneSegmentError, TemplateRefusedError) as error:
        raise click.ClickException(str(error)) from error
    sys.exit(serve(app, settings.host, settings.notify_port))


@notify.command()
def release() -> None:
    """Let messages go that the storm brake holds; what still stands is told at the next quarter."""
    if not _ask(lambda store: store.is_braked()):
        raise click.ClickException("the brake holds nothing")
    _ask(lambda store: store.ask([BRAKE], Asked("release")))
    click.echo("asked for; the running service lets the messages go")


@click.group()
def channels() -> None:
    """Ways in which messages leave."""


@channels.command("test")
@click.argument("name", type=click.Choice(["email", "sms", "webhook"]))
@click.option("--to", "address", required=True, help="An address or number of your own.")
@click.option("--kind", default="test", type=click.Choice(WORDS), help="Whose words.")
def try_out(name: str, address: str, kind: Words) -> None:
    """Send a trial message by channel NAME, with the settings that the service would have."""
    outcome = asyncio.run(try_channel(Settings(), name, address, kind))
    if outcome is None:
        raise click.ClickException(f"there is no channel {name}: its settings are not there")
    if outcome.kind != "sent":
        raise click.ClickException(f"{outcome.kind}: {outcome.reason}")
    click.echo("the gateway has taken it")


@click.group()
def staff() -> None:
    """How staff are reached."""


@staff.command()
@click.argument("address")
def dead(address: str) -> None:
    """Nobody is at ADDRESS any more, as a returned mail says: tell EHT in their place.

    Until the roster gives that person another address, or `narvara staff alive` takes it back.
    """
    _ask(lambda store: store.ask([address_key(address)], Asked("dead", "told by hand")))
    click.echo("asked for; the running service sends nothing there any more")


@staff.command()
@click.argument("address")
def alive(address: str) -> None:
    """Somebody is at ADDRESS after all."""
    _ask(lambda store: store.ask([address_key(address)], Asked("alive")))
    click.echo("asked for; the running service sends there again")


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what there is, and what is past its time.")
@click.option("--format", "form", default="text", type=click.Choice(["text", "jsonl"]))
def purge(*, dry_run: bool, form: str) -> None:
    """Take away what notify has kept for as long as routing.yaml says (retention).

    The running service does so by itself once a day. What still stands is kept, however old.
    Attendance itself is not touched: it is the ground of back-tests.
    """
    if not dry_run:
        _ask(lambda store: store.ask([PURGE], Asked("purge")))
        click.echo("asked for; the running service takes away what is past its time")
        return
    settings = Settings()
    keep = read_config(settings.config_dir / ROUTING, Routing).retention
    calendar = read_config(settings.config_dir / CALENDAR, SchoolCalendar)

    async def looked(store: Store) -> list[tuple[Table, Found]]:
        desk = await store.load()
        at = newest_time(desk)
        if at is None:
            return []
        past = Past(desk, keep, calendar.local_date(at))
        return [each async for each in look(store, past)]

    for table, found in _ask(looked):
        days = getattr(keep, TABLES[table].by)
        if form == "jsonl":
            row = {"table": table, "rows": found.rows, "oldest": found.oldest, "due": found.due}
            click.echo(json.dumps({**row, "setting": TABLES[table].by, "days": days}, default=str))
        else:
            kept = "for ever" if days is None else f"{days} days"
            oldest = found.oldest or "–"
            click.echo(
                f"{table:<15} {found.rows:>9} rows, oldest {oldest!s:<10}  {found.due:>7} due "
                f"({TABLES[table].by}: {kept})"
            )


@notify.group("dead-letters")
def dead_letters() -> None:
    """Messages that were given up."""


@dead_letters.command("list")
def list_letters() -> None:
    """One JSON object a line: which message, for whom by id, and why it was given up."""
    for name, letter in _ask(Store.dead_letters).items():
        outgoing = letter.outgoing
        line = {
            "id": name,
            "kind": outgoing.kind,
            "recipient": str(outgoing.recipient),
            "at": letter.at.isoformat(),
            "reason": letter.reason,
        }
        click.echo(json.dumps(line, ensure_ascii=False))


@dead_letters.command()
@click.argument("name", metavar="ID")
def show(name: str) -> None:
    """All that is known of a message as JSON, but for the link that it carries."""

    async def kept(store: Store) -> DeadLetter | None:
        return (await store.letters([name])).get(name) or await store.dropped(name)

    letter = _ask(kept)
    if letter is None:
        raise _unknown(name)
    shown = msgspec.to_builtins(letter)
    del shown["outgoing"]["token"]
    click.echo(json.dumps(shown, ensure_ascii=False, indent=2))


@dead_letters.command()
@click.argument("ids", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every dead letter.")
def replay(ids: tuple[str, ...], *, everything: bool) -> None:
    """Ask the running service to send dead letters after all; IDS are those that `list` shows.

    Each tells what still stands, to those and by those channels that the files now say.
    """
    count = _wish(ids, Asked("replay"), everything=everything)
    click.echo(f"{count} asked for; the running service sends them")


@dead_letters.command()
@click.argument("ids", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every dead letter.")
@click.option("--why", required=True, help="Kept with the message; name no pupil here.")
def drop(ids: tuple[str, ...], why: str, *, everything: bool) -> None:
    """Ask the running service to send dead letters no more; IDS are those that `list` shows.

    Their recipients count as told: the same is not told to them again, what rises is.
    """
    if not why.strip():
        raise click.ClickException("wanted a reason after --why")
    count = _wish(ids, Asked("drop", why.strip()), everything=everything)
    click.echo(f"{count} asked for; the running service drops them")


def _wish(ids: tuple[str, ...], asked: Asked, *, everything: bool) -> int:
    """Leave word of what is to be done with dead letters; returns with how many."""
    known = _ask(Store.dead_letters)
    for name in ids:
        if name not in known:
            raise _unknown(name)
    wanted = list(known) if everything else list(ids)
    _ask(lambda store: store.ask(wanted, asked))
    return len(wanted)


def _unknown(name: str) -> click.ClickException:
    return click.ClickException(f"no dead letter is called {name!r}; see `list`")


def _ask(question: Callable[[Store], Awaitable[Result]]) -> Result:
    async def answer() -> Result:
        settings = Settings()
        client = make_client(settings.url)
        try:
            return await question(Store(client, Lease(client, LEASE, settings.lease_seconds)))
        finally:
            await client.aclose()

    return asyncio.run(answer())
