"""The ingest service, wired: sends config changes and school time into the streams.

The one place that reads this machine's clock for school time; with a simulated clock it reads
what the simulator has set and the machine's never.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from redis.asyncio import Redis
from starlette.applications import Starlette
from watchfiles import awatch

from services.ingest.config_files import send_config
from services.ingest.publish import Publisher
from services.ingest.school_time import due
from services.ingest.settings import Settings
from services.ingest.store import IngestStore
from shared import metrics
from shared.broker import check_layout, make_client
from shared.calendar import SchoolCalendar
from shared.config import CALENDAR, RULEBOOK
from shared.events import DayClosed
from shared.last_good import LastGood
from shared.rulebook import Rulebook
from shared.settings import Settings as SharedSettings
from shared.telemetry import Lifeline, end, note, service_app

_POLL_SECONDS = {"system": 1.0, "simulated": 0.01}


async def school_now(settings: SharedSettings, store: IngestStore) -> datetime | None:
    """School time: this machine's clock, or the simulated one (None before it is set)."""
    if settings.clock == "simulated":
        return await store.simulated_now()
    return datetime.now(UTC)


def newest_recorded(settings: SharedSettings) -> datetime | None:
    """Up to when a registration may have been recorded by now: clocks differ, by a day at most.

    None with a simulated clock: what is to come there is for the simulator to say.
    """
    return None if settings.clock == "simulated" else datetime.now(UTC) + timedelta(days=1)


async def turn_clock(store: IngestStore, now: datetime) -> None:
    """Set the simulated clock, and wait until what it brings is in the streams."""
    await store.set_simulated_now(now)
    while (reached := await store.reached()) is None or reached < now:
        await asyncio.sleep(0.005)


def create_app(settings: Settings | None = None) -> Starlette:
    """The service, wired; nothing is read or opened before it is served."""
    settings = settings or Settings()
    lifeline = Lifeline()
    started = asyncio.Event()
    lifeline.ready = started.is_set

    @asynccontextmanager
    async def running() -> AsyncIterator[None]:
        client = make_client(settings.url)
        try:
            await check_layout(client, settings.partitions)
            clockwork = Clockwork(settings, IngestStore(client), client)
            await clockwork.send_config()
            started.set()
            tasks = [
                asyncio.create_task(lifeline.guard(clockwork.watch_config())),
                asyncio.create_task(lifeline.guard(clockwork.keep_time())),
            ]
            yield
            await end(*tasks)
        finally:
            await client.aclose()

    return service_app(lifeline, running)


class Clockwork:
    """Sends what time and the config folder bring, in one order."""

    def __init__(self, settings: Settings, store: IngestStore, client: Redis) -> None:
        self._settings = settings
        self._store = store
        self._calendar = LastGood(settings.config_dir / CALENDAR, SchoolCalendar)
        self._rulebook = LastGood(settings.config_dir / RULEBOOK, Rulebook)
        self._publisher = Publisher(client, settings.partitions, "clock")
        self._lock = asyncio.Lock()

    async def send_config(self) -> None:
        async with self._lock:
            await send_config(
                self._store, self._publisher, self._calendar.newest(), self._rulebook.newest()
            )

    async def watch_config(self) -> None:
        """Read the files again whenever something in their folder changes."""
        async for _ in awatch(self._settings.config_dir, recursive=False):
            await self.send_config()

    async def keep_time(self) -> None:
        """Send closes and quarter-hours as school time reaches them."""
        seconds = _POLL_SECONDS[self._settings.clock]
        done: datetime | None = None
        while True:
            now = await school_now(self._settings, self._store)
            if now is not None and now != done:
                await self._advance(now)
                done = now
            await asyncio.sleep(seconds)

    async def _advance(self, now: datetime) -> None:
        store = self._store
        reached = await store.reached()
        if reached is not None and now < reached:
            return
        messages = list(
            due(self._calendar.newest(), now, reached, await store.live(), await store.closed())
        )
        async with self._lock:
            for message in messages:
                await self._publisher.send(message)
            await self._publisher.flush()
        for message in messages:
            if isinstance(message, DayClosed):
                await store.close(message.school, message.date)
                metrics.CLOSES_SENT.inc()
                note("day closed", school=message.school, date=message.date.isoformat())
        if messages or self._settings.clock == "simulated":
            await store.reach(now)
        metrics.SCHOOL_TIME.set(now.timestamp())
