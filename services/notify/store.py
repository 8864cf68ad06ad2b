"""All of notify's keys, and every write to them.

Every key carries the hash tag `{notify}`, so that all that a batch of entries causes, and the
position in its stream, is one script and stands or falls together. Writes go through the lease:
a process that has lost it can write nothing.
"""

import json
from collections.abc import Collection, Sequence
from typing import Any

from pydantic import ValidationError
from redis.asyncio import Redis

from services.notify.desk import (
    IN_MEMORY,
    Changes,
    DeadLetter,
    Desk,
    Fate,
    Finding,
    Item,
    Outbreak,
    Outgoing,
    Page,
    Table,
)
from shared.events import Message, SchoolLive, TimeReached
from shared.lease import Command, Lease
from shared.roster import ROSTER, Roster
from shared.telemetry import note

LEASE = "lease:{notify}"
DUE = "due:{notify}"
"""Sorted set: outbox ids by the machine time, in Unix seconds, of their next try."""

FIRST = "0-0"

_ROWS: dict[Table, type[Message]] = {
    "findings": Finding,
    "outbreaks": Outbreak,
    "pending": Item,
    "outbox": Outgoing,
    "live": SchoolLive,
    "reached": TimeReached,
}


class WrittenBeforeError(RuntimeError):
    """What this process holds in memory is behind what the server has."""


def key(table: Table) -> str:
    """Hash: a row's key → the row as JSON."""
    return f"{table}:{{notify}}"


def position_key(partition: int) -> str:
    """The entry of a partition's case steps up to which everything is written."""
    return f"position:{{notify}}:{partition}"


class Store:
    """Reads and guarded writes; one process holds the lease and writes."""

    def __init__(self, client: Redis, lease: Lease) -> None:
        self._client: Any = client
        self._lease = lease
        self._rosters: dict[str, tuple[bytes | None, Roster | None]] = {}

    async def load(self) -> Desk:
        """The desk as it was last written."""
        desk = Desk()
        for table in IN_MEMORY:
            rows = await self._client.hgetall(key(table))
            model = _ROWS[table]
            held = {name.decode(): model.model_validate_json(row) for name, row in rows.items()}
            setattr(desk, table, held)
        return desk

    async def positions(self, partitions: int) -> list[str]:
        """Where reading goes on, by partition."""
        held = await self._client.mget([position_key(p) for p in range(partitions)])
        return [FIRST if each is None else each.decode() for each in held]

    async def write(self, changes: Changes, position: tuple[int, str] | None = None) -> None:
        """Write rows, and how far a partition is read, in one go.

        Raises `LeaseLostError`, and `WrittenBeforeError` when the position was reached before.
        """
        commands = [command for (table, row), value in changes.items()
                    for command in _commands(table, row, value)]  # fmt: skip
        at = (position_key(position[0]), position[1]) if position else None
        if (commands or at) and not await self._lease.write(commands, position=at):
            raise WrittenBeforeError(f"{at} was written before; memory is no longer the truth")

    async def due(self, now: float) -> list[str]:
        """The outbox ids whose time has come, the longest waiting first."""
        return [each.decode() for each in await self._client.zrange(DUE, "-inf", now, byscore=True)]

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

    async def page(self, name: str) -> Page | None:
        """What a message's link opens."""
        raw = await self._client.hget(key("messages"), name)
        return None if raw is None else Page.model_validate_json(raw)

    async def fates(self, opened: Sequence[str]) -> dict[str, Fate]:
        """What has become of findings, by the step that opened them."""
        found = await self._client.hmget(key("fates"), list(opened)) if opened else []
        pairs = zip(opened, found, strict=True)
        return {name: Fate.model_validate_json(raw) for name, raw in pairs if raw is not None}

    async def dead_letters(self) -> dict[str, DeadLetter]:
        rows = await self._client.hgetall(key("dead-letters"))
        return {name.decode(): DeadLetter.model_validate_json(row) for name, row in rows.items()}

    async def count_dead_letters(self) -> int:
        return int(await self._client.hlen(key("dead-letters")))

    async def asked_for_replay(self) -> list[str]:
        """Dead letters that someone wants to have sent after all."""
        return [each.decode() for each in await self._client.hkeys(key("replay"))]

    async def ask_for_replay(self, ids: Sequence[str]) -> None:
        """Leave word for the process that holds the lease; any process may."""
        if ids:
            await self._client.hset(key("replay"), mapping=dict.fromkeys(ids, "1"))


def _commands(table: Table, row: str, value: Message | None) -> list[Command]:
    if value is None:
        commands: list[Command] = [("HDEL", key(table), row)]
        return [*commands, ("ZREM", DUE, row)] if table == "outbox" else commands
    commands = [("HSET", key(table), row, value.model_dump_json())]
    if isinstance(value, Outgoing):
        commands.append(("ZADD", DUE, repr(value.due), row))
    return commands


def _roster(school: str, raw: bytes | None, last: Roster | None) -> Roster | None:
    """An unreadable roster leaves the last good one; its error would quote names, so it is cut."""
    if raw is None:
        return None
    try:
        return Roster.model_validate_json(raw)
    except (ValidationError, json.JSONDecodeError) as error:
        note("roster unreadable, last good kept", school=school, error=type(error).__name__)
        return last
