"""Registrations as canonical CSV: what `profile` reads, this writes.

An archive, a simulated school and a back-test's input are the same kind of file, and reading
back what was written gives the same registrations, their offsets included.
"""

import re
from collections.abc import Iterable
from itertools import chain
from typing import TextIO

from services.ingest.profile import CANONICAL
from shared.events import AttendanceEvent, Status

_NO_MINUTES = frozenset({Status.UNREPORTED, Status.WITHDRAWN})
_SPECIAL = re.compile(r'[",\r\n]')


def write_events(
    events: Iterable[AttendanceEvent], out: TextIO, *, group: bool | None = None
) -> int:
    """Write the header and a row for each event, as they come; return how many there were.

    Open `out` in UTF-8 with `newline=""`. `group` says whether there is a column for it; left
    out, there is when the first event has one. `ValueError` where an event's group would be
    lost. Absent minutes are left out only where nobody reported any: of unreported and
    withdrawn lessons.
    """
    coming = iter(events)
    first = next(coming, None)
    if group is None:
        group = first is not None and bool(first.group)
    columns = CANONICAL.columns + (CANONICAL.optional if group else ())
    out.write(",".join(columns) + "\n")
    count = 0
    for event in chain(() if first is None else (first,), coming):
        out.write(_row(event, group=group))
        count += 1
    return count


def _row(event: AttendanceEvent, *, group: bool) -> str:
    if event.group and not group:
        raise ValueError("an event has a group, and there is no column for it; ask for one")
    absent = str(event.absent_minutes)
    if not event.absent_minutes and event.status in _NO_MINUTES:
        absent = ""
    return (
        f"{_cell(event.school)},{_cell(event.pupil)},{_cell(event.lesson)},"
        f"{event.starts_at.isoformat()},{event.minutes},{_cell(event.subject)},"
        f"{event.status.value},{absent},{event.recorded_at.isoformat()}"
        f"{',' + _cell(event.group) if group else ''}\n"
    )


def _cell(text: str) -> str:
    # csv.writer leaves a lone carriage return unquoted before Python 3.13, and readers split there.
    return '"' + text.replace('"', '""') + '"' if _SPECIAL.search(text) else text
