"""All of notify's keys, and every write to them.

Every key carries the hash tag `{notify}`, so that all that a batch of entries causes, and the
position in its stream, is one script and stands or falls together. Writes go through the lease:
a process that has lost it can write nothing.
"""

import json
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from typing import Any, TypeVar

import msgspec
from pydantic import ValidationError
from redis.asyncio import Redis

from services.notify.desk import Changes, Desk
from services.notify.rows import (
    IN_MEMORY,
    OF_NO_FINDING,
    Asked,
    Counted,
    DeadLetter,
    Fate,
    Finding,
    Happened,
    Note,
    Outgoing,
    Page,
    Row,
    Said,
    Signal,
    Table,
)
from shared import streams
from shared.lease import Command, Lease
from shared.roster import ROSTER, Roster
from shared.telemetry import note

LEASE = "lease:{notify}"
QUEUES = ("due-always:{notify}", "due-at-once:{notify}", "due:{notify}")
"""Sorted sets: outbox ids by the machine time, in Unix seconds, of their next try. First those
that no quiet hours hold, then those that are not to wait behind digests."""

FIRST = "0-0"

_AT_A_TIME = 1000
_SLICE = 500
_HAPPENED = msgspec.json.Decoder(Happened)
_COUNTED = msgspec.json.Decoder(Counted)
_OUTGOING = msgspec.json.Decoder(Outgoing)
_Row = TypeVar("_Row", bound=Row)
_T = TypeVar("_T")


class WrittenBeforeError(RuntimeError):
    """What this process holds in memory is behind what the server has."""


def key(table: Table) -> str:
    """Hash: a row's key → the row as JSON."""
    return f"{table}:{{notify}}"


def position_key(partition: int) -> str:
    """The entry of a partition's case steps up to which everything is written."""
    return f"position:{{notify}}:{partition}"


def history_of(pupil: str) -> str:
    """Hash: the lines of a pupil's history; `pupil` is `school/pupil`."""
    return f"history:{{notify}}:{pupil}"


