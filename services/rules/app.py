"""The rules service, wired: owns partitions, folds their streams, writes steps and checkpoints."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from faststream.redis import RedisBroker
from pydantic import ValidationError
from redis.asyncio import Redis
from starlette.applications import Starlette

from services.rules.look import Sight, registered
from services.rules.looking import look_routes
from services.rules.partition import EntryId, JudgesKnown, Memory, Message, Partition, together
from services.rules.reading import QuickBatch, read_fact
from services.rules.settings import Settings
from services.rules.store import NOTHING, SLICE, PartitionStore
from shared import metrics, streams
from shared.broker import (
    Entry,
    ServerBehindError,
    check_layout,
    follow,
    make_broker,
    make_client,
)
from shared.events import (
    AttendanceBatch,
    CaseMessage,
    CaseStep,
    Fact,
    RulebookChanged,
    UnitsCounted,
)
from shared.garbage import collecting_seldom
from shared.lease import Lease
from shared.picture import Looked, Picture, Wanted
from shared.refusals import Refusals
from shared.streams import entry_order
from shared.telemetry import Lifeline, end, note, service_app

MAX_ENTRIES = 100
"""Entries taken from a stream at once: up to 10,000 registrations, a tenth of a second's fold."""

_YIELD_SECONDS = 0.1

_MOST_LOOKED = 250
"""Pupils of a partition remembered as they were last looked at; some 20 kB each."""

_MOST_SIGHTS = 4
"""Schools of a partition of which figures are remembered; some 2 MB each."""


def create_app(settings: Settings | None = None) -> Starlette:
    """The service, wired; nothing is read or opened before it is served."""
    settings = settings or Settings()
    lifeline = Lifeline()
    owners: list[Owner] = []
    lifeline.ready = lambda: bool(owners) and all(owner.following for owner in owners)

    @asynccontextmanager
    async def running() -> AsyncIterator[None]:
        with collecting_seldom():
            async with _served():
                yield

    @asynccontextmanager
    async def _served() -> AsyncIterator[None]:
        owned = settings.owned
        broker = make_broker(settings.url, len(owned))
        client = make_client(settings.url)
        try:
            await check_layout(client, settings.partitions)
            await broker.start()
            judges: JudgesKnown = {}
            owners.extend(
                Owner(each, settings, broker, client, lifeline, judges=judges) for each in owned
            )
            tasks = [asyncio.create_task(owner.run()) for owner in owners]
            yield
            await end(*tasks)
            for owner in owners:
                await owner.stop()
        finally:
            await broker.stop()
            await client.aclose()

    looking = asyncio.Lock()

    async def pictures(wanted: Wanted) -> Looked:
        # Of pages that are asked for together, the first ones are then not as late as the last.
        async with looking:
            return await _looked(settings, owners, wanted)

    routes = look_routes(settings.internal_secret, pictures)
    return service_app(lifeline, running, routes)


async def _looked(settings: Settings, owners: Sequence["Owner"], wanted: Wanted) -> Looked:
    """Ask each pupil's owner; those whose partitions this process doesn't own are elsewhere."""
    following = {owner.number: owner for owner in owners if owner.following}
    pictures, elsewhere = {}, []
    for pupil in wanted.pupils:
        home = streams.partition_of(wanted.school, pupil, settings.partitions)
        if home not in following:
            elsewhere.append(pupil)
            continue
        picture = await following[home].look(wanted.school, pupil, brief=wanted.brief)
        if picture is not None:
            pictures[pupil] = picture
    due, unreported = 0, 0
    if wanted.coverage:
        counts = [await owner.registered(wanted.school) for owner in following.values()]
        due, unreported = (sum(each) for each in zip(*counts, strict=True)) if counts else (0, 0)
    return Looked(pictures, elsewhere, due, unreported)


