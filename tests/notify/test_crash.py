"""What a crash may do: repeat one message once, and nothing else."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import date
from itertools import count
from typing import Any

import pytest
from redis.asyncio import Redis

from services.notify.channels import Channel
from services.notify.delivery import SENT, Outcome, no_answer
from services.notify.message import Composed, load_texts
from services.notify.office import Memory, MemorySpoiltError, Office
from services.notify.reader import Reader
from services.notify.routing import Routing
from services.notify.sender import Sender
from services.notify.store import LEASE, Store, WrittenBeforeError, key
from shared.broker import Entry, make_client
from shared.events import CaseMessage, CaseStep
from shared.lease import Lease, LeaseLostError
from shared.roster import ROSTER
from tests.notify.examples import (
    CALENDAR,
    FRIDAY,
    OTHER_PUPIL,
    SCHOOL,
    THURSDAY,
    WEDNESDAY,
    reached,
    roster,
    step,
    unit_step,
)
from tests.notify.test_message import TEMPLATES

TIME = reached(WEDNESDAY)
SLOT = reached(THURSDAY, "15:00")
AFTER = reached(WEDNESDAY, "17:15")


class Gateway:
    """Takes what it gets; the next outcomes can be told beforehand, an exception is a crash."""

    def __init__(self) -> None:
        self.addresses: list[str] = []
        self.taken: list[Composed] = []
        self.next: list[Outcome | Exception] = []

    async def send(self, address: str, message: Composed) -> Outcome:
        self.addresses.append(address)
        self.taken.append(message)
        outcome = self.next.pop(0) if self.next else SENT
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


class CrashError(RuntimeError):
    """The process dies here."""


class Process:
    """One life of the service, from what the server holds."""

    def __init__(self, client: Redis, gateway: Gateway, reader: Reader, sender: Sender) -> None:
        self.client, self.gateway, self.reader, self.sender = client, gateway, reader, sender

    async def send_all(self) -> None:
        while await self.sender.send_due():
            pass


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Redis]:
    client = make_client(redis_url)
    call: Any = client.hset(ROSTER, SCHOOL, roster().model_dump_json(by_alias=True))
    await call
    yield client
    await client.aclose()


async def start(client: Redis, gateway: Gateway, now: float = 1000) -> Process:
    await client.delete(LEASE)
    lease = Lease(client, LEASE, 60)
    await lease.acquire()
    store = Store(client, lease)
    channels: dict[str, Channel] = {"email": gateway, "sms": gateway}
    tokens = (f"token-{number}" for number in count())
    office = Office(
        routing=lambda: ROUTING,
        calendar=lambda: CALENDAR,
        channels=channels,
        texts=load_texts(TEMPLATES),
        base_url="https://narvara.skola.example",
        partitions=1,
        retry_seconds=30,
        token=lambda: next(tokens),
        clock=lambda: now,
        jitter=lambda: 1.0,
    )
    memory = Memory(store, await store.load(), asyncio.Event())
    reader = Reader(memory, await store.positions(1), office)
    return Process(client, gateway, reader, Sender(memory, office))


ROUTING = Routing()


def entries(*messages: CaseMessage) -> Sequence[Entry]:
    """Messages as entries; a step at the end is followed by the quarter-hour after its close."""
    if isinstance(messages[-1], CaseStep):
        messages = (*messages, reached(messages[-1].as_of, "17:30"))
    return [Entry(f"{n}-0", each.model_dump_json().encode()) for n, each in enumerate(messages, 1)]


async def rows(client: Redis, table: Any) -> dict[bytes, bytes]:
    call: Any = client.hgetall(key(table))
    found: dict[bytes, bytes] = await call
    return found


async def everything(client: Redis) -> dict[str, Any]:
    tables = ("findings", "outbreaks", "pending", "outbox", "messages", "ledger", "reached")
    return {table: await rows(client, table) for table in tables}


async def test_entries_that_are_read_again_change_nothing(client: Redis) -> None:
    batch = entries(TIME, step(level=3), step(pupil=OTHER_PUPIL), SLOT)
    process = await start(client, Gateway())
    await process.reader.fold(0, batch)
    before = await everything(client)

    await process.reader.fold(0, batch)
    again = await start(client, Gateway())
    await again.reader.fold(0, batch)

    assert await everything(client) == before
    assert len(before["outbox"]) == 2


async def test_a_batch_is_written_whole_or_not_at_all(client: Redis) -> None:
    process = await start(client, Gateway())
    await client.set(LEASE, "another")

    with pytest.raises(LeaseLostError):
        await process.reader.fold(0, entries(TIME, step(level=3)))

    assert not any((await everything(client)).values())
    assert await client.get("position:{notify}:0") is None


async def test_a_memory_that_may_be_wrong_is_used_no_more(client: Redis) -> None:
    process = await start(client, Gateway())
    await client.set("position:{notify}:0", "9-0")

    with pytest.raises(WrittenBeforeError):
        await process.reader.fold(0, entries(TIME, step(level=3)))
    with pytest.raises(MemorySpoiltError):
        await process.reader.fold(0, entries(TIME))


async def test_a_crash_after_sending_repeats_the_message_once_with_the_same_id(
    client: Redis,
) -> None:
    gateway = Gateway()
    gateway.next = [CrashError()]
    process = await start(client, gateway)
    await process.reader.fold(0, entries(TIME, step(level=3)))
    with pytest.raises(ExceptionGroup):
        await process.send_all()

    too_soon = await start(client, gateway, now=1001)
    await too_soon.send_all()
    sent_too_soon = len(gateway.taken)
    later = await start(client, gateway, now=1030)
    await later.send_all()
    much_later = await start(client, gateway, now=10**6)
    await much_later.send_all()

    assert sent_too_soon == 1
    assert len(gateway.taken) == 2
    assert gateway.taken[0] == gateway.taken[1]


async def test_a_correction_after_a_crash_while_sending_is_told(client: Redis) -> None:
    gateway = Gateway()
    gateway.next = [CrashError()]
    process = await start(client, gateway)
    batch = entries(TIME, step(level=3), AFTER, step("retracted", level=3, remaining=0))
    await process.reader.fold(0, batch[:3])
    with pytest.raises(ExceptionGroup):
        await process.send_all()

    again = await start(client, gateway, now=10**6)
    await again.reader.fold(0, batch)
    await again.send_all()

    first, second = gateway.taken
    assert "vänta" in first.sms
    assert "rättats" in second.sms


async def test_a_correction_that_comes_while_a_message_is_on_its_way_is_told(
    client: Redis,
) -> None:
    gateway = Gateway()
    process = await start(client, gateway)
    batch = entries(
        TIME, step(level=3, step_id="s"), AFTER, step("retracted", level=3, remaining=0)
    )
    await process.reader.fold(0, batch[:3])
    send = gateway.send

    async def slowly(address: str, message: Composed) -> Outcome:
        if not gateway.taken:
            await process.reader.fold(0, batch)
        return await send(address, message)

    gateway.send = slowly  # type: ignore[method-assign]
    await process.send_all()

    assert ["rättats" in each.sms for each in gateway.taken] == [False, True]
    assert b"s skola-1/eht-1 sms" in await rows(client, "ledger")
    assert await rows(client, "outbox") == {}


async def test_a_message_that_is_known_not_to_be_out_needs_no_correction(client: Redis) -> None:
    gateway = Gateway()
    gateway.next = [no_answer(ConnectionRefusedError(), reached=False)]
    process = await start(client, gateway)
    batch = entries(TIME, step(level=3), AFTER, step("retracted", level=3, remaining=0))
    await process.reader.fold(0, batch[:3])
    await process.send_all()

    await process.reader.fold(0, batch)
    await process.send_all()

    assert len(gateway.taken) == 1
    assert await rows(client, "outbox") == {}


async def test_a_dead_letter_tells_only_what_still_stands_when_it_is_replayed(
    client: Redis,
) -> None:
    gateway = Gateway()
    gateway.next = [Outcome("permanent", "x"), Outcome("permanent", "y")]
    process = await start(client, gateway)
    batch = entries(TIME, step(level=3), AFTER, step("cleared", level=3))
    await process.reader.fold(0, batch[:3])
    await process.send_all()
    dead = await rows(client, "dead-letters")
    await process.reader.fold(0, batch)
    call: Any = client.hset(key("replay"), next(iter(dead)), "1")
    await call

    await process.sender.replay()
    await process.send_all()

    assert len(gateway.taken) == 2
    assert await rows(client, "dead-letters") == {}
    assert await rows(client, "replay") == {}


def _an_outbreak_and_what_it_holds() -> Sequence[Entry]:
    return entries(
        TIME,
        step(level=3, step_id="damped-late"),
        step(pupil=OTHER_PUPIL, step_id="held", held_until=FRIDAY, rule="late-arrivals"),
        step(pupil=OTHER_PUPIL, level=3, step_id="gone", held_until=FRIDAY),
        unit_step(level=1, damps=("high-absence",), audience=("eht",)),
        step(pupil=OTHER_PUPIL, step_id="damped", rule="high-absence"),
        step("retracted", pupil=OTHER_PUPIL, level=3, remaining=0),
        SLOT,
        reached(THURSDAY),
        unit_step(kind="cleared", level=1, step_id="over"),
        step("raised", level=3, step_id="shadow", pupil=OTHER_PUPIL, shadow=True),
        reached(FRIDAY),
        reached(date(2025, 9, 18), "15:00"),
    )


async def test_what_is_held_is_told_once_however_often_the_process_dies(client: Redis) -> None:
    gateway = Gateway()
    batch = _an_outbreak_and_what_it_holds()
    for number in range(1, len(batch) + 1):
        process = await start(client, gateway)
        await process.reader.fold(0, batch[:number])
        again = await start(client, gateway)
        await again.reader.fold(0, batch[:number])
        await again.send_all()

    ledger = await rows(client, "ledger")
    assert sorted(ledger) == [b"damped-late skola-1/eht-1 sms", b"held skola-1/kt-1 email"]
    assert len(gateway.taken) == 2
    left = await everything(client)
    assert (left["outbreaks"], left["pending"], left["outbox"]) == ({}, {}, {})


async def test_held_entries_that_are_read_again_change_nothing(client: Redis) -> None:
    batch = _an_outbreak_and_what_it_holds()
    for number in range(1, len(batch) + 1):
        process = await start(client, Gateway())
        await process.reader.fold(0, batch[:number])
        before = await everything(client)
        await process.reader.fold(0, batch[:number])
        again = await start(client, Gateway())
        await again.reader.fold(0, batch[:number])

        assert await everything(client) == before


async def test_urgent_messages_go_before_digests(client: Redis) -> None:
    gateway = Gateway()
    process = await start(client, gateway)
    digest = step(pupil=OTHER_PUPIL, audience=("eht",))
    urgent = step(level=3, audience=("contact_teacher",))
    await process.reader.fold(0, entries(TIME, digest, SLOT, urgent, reached(THURSDAY, "15:15")))

    await process.send_all()

    assert ["vänta" in each.sms for each in gateway.taken] == [True, False]
