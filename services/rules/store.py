"""A partition's keys in the server: what its owner reads at start and writes as it goes.

Steps are written at once, pupils at checkpoints, in slices of some hundred so that no other
client waits for one long transaction. Every write goes through the lease.
See docs/decisions/0005-steps-at-once-pupils-at-checkpoints.md.
"""

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple, cast

import msgspec
from redis.asyncio import Redis

from services.rules.partition import Memory
from services.rules.pupil import Pupil
from services.rules.record import pack, unpack
from shared import streams
from shared.broker import Entry, text
from shared.events import CASE_MESSAGE, CaseMessage, CaseStep, UnitsCounted
from shared.lease import Command, Lease

SLICE = 200
"""Pupils written in one call: about 2 MB, some milliseconds of the server's time."""

NOTHING = "0-0"
"""Comes before every entry."""

_MEMORY = msgspec.msgpack.Decoder(Memory)


class Reached(NamedTuple):
    """How far the server says that a partition has come."""

    checkpoint: str
    stream: str
    """The stream's newest entry ever."""


@dataclass
class PartitionStore:
    """One partition's keys, written under its lease."""

    client: Redis
    partition: int
    lease: Lease

    async def memory(self) -> tuple[str, Memory]:
        """The checkpoint's entry id and what goes with it."""
        found = await self.client.hgetall(streams.checkpoint(self.partition))
        if not found:
            return NOTHING, Memory()
        return text(found[b"id"]), _MEMORY.decode(cast("bytes", found[b"memory"]))

    async def position(self) -> str:
        """The entry up to which steps are written."""
        found = await self.client.get(streams.position(self.partition))
        return text(found) if found else NOTHING

    async def pupils(self) -> AsyncIterator[tuple[str, Pupil]]:
        """Every pupil's record, by `school/pupil`."""
        scan = self.client.hscan_iter(streams.pupils(self.partition), count=SLICE)
        async for key, record in scan:
            yield text(key), unpack(record)

    async def reached(self) -> Reached:
        """What the server holds now; reading also shows that we still may."""
        stream = streams.attendance(self.partition)
        await self.client.xread({stream: "$"}, count=1)
        checkpoint = await self.client.hget(streams.checkpoint(self.partition), "id")
        newest = NOTHING
        if await self.client.exists(stream):
            newest = text((await self.client.xinfo_stream(stream))["last-generated-id"])
        return Reached(text(checkpoint) if checkpoint else NOTHING, newest)

    async def write_steps(self, messages: Sequence[CaseMessage], entry_id: str) -> bool:
        """Append what came of the entries up to `entry_id`; False when it was written before."""
        stream = streams.case_steps(self.partition)
        commands: list[Command] = [
            ("XADD", stream, "*", streams.BODY, each.model_dump_json()) for each in messages
        ]
        return await self.lease.write(
            commands, position=(streams.position(self.partition), entry_id)
        )

    async def send(self, counted: Iterable[UnitsCounted], partitions: int) -> None:
        """Put counts of units on the streams of the partitions that judge them.

        Not through the lease, which is another partition's: what comes twice changes nothing.
        Sent before the steps of the same entries, so that what is not sent is folded again.
        """
        for each in counted:
            home = streams.attendance(streams.partition_of(each.school, "", partitions))
            await self.client.xadd(home, {streams.BODY: each.model_dump_json()})

    async def write_pupils(self, pupils: Iterable[tuple[str, Pupil]]) -> None:
        """Write one slice of records."""
        command: list[str | bytes | int] = ["HSET", streams.pupils(self.partition)]
        for key, pupil in pupils:
            command += [key, pack(pupil)]
        await self.lease.write([tuple(command)])

    async def write_checkpoint(self, entry_id: str, memory: Memory) -> None:
        """Move the checkpoint: every pupil is written up to `entry_id`."""
        encoded = msgspec.msgpack.encode(memory)
        commands: list[Command] = [
            ("HSET", streams.checkpoint(self.partition), "id", entry_id, "memory", encoded)
        ]
        tallies = [
            part
            for source, outcomes in memory.tallies.items()
            for outcome, count in outcomes.items()
            for part in (f"{source} {outcome}", count)
        ]
        if tallies:
            commands.append(("HSET", streams.imports(self.partition), *tallies))
        await self.lease.write(commands)

    async def quarantine(self, entry: Entry, reason: str) -> None:
        """Keep an entry that can't be read, under its digest, so that repeats don't grow it."""
        body = entry.body or b""
        digest = sha256(body).hexdigest()[:32]
        kept = {
            "where": "stream",
            "entry": entry.id,
            "reason": reason,
            "raw": body.decode(errors="backslashreplace"),
        }
        key = streams.quarantine(self.partition)
        await self.lease.write([("HSET", key, digest, json.dumps(kept, ensure_ascii=False))])


async def each_step(client: Redis, partitions: int) -> AsyncIterator[CaseStep]:
    """Every case step so far, by partition in the order of its making."""
    for partition in range(partitions):
        after = "-"
        while True:
            entries: Any = await client.xrange(streams.case_steps(partition), after, count=1000)
            if not entries:
                break
            for _, fields in entries:
                message = CASE_MESSAGE.validate_json(fields[streams.BODY])
                if isinstance(message, CaseStep):
                    yield message
            after = f"({text(entries[-1][0])}"
