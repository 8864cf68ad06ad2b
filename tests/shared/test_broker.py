"""The client that all services use."""

import asyncio

from shared.broker import make_client


async def test_calls_beyond_the_connections_wait_for_one(redis_url: str) -> None:
    client = make_client(redis_url)
    try:
        found = await asyncio.gather(*(client.get("nothing") for _ in range(500)))
    finally:
        await client.aclose()

    assert found == [None] * 500