class Store:
    """Reads and guarded writes; one process holds the lease and writes."""

    def __init__(self, client: Redis, lease: Lease) -> None:
        self._client: Any = client
        self._lease = lease
        self._rosters: dict[str, tuple[bytes | None, Roster | None]] = {}

    async def load(self) -> Desk:
        """The desk as it was last written."""
        once = _Once()
        held: dict[str, Any] = {table: {} for table in IN_MEMORY}
        for table, row in IN_MEMORY.items():
            decode = msgspec.json.Decoder(row).decode
            async for name, raw in self._client.hscan_iter(key(table), count=_AT_A_TIME):
                held[table][name.decode()] = once.slim(decode(raw))
        return Desk(**held)

    async def positions(self, partitions: int) -> list[str]:
        """Where reading goes on, by partition."""
        held = await self._client.mget([position_key(p) for p in range(partitions)])
        return [FIRST if each is None else each.decode() for each in held]

    async def newest(self, partitions: int) -> list[str]:
        """The newest entry of each partition's case steps."""
        async with self._client.pipeline(transaction=False) as pipe:
            for partition in range(partitions):
                pipe.xrevrange(streams.case_steps(partition), count=1)
            found = await pipe.execute()
        return [each[0][0].decode() if each else FIRST for each in found]

    async def write(self, changes: Changes, position: tuple[int, str] | None = None) -> None:
        """Write rows, and how far a partition is read, in one go.

        Raises `LeaseLostError`, and `WrittenBeforeError` when the position was reached before.
        """
        commands = [command for (table, row), value in changes.items()
                    for command in _commands(table, row, value)]  # fmt: skip
        at = (position_key(position[0]), position[1]) if position else None
        if (commands or at) and not await self._lease.write(commands, position=at):
            raise WrittenBeforeError(f"{at} was written before; memory is no longer the truth")

    async def due(self, now: float, most: int, *, quiet: bool = False) -> list[str]:
        """Some outbox ids whose time has come, urgent ones first, then the longest waiting.

        `quiet`: only those that no quiet hours hold.
        """
        async with self._client.pipeline(transaction=False) as pipe:
            for queue in QUEUES[:1] if quiet else QUEUES:
                pipe.zrange(queue, "-inf", now, byscore=True, offset=0, num=most)
            found = await pipe.execute()
        return [each.decode() for queue in found for each in queue][:most]

    async def outgoing(self, ids: Sequence[str]) -> list[Outgoing]:
        """Messages of the outbox, those that are still there."""
        found = await self._client.hmget(key("outbox"), list(ids)) if ids else []
        return [_OUTGOING.decode(raw) for raw in found if raw is not None]

    async def counts(self) -> tuple[int, int]:
        """How many messages are in the outbox, and how many are dead letters."""
        async with self._client.pipeline(transaction=False) as pipe:
            pipe.hlen(key("outbox"))
            pipe.hlen(key("dead-letters"))
            outbox, dead = await pipe.execute()
        return outbox, dead

    async def say(self, said: Iterable[Said], partitions: int) -> None:
        """Put facts on the streams of the partitions of their pupils.

        Not guarded by the lease: these keys have no hash tag in common with its own, and to
        those who read there a fact that comes twice is one.
        """
        async with self._client.pipeline(transaction=False) as pipe:
            for each in said:
                home = streams.attendance(streams.partition_of(each.school, each.pupil, partitions))
                pipe.xadd(home, {streams.BODY: each.fact})
            await pipe.execute()

    async def rosters(self, schools: Collection[str]) -> dict[str, Roster]:
        """The newest roster of each school that has one."""
        names = sorted(schools)
        found = await self._client.hmget(ROSTER, names) if names else []
        for school, raw in zip(names, found, strict=True):
            held, roster = self._rosters.get(school, (None, None))
            if raw != held:
                self._rosters[school] = (raw, _roster(school, raw, roster))
        kept = {school: self._rosters.get(school, (None, None))[1] for school in names}
        return {school: roster for school, roster in kept.items() if roster is not None}

    async def schools(self) -> list[str]:
        """Every school that has a roster."""
        return sorted(each.decode() for each in await self._client.hkeys(ROSTER))

    async def page(self, name: str) -> Page | None:
        """What a message's link opens."""
        raw = await self._client.hget(key("messages"), name)
        return None if raw is None else msgspec.json.decode(raw, type=Page)

    async def signals(self, steps: Sequence[str]) -> dict[str, Signal]:
        """What is seen of findings as of steps, by their ids."""
        return await self._rows("signals", steps, Signal)

    async def history(self, pupil: str) -> list[Happened]:
        """What happened in a pupil's case, day by day; `pupil` is `school/pupil`.

        An autumn that was imported came all at one school time.
        """
        lines = await self._client.hgetall(history_of(pupil))
        found = [_HAPPENED.decode(raw) for raw in lines.values()]
        return sorted(found, key=lambda each: (each.on, each.at, each.key))

    async def histories(self, school: str, pupils: Sequence[str]) -> dict[str, list[Counted]]:
        """What is counted of the histories of many pupils of a school, by pupil, in no order."""
        async with self._client.pipeline(transaction=False) as pipe:
            for pupil in pupils:
                pipe.hvals(history_of(f"{school}/{pupil}"))
            found = await pipe.execute()
        return {
            pupil: [_COUNTED.decode(raw) for raw in lines]
            for pupil, lines in zip(pupils, found, strict=True)
        }

    async def slices(self, table: Table) -> AsyncIterator[dict[str, bytes]]:
        """A table's rows as written, by key, some hundred at a time."""
        if table != "history":
            async for rows in self._slices(key(table), ""):
                yield rows
            return
        async for name in self._client.scan_iter(match=history_of("*"), count=_AT_A_TIME):
            pupil = name.decode().removeprefix(history_of(""))
            async for rows in self._slices(name, f"{pupil} "):
                yield rows

    async def _slices(self, name: str, before: str) -> AsyncIterator[dict[str, bytes]]:
        cursor = None
        while cursor != 0:
            cursor, rows = await self._client.hscan(name, cursor or 0, count=_SLICE)
            yield {f"{before}{row.decode()}": raw for row, raw in rows.items()}

    async def notes(self, names: Sequence[str]) -> dict[str, Note]:
        """Notes by their ids, those that are kept."""
        return await self._rows("notes", names, Note)

    async def fates(self, opened: Sequence[str]) -> dict[str, Fate]:
        """What has become of findings, by the step that opened them."""
        return await self._rows("fates", opened, Fate)

    async def _rows(self, table: Table, names: Sequence[str], row: type[_Row]) -> dict[str, _Row]:
        found = await self._client.hmget(key(table), list(names)) if names else []
        pairs = zip(names, found, strict=True)
        decoder = msgspec.json.Decoder(row)
        return {name: decoder.decode(raw) for name, raw in pairs if raw is not None}

    async def dead_letters(self) -> dict[str, DeadLetter]:
        rows = await self._client.hgetall(key("dead-letters"))
        return {
            name.decode(): msgspec.json.decode(row, type=DeadLetter) for name, row in rows.items()
        }

    async def letters(self, ids: Sequence[str]) -> dict[str, DeadLetter]:
        """Dead letters by the ids of their messages, those that are there."""
        return await self._rows("dead-letters", ids, DeadLetter)

    async def dropped(self, name: str) -> DeadLetter | None:
        """A letter that was dropped, with the reason."""
        return (await self._rows("dropped", [name], DeadLetter)).get(name)

    async def asked(self) -> dict[str, Asked]:
        """What someone wants done with dead letters."""
        rows = await self._client.hgetall(key("asked"))
        return {name.decode(): msgspec.json.decode(row, type=Asked) for name, row in rows.items()}

    async def taken(self, names: Sequence[str]) -> set[str]:
        """Of a gateway's names, those of messages that it is known to have taken."""
        found = await self._client.hmget(key("taken"), list(names)) if names else []
        return {name for name, row in zip(names, found, strict=True) if row is not None}

    async def is_braked(self) -> bool:
        """Does the brake hold all messages?"""
        return bool(await self._client.hlen(key("brake")))

    async def ask(self, ids: Sequence[str], asked: Asked) -> None:
        """Leave word for the process that holds the lease; any process may."""
        if ids:
            row = msgspec.json.encode(asked)
            await self._client.hset(key("asked"), mapping=dict.fromkeys(ids, row))


