"""Channels: the ways in which a message leaves, one folder each."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from services.notify.delivery import Outcome
from services.notify.message import Composed


class Channel(Protocol):
    """A way to an address. To add one, copy the most similar folder of this one."""

    async def send(self, address: str, message: Composed) -> Outcome:
        """Hand the message to the gateway and say how that ended; never raises."""
        ...


@dataclass(frozen=True)
class Doubt:
    """Tries of a message of which nobody knows whether they got through."""

    first: datetime
    last: datetime
    """When they began."""
    others: int
    """Such tries of other messages to the same address, at about the same time."""
    claimed: Callable[[Sequence[str]], Awaitable[Collection[str]]]
    """Of the gateway's names, those that are known to be of a message."""


@runtime_checkable
class Remembering(Protocol):
    """A channel whose gateway can be asked what it has sent."""

    async def was_sent(self, address: str, message: Composed, doubt: Doubt) -> Outcome | None:
        """`sent`, with the gateway's name of it, when one of the tries surely got through.

        None: none has, or that can't be told. Never raises.
        """
        ...


@runtime_checkable
class Kept(Protocol):
    """A channel that keeps connections open."""

    async def aclose(self) -> None: ...


async def close_channels(channels: Iterable[Channel]) -> None:
    """Hang up; a channel that is used once more connects anew."""
    for channel in channels:
        if isinstance(channel, Kept):
            await channel.aclose()
