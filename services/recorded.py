"""Recorded events in files, as facts in the order in which they were once known."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from services.ingest.history import in_order, with_closes
from services.ingest.imports import Report, Rows
from services.ingest.profile import CANONICAL, RowEvent
from services.ingest.roster import read_roster, records
from services.rules.backtest import batched
from shared.calendar import SchoolCalendar
from shared.events import Fact


def recorded(
    events: Path, calendar: SchoolCalendar, roster: Path | None, report: Report
) -> Iterator[Fact]:
    """Roster records first, then the events as they were recorded, in batches, with their closes.

    Rows that can't be read are left out, and told in `report`. Files are read without a clock, so
    that they say the same tomorrow: a registration that is recorded far ahead isn't refused here,
    as an import would, but comes last and closes the days before it. Raises `HeaderError` and
    `ImportRefusedError`.
    """
    if roster is not None:
        read = read_roster(roster)
        first = calendar.closes_at(calendar.school_days[0])
        yield from records(read.pupils, first)
    with tempfile.TemporaryDirectory(prefix="narvara-") as folder:
        rows = Rows([events], CANONICAL, report)
        in_time = in_order(rows.counted(), Path(folder))
        yield from batched(with_closes(in_time, calendar), RowEvent)
