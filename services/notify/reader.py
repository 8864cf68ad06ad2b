"""Reading: case steps folded into the desk, and all they cause written in one go."""

import asyncio
from collections.abc import Sequence
from hashlib import sha256

from pydantic import ValidationError

from services.notify.desk import Desk
from services.notify.office import Memory, Office
from services.notify.rows import Refused
from services.notify.standing import fold
from services.notify.telling import schools_involved, tell
from shared import metrics
from shared.broker import Entry, ServerBehindError
from shared.events import CASE_MESSAGE, CaseMessage
from shared.refusals import Refusals
from shared.streams import case_steps, entry_order
from shared.telemetry import note

_MANY = 500
"""Findings that are looked at in some hundredths of a second."""


class Reader:
    """Folds the case steps of every partition, each from its position on."""

    def __init__(self, memory: Memory, positions: Sequence[str], office: Office) -> None:
        self._memory = memory
        self._positions = list(positions)
        self._office = office
        self._refusals = [Refusals(case_steps(each)) for each in range(len(positions))]

    async def fold(self, partition: int, entries: Sequence[Entry]) -> None:
        """Fold entries of a partition's case steps; what they cause is written in one go."""
        async with self._memory.alone() as desk:
            position = entry_order(self._positions[partition])
            fresh = [entry for entry in entries if entry_order(entry.id) > position]
            if not fresh:
                return
            refusals = self._refusals[partition]
            read = [_read(desk, partition, entry, refusals) for entry in fresh]
            for message in (each for each in read if each is not None):
                await self._fold(desk, partition, message)
            await self._memory.write((partition, fresh[-1].id))
            self._positions[partition] = fresh[-1].id
        self._memory.news.set()

    async def check_server(self) -> None:
        """Raises `ServerBehindError` when the server has forgotten what it had taken from us."""
        known = list(self._positions)
        store, partitions = self._memory.store, len(known)
        held, newest = await store.positions(partitions), await store.newest(partitions)
        for partition, position in enumerate(known):
            behind = min(held[partition], newest[partition], key=entry_order)
            if entry_order(behind) < entry_order(position):
                raise ServerBehindError(
                    f"{case_steps(partition)} ends at {newest[partition]}, "
                    f"read up to {held[partition]}; we were at {position}"
                )

    async def _fold(self, desk: Desk, partition: int, message: CaseMessage) -> None:
        office = self._office
        before = desk.reached_by_all(office.partitions)
        fold(desk, partition, message, office.calendar())
        reached = desk.reached_by_all(office.partitions)
        if reached is not None and reached != before:
            world = await self._memory.world(schools_involved(desk), office)
            if len(desk.findings) > _MANY:
                # On a new date all are looked at, which can take seconds: beside the loop, so that
                # leases are renewed and pages served.
                await asyncio.to_thread(tell, desk, world, before, reached)
            else:
                tell(desk, world, before, reached)


def _read(desk: Desk, partition: int, entry: Entry, refusals: Refusals) -> CaseMessage | None:
    body = entry.body or b""
    refusals.read()
    try:
        return CASE_MESSAGE.validate_json(body)
    except ValidationError as error:
        reason = "; ".join(sorted({each["type"] for each in error.errors()}))
    where = case_steps(partition)
    raw = body.decode(errors="backslashreplace")
    refused = Refused(where, entry.id, reason, raw)
    desk.put("quarantine", sha256(body).hexdigest()[:32], refused)
    metrics.QUARANTINED.labels("stream").inc()
    note("entry quarantined", where=where, entry=entry.id, reason=reason)
    refusals.refused()
    return None
