"""Registrations as canonical CSV: what `profile` reads, this writes.

An archive, a simulated school and a back-test's input are the same kind of file, and reading
back what was written gives the same registrations, their offsets included.
"""

import re
from collections.abc import Iterable
from typing import TextIO

from services.ingest.profile import CANONICAL
from shared.events import AttendanceEvent, Status

_NO_MINUTES = frozenset({Status.UNREPORTED, Status.WITHDRAWN})
_SPECIAL = re.compile(r'[",\r\n]')


def write_events(events: Iterable[AttendanceEvent], out: TextIO) -> int:
    """Write the header and a row for each event, as they come; return how many there were.

    Open `out` in UTF-8 with `newline=""`. Absent minutes are left out only where nobody
    reported any: of unreported and withdrawn lessons.
    """
    out.write(",".join(CANONICAL.columns) + "\n")
    count = 0
    for event in events:
        out.write(_row(event))
        count += 1
    return count


def _row(event: AttendanceEvent) -> str:
    absent = str(event.absent_minutes)
    if not event.absent_minutes and event.status in _NO_MINUTES:
        absent = ""
    return (
        f"{_cell(event.school)},{_cell(event.pupil)},{_cell(event.lesson)},"
        f"{event.starts_at.isoformat()},{event.minutes},{_cell(event.subject)},"
        f"{event.status.value},{absent},{event.recorded_at.isoformat()}\n"
    )


def _cell(text: str) -> str:
    # csv.writer leaves a lone carriage return unquoted before Python 3.13, and readers split there.
    return '"' + text.replace('"', '""') + '"' if _SPECIAL.search(text) else text
