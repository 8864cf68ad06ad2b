"""Sending: messages taken from the outbox, tried, and put where their outcome belongs.

A message is marked as tried before its try: a crash in between repeats it once more, under the
same Message-ID, and a correction that comes meanwhile knows that the words may be out. While a
gateway is spoken to the memory is free, so that a slow one holds up no reading.
"""

import asyncio
from dataclasses import dataclass

from services.notify import delivery
from services.notify.delivery import Dead, NextChannel, Outcome, Retry, Sent
from services.notify.desk import Desk, Outgoing
from services.notify.message import NotOneSegmentError, link, one_segment
from services.notify.office import Memory, Office
from services.notify.outbox import bury, gathered, page_key, record, revive, school_time
from services.notify.routing import ways
from shared import metrics
from shared.telemetry import note

AT_ONCE = 8
"""Messages on their way at the same time."""

Way = tuple[str, str]
"""A channel and an address."""


@dataclass(frozen=True)
class _Try:
    before: Outgoing
    channel: str
    address: str
    others: tuple[str, ...]

    @property
    def attempts(self) -> int:
        return self.before.attempts + 1


class Sender:
    """Sends what is due, for as long as its process holds the lease."""

    def __init__(self, memory: Memory, office: Office) -> None:
        self._memory = memory
        self._office = office

    async def send_due(self) -> int:
        """Try messages whose time has come, urgent ones first; returns how many."""
        due = await self._memory.store.due(self._office.clock())
        async with self._memory.alone() as desk:
            waiting = [desk.outbox[each] for each in due if each in desk.outbox]
            partitions = self._office.partitions
            waiting = [each for each in waiting if gathered(desk, each, partitions)]
        waiting.sort(key=lambda message: message.kind != "immediate")
        async with asyncio.TaskGroup() as group:
            for message in waiting[:AT_ONCE]:
                group.create_task(self._deliver(message.id))
        return len(waiting[:AT_ONCE])

    async def replay(self) -> None:
        """Put the dead letters that someone asked for back in the outbox, as far as they stand."""
        store = self._memory.store
        asked = await store.asked_for_replay()
        if not asked:
            return
        letters = await store.dead_letters()
        async with self._memory.alone() as desk:
            for name in asked:
                desk.drop("replay", name)
                if name in letters:
                    revive(desk, letters[name])
            await self._memory.write()

    async def _deliver(self, name: str) -> None:
        trying = await self._begin(name)
        if trying is not None:
            await self._settle(trying, await self._try(trying))

    async def _begin(self, name: str) -> _Try | None:
        """Choose the way and mark the message as tried; one that reaches nobody is dead."""
        async with self._memory.alone() as desk:
            message = desk.outbox.get(name)
            if message is None:
                return None
            trying = None
            if left := await self._ways_left(desk, message):
                (channel, address), *others = left
                trying = _Try(message, channel, address, tuple(each for each, _ in others))
                due = self._office.clock() + self._office.retry_seconds
                _keep(desk, message, attempts=trying.attempts, in_doubt=True, due=due)
            else:
                _give_up(desk, message)
            await self._memory.write()
            return trying

    async def _ways_left(self, desk: Desk, message: Outgoing) -> list[Way]:
        """The ways that this installation has and that have not refused this message."""
        office, school = self._office, message.recipient.school
        roster = (await self._memory.store.rosters([school])).get(school)
        on = office.calendar().local_date(school_time(desk, message))
        usable = tuple(each for each in message.channels if each in office.channels)
        return [
            (channel, address)
            for channel, address in ways(message.recipient, usable, roster, office.routing(), on)
            if channel in office.channels and channel not in message.failed
        ]

    async def _try(self, trying: _Try) -> Outcome:
        message, office = trying.before, self._office
        fields = {
            "link": link(office.base_url, message.token),
            "reference": page_key(message.token)[:8],
            "school": message.recipient.school,
        }
        composed = office.texts.compose(message.kind, message.id, message.made, fields)
        if trying.channel == "sms":
            try:
                one_segment(composed.sms)
            except NotOneSegmentError as error:
                return Outcome("permanent", str(error))
        return await office.channels[trying.channel].send(trying.address, composed)

    async def _settle(self, trying: _Try, outcome: Outcome) -> None:
        before = trying.before
        doubt = before.in_doubt or outcome.in_doubt
        failed = {**before.failed, trying.channel: outcome.reason}
        next_step = self._what_follows(trying, outcome)
        async with self._memory.alone() as desk:
            withdrawn = before.id not in desk.outbox
            match next_step:
                case Sent():
                    record(desk, before, trying.channel)
                case _ if withdrawn:
                    pass
                case Retry(at=at):
                    _keep(desk, before, attempts=trying.attempts, in_doubt=doubt, due=at)
                case NextChannel():
                    _keep(desk, before, attempts=0, in_doubt=doubt, due=0.0, failed=failed)
                case Dead(reason=reason):
                    failed[trying.channel] = reason
                    given_up = {"failed": failed, "in_doubt": doubt}
                    _give_up(desk, before.model_copy(update=given_up))
            await self._memory.write()
        word = {Sent: "sent", Retry: "retried", NextChannel: "refused", Dead: "dead"}
        metrics.MESSAGES.labels(trying.channel, word[type(next_step)]).inc()

    def _what_follows(self, trying: _Try, outcome: Outcome) -> Sent | Retry | NextChannel | Dead:
        office = self._office
        return delivery.follows(
            outcome,
            trying.attempts,
            trying.others,
            now=office.clock(),
            first=office.retry_seconds,
            jitter=office.jitter(),
        )


def _keep(desk: Desk, message: Outgoing, **update: object) -> None:
    desk.put("outbox", message.id, message.model_copy(update=update))


def _give_up(desk: Desk, message: Outgoing) -> None:
    bury(desk, message)
    note("message given up", message=message.id, failed=message.failed)
