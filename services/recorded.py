"""Recorded events in files, as facts in the order in which they were once known."""

import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from services.ingest.history import in_order, with_closes
from services.ingest.imports import Report, Rows
from services.ingest.profile import CANONICAL, RowEvent
from services.ingest.roster import read_roster, records
from services.rules.backtest import batched
from shared.calendar import SchoolCalendar
from shared.events import Fact

_AFTER_THE_CALENDAR = timedelta(days=366)


def recorded(
    events: Path, calendar: SchoolCalendar, roster: Path | None, report: Report
) -> Iterator[Fact]:
    """Roster records first, then the events as they were recorded, in batches, with their closes.

    Rows that can't be read are left out, and told in `report`. Files are read without a clock, so
    that they say the same tomorrow: what was recorded more than a year after the calendar's last
    day is refused, not what is still to come. Raises `HeaderError` and `ImportRefusedError`.
    """
    if roster is not None:
        read = read_roster(roster)
        first = calendar.closes_at(calendar.school_days[0])
        yield from records(read.pupils, first)
    with tempfile.TemporaryDirectory(prefix="narvara-") as folder:
        newest = calendar.closes_at(calendar.school_days[-1]) + _AFTER_THE_CALENDAR
        rows = Rows([events], CANONICAL, report, newest)
        in_time = in_order(rows.counted(), Path(folder))
        yield from batched(with_closes(in_time, calendar), RowEvent)
