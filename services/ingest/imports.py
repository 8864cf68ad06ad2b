"""Imports: files of registrations into the streams, what can't be read into the quarantine.

A history import sends past days as they were once known, with their closes, and tells nobody;
a live one sends what is new and puts the school on the clock. Either may be repeated or cut
short and repeated: what is known already changes nothing.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

from services.ingest.csv_rows import open_rows
from services.ingest.history import in_order, with_closes
from services.ingest.profile import Accepted, Profile, Refused, RowEvent, read_rows
from services.ingest.roster import Roster, records
from shared.calendar import SchoolCalendar
from shared.events import DayClosed, SchoolLive
from shared.roster import Roster as SchoolRoster

if TYPE_CHECKING:  # rows are also read without a server, and what speaks to one loads slowly
    from services.ingest.publish import Publisher
    from services.ingest.store import IngestStore

REFUSED_SHARE = 0.5
REFUSED_WINDOW = 1000

_LOCK_SECONDS = 120
_LOCK_EVERY = 50_000

Progress = Callable[[int], None]
"""Told how many rows have been read so far."""


class ImportRefusedError(RuntimeError):
    """The import can't be done as asked; the report says what of it was sent before."""


@dataclass
class Report:
    """What an import met. `refused` counts rows; the quarantine holds as many of them."""

    read: int = 0
    sent: int = 0
    refused: int = 0
    closes: int = 0
    reasons: list[tuple[Path, Refused]] = field(default_factory=list)
    """The first refusals, to be shown."""


SHOWN_REFUSALS = 100


class Rows:
    """The registrations in some files, lazily; refusals go to the report and to `refused`.

    Iterated, it begins anew and counts nothing; `counted` is the pass whose rows are sent.
    """

    def __init__(
        self, files: list[Path], profile: Profile, report: Report, newest: datetime | None = None
    ) -> None:
        """`newest`: rows that were recorded later are refused."""
        self._newest = newest
        self._files = files
        self._profile = profile
        self._report = report
        self._seen: Counter[str] = Counter()
        self.waiting: list[tuple[str, dict[str, object]]] = []
        """Digests and rows for the quarantine; taken by whoever sends."""

    def __iter__(self) -> Iterator[RowEvent]:
        return self._read(Report(), keep=False)

    def counted(self) -> Iterator[RowEvent]:
        """The registrations, counted; what is refused waits in `waiting`."""
        return self._read(self._report, keep=True)

    def _read(self, report: Report, *, keep: bool) -> Iterator[RowEvent]:
        refused_before = report.refused
        for file in self._files:
            with open_rows(file) as lines:
                for row in read_rows(lines, self._profile, self._newest):
                    report.read += 1
                    if isinstance(row, Accepted):
                        yield row.registration
                    else:
                        report.refused += 1
                        refused = row
                        if keep:
                            self._keep(file, row)
                    if report.read % REFUSED_WINDOW == 0:
                        recent, refused_before = report.refused - refused_before, report.refused
                        if recent > REFUSED_SHARE * REFUSED_WINDOW:
                            raise ImportRefusedError(
                                f"{recent} of {REFUSED_WINDOW} rows up to line {row.line} of "
                                f"{file} were refused, such as line {refused.line}: "
                                f"{refused.reason}; the file or the profile is wrong"
                            )

    def _keep(self, file: Path, row: Refused) -> None:
        if len(self._report.reasons) < SHOWN_REFUSALS:
            self._report.reasons.append((file, row))
        # The same row may stand in a file twice, and is then kept twice; the same file again is
        # not, so a repeat of the import adds nothing.
        self._seen[row.raw] += 1
        digest = sha256(f"{self._seen[row.raw]}\x1f{row.raw}".encode()).hexdigest()[:32]
        kept: dict[str, object] = {
            "where": "import",
            "file": file.name,
            "line": row.line,
            "reason": row.reason,
            "header": self._profile.delimiter.join(row.header),
            "raw": row.raw,
        }
        self.waiting.append((digest, kept))


