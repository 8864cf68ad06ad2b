"""One call to a gateway over HTTP, and what it means when no answer comes."""

import asyncio
from typing import Any

import httpx

from services.notify.delivery import Outcome, http_outcome, no_answer

_NOT_BEGUN = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)
"""Errors after which nothing had been said to the gateway."""


class Gateway:
    """Calls over connections that are kept for the next one."""

    def __init__(self, seconds: float, login: tuple[str, str] | None = None) -> None:
        """`seconds` is how long a whole call may take."""
        self._seconds = seconds
        self._login = login
        self._client = self._new_client()

    async def call(self, method: str, url: str, **content: Any) -> httpx.Response | Outcome:
        """The answer, whatever it says; or what it means that none came. Never raises."""
        try:
            # httpx counts anew for each byte that comes, and would wait for a slow drip for ever.
            async with asyncio.timeout(self._seconds):
                return await self._client.request(method, url, **content)
        except _NOT_BEGUN as error:
            return no_answer(error, reached=False)
        except Exception as error:  # noqa: BLE001 - whatever breaks off a call is told
            return no_answer(error)

    async def aclose(self) -> None:
        """Hang up. A later call connects anew."""
        client, self._client = self._client, self._new_client()
        await client.aclose()

    def _new_client(self) -> httpx.AsyncClient:
        # To connect and then to agree on TLS must each fail before the whole call does: a call
        # that is cut off leaves a doubt.
        timeout = httpx.Timeout(self._seconds, connect=self._seconds / 3)
        return httpx.AsyncClient(auth=self._login, timeout=timeout)


def outcome_of(answer: httpx.Response) -> Outcome:
    headers = answer.headers
    return http_outcome(answer.status_code, headers.get("Retry-After"), headers.get("Date"))
