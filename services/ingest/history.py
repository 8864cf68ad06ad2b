"""Recorded registrations into the order in which they were once known, with their day closes.

A history import and a back-test must fold what live folded: by `recorded_at`, with each day
closed once all that was recorded up to its close has come. Years of a region fit no memory,
so sorting spills to disk, and a school's closes are given only as its own events pass them.
"""

import heapq
import math
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import date
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import msgspec

from services.ingest.profile import RowEvent
from shared.calendar import SchoolCalendar
from shared.events import AttendanceEvent, DayClosed

CHUNK = 400_000
"""Events sorted in memory at a time: 50 to 150 MB; a thousand open files hold 400 million."""

_Event = TypeVar("_Event", RowEvent, AttendanceEvent)

_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(RowEvent)


def in_order(events: Iterable[RowEvent], spill_dir: Path, chunk: int = CHUNK) -> Iterator[RowEvent]:
    """The events by `recorded_at`; those recorded at the same instant stay in the given order.

    From `chunk` events on, sorted parts go to files under `spill_dir` that are gone when the
    iterator is exhausted or closed.
    """
    source = iter(events)
    part = _sorted_part(source, chunk)
    if len(part) < chunk:
        yield from part
        return
    with TemporaryDirectory(dir=spill_dir, prefix="history-") as folder:
        runs = [_spill(part, Path(folder, "0.jsonl"))]
        while part := _sorted_part(source, chunk):
            runs.append(_spill(part, Path(folder, f"{len(runs)}.jsonl")))
        yield from heapq.merge(*map(_read, runs), key=_known_at)


def _known_at(event: RowEvent | AttendanceEvent) -> int:
    if isinstance(event, RowEvent):
        return event.known_at
    return round(event.recorded_at.timestamp() * 1_000_000)


def _sorted_part(source: Iterator[RowEvent], size: int) -> list[RowEvent]:
    return sorted(islice(source, size), key=_known_at)


def _spill(part: list[RowEvent], path: Path) -> Path:
    """Write the part to a file of its own and empty it, so that one part is in memory at a time."""
    with path.open("wb") as out:
        out.writelines(_ENCODER.encode(event) + b"\n" for event in part)
    part.clear()
    return path


def _read(path: Path) -> Iterator[RowEvent]:
    with path.open("rb") as lines:
        yield from map(_DECODER.decode, lines)


def with_closes(
    events_in_order: Iterable[_Event], calendar: SchoolCalendar
) -> Iterator[_Event | DayClosed]:
    """The events with a close of each school day from a school's first to its last local date.

    Of one school, what was recorded at or before a close comes before it. Closes are held back
    until the school's next event, or the end, since only then it is known that its data go on;
    so they may come after other schools' later events, which they don't concern.
    """
    schools: dict[str, _Closes] = {}
    for event in events_in_order:
        closes = schools.get(event.school)
        if closes is None:
            closes = schools[event.school] = _Closes(event, calendar)
        closes.last = event
        known_at = _known_at(event)
        while closes.coming[0][0] < known_at:
            yield closes.take()
        yield event
    rest = [close for closes in schools.values() for close in closes.at_the_end()]
    yield from sorted(rest, key=lambda close: (close.date, close.school))


class _Closes:
    """The school days that one school has yet to close, from its first recorded date on."""

    def __init__(self, first: RowEvent | AttendanceEvent, calendar: SchoolCalendar) -> None:
        self.last = first
        """The school's newest event."""
        begin = calendar.moment(first.recorded_at).date
        days = calendar.between(begin, calendar.school_days[-1])
        self.coming: deque[tuple[float, date]] = deque(
            (calendar.closes_at_microseconds(day.toordinal()), day) for day in days
        )
        """When each day closes, as microseconds since 1970, UTC; at the end one that never does."""
        self.coming.append((math.inf, date.max))
        self._calendar = calendar

    def take(self) -> DayClosed:
        return DayClosed(school=self.last.school, date=self.coming.popleft()[1], history=True)

    def at_the_end(self) -> Iterator[DayClosed]:
        last = self._calendar.moment(self.last.recorded_at).date
        while self.coming[0][1] <= last:
            yield self.take()
