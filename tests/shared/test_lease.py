"""One owner at a time, and nothing that is written twice: on a real server."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from shared.broker import LayoutError, check_layout, make_client
from shared.lease import Lease, LeaseLostError

KEY, POSITION, LOG = "lease:{0}", "position:{0}", "log:{0}"


@pytest_asyncio.fixture
async def client(redis_url: str) -> AsyncIterator[Redis]:
    client = make_client(redis_url)
    yield client
    await client.aclose()


def lease(client: Redis, seconds: float = 30) -> Lease:
    return Lease(client, KEY, seconds)


async def written(client: Redis) -> Any:
    return await client.lrange(LOG, 0, -1)


async def test_a_second_owner_waits_and_takes_over_when_the_first_gives_up(client: Redis) -> None:
    first, second = lease(client, seconds=1), lease(client, seconds=1)
    await first.acquire()

    waiting = asyncio.create_task(second.acquire())
    for _ in range(6):  # longer than the lease: it is renewed
        await asyncio.sleep(0.25)
        await first.renew()
    waited = not waiting.done()
    await first.release()
    await asyncio.wait_for(waiting, 2)

    assert waited
    with pytest.raises(LeaseLostError):
        await first.renew()


async def test_a_second_owner_takes_over_from_one_that_fell_silent(client: Redis) -> None:
    first, second = lease(client, seconds=1), lease(client, seconds=1)
    await first.acquire()

    await asyncio.wait_for(second.acquire(), 3)

    with pytest.raises(LeaseLostError):
        await first.write([("RPUSH", LOG, "late")])
    assert await second.write([("RPUSH", LOG, "mine")])
    assert await written(client) == [b"mine"]


async def test_an_owner_whose_lease_is_gone_writes_nothing_of_many_commands(client: Redis) -> None:
    owner = lease(client)
    await owner.acquire()
    await client.delete(KEY)

    with pytest.raises(LeaseLostError, match="nothing was written"):
        await owner.write([("RPUSH", LOG, "a"), ("RPUSH", LOG, "b")], position=(POSITION, "1-0"))

    assert await written(client) == []
    assert await client.get(POSITION) is None


async def test_what_an_entry_caused_is_written_once(client: Redis) -> None:
    owner = lease(client)
    await owner.acquire()

    first = await owner.write([("RPUSH", LOG, "a")], position=(POSITION, "7-1"))
    again = await owner.write([("RPUSH", LOG, "a")], position=(POSITION, "7-1"))
    older = await owner.write([("RPUSH", LOG, "b")], position=(POSITION, "6-9"))

    assert (first, again, older) == (True, False, False)
    assert await written(client) == [b"a"]
    assert await client.get(POSITION) == b"7-1"


@pytest.mark.parametrize(
    ("entry", "later"),
    [("7-9", "7-10"), ("9-0", "10-0"), ("999-5", "1000-0"), ("1756111111111-9", "1756111111112-0")],
)
async def test_positions_are_compared_as_numbers(client: Redis, entry: str, later: str) -> None:
    owner = lease(client)
    await owner.acquire()

    assert await owner.write([("RPUSH", LOG, "a")], position=(POSITION, entry))
    assert await owner.write([("RPUSH", LOG, "b")], position=(POSITION, later))
    assert not await owner.write([("RPUSH", LOG, "c")], position=(POSITION, entry))


async def test_values_of_any_bytes_come_through_whole(client: Redis) -> None:
    owner = lease(client)
    await owner.acquire()
    value = bytes(range(256)) * 100

    await owner.write([("HSET", "pupils:{0}", "å/ä", value, "b", b"")])

    assert await client.hgetall("pupils:{0}") == {"å/ä".encode(): value, b"b": b""}


async def test_giving_up_a_lease_leaves_another_owners_alone(client: Redis) -> None:
    first, second = lease(client), lease(client)
    await first.acquire()
    await client.delete(KEY)
    await second.acquire()

    await first.release()

    assert await client.get(KEY) == second.token.encode()


async def test_the_number_of_partitions_is_stored_once_and_then_refused_otherwise(
    client: Redis,
) -> None:
    await check_layout(client, 8)
    await check_layout(client, 8)

    with pytest.raises(LayoutError, match=r"lies in 8 partitions.*set it to 8"):
        await check_layout(client, 4)
