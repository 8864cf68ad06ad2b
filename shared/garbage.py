"""Python's garbage collector, asked to look seldom."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_MADE = 100_000


@contextmanager
def collecting_seldom() -> Iterator[None]:
    """Meanwhile look for garbage after 100,000 new values instead of 700.

    Parsing makes many short-lived values beside millions of long-lived ones: with Python's own
    thresholds a fifth to a third of the time went into looking for garbage that isn't there.
    """
    before = gc.get_threshold()
    gc.set_threshold(_MADE, 50, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)
