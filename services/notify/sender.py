"""Sending: messages taken from the outbox, tried, and put where their outcome belongs.

A message is marked as tried before its try: a crash in between repeats it once more, under the
same Message-ID, and a correction that comes meanwhile knows that the words may be out. Some
messages are tried at a time, with one write before and one after them all: so many at most are
repeated after a crash. While a gateway is spoken to the memory is free, so that a slow one holds
up no reading.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from services.notify import delivery
from services.notify.breaker import Breaker
from services.notify.channels import Doubt, Remembering
from services.notify.delivery import Dead, NextChannel, Outcome, Retry, Sent
from services.notify.desk import Desk
from services.notify.message import identity, link
from services.notify.office import Memory, Office
from services.notify.outbox import (
    Began,
    begin,
    bury,
    lay_aside,
    newest_time,
    not_sent,
    page_key,
    record,
    revive,
    school_time,
    withdraw,
)
from services.notify.rows import OF_NO_FINDING, Attempt, Outgoing, Taken, Texted, Unreachable
from services.notify.sms_limits import SMS, count, reached
from services.notify.stages.address import warnings
from services.notify.stages.mute import why_quiet
from services.notify.stages.route import address_key, ways
from services.notify.telling import World, as_it_stands, let_go
from shared import metrics
from shared.telemetry import note

AT_ONCE = 32
"""Messages on their way at the same time."""

_MOST = 2_000
"""Messages begun before whatever else there is to do is done too."""

_SOON = 1.0
"""Seconds until a message asks again whose address is written to just now."""

_NEAR = 180.0
"""Seconds within which the gateway could take one try for another: several times its timeouts."""

_REPORTED = timedelta(days=7)
"""After which no report of an SMS comes any more."""

_KEPT = 86_400.0
"""Seconds after which a try that nobody knows the outcome of can be taken for no other."""

Way = tuple[str, str]
"""A channel and an address."""


@dataclass(frozen=True)
class _Try:
    message: Outgoing
    """As it is marked in the outbox: this try is counted."""
    channel: str
    address: str
    others: tuple[str, ...]
    before: Outgoing
    """As it was before the try."""
    doubt: Doubt | None = None
    """Earlier tries that the gateway is to be asked about first."""


class Sender:
    """Sends what is due, for as long as its process holds the lease."""

    def __init__(
        self, memory: Memory, office: Office, stopping: Callable[[], bool] = lambda: False
    ) -> None:
        """`stopping`: begin nothing more, and see what has begun to its end."""
        self._memory = memory
        self._office = office
        self._stopping = stopping
        self._breakers: defaultdict[str, Breaker] = defaultdict(Breaker)
        self._busy: set[Way] = set()
        """Where messages go one after the other, so that they can be told apart afterwards."""

    async def send_due(self) -> int:
        """Try messages whose time has come, urgent ones first; returns how many.

        Some are on their way at any time. What has ended is settled at once, in one write with
        what has ended beside it: until then a crash would repeat it.
        """
        running: dict[asyncio.Task[Outcome], _Try] = {}
        begun = 0
        try:
            while True:
                free = 0 if self._stopping() or begun >= _MOST else AT_ONCE - len(running)
                on_way = {each.message.id for each in running.values()}
                messages = await self._due(free, on_way)
                begun += len(messages)
                for trying in await self._begin(messages) if messages else ():
                    running[asyncio.create_task(self._try(trying))] = trying
                if not running:
                    if messages:
                        continue
                    return begun
                done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                await self._settle([(running.pop(each), each.result()) for each in done])
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _due(self, most: int, on_way: Collection[str]) -> list[Outgoing]:
        """Messages to begin; in quiet hours corrections, and what may break them, alone."""
        if most <= 0:
            return []
        office, store = self._office, self._memory.store
        async with self._memory.alone() as desk:
            at = newest_time(desk)
        quiet = bool(at and why_quiet(at, office.routing().quiet_hours, office.calendar()))
        ids = await store.due(office.clock(), most + len(on_way), quiet=quiet)
        return await store.outgoing([each for each in ids if each not in on_way][:most])

    async def say(self) -> int:
        """Tell rules what it is to hear; returns how many facts. What comes twice is one."""
        async with self._memory.alone() as desk:
            said = dict(desk.said)
        if said:
            await self._memory.store.say(said.values(), self._office.partitions)
            async with self._memory.alone() as desk:
                for key in said:
                    desk.drop("said", key)
                await self._memory.write()
        return len(said)

    async def obey(self) -> Collection[str]:
        """Do what someone asked to be done: send dead letters after all, drop them, let go.

        Returns what was asked for, by key.
        """
        store = self._memory.store
        asked = await store.asked()
        if not asked:
            return ()
        letters = await store.letters(list(asked))
        async with self._memory.alone() as desk:
            for name, wish in asked.items():
                desk.drop("asked", name)
                brake = desk.brake.get(name)
                if wish.what == "release" and brake is not None:
                    desk.put("brake", name, brake.but(released=True))
                if wish.what == "dead":
                    self._nobody_at(desk, name, wish.why)
                elif wish.what == "alive":
                    desk.drop("unreachable", name)
                letter = letters.get(name)
                if letter is None:
                    continue
                if wish.what == "replay":
                    revive(desk, letter)
                else:
                    on = self._office.calendar().local_date(school_time(desk, letter.outgoing))
                    lay_aside(desk, letter, wish.why, on)
            await self._memory.write()
        return asked

    def _nobody_at(self, desk: Desk, address: str, why: str) -> None:
        """Whoever has this address is reached by another, or their EHT is told in their place."""
        at = newest_time(desk)
        on = self._office.calendar().local_date(at) if at else date.min
        desk.put("unreachable", address, Unreachable(on, why))
        note("address unreachable", why=why)

    async def _begin(self, messages: Sequence[Outgoing]) -> list[_Try]:
        """Choose the ways and mark the messages as tried, all in one write.

        What has nothing left to tell is withdrawn; one that reaches nobody is dead.
        """
        tries: list[_Try] = []
        schools = {each.recipient.school for each in messages}
        async with self._memory.alone() as desk:
            world = await self._memory.world(schools, self._office)
            for message in messages:
                trying = self._begin_one(desk, world, message)
                tries += [trying] if trying else []
            await self._memory.write()
        return tries

    def _begin_one(self, desk: Desk, world: World, message: Outgoing) -> _Try | None:
        office, at, now = self._office, school_time(desk, message), self._office.clock()
        on = world.calendar.local_date(at)
        if later := self._closed_until(world, message, on):
            # Nothing is composed or written of it until its gateway answers again.
            desk.put("postponed", message.id, message.but(due=later))
            return None
        composed = _composed(desk, world, message, at)
        if composed is None:
            withdraw(desk, message)
            return None
        message = composed
        left = self._within_limits(desk, world, message, on)
        if not left:
            _give_up(desk, message)
            return None
        (channel, address), *others = left
        breaker = self._breakers[channel]
        if not breaker.lets_through(now):
            desk.put("outbox", message.id, message.but(due=breaker.again(now)))
            return None
        doubt = None
        if isinstance(office.channels[channel], Remembering):
            if (channel, address) in self._busy:
                desk.put("outbox", message.id, message.but(due=now + _SOON))
                return None
            self._busy.add((channel, address))
            doubt = self._doubt(desk, message, address)
            attempt = Attempt(message.id, address_key(address), now)
            desk.put("attempts", _attempt_key(message.id, now), attempt)
        if channel == SMS and message.tried_by != SMS:
            count(desk, message.recipient, on)
            _wait_for_report(desk, message, at)
        self._breakers[channel] = breaker.begun(now)
        tried = begin(desk, message, on, Began(channel, now, now + office.retry_seconds))
        return _Try(tried, channel, address, tuple(each for each, _ in others), message, doubt)

    def _closed_until(self, world: World, message: Outgoing, on: date) -> float:
        """When the gateway by which it would go is to be asked again; 0: it may be tried now.

        What might go by SMS is looked at further: its limits may call for another way.
        """
        now = self._office.clock()
        channel, _ = next(iter(self._ways_left(world, message, message.channels, on)), (SMS, ""))
        breaker = self._breakers[channel]
        closed = channel != SMS and not breaker.lets_through(now)
        return breaker.again(now) if closed else 0.0

    def _doubt(self, desk: Desk, message: Outgoing, address: str) -> Doubt | None:
        """The tries of a message to this address that may have got through; None: there are none.

        Those of other messages matter as long as the gateway could take one for the other.
        """
        key, now = address_key(address), self._office.clock()
        for name in [name for name, each in desk.attempts.items() if each.at < now - _KEPT]:
            desk.drop("attempts", name)
        known = [each for each in desk.attempts.values() if each.address == key]
        own = [each.at for each in known if each.message == message.id]
        if not own:
            return None
        first, last = min(own), max(own)
        others = [
            each
            for each in known
            if each.message != message.id and first - _NEAR <= each.at <= last + _NEAR
        ]
        return Doubt(
            datetime.fromtimestamp(first, UTC),
            datetime.fromtimestamp(last, UTC),
            len(others),
            self._memory.store.taken,
        )

    def _within_limits(self, desk: Desk, world: World, message: Outgoing, on: date) -> list[Way]:
        """The ways that are left, without SMS beyond the limits; unless there is no other."""
        left = self._ways_left(world, message, message.channels, on)
        is_next = bool(left) and left[0][0] == SMS
        if not is_next or message.in_doubt or message.tried_by == SMS:
            return left
        limit = reached(desk, world.routing.sms_limits, message.recipient, on)
        if limit is None:
            return left
        others = [way for way in left if way[0] != SMS]
        others = others or self._ways_left(world, message, ("email",), on)
        metrics.SMS_LIMITED.labels(limit, "mail" if others else "sms").inc()
        return others or left

    def _ways_left(
        self, world: World, message: Outgoing, channels: tuple[str, ...], on: date
    ) -> list[Way]:
        """The ways that this installation has and that have not refused this message."""
        office = self._office
        roster = world.rosters.get(message.recipient.school)
        usable = tuple(each for each in channels if each in office.channels)
        return [
            (channel, address)
            for channel, address in ways(message.recipient, usable, roster, world.routing, on)
            if channel in office.channels and channel not in message.failed
        ]

    async def _try(self, trying: _Try) -> Outcome:
        message, office = trying.message, self._office
        fields = {
            "link": link(office.base_url, message.token),
            "reference": page_key(message.token)[:8],
            "school": message.recipient.school,
        }
        told = message.held or len({item.about for item in message.items})
        composed = office.texts.compose(message.kind, message.id, message.made, fields, told)
        channel = office.channels[trying.channel]
        if trying.doubt is not None and isinstance(channel, Remembering):
            found = await channel.was_sent(trying.address, composed, trying.doubt)
            if found is not None:
                return found
        return await channel.send(trying.address, composed)

    async def _settle(self, outcomes: Sequence[tuple[_Try, Outcome]]) -> None:
        words: Counter[tuple[str, str]] = Counter()
        async with self._memory.alone() as desk:
            for trying, outcome in outcomes:
                words[trying.channel, self._settle_one(desk, trying, outcome)] += 1
                if outcome.dead_address:
                    await self._warn(desk, trying)
            await self._memory.write()
        for (channel, word), times in words.items():
            metrics.MESSAGES.labels(channel, word).inc(times)

    async def _warn(self, desk: Desk, trying: _Try) -> None:
        """The school's admins hear that an address is dead, so that they can mend the roster."""
        message, whose = trying.message, trying.message.recipient
        if message.kind == "address":
            return
        roster, at = await self._memory.roster(whose.school), school_time(desk, message)
        on, token = self._office.calendar().local_date(at), self._office.token
        admins = roster.with_role("admin", on) or roster.with_role("eht", on) if roster else ()
        for warning in warnings(whose, address_key(trying.address), admins, at, token):
            desk.put("outbox", warning.id, warning)

    def _settle_one(self, desk: Desk, trying: _Try, outcome: Outcome) -> str:
        message = trying.message
        doubt = trying.before.in_doubt or outcome.in_doubt
        self._breakers[trying.channel] = self._breakers[trying.channel].after(
            outcome, self._office.clock()
        )
        failed = {**message.failed, trying.channel: outcome.reason}
        self._busy.discard((trying.channel, trying.address))
        if not outcome.in_doubt:
            self._know(desk, trying, outcome)
        next_step = self._what_follows(trying, outcome)
        if isinstance(next_step, Sent):
            on = self._office.calendar().local_date(school_time(desk, message))
            record(desk, message, trying.channel, on)
            return "sent"
        if not doubt:
            not_sent(desk, message)
        if outcome.dead_address:
            self._nobody_at(desk, address_key(trying.address), outcome.reason)
            if isinstance(next_step, Dead):
                # Others are told in their place: it is owed to them from now on.
                withdraw(desk, message)
                return "unreachable"
        match next_step:
            case Retry(at=at):
                desk.put("outbox", message.id, message.but(in_doubt=doubt, due=at))
                return "retried"
            case NextChannel():
                again = message.but(attempts=0, in_doubt=doubt, due=0.0, failed=failed)
                desk.put("outbox", message.id, again)
                return "refused"
            case Dead(reason=reason):
                failed[trying.channel] = reason
                _give_up(desk, message.but(failed=failed, in_doubt=doubt))
        return "dead"

    def _know(self, desk: Desk, trying: _Try, outcome: Outcome) -> None:
        """The outcome of a try is known: either nothing got through, or what did has a name."""
        name = trying.message.id
        attempt = _attempt_key(name, trying.message.tried_at)
        if attempt in desk.attempts:
            desk.drop("attempts", attempt)
        if not outcome.reference:
            return
        if outcome.found:
            # Nothing was sent this time: it is one of the earlier tries that has the name now.
            own = [key for key, each in desk.attempts.items() if each.message == name]
            for key in own[:1]:
                desk.drop("attempts", key)
        on = self._office.calendar().local_date(school_time(desk, trying.message))
        desk.put("taken", outcome.reference, Taken(name, on))

    def _what_follows(self, trying: _Try, outcome: Outcome) -> Sent | Retry | NextChannel | Dead:
        office = self._office
        return delivery.follows(
            outcome,
            trying.message.attempts,
            trying.others,
            now=office.clock(),
            first=office.retry_seconds,
            jitter=office.jitter(),
        )


def _composed(desk: Desk, world: World, message: Outgoing, at: datetime) -> Outgoing | None:
    """A message as it is to go; None: there is nothing left to tell.

    One in doubt goes as it was, so that it can be told as a repetition.
    """
    begun = world.calendar.year_start(world.calendar.local_date(at))
    if begun and world.calendar.local_date(message.made) < begun:
        return None
    if message.in_doubt:
        return message
    composed = as_it_stands(desk, world, message, at)
    let_go(desk, message, kept={item.opened for item in composed.items})
    return composed if composed.items or message.kind in OF_NO_FINDING else None


def _wait_for_report(desk: Desk, message: Outgoing, at: datetime) -> None:
    """Should an SMS fail on its way, its recipient is to be sent a mail."""
    for name in [name for name, each in desk.texted.items() if each.at < at - _REPORTED]:
        desk.drop("texted", name)
    desk.put("texted", identity(message.id), Texted(page_key(message.token), at))


def _attempt_key(message: str, at: float) -> str:
    return f"{message} {at!r}"


def _give_up(desk: Desk, message: Outgoing) -> None:
    bury(desk, message)
    note("message given up", message=message.id, failed=message.failed)
