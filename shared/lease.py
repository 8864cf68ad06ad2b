"""One owner at a time: a lease, and writes that only its holder can make.

The lease alone is a promise of the clock; what makes it a fence is that every write goes
through one script which refuses unless the lease still holds the writer's token, and unless
the stream position is behind the entry that caused the write. An owner that was paused and
came back can therefore write nothing, and nothing is written twice.
"""

import asyncio
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

Command = tuple[str | bytes | int, ...]

_WRITE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'lost' end
if ARGV[2] ~= '' then
  local ms, seq = string.match(ARGV[2], '(%d+)-(%d+)')
  local held = redis.call('GET', KEYS[2])
  if held then
    local held_ms, held_seq = string.match(held, '(%d+)-(%d+)')
    ms, seq, held_ms, held_seq = tonumber(ms), tonumber(seq), tonumber(held_ms), tonumber(held_seq)
    if held_ms > ms or (held_ms == ms and held_seq >= seq) then return 'already' end
  end
end
local i = 3
while i <= #ARGV do
  local n = tonumber(ARGV[i])
  redis.call(unpack(ARGV, i + 1, i + n))
  i = i + n + 1
end
if ARGV[2] ~= '' then redis.call('SET', KEYS[2], ARGV[2]) end
return 'written'
"""

_RENEW = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""

_RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""


class LeaseLostError(RuntimeError):
    """Another owner holds the lease; what this one holds in memory is no longer the truth."""


@dataclass
class Lease:
    """The right to write one partition's keys, held for `seconds` and renewed."""

    client: Redis
    key: str
    seconds: float
    token: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)

    async def acquire(self) -> None:
        """Wait until the lease is free, then hold it."""
        # Nothing tells of a lease that runs out, so this asks; four times in its length is enough.
        while not await self.client.set(self.key, self.token, nx=True, px=int(self.seconds * 1000)):
            await asyncio.sleep(min(1.0, self.seconds / 4))

    async def renew(self) -> None:
        """Hold it for another `seconds`; raise `LeaseLostError` when someone else does."""
        held = await self._eval(_RENEW, 1, self.key, self.token, int(self.seconds * 1000))
        if not held:
            raise LeaseLostError(f"{self.key} is held by another owner")

    async def release(self) -> None:
        """Give it up if it is still ours; a server that is gone frees it by itself."""
        with suppress(RedisConnectionError, RedisTimeoutError):
            await self._eval(_RELEASE, 1, self.key, self.token)

    async def write(
        self, commands: Sequence[Command], *, position: tuple[str, str] | None = None
    ) -> bool:
        """Run `commands` in one script, all or none of them visible to others.

        `position` is a key and an entry id: refused unless the key's id is smaller, and set to
        it. Returns False when it was refused because that entry's writes were made before.
        Raises `LeaseLostError` when the lease is another's. All keys share one hash tag.
        """
        position_key, entry_id = position or (self.key, "")
        keys = dict.fromkeys([self.key, position_key, *(str(command[1]) for command in commands)])
        flat: list[str | bytes | int] = []
        for command in commands:
            flat += [len(command), *command]
        ordered = [self.key, position_key, *list(keys)[1 if position is None else 2 :]]
        outcome = await self._eval(_WRITE, len(ordered), *ordered, self.token, entry_id, *flat)
        if outcome == b"lost":
            raise LeaseLostError(f"{self.key} is held by another owner; nothing was written")
        return bool(outcome == b"written")

    async def _eval(self, script: str, keys: int, *arguments: Any) -> Any:
        return await self.client.eval(script, keys, *arguments)