class _Once:
    """Equal values are held once: many findings are of one school, rule, audience and day."""

    def __init__(self) -> None:
        self._held: dict[Any, Any] = {}

    def slim(self, row: _Row) -> _Row:
        """The same row; a finding's takes half the memory."""
        if not isinstance(row, Finding):
            return row
        opened = row.opened
        slim: _Row = row.but(
            school=self._once(row.school),
            unit=self._once(row.unit),
            rule=self._once(row.rule),
            since=self._once(row.since),
            steps=(opened,) if row.steps == (opened,) else row.steps,
            shows=opened if row.shows == opened else row.shows,
            as_of=self._once(row.as_of),
            came=self._once(row.came),
            first=self._once(row.first),
            audience=self._once(row.audience),
            told={self._once(who): self._once(each) for who, each in row.told.items()},
            on_way={self._once(who): name for who, name in row.on_way.items()},
        )
        return slim

    def _once(self, value: _T) -> _T:
        # Equal times of different offsets are not the same when they are written again.
        held: _T = self._held.setdefault((value, getattr(value, "tzinfo", None)), value)
        return held


def _commands(table: Table, row: str, value: Row | None) -> list[Command]:
    if table == "history":
        pupil, _, line = row.partition(" ")
        if value is None:
            return [("HDEL", history_of(pupil), line)]
        return [("HSET", history_of(pupil), line, msgspec.json.encode(value))]
    if value is None:
        commands: list[Command] = [("HDEL", key(table), row)]
        due: list[Command] = [("ZREM", queue, row) for queue in QUEUES]
        return [*commands, *due] if table == "outbox" else commands
    if table == "postponed" and isinstance(value, Outgoing):
        # Its row says the same as before: a gateway that is down for hours costs no writing.
        return [("ZADD", _queue(value), repr(value.due), row)]
    commands = [("HSET", key(table), row, msgspec.json.encode(value))]
    if table == "outbox" and isinstance(value, Outgoing):
        commands.append(("ZADD", _queue(value), repr(value.due), row))
    return commands


def _queue(message: Outgoing) -> str:
    if message.break_quiet or message.kind in {"correction", *OF_NO_FINDING}:
        return QUEUES[0]
    return QUEUES[2] if message.kind == "digest" else QUEUES[1]


def _roster(school: str, raw: bytes | None, last: Roster | None) -> Roster | None:
    """An unreadable roster leaves the last good one; its error would quote names, so it is cut."""
    if raw is None:
        return None
    try:
        return Roster.model_validate_json(raw)
    except (ValidationError, json.JSONDecodeError) as error:
        note("roster unreadable, last good kept", school=school, error=type(error).__name__)
        return last
