"""A gateway that is down: what waits for it waits cheaply, and is told once it is up."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from services.notify.breaker import FIRST_PAUSE
from services.notify.delivery import no_answer
from services.notify.routing import Route, Routing
from services.notify.sender import AT_ONCE
from services.notify.store import QUEUES
from shared.broker import Entry, make_client
from tests.notify.examples import WEDNESDAY, member, pupil, reached, roster, step
from tests.notify.lives import RETRY, Life, Outside, entries, rows, set_roster, start

MANY = AT_ONCE + 10
MAIL = Routing(routes=(Route(send="immediate", channels=("email",)),))
DOWN = no_answer(ConnectionRefusedError(), reached=False)


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Redis]:
    """Each teacher has one pupil."""
    teachers = [member(f"kt-{n}", "contact_teacher") for n in range(MANY)]
    pupils = [pupil(f"elev-{n}", f"kt-{n}") for n in range(MANY)]
    client = make_client(redis_url)
    await set_roster(client, roster(*teachers, *pupils, member("eht-1", "eht")))
    yield client
    await client.aclose()


async def all_are_found(life: Life) -> None:
    found = [step(pupil=f"elev-{n}") for n in range(MANY)]
    await life.reader.fold(0, entries(reached(WEDNESDAY, "16:45"), *found))


async def due(client: Redis) -> dict[str, float]:
    """When each message asks again."""
    call: Any = client.zrange(QUEUES[1], 0, -1, withscores=True)
    return {name.decode(): at for name, at in await call}


async def test_what_waits_for_a_gateway_is_not_written_anew(client: Redis) -> None:
    outside = Outside()
    outside.next = [DOWN] * AT_ONCE
    life = await start(client, outside, MAIL)
    await all_are_found(life)
    before = await rows(client, "outbox")

    await life.send_all()
    after, asked_again = await rows(client, "outbox"), await due(client)

    unchanged = [name for name, row in before.items() if after[name] == row]
    assert outside.taken == []
    assert len(unchanged) == MANY - AT_ONCE
    assert {asked_again[name] for name in unchanged} == {outside.now + FIRST_PAUSE}


async def test_once_the_gateway_is_up_each_is_told_once(client: Redis) -> None:
    outside = Outside()
    outside.next = [DOWN] * (AT_ONCE + 2)
    life = await start(client, outside, MAIL)
    await all_are_found(life)

    for _ in range(40):
        await life.send_all()
        outside.now += RETRY

    assert len(outside.taken) == len({each.id for each in outside.taken}) == MANY
    assert await rows(client, "outbox") == {}
    assert await due(client) == {}


async def test_what_is_over_while_its_gateway_is_down_is_told_to_nobody(client: Redis) -> None:
    outside = Outside()
    outside.next = [DOWN] * AT_ONCE
    life = await start(client, outside, MAIL)
    await all_are_found(life)
    await life.send_all()
    ends = [step("cleared", pupil=f"elev-{n}") for n in range(MANY)]
    more = entries(reached(WEDNESDAY, "17:45"), *ends)
    await life.reader.fold(0, [Entry(f"9{each.id}", each.body) for each in more])

    outside.now += 10 * RETRY
    await life.send_all()

    assert outside.taken == []
    assert await rows(client, "outbox") == {}
