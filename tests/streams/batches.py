"""Registrations packed into stream entries."""

from collections.abc import Callable, Iterator, Sequence

from shared.events import AttendanceBatch, AttendanceEvent


def batches(
    events: Sequence[AttendanceEvent], size: Callable[[], int], *, history: bool = False
) -> Iterator[AttendanceBatch]:
    """The events in their order, in entries of `size()` each."""
    while events:
        many = size()
        yield AttendanceBatch(source="invented", history=history, events=list(events[:many]))
        events = events[many:]
