"""Reading and sending, one life after another: what a crash leaves behind is on a real server.

A crash is an exception at an effect on the world outside: a write, a fact on a stream, a message
handed over. Just before it or just after, nothing that follows in that life happens.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import count
from typing import Any, Literal, TypeVar

import msgspec
from redis.asyncio import Redis

from services.notify.channels import Channel
from services.notify.delivery import SENT, Outcome
from services.notify.desk import Changes
from services.notify.message import Composed, load_texts
from services.notify.office import Memory, Office
from services.notify.reader import Reader
from services.notify.routing import Routing
from services.notify.rows import Asked, DeadLetter, Said, Table
from services.notify.sender import Sender
from services.notify.store import LEASE, Store, key
from shared.broker import Entry
from shared.events import CaseMessage, CaseStep
from shared.lease import Lease
from shared.roster import ROSTER, Roster
from tests.notify.examples import CALENDAR, SCHOOL, reached
from tests.notify.test_message import TEMPLATES

T = TypeVar("T")

TEXTS = load_texts(TEMPLATES)

RETRY = 30.0
"""Seconds until the first new try."""

MUCH_LATER = 10_000.0
"""Seconds after which every retry is due."""


class CrashError(RuntimeError):
    """The process dies here."""


Death = Literal["", "before", "after"]


class Outside:
    """What outlives the process: the machine's clock, and a gateway for both channels.

    The gateway takes what it gets; the next outcomes can be told beforehand. One in doubt was
    taken all the same, and an exception is a crash after it was.
    """

    def __init__(self, dies: Callable[[int], Death] = lambda _: "") -> None:
        """`dies`: whether a life ends at the n-th effect of all, from 1."""
        self.now = 1000.0
        self.addresses: list[str] = []
        self.taken: list[Composed] = []
        self.next: list[Outcome | Exception] = []
        self.in_doubt: Counter[str] = Counter()
        """How often a message was taken and the process did not come to know or to write it."""
        self.effects = 0
        self._dies = dies
        self._unwritten: list[str] = []

    async def send(self, address: str, message: Composed) -> Outcome:
        return await self.effect(lambda: self._take(address, message))

    async def _take(self, address: str, message: Composed) -> Outcome:
        outcome = self.next.pop(0) if self.next else SENT
        if isinstance(outcome, Outcome) and outcome.kind != "sent" and not outcome.in_doubt:
            return outcome
        self.addresses.append(address)
        self.taken.append(message)
        if isinstance(outcome, Outcome) and outcome.in_doubt:
            self.in_doubt[message.id] += 1
        else:
            self._unwritten.append(message.id)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def effect(self, do: Callable[[], Awaitable[T]]) -> T:
        self.effects += 1
        death = self._dies(self.effects)
        if death == "before":
            raise CrashError
        result = await do()
        if death == "after":
            raise CrashError
        return result

    def written(self) -> None:
        self._unwritten.clear()

    def died(self) -> None:
        self.in_doubt.update(self._unwritten)
        self._unwritten.clear()


class MortalStore(Store):
    """A store at whose writes a process may die; it counts them."""

    def __init__(self, client: Redis, lease: Lease, outside: Outside) -> None:
        super().__init__(client, lease)
        self.writes = 0
        self._outside = outside

    async def write(self, changes: Changes, position: tuple[int, str] | None = None) -> None:
        write = super().write

        async def counted() -> None:
            await write(changes, position)
            self.writes += 1
            self._outside.written()

        await self._outside.effect(counted)

    async def say(self, said: Iterable[Said], partitions: int) -> None:
        say = super().say
        await self._outside.effect(lambda: say(said, partitions))


class Life:
    """One life of the service, from what the server holds."""

    def __init__(self, store: MortalStore, memory: Memory, reader: Reader, sender: Sender) -> None:
        self.store, self.memory, self.reader, self.sender = store, memory, reader, sender

    async def send_all(self) -> None:
        while await self.sender.send_due():
            pass
        await self.sender.say()


async def set_roster(client: Redis, known: Roster) -> None:
    call: Any = client.hset(ROSTER, SCHOOL, known.model_dump_json(by_alias=True))
    await call


async def start(client: Redis, outside: Outside, routing: Routing | None = None) -> Life:
    """A process starts; the one before it is dead, and its lease has run out."""
    outside.died()
    await client.delete(LEASE)
    lease = Lease(client, LEASE, 60)
    await lease.acquire()
    store = MortalStore(client, lease, outside)
    channels: dict[str, Channel] = {"email": outside, "sms": outside}
    tokens = (f"{lease.token[:8]}-{number}" for number in count())
    rules = routing or Routing()
    office = Office(
        routing=lambda: rules,
        calendar=lambda: CALENDAR,
        channels=channels,
        texts=TEXTS,
        base_url="https://narvara.skola.example",
        partitions=1,
        retry_seconds=RETRY,
        token=lambda: next(tokens),
        clock=lambda: outside.now,
        jitter=lambda: 1.0,
    )
    memory = Memory(store, await store.load(), asyncio.Event())
    reader = Reader(memory, await store.positions(1), office)
    return Life(store, memory, reader, Sender(memory, office))


def entries(*messages: CaseMessage) -> Sequence[Entry]:
    """Messages as entries; a step at the end is followed by the quarter-hour after its close."""
    if isinstance(messages[-1], CaseStep):
        messages = (*messages, reached(messages[-1].as_of, "17:30"))
    return [Entry(f"{n}-0", each.model_dump_json().encode()) for n, each in enumerate(messages, 1)]


async def rows(client: Redis, table: Table) -> dict[str, bytes]:
    call: Any = client.hgetall(key(table))
    return {name.decode(): row for name, row in (await call).items()}


async def letters(client: Redis, table: Table = "dead-letters") -> dict[str, DeadLetter]:
    found = await rows(client, table)
    return {name: msgspec.json.decode(row, type=DeadLetter) for name, row in found.items()}


async def ask(client: Redis, name: str, asked: Asked) -> None:
    await Store(client, Lease(client, LEASE, 60)).ask([name], asked)
