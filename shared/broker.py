"""Reading streams by id: one owner, in order, nothing hidden.

Consumer groups bring nothing to a single owner and break order on recovery, so a FastStream
batch subscriber reads by id from where the owner says. Raw entries are handed over as they
stand: FastStream's own parsing hides a whole batch behind one undecodable entry, and what it
does with a handler's error (log it, read on) would lose the batch.
See docs/decisions/0004-partitions-one-owner-reading-by-id.md.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from faststream import AckPolicy
from faststream.redis import RedisBroker, StreamSub
from faststream.redis.message import FAKE_CONSUMER, RedisBatchStreamMessage
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from shared.streams import BODY, LAYOUT

_CONNECTIONS = 64
"""Of one client at a time; a server takes ten thousand, by default."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One stream entry as it stands; `body` is None when it carries no message field."""

    id: str
    body: bytes | None


Handler = Callable[[Sequence[Entry]], Awaitable[None]]


def make_broker(url: str, subscribers: int) -> RedisBroker:
    """A broker with a connection for each of its subscribers and some to spare."""
    # FastStream's own logger has a handler of its own, with colours; what it warns of goes to the
    # service's log instead, and what it tells of each batch nowhere.
    logger = logging.getLogger("narvara.broker")
    logger.setLevel(logging.WARNING)
    return RedisBroker(url, apply_types=False, max_connections=subscribers + 20, logger=logger)


def make_client(url: str) -> Redis:
    """A client whose calls are sent once: a silent second sending would write twice.

    When all its connections are taken, a call waits for one; else it would fail.
    """
    pool = BlockingConnectionPool.from_url(
        url, retry=Retry(NoBackoff(), 0), max_connections=_CONNECTIONS
    )
    return Redis.from_pool(pool)


def text(value: bytes | str) -> str:
    """What the server answered, as text; the clients here get bytes."""
    return value.decode() if isinstance(value, bytes) else value


async def follow(
    broker: RedisBroker, stream: str, after: str, handler: Handler, max_entries: int
) -> Any:
    """Start a subscriber that hands `handler` all entries of `stream` after the id `after`.

    Returns the subscriber; stop it with `await subscriber.stop()`. `handler` must not raise:
    FastStream would log the error and go on with the next batch.
    """
    subscriber = broker.subscriber(
        stream=StreamSub(
            stream, batch=True, last_id=after, max_records=max_entries, polling_interval=1000
        ),
        ack_policy=AckPolicy.MANUAL,
        parser=_as_it_stands,
        decoder=_entries,
        persistent=False,
    )
    subscriber(handler)
    await subscriber.start()
    return subscriber


async def _as_it_stands(raw: Any) -> RedisBatchStreamMessage:
    return RedisBatchStreamMessage(raw_message=raw, body=raw, consumer=FAKE_CONSUMER, group=None)


async def _entries(message: RedisBatchStreamMessage) -> list[Entry]:
    raw = message.raw_message
    return [
        Entry(entry_id.decode(), fields.get(BODY))
        for entry_id, fields in zip(raw["message_ids"], raw["data"], strict=True)
    ]


class ServerBehindError(RuntimeError):
    """The server has lost writes that it had answered, as after a failover; reload from it."""


class LayoutError(RuntimeError):
    """The server's data is laid out in another number of partitions than the setting says."""


async def check_layout(client: Redis, partitions: int) -> None:
    """Store the partition count at first start; refuse another one later."""
    await client.set(LAYOUT, partitions, nx=True)
    stored = int(await client.get(LAYOUT) or 0)
    if stored != partitions:
        raise LayoutError(
            f"the server's data lies in {stored} partitions, NARVARA_PARTITIONS says {partitions}; "
            f"set it to {stored}, or start on an empty server"
        )


@asynccontextmanager
async def connected(url: str, partitions: int) -> AsyncIterator[Redis]:
    """A client of a server whose layout is checked, closed when left."""
    client = make_client(url)
    try:
        await check_layout(client, partitions)
        yield client
    finally:
        await client.aclose()
