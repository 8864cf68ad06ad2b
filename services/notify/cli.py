"""`narvara notify`: run the service, and look after what could not be delivered."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

import click
from pydantic import ValidationError

from services.notify.app import create_app
from services.notify.message import NotOneSegmentError, TemplateRefusedError
from services.notify.settings import Settings
from services.notify.store import LEASE, Store
from shared.broker import make_client
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
    except ValidationError as error:
        # Its text quotes what was met, which may be a password.
        wrong = "; ".join(each["msg"] for each in error.errors(include_input=False))
        raise click.ClickException(f"a setting is wrong: {wrong}") from None
    sys.exit(serve(app, settings.host, settings.notify_port))


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
@click.argument("ids", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every dead letter.")
def replay(ids: tuple[str, ...], *, everything: bool) -> None:
    """Ask the running service to send dead letters after all; IDS are those that `list` shows."""
    known = list(_ask(Store.dead_letters))
    unknown = [each for each in ids if each not in known]
    if unknown:
        raise click.ClickException(f"no dead letter is called {unknown[0]!r}; see `list`")
    wanted = known if everything else list(ids)
    _ask(lambda store: store.ask_for_replay(wanted))
    click.echo(f"{len(wanted)} asked for; the running service sends them")


def _ask(question: Callable[[Store], Awaitable[Result]]) -> Result:
    async def answer() -> Result:
        settings = Settings()
        client = make_client(settings.url)
        try:
            return await question(Store(client, Lease(client, LEASE, settings.lease_seconds)))
        finally:
            await client.aclose()

    return asyncio.run(answer())
