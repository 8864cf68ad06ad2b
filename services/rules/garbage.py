"""Python's garbage collector, asked to look seldom."""

import gc

_MADE = 100_000


def collect_seldom() -> None:
    """Look for garbage after 100,000 new values instead of 700.

    Parsing makes many short-lived values beside millions of long-lived ones: with Python's own
    thresholds a fifth to a third of the time went into looking for garbage that isn't there.
    """
    gc.set_threshold(_MADE, 50, 50)
