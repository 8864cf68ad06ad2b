"""What costs much and changes slowly is worked out at most once a minute for those who ask."""

from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

_SECONDS = 60.0

_Key = TypeVar("_Key", bound=Hashable)
_Found = TypeVar("_Found")


class OnceAMinute(Generic[_Key, _Found]):
    """Remembers what was found, by key."""

    def __init__(self) -> None:
        self._known: dict[_Key, tuple[float, _Found]] = {}

    async def get(
        self, key: _Key, now: float, find: Callable[[], Awaitable[_Found | None]]
    ) -> _Found | None:
        """What was found in the minute before `now` (seconds), else what is found now.

        None, which stands for nothing found, is not remembered.
        """
        known = self._known.get(key)
        if known is not None and known[0] <= now < known[0] + _SECONDS:
            return known[1]
        found = await find()
        self._known = {
            each: value for each, value in self._known.items() if now < value[0] + _SECONDS
        }
        if found is not None:
            self._known[key] = (now, found)
        return found
