"""What reading and sending share: the memory under one lock, and what the work is done with."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from services.notify.answers import NotNowError
from services.notify.channels import Channel
from services.notify.desk import Desk
from services.notify.message import Texts
from services.notify.routing import Routing
from services.notify.stages.route import without
from services.notify.store import Store
from services.notify.telling import World
from shared import metrics
from shared.calendar import SchoolCalendar
from shared.roster import Roster


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

    def __init__(self, store: Store, desk: Desk | None, news: asyncio.Event) -> None:
        """`news` is set when there may be something to send. Without a desk nothing is known."""
        self.store = store
        self.news = news
        self._desk = desk
        self._lock = asyncio.Lock()
        self._sound = True
        self._seen: dict[str, tuple[Roster, frozenset[str], Roster]] = {}

    async def load(self) -> None:
        """Read the desk from the store: this process holds the lease now."""
        self._desk = await self.store.load()

    def forget(self) -> None:
        """The lease is given up: another process may change what is written."""
        self._desk = None

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[Desk]:
        """The desk, for as long as nobody else may use it. Raises `NotNowError`."""
        async with self._lock:
            desk = self.as_it_is()
            try:
                yield desk
            except BaseException:
                self._sound = False
                raise

    async def world(self, schools: Collection[str], office: Office) -> World:
        """What decisions are taken by, as the files and rosters are now."""
        rosters = self._reachable(await self.store.rosters(schools))
        return World(office.routing(), office.calendar(), rosters, office.partitions, office.token)

    def _reachable(self, rosters: Mapping[str, Roster]) -> dict[str, Roster]:
        """The rosters without addresses at which nobody is; as long as they are equal, the same."""
        gone = frozenset(self.as_it_is().unreachable)
        for school, roster in rosters.items():
            known = self._seen.get(school)
            if known is None or known[0] is not roster or known[1] != gone:
                self._seen[school] = (roster, gone, without(roster, gone) if gone else roster)
        return {school: self._seen[school][2] for school in rosters}

    def as_it_is(self) -> Desk:
        """The desk to look at and not to change, between two awaits; perhaps not yet written.

        Raises `NotNowError` as long as another process holds it.
        """
        if not self._sound:
            raise MemorySpoiltError("an earlier failure left the memory in doubt")
        if self._desk is None:
            raise NotNowError("another process holds the memory")
        return self._desk

    async def roster(self, school: str) -> Roster | None:
        """A school's roster as it is now."""
        return (await self.store.rosters([school])).get(school)

    async def write(self, position: tuple[int, str] | None = None) -> None:
        """Write what has changed, and how far a partition is read; call it with the desk alone."""
        desk = self.as_it_is()
        await self.store.write(desk.take_changes(), position)
        for decision in desk.take_routed():
            metrics.STEPS_ROUTED.labels(decision).inc()
        outbox, dead = await self.store.counts()
        metrics.BRAKE.set(len(desk.brake))
        metrics.OUTBOX.set(outbox)
        metrics.DEAD_LETTERS.set(dead)
