"""Pupils as the rules service has them: asked over HTTP, by token, of whoever owns them."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import httpx
import msgspec

from services.notify.once_a_minute import OnceAMinute
from shared.picture import MOST, PATH, Looked, Picture, Wanted
from shared.telemetry import note

_SECONDS = 3.0

_LOOKED = msgspec.json.Decoder(Looked)


class Pupils:
    """Asks the rules service. Whoever can't be looked at just now is left out."""

    def __init__(self, urls: Sequence[str], secret: str, clock: Callable[[], float]) -> None:
        """`urls`: of all processes that own partitions. Without a secret nobody is looked at."""
        self._clock = clock
        self._coverage: OnceAMinute[str, float] = OnceAMinute()
        self._urls = tuple(url.rstrip("/") + PATH for url in urls) if secret else ()
        headers = {"Authorization": f"Bearer {secret}"}
        self._client = httpx.AsyncClient(headers=headers, timeout=_SECONDS)

    async def pictures(
        self, school: str, pupils: Sequence[str], *, brief: bool
    ) -> Mapping[str, Picture]:
        """By pupil; whoever is unknown, or can't be looked at just now, is left out."""
        found: dict[str, Picture] = {}
        for first in range(0, len(pupils), MOST):
            left = list(pupils[first : first + MOST])
            for url in self._urls:
                looked = await self._ask(url, Wanted(school, left, brief))
                found.update(looked.pictures)
                left = looked.elsewhere
                if not left:
                    break
        return found

    async def coverage(self, school: str) -> float | None:
        """Share of a school's lessons that is registered; None: that can't be told just now.

        Of eight weeks, so it is asked for once a minute at most.
        """
        return await self._coverage.get(
            school, self._clock(), partial(self._asked_coverage, school)
        )

    async def _asked_coverage(self, school: str) -> float | None:
        looked = [await self._ask(url, Wanted(school, [], coverage=True)) for url in self._urls]
        due = sum(each.due for each in looked)
        return 1 - sum(each.unreported for each in looked) / due if due else None

    async def _ask(self, url: str, wanted: Wanted) -> Looked:
        try:
            answer = await self._client.post(url, content=msgspec.json.encode(wanted))
            answer.raise_for_status()
            return _LOOKED.decode(answer.content)
        except (httpx.HTTPError, msgspec.DecodeError) as error:
            note("rules can't be asked", error=type(error).__name__)
            return Looked(elsewhere=wanted.pupils)

    async def aclose(self) -> None:
        await self._client.aclose()
