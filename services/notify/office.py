"""What reading and sending share: the memory under one lock, and what the work is done with."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from services.notify.channels import Channel
from services.notify.desk import Desk
from services.notify.message import Texts
from services.notify.routing import Routing
from services.notify.store import Store
from shared import metrics
from shared.calendar import SchoolCalendar


class MemorySpoiltError(RuntimeError):
    """An earlier failure left the memory in doubt; only a new start reads it afresh."""


@dataclass(frozen=True)
class Office:
    """What the work is done with."""

    routing: Callable[[], Routing]
    calendar: Callable[[], SchoolCalendar]
    channels: Mapping[str, Channel]
    texts: Texts
    base_url: str
    partitions: int
    retry_seconds: float
    token: Callable[[], str]
    clock: Callable[[], float]
    """Unix seconds by the machine; for the pauses between tries and nothing else."""
    jitter: Callable[[], float]


class Memory:
    """The desk, its lock, and the store to which its changes are written.

    The lock surrounds every use and the write that belongs to it. After a failure in between,
    nobody knows what the server has taken, and the memory is used no more.
    """

    def __init__(self, store: Store, desk: Desk, news: asyncio.Event) -> None:
        """`news` is set when there may be something to send."""
        self.store = store
        self.news = news
        self._desk = desk
        self._lock = asyncio.Lock()
        self._sound = True

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[Desk]:
        """The desk, for as long as nobody else may use it."""
        async with self._lock:
            if not self._sound:
                raise MemorySpoiltError("an earlier failure left the memory in doubt")
            try:
                yield self._desk
            except BaseException:
                self._sound = False
                raise

    async def write(self, position: tuple[int, str] | None = None) -> None:
        """Write what has changed, and how far a partition is read; call it with the desk alone."""
        await self.store.write(self._desk.take_changes(), position)
        for decision in self._desk.take_routed():
            metrics.STEPS_ROUTED.labels(decision).inc()
        metrics.OUTBOX.set(len(self._desk.outbox))
        metrics.DEAD_LETTERS.set(await self.store.count_dead_letters())
