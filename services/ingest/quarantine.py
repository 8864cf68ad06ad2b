"""`narvara quarantine`: what was refused and kept, listed, and tried again."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import click
from redis.asyncio import Redis

from services.ingest.cli import PROFILES
from services.ingest.profile import Accepted, Profile, Refused, read_rows
from services.ingest.publish import Publisher
from services.ingest.settings import Settings
from services.ingest.store import IngestStore
from shared.broker import connected


@click.group()
def quarantine() -> None:
    """What was refused, kept with its reason."""


@quarantine.command("list")
@click.option("--format", "form", default="text", type=click.Choice(["text", "jsonl"]))
def list_(form: str) -> None:
    """List what is kept: where it was met and why it was refused."""
    kept = asyncio.run(_each_kept(lambda _, __, ___: _nothing()))
    for _, digest, item in kept:
        if form == "jsonl":
            click.echo(json.dumps({"digest": digest, **item}, ensure_ascii=False))
        else:
            place = f"{item.get('file', item.get('entry'))}:{item.get('line', '')}".rstrip(":")
            click.echo(f"{digest[:12]}  {place}  {item['reason']}")
    if form == "text":
        click.echo(f"{len(kept)} in quarantine")


@quarantine.command()
@click.option("--profile", default="canonical", type=click.Choice(sorted(PROFILES)))
def replay(profile: str) -> None:
    """Try again what is kept; what can be read now is sent and leaves the quarantine."""

    async def again(client: Redis, partitions: int, item: dict[str, Any]) -> bool:
        if item["where"] == "stream":
            return False
        row = reread(str(item["raw"]), PROFILES[profile], str(item.get("header", "")))
        if isinstance(row, Refused):
            return False
        publisher = Publisher(client, partitions, "replay")
        await publisher.send(row.event)
        await publisher.flush()
        return True

    kept = asyncio.run(_each_kept(again))
    sent = sum(done for done, _, _ in kept)
    click.echo(f"{sent} sent, {len(kept) - sent} still in quarantine")
    sys.exit(1 if sent < len(kept) else 0)


def reread(raw: str, profile: Profile, header: str = "") -> Accepted | Refused:
    """A kept row read anew, under the header of its file (left out: the profile's shortest)."""
    header = header or profile.delimiter.join(profile.columns)
    (row,) = read_rows([f"{header}\n", f"{raw}\n"], profile)
    return row


async def _nothing() -> bool:
    return False


async def _each_kept(
    work: Callable[[Redis, int, dict[str, Any]], Awaitable[bool]],
) -> list[tuple[bool, str, dict[str, Any]]]:
    """Do `work` on everything kept; what it returns True for leaves the quarantine."""
    settings = Settings()
    done: list[tuple[bool, str, dict[str, Any]]] = []
    async with connected(settings.url, settings.partitions) as client:
        store = IngestStore(client)
        for partition in range(settings.partitions):
            for digest, item in sorted((await store.quarantined(partition)).items()):
                finished = await work(client, settings.partitions, item)
                if finished:
                    await store.release(partition, digest)
                done.append((finished, digest, item))
    return sorted(done, key=lambda each: (str(each[2].get("file")), int(each[2].get("line", 0))))
