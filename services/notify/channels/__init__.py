"""Channels: the ways in which a message leaves, one module each."""

from typing import Protocol

from services.notify.delivery import Outcome
from services.notify.message import Composed


class Channel(Protocol):
    """A way to an address. To add one, copy the most similar module of this folder."""

    async def send(self, address: str, message: Composed) -> Outcome:
        """Hand the message to the gateway and say how that ended; never raises."""
        ...
