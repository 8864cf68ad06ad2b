"""How long what notify writes is kept, and which rows are past that. Pure.

A municipal school may destroy only by its own plan for documents, so each period is a setting of
`routing.yaml`, and none need end. What still stands is never past its time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any

import msgspec

from services.notify.desk import Desk
from services.notify.routing import Keep, Retention
from services.notify.rows import (
    DeadLetter,
    Decision,
    Delivery,
    Fate,
    Happened,
    Investigation,
    Note,
    Page,
    Refused,
    Row,
    Signal,
    Table,
    Taken,
    about,
)


@dataclass(frozen=True)
class Kept:
    """How rows of a table age: by which setting, and from which day."""

    row: type[Row]
    by: Keep
    day: Callable[[Any], date]


_MILLISECONDS = 1000

TABLES: Mapping[Table, Kept] = {
    "signals": Kept(Signal, "signals", lambda row: row.since),
    "fates": Kept(Fate, "signals", lambda row: row.as_of),
    "ledger": Kept(Delivery, "signals", lambda row: row.at.date()),
    "history": Kept(Happened, "signals", lambda row: row.on),
    "dropped": Kept(DeadLetter, "signals", lambda row: row.at.date()),
    "investigations": Kept(Investigation, "signals", lambda row: row.ended or row.begun),
    "notes": Kept(Note, "notes", lambda row: row.at.date()),
    "decisions": Kept(Decision, "notes", lambda row: row.by),
    "messages": Kept(Page, "links", lambda row: row.made.date()),
    "taken": Kept(Taken, "links", lambda row: row.on),
    "quarantine": Kept(
        Refused,
        "quarantine",
        lambda row: datetime.fromtimestamp(
            int(row.entry.partition("-")[0]) / _MILLISECONDS, UTC
        ).date(),
    ),
}
"""Every table that grows with time; the others hold what stands."""


class Past:
    """Tells rows that are past their time on a date. Those of what still stands never are."""

    def __init__(self, desk: Desk, keep: Retention, on: date) -> None:
        self.on = on
        self._keep = keep
        self._desk = desk

    def has(self, table: Table, name: str, row: Any) -> bool:
        """Is a row older than it is to be kept? On the last day it is kept still."""
        kept = TABLES[table]
        days = getattr(self._keep, kept.by)
        is_old = days is not None and (self.on - kept.day(row)).days > days
        return is_old and not self._stands(name, row)

    @cached_property
    def _steps(self) -> set[str]:
        """The steps of all that stands. Many megabytes: made when something is old enough."""
        # Copied at once: another thread may be taking away what no longer has to be corrected.
        findings = list(self._desk.findings.values())
        steps = {step for each in findings for step in (each.opened, each.shows, *each.steps)}
        steps.update(each.shows for each in list(self._desk.corrections.values()))
        return steps

    def _stands(self, name: str, row: Any) -> bool:
        first = name.partition(" ")[0]
        match row:
            case Signal() | Fate() | Delivery():
                return first in self._steps
            case Happened():
                return bool(self._desk.of(first))
            case Note() | Decision():
                is_open = isinstance(row, Decision) and row.done is None
                return is_open or bool(self._desk.of(about(row.school, row.pupil, "")))
            case Investigation():
                return row.is_open or bool(row.owed)
        return False


def read(table: Table, raw: bytes) -> Row:
    """A row as it was written."""
    row: Row = msgspec.json.decode(raw, type=TABLES[table].row)
    return row
