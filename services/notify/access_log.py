"""The access log: who opened what about whom. Append-only; old lines leave by its own retention."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, Literal

import msgspec
from redis.asyncio import Redis

from services.notify.access import What
from services.notify.sessions import How

LOG = "access-log:{notify}"

Result = Literal["shown", "refused", "done"]

_LINE = b"line"


class Access(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line."""

    at: datetime
    """School time."""
    school: str
    staff: str
    what: What | Literal["signal"]
    about: str = ""
    """A pupil's id, where it is about one."""
    how: How = "link"
    result: Result = "shown"


_ACCESS = msgspec.json.Decoder(Access)


class AccessLog:
    """Writes and reads lines."""

    def __init__(self, client: Redis) -> None:
        self._client: Any = client

    async def write(self, line: Access) -> None:
        await self._client.xadd(LOG, {_LINE: msgspec.json.encode(line)})

    async def newest(self, school: str, most: int) -> list[Access]:
        """A school's newest lines, the newest first."""
        found = []
        async for line in self._backwards():
            if line.school == school:
                found.append(line)
                if len(found) == most:
                    break
        return found

    async def trim(self, before: datetime) -> int:
        """Take away the oldest lines, as long as they are of before a school time; how many."""
        gone = 0
        while True:
            oldest: Any = await self._client.xrange(LOG, count=500)
            past = [name for name, fields in oldest if _ACCESS.decode(fields[_LINE]).at < before]
            if past:
                gone += await self._client.xdel(LOG, *past)
            if not past or len(past) < len(oldest):
                return gone

    async def _backwards(self) -> AsyncIterator[Access]:
        before = "+"
        while True:
            found: Any = await self._client.xrevrange(LOG, before, count=500)
            if not found:
                return
            for _, fields in found:
                yield _ACCESS.decode(fields[_LINE])
            before = f"({found[-1][0].decode()}"
