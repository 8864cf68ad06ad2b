"""`narvara quarantine`: what was refused and kept, listed, and tried again."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime

import click
from redis.asyncio import Redis

from services.ingest.app import newest_recorded
from services.ingest.cli import PROFILES
from services.ingest.profile import Accepted, Profile, Refused, read_rows
from services.ingest.publish import Publisher
from services.ingest.settings import Settings
from services.ingest.store import IngestStore, Kept
from shared.broker import connected


@click.group()
def quarantine() -> None:
    """What was refused, kept with its reason."""


@quarantine.command("list")
@click.option("--format", "form", default="text", type=click.Choice(["text", "jsonl"]))
def list_(form: str) -> None:
    """List what is kept: where it was met and why it was refused."""

    async def leave(_: Redis, __: int, ___: Kept) -> bool:
        return False

    kept = asyncio.run(_each_kept(leave))
    for _, each in kept:
        item = each.item
        if form == "jsonl":
            said = {"digest": each.digest, **item, "stream": each.stream}
            click.echo(json.dumps(said, ensure_ascii=False))
        else:
            where = f"{each.stream} {item['entry']}" if each.stream else str(item.get("file"))
            place = f"{where}:{item.get('line', '')}".rstrip(":")
            click.echo(f"{each.digest[:12]}  {place}  {item['reason']}")
    if form == "text":
        click.echo(f"{len(kept)} in quarantine")


@quarantine.command()
@click.option("--profile", default="canonical", type=click.Choice(sorted(PROFILES)))
def replay(profile: str) -> None:
    """Try again what is kept; what can be read now is sent and leaves the quarantine.

    An entry of a stream is put back as the newest; it returns here if it still can't be read.
    """

    async def again(client: Redis, partitions: int, kept: Kept) -> bool:
        store, item = IngestStore(client), kept.item
        if kept.stream:
            await store.put_back(kept)
            return True
        header, newest = str(item.get("header", "")), newest_recorded(Settings())
        row = reread(str(item["raw"]), PROFILES[profile], header, newest)
        if isinstance(row, Refused):
            return False
        publisher = Publisher(client, partitions, "replay")
        await publisher.send(row.event)
        await publisher.flush()
        await store.release(kept)
        return True

    kept = asyncio.run(_each_kept(again))
    sent = sum(done for done, _ in kept)
    click.echo(f"{sent} sent, {len(kept) - sent} still in quarantine")
    sys.exit(1 if sent < len(kept) else 0)


def reread(
    raw: str, profile: Profile, header: str = "", newest: datetime | None = None
) -> Accepted | Refused:
    """A kept row read anew, under the header of its file (left out: the profile's shortest)."""
    header = header or profile.delimiter.join(profile.columns)
    (row,) = read_rows([f"{header}\n", f"{raw}\n"], profile, newest)
    return row


async def _each_kept(
    work: Callable[[Redis, int, Kept], Awaitable[bool]],
) -> list[tuple[bool, Kept]]:
    """Do `work` on everything kept; what it returns True for has left the quarantine."""
    settings = Settings()
    async with connected(settings.url, settings.partitions) as client:
        kept = await IngestStore(client).quarantined(settings.partitions)
        kept.sort(key=lambda each: (str(each.item.get("file")), int(each.item.get("line", 0))))
        return [(await work(client, settings.partitions, each), each) for each in kept]
