"""A school's case steps on a real server, the notify service that reads them, and who is told."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from redis.asyncio import Redis
from starlette.applications import Starlette

from services.notify.app import create_app
from services.notify.settings import Settings
from services.notify.store import key
from shared.events import FACT, CaseMessage, CaseStep, Fact, TimeReached
from shared.roster import ROSTER
from shared.streams import BODY, attendance, case_steps
from shared.telemetry import Lifeline
from tests.notify.examples import SCHOOL, reached
from tests.notify.gateways import MailServer

PARTITIONS = 2
LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass
class School:
    """A school's case steps on a real server, and the service that reads them."""

    settings: Settings
    client: Redis
    last: datetime = LONG_AGO
    """The newest quarter-hour that has come."""

    async def happens(self, *messages: CaseMessage, partition: int = 0) -> None:
        """Messages come on one partition; the quarter-hour after a step's close on all of them."""
        await self.come(*messages, partition=partition)
        closes = [message.as_of for message in messages if isinstance(message, CaseStep)]
        if closes:
            later = max(self.last, reached(max(closes), "17:00").at) + timedelta(minutes=15)
            await self.time_passes(TimeReached(at=later))

    async def come(self, *messages: CaseMessage, partition: int = 0) -> None:
        for message in messages:
            if isinstance(message, TimeReached):
                self.last = message.at
            fields: Any = {BODY: message.model_dump_json()}
            await self.client.xadd(case_steps(partition), fields)

    async def time_passes(self, *messages: CaseMessage) -> None:
        """School time comes in every partition."""
        for partition in range(PARTITIONS):
            await self.come(*messages, partition=partition)

    async def rows(self, table: Any) -> dict[str, Any]:
        call: Any = self.client.hgetall(key(table))
        return {name.decode(): json.loads(row) for name, row in (await call).items()}

    async def set_roster(self, content: str) -> None:
        call: Any = self.client.hset(ROSTER, SCHOOL, content)
        await call

    async def all_folded(self) -> None:
        async def folded() -> bool:
            for partition in range(PARTITIONS):
                newest: Any = await self.client.xrevrange(case_steps(partition), count=1)
                position = await self.client.get(f"position:{{notify}}:{partition}")
                if newest and newest[0][0] != position:
                    return False
            return True

        await eventually(folded)

    async def nothing_waits(self) -> None:
        async def settled() -> bool:
            return not await self.rows("outbox") and not await self.rows("said")

        await eventually(settled)

    async def told(self, partition: int) -> list[Fact]:
        """What rules hears on a partition."""
        stream: Any = await self.client.xrange(attendance(partition))
        return [FACT.validate_json(fields[BODY]) for _, fields in stream]

    @asynccontextmanager
    async def notify(self) -> AsyncIterator[Starlette]:
        app = create_app(self.settings)
        async with app.router.lifespan_context(app):
            lifeline: Lifeline = app.state.lifeline

            async def ready() -> bool:
                assert lifeline.failure is None
                return lifeline.ready()

            await eventually(ready)
            yield app
            assert lifeline.failure is None


async def eventually(holds: Callable[[], Any], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not await holds():
            await asyncio.sleep(0.02)


async def until(holds: Callable[[], bool], seconds: float = 10) -> None:
    async def asked() -> bool:
        return holds()

    await eventually(asked, seconds)


async def get(app: Starlette, path: str) -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(
        transport=transport, base_url="https://narvara.skola.example", follow_redirects=True
    ) as client:
        return await client.get(path)


async def post(app: Starlette, path: str, **fields: Any) -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://notify") as client:
        return await client.post(path, data=fields)


def link_in(text: str) -> str:
    return next(word for word in text.split() if word.startswith("https://"))


def text_of(mail: MailServer, number: int = 0) -> str:
    body = mail.mails[number].get_body(("plain",))
    assert body is not None
    return str(body.get_content())
