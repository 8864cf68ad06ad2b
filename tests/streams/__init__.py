"""Streams of invented facts that lead into every corner of a finding's life.

The tests of rules compare on them what the service gives with what the oracle gives. They are
tuned, not realistic: short school years, few lessons a day, and corrections, withdrawals and late
records far more often than any school has them.
"""

from tests.streams.files import (
    CALENDAR,
    CALENDAR_CONTENT,
    CASE_RULEBOOK,
    EVERY_INDICATOR_RULEBOOK,
    EVERY_RULEBOOKS,
    RULEBOOK_CONTENT,
    RULEBOOK_VARIANTS,
    SMALL_CALENDAR_CONTENT,
    SMALL_EVERY_RULEBOOK,
    SMALL_RULEBOOK_CONTENT,
)
from tests.streams.seeded import random_stream
from tests.streams.small import day_of_events, reordered_streams, small_streams

__all__ = [
    "CALENDAR",
    "CALENDAR_CONTENT",
    "CASE_RULEBOOK",
    "EVERY_INDICATOR_RULEBOOK",
    "EVERY_RULEBOOKS",
    "RULEBOOK_CONTENT",
    "RULEBOOK_VARIANTS",
    "SMALL_CALENDAR_CONTENT",
    "SMALL_EVERY_RULEBOOK",
    "SMALL_RULEBOOK_CONTENT",
    "day_of_events",
    "random_stream",
    "reordered_streams",
    "small_streams",
]