@dataclass
class Import:
    """One import into the streams."""

    store: "IngestStore"
    publisher: "Publisher"
    partitions: int
    rows: Rows
    report: Report
    progress: Progress

    async def live(self, calendar: SchoolCalendar, now: datetime | None) -> None:
        """Send what is new; a school that was not live goes live first."""
        known = await self.store.live()
        try:
            for event in self.rows.counted():
                if event.school not in known:
                    at = now or event.by_contract().recorded_at
                    first = known[event.school] = calendar.local_date(at)
                    await go_live(self.store, self.publisher, event.school, first, at)
                await self._send(event)
        finally:  # what was read before a refusal is sent and kept all the same
            await self._finish()

    async def history(
        self, calendar: SchoolCalendar, digest: str, spill_dir: Path, token: str
    ) -> None:
        """Send past days with their closes, each school's in the order in which it was known."""
        if not await self.store.lock_history(token, _LOCK_SECONDS):
            raise ImportRefusedError(
                "another history import is running; wait until it is done (one that was killed "
                f"gives way after {_LOCK_SECONDS} seconds)"
            )
        try:
            await self._history(calendar, digest, spill_dir, token)
        finally:
            await self.store.unlock_history()

    async def _history(
        self, calendar: SchoolCalendar, digest: str, spill_dir: Path, token: str
    ) -> None:
        schools, ordered = _look_through(self.rows)
        await self._refuse_older(schools, digest)
        for school in schools:
            await self.store.begin_history(school, digest)
        closed: dict[str, date] = {}
        events = self.rows.counted()
        in_time = events if ordered else in_order(events, spill_dir)
        try:
            for number, fact in enumerate(with_closes(in_time, calendar)):
                if isinstance(fact, DayClosed):
                    closed[fact.school] = fact.date
                    self.report.closes += 1
                    await self.publisher.send(fact)
                else:
                    await self._send(fact)
                if number % _LOCK_EVERY == 0:
                    await self.store.lock_history(token, _LOCK_SECONDS)
        finally:
            await self._finish()
        for school, day in closed.items():
            await self.store.close(school, day)

    async def _refuse_older(self, schools: set[str], digest: str) -> None:
        closed, histories = await self.store.closed(), await self.store.histories()
        known = [
            school
            for school in sorted(schools)
            if histories.get(school, digest) != digest
            or (school in closed and histories.get(school) != digest)
        ]
        if known:
            raise ImportRefusedError(
                f"{', '.join(known)}: days are closed here already, and a history goes before "
                "them; import what is new without --history, or start on an empty server with "
                "all of the school's files in one --history"
            )

    async def _send(self, event: RowEvent) -> None:
        await self.publisher.send(event.by_contract())
        self.report.sent += 1
        if self.report.sent % 1000 == 0:
            self.progress(self.report.read)
            await self._quarantine()

    async def _finish(self) -> None:
        await self.publisher.flush()
        await self._quarantine()
        self.progress(self.report.read)

    async def _quarantine(self) -> None:
        for digest, kept in self.rows.waiting:
            await self.store.quarantine(partition_of_digest(digest, self.partitions), digest, kept)
        self.rows.waiting.clear()


def _look_through(rows: Iterable[RowEvent]) -> tuple[set[str], bool]:
    """The schools in some rows, and whether the rows stand in the order of their recording."""
    schools: set[str] = set()
    ordered, last = True, 0
    for event in rows:
        schools.add(event.school)
        ordered = ordered and last <= event.known_at
        last = event.known_at
    return schools, ordered


async def go_live(
    store: "IngestStore", publisher: "Publisher", school: str, first: date, at: datetime
) -> None:
    """Put a school on the clock from the day `first` on; its steps are told from here on."""
    await publisher.send(SchoolLive(school=school, at=at))
    await publisher.flush()
    await store.go_live(school, first)


async def send_roster(
    store: "IngestStore", publisher: "Publisher", roster: Roster, now: datetime
) -> int:
    """Put a roster where notify finds it, and what rules may know into the pupils' partitions.

    Returns the number of pupil records sent.
    """
    sent = 0
    for record in records(roster.pupils, now):
        await publisher.send(record)
        sent += 1
    await publisher.flush()
    schools = {row.school for row in roster.pupils} | {row.school for row in roster.staff}
    for school in sorted(schools):
        await store.put_roster(
            SchoolRoster(
                school=school,
                pupils=tuple(row for row in roster.pupils if row.school == school),
                staff=tuple(row for row in roster.staff if row.school == school),
                absences=tuple(row for row in roster.absences if row.school == school),
            )
        )
    return sent


def partition_of_digest(digest: str, partitions: int) -> int:
    """Where a row is kept that has no pupil to go by."""
    return crc32(digest.encode()) % partitions


def digest_of(files: list[Path]) -> str:
    """Names the content of some files together, whatever they are called."""
    parts = []
    for file in files:
        with file.open("rb") as content:
            digest = sha256()
            while block := content.read(1 << 20):
                digest.update(block)
        parts.append(digest.hexdigest())
    return sha256(json.dumps(sorted(parts)).encode()).hexdigest()
