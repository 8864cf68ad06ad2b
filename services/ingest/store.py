"""What ingest remembers in the server: config sent, schools live, closes sent, imports done."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from redis.asyncio import Redis

from shared import streams
from shared.broker import text
from shared.roster import HANDOVER, ROSTER, Roster

CLOCK = "clock:{ingest}"
"""The simulated clock: an ISO instant that a simulator sets."""

_REACHED = "reached:{ingest}"
_CONFIG = "config:{ingest}"
_LIVE = "live:{ingest}"
_CLOSED = "closed:{ingest}"
_HISTORIES = "histories:{ingest}"
_LOCK = "history-lock:{ingest}"


class Kept(NamedTuple):
    """One thing in a quarantine."""

    name: str
    """Of the quarantine."""
    digest: str
    item: dict[str, Any]
    stream: str
    """Of an entry, from where it came; empty: it is a row of a file."""


@dataclass
class IngestStore:
    """Ingest's keys. Each is written after what it tells of, so that a crash repeats, not skips."""

    client: Redis

    async def config_versions(self) -> dict[str, str]:
        """The version last sent of each config file."""
        return await self._hash(_CONFIG)

    async def config_sent(self, file: str, version: str) -> None:
        await self.client.hset(_CONFIG, file, version)

    async def simulated_now(self) -> datetime | None:
        """The simulated clock; None before a simulator has set it."""
        found = await self.client.get(CLOCK)
        return datetime.fromisoformat(text(found)) if found else None

    async def set_simulated_now(self, now: datetime) -> None:
        await self.client.set(CLOCK, now.isoformat())

    async def reached(self) -> datetime | None:
        """The instant up to which school time has been sent."""
        found = await self.client.get(_REACHED)
        return datetime.fromisoformat(text(found)) if found else None

    async def reach(self, now: datetime) -> None:
        await self.client.set(_REACHED, now.isoformat())

    async def live(self) -> dict[str, date]:
        """Live schools and the day from which the clock closes theirs."""
        return _dates(await self._hash(_LIVE))

    async def go_live(self, school: str, first: date) -> None:
        await self.client.hsetnx(_LIVE, school, first.isoformat())

    async def closed(self) -> dict[str, date]:
        """The newest close sent of each school, by the clock or by a history import."""
        return _dates(await self._hash(_CLOSED))

    async def close(self, school: str, day: date) -> None:
        """Remember a close; an older one than is known changes nothing."""
        known = (await self.closed()).get(school)
        if known is None or known < day:
            await self.client.hset(_CLOSED, school, day.isoformat())

    async def histories(self) -> dict[str, str]:
        """The digest of each school's history import."""
        return await self._hash(_HISTORIES)

    async def begin_history(self, school: str, digest: str) -> None:
        await self.client.hset(_HISTORIES, school, digest)

    async def lock_history(self, token: str, seconds: int) -> bool:
        """One history import at a time; renewed by taking it again."""
        if await self.client.set(_LOCK, token, nx=True, ex=seconds):
            return True
        if text(await self.client.get(_LOCK) or b"") != token:
            return False
        await self.client.expire(_LOCK, seconds)
        return True

    async def unlock_history(self) -> None:
        await self.client.delete(_LOCK)

    async def put_roster(self, roster: Roster) -> None:
        """A school's roster, whole but for the handover, for notify."""
        kept = roster.model_dump_json(by_alias=True, exclude={"pupils": {"__all__": {*HANDOVER}}})
        await self.client.hset(ROSTER, roster.school, kept)

    async def quarantine(self, partition: int, digest: str, kept: Mapping[str, object]) -> None:
        await self.client.hset(
            streams.quarantine(partition), digest, json.dumps(kept, ensure_ascii=False)
        )

    async def quarantined(self, partitions: int) -> list[Kept]:
        """All that is kept: what ingest, rules and notify could not read."""
        names = {streams.quarantine(each): streams.attendance(each) for each in range(partitions)}
        found = []
        for name, stream in {**names, streams.NOTIFY_QUARANTINE: ""}.items():
            for digest, raw in (await self._hash(name)).items():
                item = json.loads(raw)
                of_file = bool(stream) and item["where"] != "stream"
                came_from = "" if of_file else stream or str(item["where"])
                found.append(Kept(name, digest, item, came_from))
        return found

    async def release(self, kept: Kept) -> None:
        """It is kept no more."""
        await self.client.hdel(kept.name, kept.digest)

    async def put_back(self, kept: Kept) -> None:
        """A stream entry is read once more, as the newest; kept again if it still can't be."""
        async with self.client.pipeline(transaction=True) as pipe:
            pipe.xadd(kept.stream, {streams.BODY: str(kept.item["raw"])})
            pipe.hdel(kept.name, kept.digest)
            await pipe.execute()

    async def outcomes(self, partition: int) -> dict[str, int]:
        """`source outcome` → count, as of the partition's checkpoint."""
        found = await self._hash(streams.imports(partition))
        return {key: int(count) for key, count in found.items()}

    async def checkpoint(self, partition: int) -> str:
        found = await self.client.hget(streams.checkpoint(partition), "id")
        return text(found) if found else "0-0"

    async def newest(self, partition: int) -> str:
        """The newest entry of a partition's stream."""
        found: Any = await self.client.xrevrange(streams.attendance(partition), count=1)
        return text(found[0][0]) if found else "0-0"

    async def _hash(self, key: str) -> dict[str, str]:
        found = await self.client.hgetall(key)
        return {text(field): text(value) for field, value in found.items()}


def _dates(found: Mapping[str, str]) -> dict[str, date]:
    return {key: date.fromisoformat(value) for key, value in found.items()}
