"""The purge: what has been kept long enough is taken away, a slice at a time.

Once on each date of school time, and when asked for. A crash in between is no harm: what is left
is past its time still.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from services.notify.access_log import AccessLog
from services.notify.office import Memory, Office
from services.notify.outbox import newest_time
from services.notify.retention import TABLES, Past, read
from services.notify.rows import Table
from services.notify.store import Store
from shared import metrics
from shared.telemetry import note

PURGE = "/purge"
"""Under which the purge is asked for; no message, address or brake has that name."""


@dataclass
class Found:
    """What there is of one table."""

    rows: int = 0
    oldest: date | None = None
    due: int = 0

    def look(self, table: Table, rows: Mapping[str, bytes], past: Past) -> list[str]:
        """Count some rows in; returns those that are past their time."""
        due = []
        for name, raw in rows.items():
            row = read(table, raw)
            day = TABLES[table].day(row)
            self.rows += 1
            self.oldest = min(self.oldest or day, day)
            if past.has(table, name, row):
                due.append(name)
        self.due += len(due)
        return due


class Purging:
    """Purges for the process that holds the memory."""

    def __init__(self, memory: Memory, office: Office, log: AccessLog) -> None:
        self._memory = memory
        self._log = log
        self._office = office
        self._done: date | None = None

    async def purge(self, *, asked: bool = False) -> dict[Table, Found]:
        """Take away what is past its time, unless that has been done on this date already."""
        at = newest_time(self._memory.as_it_is())
        on = self._office.calendar().local_date(at) if at else None
        if on is None or (on == self._done and not asked):
            return {}
        past, found = Past(self._memory.as_it_is(), self._office.routing().retention, on), {}
        for table in TABLES:
            found[table] = await self._purge(table, past)
        days = self._office.routing().retention.access_log
        if days is not None:
            await self._log.trim(datetime.combine(on - timedelta(days=days), time(), UTC))
        self._done = on
        gone = {table: each.due for table, each in found.items() if each.due}
        if gone:
            note("purged", **gone)
        return found

    async def _purge(self, table: Table, past: Past) -> Found:
        store, found = self._memory.store, Found()
        async for rows in store.slices(table):
            due = found.look(table, rows, past)
            if due:
                async with self._memory.alone() as desk:
                    for name in due:
                        desk.drop(table, name)
                    await self._memory.write()
                metrics.PURGED.labels(table).inc(len(due))
        age = (past.on - found.oldest).days if found.oldest else 0
        metrics.OLDEST_ROW.labels(table).set(age)
        return found


async def look(store: Store, past: Past) -> AsyncIterator[tuple[Table, Found]]:
    """What there is of each table, and how much of it is past its time; changes nothing."""
    for table in TABLES:
        found = Found()
        async for rows in store.slices(table):
            found.look(table, rows, past)
        yield table, found
