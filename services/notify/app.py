"""The notify service, wired: one process holds the lease, follows all case steps, and sends."""

import asyncio
import gc
import random
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from faststream.redis import RedisBroker
from redis.asyncio import Redis
from starlette.applications import Starlette

from services.notify.access_log import AccessLog
from services.notify.channels import close_channels
from services.notify.channels.configured import configured_channels
from services.notify.delivery import Outcome
from services.notify.message import Words, check_links, load_texts, trial_message
from services.notify.office import Memory, Office
from services.notify.pupils import Pupils
from services.notify.purging import PURGE, Purging
from services.notify.reader import Reader
from services.notify.routing import Routing
from services.notify.sender import Sender
from services.notify.sessions import Sessions
from services.notify.settings import Settings
from services.notify.store import LEASE, Store
from services.notify.web import Visits, web_routes
from shared.broker import Entry, check_layout, follow, make_broker, make_client
from shared.calendar import SchoolCalendar
from shared.garbage import collecting_seldom
from shared.last_good import LastGood
from shared.lease import Lease
from shared.streams import case_steps
from shared.telemetry import Lifeline, end, note, service_app

_ENTRIES = 500
"""Stream entries folded and written in one go, at most."""

_SECONDS_TO_STOP = 15
"""How long messages on their way may take before a stop cuts them off."""


def create_app(settings: Settings | None = None) -> Starlette:
    """The service as an ASGI app; no connection is made before it is served.

    Raises `NoServerError`, `ConfigError`, `TemplateRefusedError` and `NotOneSegmentError`.
    """
    settings = settings or Settings()
    office = _office(settings)
    client = make_client(settings.url)
    lease = Lease(client, LEASE, settings.lease_seconds)
    pupils = Pupils(settings.rules_urls.split(","), settings.internal_secret, time.time)
    log, store = AccessLog(client), Store(client, lease)
    memory = Memory(store, None, asyncio.Event())
    service = _Service(settings, office, client, lease, memory, pupils, log)
    service.lifeline.ready = lambda: service.following
    routes = web_routes(settings, memory, office, Visits(pupils, log, Sessions(client)))
    return service_app(service.lifeline, service.running, routes)


def _office(settings: Settings) -> Office:
    texts = load_texts(Path(__file__).parent / "templates")
    check_links(texts, settings.base_url)
    return Office(
        routing=LastGood(settings.config_dir / "routing.yaml", Routing).newest,
        calendar=LastGood(settings.config_dir / "calendar.yaml", SchoolCalendar).newest,
        channels=configured_channels(settings.data_dir / "messages", time.time),
        texts=texts,
        base_url=settings.base_url,
        partitions=settings.partitions,
        retry_seconds=settings.retry_seconds,
        token=partial(secrets.token_urlsafe, 16),
        clock=time.time,
        jitter=random.random,
    )


async def try_channel(settings: Settings, name: str, address: str, kind: Words) -> Outcome | None:
    """Send a trial message as the service would; None: it has no such channel."""
    texts = load_texts(Path(__file__).parent / "templates")
    message = trial_message(texts, settings.base_url, datetime.now(UTC), kind)
    known = configured_channels(settings.data_dir / "messages", time.time)
    try:
        return await known[name].send(address, message) if name in known else None
    finally:
        await close_channels(known.values())


@dataclass
class _Service:
    """What lives from the start of the app to its stop."""

    settings: Settings
    office: Office
    client: Redis
    lease: Lease
    memory: Memory
    pupils: Pupils
    log: AccessLog
    lifeline: Lifeline = field(default_factory=Lifeline)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    following: bool = False
    """Holds the lease and reads every partition."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        work = asyncio.create_task(self.lifeline.guard(self._work()))
        try:
            yield
        finally:
            self.stopping.set()
            self.memory.news.set()
            # One that still waits for its lease has nothing to finish.
            await asyncio.wait({work}, timeout=_SECONDS_TO_STOP if self.following else 0)
            await end(work)
            await self.client.aclose()
            await self.pupils.aclose()

    async def _work(self) -> None:
        await check_layout(self.client, self.settings.partitions)
        await self.lease.acquire()
        note("lease held", lease=LEASE)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.lease.release)
            renewing = asyncio.create_task(self.lifeline.guard(self._renew()))
            stack.push_async_callback(end, renewing)
            stack.callback(self._follow_no_more)
            stack.push_async_callback(close_channels, self.office.channels.values())
            positions = await self.memory.store.positions(self.settings.partitions)
            await self.memory.load()
            # What was loaded lives as long as the process; no page should wait for a look at it.
            stack.enter_context(collecting_seldom())
            gc.collect()
            gc.freeze()
            reader = Reader(self.memory, positions, self.office)
            watching = asyncio.create_task(self.lifeline.guard(self._watch_server(reader)))
            stack.push_async_callback(end, watching)
            broker = make_broker(self.settings.url, self.settings.partitions)
            stack.push_async_callback(broker.stop)
            await broker.start()
            for partition, position in enumerate(positions):
                await self._follow(broker, partition, position, reader)
            self.following = True
            await self._send(self.memory)

    def _follow_no_more(self) -> None:
        self.following = False
        self.memory.forget()

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self.settings.lease_seconds / 3)
            await self.lease.renew()

    async def _watch_server(self, reader: Reader) -> None:
        """See each third of the lease that the server is where we left it."""
        while True:
            await asyncio.sleep(self.settings.lease_seconds / 3)
            await reader.check_server()

    async def _follow(
        self, broker: RedisBroker, partition: int, position: str, reader: Reader
    ) -> None:
        async def handle(entries: Sequence[Entry]) -> None:
            # Unguarded, FastStream would log what is raised and read on.
            await self.lifeline.guard(reader.fold(partition, entries))

        await follow(broker, case_steps(partition), position, handle, _ENTRIES)

    async def _send(self, memory: Memory) -> None:
        sender = Sender(memory, self.office, self.stopping.is_set)
        purging = Purging(memory, self.office, self.log)
        while not self.stopping.is_set():
            self.memory.news.clear()
            asked = await sender.obey()
            await purging.purge(asked=PURGE in asked)
            if not await sender.send_due() + await sender.say():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.memory.news.wait(), 1)
