"""Who has signed on: kept on the server under digests, so that who reads it can't sign on by it."""

import secrets
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Literal

import msgspec
from redis.asyncio import Redis

How = Literal["link", "code", "oidc"]

IDLE_SECONDS = 3600
"""A session ends an hour after its last page."""

LONGEST_SECONDS = 10 * 3600
"""And ten hours after the sign-on."""

CODE_SECONDS = 600
TRIES = 5

_DIGITS = 6


class Session(msgspec.Struct, frozen=True):
    """A sign-on: as whom, by what, and since when."""

    people: tuple[tuple[str, str], ...]
    """School and staff id, of every school where the person works."""
    how: How
    begun: float
    """Machine time, in Unix seconds."""
    at: int = 0
    """Which of `people` they are now."""


class Pending(msgspec.Struct, frozen=True):
    """A sign-on that waits for its code; without people it is for the looks only."""

    people: tuple[tuple[str, str], ...]
    code: str
    """Its digest, with the secret that only the browser has."""


class Sessions:
    """Keeps them in the server; keys run out by themselves."""

    def __init__(self, client: Redis) -> None:
        self._client: Any = client

    async def begin(self, people: Sequence[tuple[str, str]], how: How, now: float) -> str:
        """A new session; returns its secret, for the cookie."""
        secret = secrets.token_urlsafe(16)
        await self._put(secret, Session(tuple(people), how, now))
        return secret

    async def find(self, secret: str, now: float) -> Session | None:
        """Whose secret it is; each look keeps it for another hour, to ten in all."""
        raw = await self._client.get(_key("session", secret)) if secret else None
        if raw is None:
            return None
        session = msgspec.json.decode(raw, type=Session)
        left = session.begun + LONGEST_SECONDS - now
        if left <= 0:
            await self.end(secret)
            return None
        await self._client.expire(_key("session", secret), int(min(IDLE_SECONDS, left)) + 1)
        return session

    async def choose(self, secret: str, session: Session, at: int) -> None:
        """Be another of the people."""
        await self._put(secret, msgspec.structs.replace(session, at=at))

    async def end(self, secret: str) -> None:
        await self._client.delete(_key("session", secret))

    async def _put(self, secret: str, session: Session) -> None:
        await self._client.set(
            _key("session", secret), msgspec.json.encode(session), ex=IDLE_SECONDS
        )

    async def begin_code(self, people: Sequence[tuple[str, str]]) -> tuple[str, str]:
        """A code to be sent, and the secret that the browser shows with it."""
        secret, code = secrets.token_urlsafe(16), f"{secrets.randbelow(10**_DIGITS):06d}"
        pending = Pending(tuple(people), _digest(secret + code))
        raw = msgspec.json.encode(pending)
        await self._client.set(_key("pending", secret), raw, ex=CODE_SECONDS)
        return secret, code

    async def try_code(self, secret: str, code: str) -> tuple[tuple[str, str], ...]:
        """Whom a code proves; empty: it is wrong, used, too old, or was tried too often."""
        tried = _key("tries", secret)
        async with self._client.pipeline(transaction=True) as pipe:
            pipe.incr(tried)
            pipe.expire(tried, CODE_SECONDS)
            pipe.get(_key("pending", secret))
            times, _, raw = await pipe.execute()
        if raw is None or times > TRIES:
            return ()
        pending = msgspec.json.decode(raw, type=Pending)
        if not secrets.compare_digest(pending.code, _digest(secret + code)):
            return ()
        # Of two that come with the right code at once, one takes it.
        taken = await self._client.delete(_key("pending", secret))
        return pending.people if taken else ()

    async def is_within(self, what: str, most: int, seconds: int) -> bool:
        """One more of something: is it still within `most` in `seconds`? Names are kept hashed."""
        name = _key("rate", what)
        async with self._client.pipeline(transaction=True) as pipe:
            pipe.incr(name)
            pipe.expire(name, seconds, nx=True)
            count, _ = await pipe.execute()
        return bool(count <= most)


def _key(kind: str, secret: str) -> str:
    return f"{kind}:{{notify}}:{_digest(secret)}"


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
