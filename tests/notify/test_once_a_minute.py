"""What is counted for a page is remembered for a minute, and no longer."""

from collections.abc import Awaitable, Callable

from services.notify.once_a_minute import OnceAMinute


def counting(*found: int | None) -> Callable[[], Awaitable[int | None]]:
    """Finds one after the other."""
    left = iter(found)

    async def find() -> int | None:
        return next(left)

    return find


async def test_what_was_found_is_told_for_a_minute_and_then_found_anew() -> None:
    known, find = OnceAMinute[str, int](), counting(1, 2)

    told = [await known.get("skola-1", now, find) for now in (0.0, 59.9, 60.0, 119.9)]

    assert told == [1, 1, 2, 2]


async def test_each_is_remembered_by_itself() -> None:
    known, find = OnceAMinute[str, int](), counting(1, 2)

    told = [await known.get(name, 0.0, find) for name in ("skola-1", "skola-2", "skola-1")]

    assert told == [1, 2, 1]


async def test_that_nothing_was_found_is_not_remembered() -> None:
    known, find = OnceAMinute[str, int](), counting(None, 3)

    assert [await known.get("skola-1", 0.0, find) for _ in range(2)] == [None, 3]
