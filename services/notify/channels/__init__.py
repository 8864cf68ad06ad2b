"""Channels: the ways in which a message leaves, one folder each."""

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol, runtime_checkable

from services.notify.delivery import Outcome
from services.notify.message import Composed


class Channel(Protocol):
    """A way to an address. To add one, copy the most similar folder of this one."""

    async def send(self, address: str, message: Composed) -> Outcome:
        """Hand the message to the gateway and say how that ended; never raises."""
        ...


@runtime_checkable
class Remembering(Protocol):
    """A channel whose gateway can be asked what it has sent."""

    async def was_sent(self, address: str, message: Composed, since: datetime) -> bool | None:
        """Did a try that began at `since`, and whose answer never came, get through after all?

        None: that can't be told. Never raises.
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
