"""Putting facts into the streams: registrations packed by partition, the rest in its place.

A pipeline's answer is the promise: what `flush` returned from is in the stream, and with
`appendfsync always` on disk. Sent twice after a cut it does no harm, since events are upserts.
"""

from collections.abc import Iterable

from redis.asyncio import Redis

from shared import streams
from shared.events import AttendanceBatch, AttendanceEvent, Fact, PupilRecord

BATCH = 100
"""Registrations in one stream entry."""

_ENTRIES_IN_FLIGHT = 64


class Publisher:
    """Sends facts in order to the partitions they concern; `last` is the newest id in each."""

    def __init__(
        self, client: Redis, partitions: int, source: str, *, history: bool = False
    ) -> None:
        self.last: dict[int, str] = {}
        self._client = client
        self._partitions = partitions
        self._source = source
        self._history = history
        self._waiting: dict[int, list[AttendanceEvent]] = {p: [] for p in range(partitions)}
        self._entries: list[tuple[int, str]] = []

    async def send(self, fact: AttendanceEvent | Fact) -> None:
        """Send one fact: to its pupil's partition, or to all of them."""
        if isinstance(fact, AttendanceEvent):
            await self._register(fact)
            return
        self._pack(range(self._partitions))
        if isinstance(fact, PupilRecord):
            concerned: Iterable[int] = [
                streams.partition_of(fact.school, fact.pupil, self._partitions)
            ]
        else:
            concerned = range(self._partitions)
        body = fact.model_dump_json(by_alias=True)
        self._entries += [(partition, body) for partition in concerned]
        if len(self._entries) >= _ENTRIES_IN_FLIGHT:
            await self.flush()

    async def flush(self) -> None:
        """Return once everything sent is in the streams."""
        self._pack(range(self._partitions))
        if not self._entries:
            return
        async with self._client.pipeline(transaction=False) as pipeline:
            for partition, body in self._entries:
                pipeline.xadd(streams.attendance(partition), {streams.BODY: body})
            ids = await pipeline.execute()
        for (partition, _), entry_id in zip(self._entries, ids, strict=True):
            self.last[partition] = entry_id.decode()
        self._entries.clear()

    async def _register(self, event: AttendanceEvent) -> None:
        partition = streams.partition_of(event.school, event.pupil, self._partitions)
        waiting = self._waiting[partition]
        waiting.append(event)
        if len(waiting) >= BATCH:
            self._pack([partition])
            if len(self._entries) >= _ENTRIES_IN_FLIGHT:
                await self.flush()

    def _pack(self, partitions: Iterable[int]) -> None:
        for partition in partitions:
            if waiting := self._waiting[partition]:
                batch = AttendanceBatch.model_construct(
                    source=self._source, history=self._history, events=waiting
                )
                self._entries.append((partition, batch.model_dump_json()))
                self._waiting[partition] = []