class Owner:
    """One partition in this process: waits for its lease, then folds until it is stopped."""

    def __init__(
        self,
        number: int,
        settings: Settings,
        broker: RedisBroker,
        client: Redis,
        lifeline: Lifeline,
        *,
        judges: JudgesKnown,
    ) -> None:
        self.number = number
        self._judges = judges
        self.following = False
        self._settings = settings
        self._broker = broker
        self._lifeline = lifeline
        self._lease = Lease(client, streams.lease(number), settings.lease_seconds)
        self._store = PartitionStore(client, number, self._lease)
        self._partition = self._fresh(None)
        self._subscriber: Any = None
        # All owners of a process fold in turn, and each must come to renew its lease.
        self._slice = _YIELD_SECONDS / len(settings.owned)
        self._sights: dict[str, Sight] = {}
        self._looked: dict[tuple[str, str, bool], Picture | None] = {}
        """What was looked at since something was folded."""
        self._lock = asyncio.Lock()  # around fold, steps and checkpoint
        self._stopping = False
        self._midway = False
        """Folded further than steps are written: what stands is not to be written then."""
        self._folded = self._checkpoint = self._position = NOTHING
        self._events_since = 0
        self._catching_up = False
        """More waited in the stream than is taken at once."""
        self._checkpointed_at = self._fed_at = 0.0
        self._refusals = Refusals(streams.attendance(number))

    async def run(self) -> None:
        """Own the partition until cancelled; anything that escapes ends the service."""
        await self._lifeline.guard(self._own())

    async def _own(self) -> None:
        await self._lease.acquire()
        beside = [
            asyncio.create_task(self._lifeline.guard(work))
            for work in (self._keep_lease(), self._watch_server())
        ]
        try:
            await self._load()
            await self._keep_checkpoints()
        finally:
            await end(*beside)

    async def stop(self) -> None:
        """Stop reading, write what changed, give the lease up; after a failure write nothing."""
        self._stopping = True
        following, self.following = self.following, False
        if self._subscriber is not None:
            await self._subscriber.stop()
        if following:
            await self._lifeline.guard(self._last_checkpoint())
        with suppress(Exception):
            await self._lease.release()

    async def _last_checkpoint(self) -> None:
        async with self._lock:
            if self._lifeline.failure is None:
                await self._write_checkpoint()

    async def _load(self) -> None:
        started = time.monotonic()
        self._checkpoint, memory = await self._store.memory()
        self._position = await self._store.position()
        pupils = [pair async for pair in self._store.pupils()]
        self._partition = self._fresh(memory)
        self._partition.restore(pupils, entry_order(self._checkpoint))
        self._folded = self._checkpoint
        # What was loaded lives as long as the process: the garbage collector need not look at it.
        gc.freeze()
        self._fed_at = self._checkpointed_at = time.monotonic()
        self._subscriber = await follow(
            self._broker,
            streams.attendance(self.number),
            self._checkpoint,
            self._handle,
            MAX_ENTRIES,
        )
        self.following = True
        metrics.PARTITIONS_OWNED.inc()
        metrics.PUPILS.inc(len(pupils))
        note(
            "partition owned",
            partition=self.number,
            pupils=len(pupils),
            checkpoint=self._checkpoint,
            seconds=round(time.monotonic() - started, 3),
        )

    def _fresh(self, memory: Memory | None) -> Partition:
        return Partition(
            memory,
            number=self.number,
            partitions=self._settings.partitions,
            judges=self._judges,
        )

    async def _handle(self, entries: Sequence[Entry]) -> None:
        """FastStream logs and forgets what a handler raises; nothing may leave here."""
        await self._lifeline.guard(self._fold_alone(entries))

    async def _fold_alone(self, entries: Sequence[Entry]) -> None:
        async with self._lock:
            if not self._stopping and self._lifeline.failure is None:
                await self._fold(entries)

    async def _fold(self, entries: Sequence[Entry]) -> None:
        started = yielded = time.monotonic()
        self._sights.clear()
        self._looked.clear()
        pupils = self._partition.pupils
        position = entry_order(self._position)
        told: list[CaseMessage] = []
        counted: list[UnitsCounted] = []
        self._midway = True
        facts: list[tuple[EntryId, Message]] = []
        for entry in entries:
            fact = await self._read_fact(entry)
            facts += [] if fact is None else [(entry_order(entry.id), fact)]
        for group in together(facts):
            folded = self._partition.fold_together(group)
            for (order, _), each in zip(group, folded, strict=True):
                if order > position:
                    told += each.messages
                    counted += [each.counted] if each.counted else []
            now = time.monotonic()
            if now - yielded > self._slice:
                await asyncio.sleep(0)
                yielded = now
        self._folded = entries[-1].id
        if told or counted:
            await self._store.send(counted, self._settings.partitions)
            await self._store.write_steps(told, self._folded)
            self._position = self._folded
        self._midway = False
        self._fed_at = time.monotonic()
        self._catching_up = len(entries) >= MAX_ENTRIES
        self._count(told, self._partition.pupils - pupils, self._fed_at - started)
        if self._events_since >= self._settings.checkpoint_events:
            await self._write_checkpoint()

    async def _read_fact(self, entry: Entry) -> Fact | QuickBatch | None:
        self._refusals.read()
        try:
            fact = read_fact(entry.body or b"")
        except ValidationError as error:
            await self._refuse(entry, error)
            return None
        self._events_since += (
            len(fact.events) if isinstance(fact, QuickBatch | AttendanceBatch) else 1
        )
        if isinstance(fact, RulebookChanged):
            metrics.RULEBOOK_INFO.clear()
            metrics.RULEBOOK_INFO.labels(version=fact.version).set(1)
        return fact

    async def _refuse(self, entry: Entry, error: ValidationError) -> None:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        await self._store.quarantine(entry, f"{where}: {first['msg']}" if where else first["msg"])
        metrics.QUARANTINED.labels(where="stream").inc()
        note("entry quarantined", partition=self.number, entry=entry.id)
        self._refusals.refused()

    async def look(self, school: str, pupil: str, *, brief: bool) -> Picture | None:
        """A pupil as of the newest close; the same until something else has been folded."""
        async with self._lock:
            asked = (school, pupil, brief)
            if asked not in self._looked:
                started = time.monotonic()
                if len(self._sights) >= _MOST_SIGHTS:
                    self._sights.clear()
                if len(self._looked) >= _MOST_LOOKED:
                    self._looked.clear()
                sight = self._sights.setdefault(school, Sight(self._partition, school))
                self._looked[asked] = sight.look(pupil, brief=brief)
                metrics.LOOK_SECONDS.observe(time.monotonic() - started)
            picture = self._looked[asked]
        await asyncio.sleep(0)  # a page asks for many; folding and leases are not to wait for all
        return picture

    async def registered(self, school: str) -> tuple[int, int]:
        """How many lessons of a school came due, and how many of them are unreported."""
        async with self._lock:
            return registered(self._partition, school)

    async def _keep_lease(self) -> None:
        """Renew each third of the lease; nothing else may make that wait."""
        while True:
            await asyncio.sleep(self._settings.lease_seconds / 3)
            await self._lease.renew()

    async def _watch_server(self) -> None:
        """See each third of the lease that the server is where we left it."""
        while True:
            await asyncio.sleep(self._settings.lease_seconds / 3)
            if self.following and not self._lock.locked():
                folded, checkpoint = self._folded, self._checkpoint
                reached = await self._store.reached()
                if entry_order(reached.stream) < entry_order(folded) or entry_order(
                    reached.checkpoint
                ) < entry_order(checkpoint):
                    raise ServerBehindError(
                        f"{streams.attendance(self.number)} ends at {reached.stream}, "
                        f"checkpoint {reached.checkpoint}; we were at {folded} and {checkpoint}"
                    )

    async def _keep_checkpoints(self) -> None:
        """Write changed pupils whenever that is due."""
        while True:
            await asyncio.sleep(min(0.2, self._settings.checkpoint_idle_seconds / 2))
            async with self._lock:
                if self._is_due(time.monotonic()):
                    await self._write_checkpoint()

    def _is_due(self, now: float) -> bool:
        """After a silence, or after some seconds of steady work.

        While it catches up, only registrations count: nearly all pupils change then within
        seconds, and writing them again and again would make it take longer. The next entries may
        wait for other partitions' closes; only a longer silence says that there are none.
        """
        silence, since = now - self._fed_at, now - self._checkpointed_at
        idle, seconds = self._settings.checkpoint_idle_seconds, self._settings.checkpoint_seconds
        if self._catching_up:
            return silence >= max(idle, seconds)
        return silence >= idle or since >= seconds

    async def _write_checkpoint(self) -> None:
        order = entry_order(self._folded)
        if self._midway or self._folded == self._checkpoint or order < self._partition.ahead:
            return
        started = time.monotonic()
        changed = sorted(self._partition.changed)
        for first in range(0, len(changed), SLICE):
            keys = changed[first : first + SLICE]
            await self._store.write_pupils(
                [("/".join(key), self._partition.record(key, order)) for key in keys]
            )
        await self._store.write_checkpoint(self._folded, self._partition.memory)
        self._partition.checkpointed()
        self._checkpoint = self._folded
        self._events_since = 0
        self._checkpointed_at = time.monotonic()
        metrics.CHECKPOINT_SECONDS.observe(self._checkpointed_at - started)

    def _count(self, told: Sequence[CaseMessage], new_pupils: int, seconds: float) -> None:
        counts = self._partition.take_counts()
        for outcome, count in counts.outcomes.items():
            metrics.REGISTRATIONS.labels(outcome=outcome).inc(count)
        for outcome, count in counts.closes.items():
            metrics.DAY_CLOSES.labels(outcome=outcome).inc(count)
        for rule, count in counts.not_enough.items():
            metrics.NOT_ENOUGH_DATA.labels(rule=rule).inc(count)
        metrics.DAY_OFF_LESSONS.inc(counts.day_off)
        metrics.PUPILS.inc(new_pupils)
        metrics.FOLD_SECONDS.observe(seconds)
        for each in told:
            if isinstance(each, CaseStep):
                metrics.STEPS.labels(rule=each.rule, kind=each.kind, level=str(each.level)).inc()
