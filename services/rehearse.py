"""What would have been told: telling rehearsed over recorded events, with no server or gateway.

The fold, the clock and the stages of telling are those of the live services. What a gateway would
be given it accepts, and who is told may answer. Tellings and answers go back to the fold, as they
do live, so that reminders, known causes and relapses come as they would.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import count
from random import Random
from typing import Any, cast

from services.ingest.profile import RowEvent
from services.ingest.school_time import QUARTER, due, quarter_of
from services.notify.answers import AnswerRefusedError, Given, answer
from services.notify.desk import Desk
from services.notify.outbox import Began, begin, bury, record, school_time, withdraw
from services.notify.routing import Routing
from services.notify.rows import Finding, Item, Outgoing
from services.notify.stages.brake import BRAKE
from services.notify.stages.mute import why_quiet
from services.notify.stages.route import ways
from services.notify.standing import fold
from services.notify.telling import World, as_it_stands, choices, let_go, tell
from services.reasons import ANSWERED
from services.rules.backtest import backtest
from shared.calendar import SchoolCalendar
from shared.events import (
    FACT,
    AnswerKind,
    AttendanceBatch,
    CaseMessage,
    DayClosed,
    Fact,
    SchoolLive,
    TimeReached,
)
from shared.roster import Roster, slot_of
from shared.rulebook import Rulebook

_BATCH = 100

_LIVE = "rehearsal"
"""The source of registrations that come in as if live."""

_ANSWER_FROM, _ANSWER_HOURS = time(8), 8
"""When staff answer: local time, and hours from then on."""

_ANSWER_DAYS = 2
"""School days after a telling within which it is answered."""

_TEACHERS: dict[AnswerKind, int] = {
    "talked": 75, "known_cause": 10, "lift": 6, "not_relevant": 5, "booked": 4,
}  # fmt: skip
_EHT: dict[AnswerKind, int] = {"talked": 55, "booked": 25, "takes_over": 20}
"""What is answered, by weight."""

Waited = dict[str, None]
"""Reasons, in the order in which they came."""


@dataclass(frozen=True)
class ToldItem:
    """An item of a message, when it was first owed, and why it waited."""

    item: Item
    came: datetime | None
    """School time at which the finding opened or last rose; None: a correction."""
    waited: tuple[str, ...]


@dataclass(frozen=True)
class Told:
    """A message as it would have gone."""

    at: datetime
    """School time."""
    message: Outgoing
    channel: str
    """Empty: nobody could be reached, and it is a dead letter."""
    items: tuple[ToldItem, ...]


@dataclass(frozen=True)
class Answered:
    """What a member of staff would have answered."""

    given: Given


@dataclass(frozen=True)
class Untold:
    """What stands at the end and was not told to one to whom it is owed."""

    finding: Finding
    recipient: str
    waited: tuple[str, ...]


Happened = Told | Answered | Untold


class Telling:
    """The stages of telling over one desk; the gateways accept whatever they are given."""

    def __init__(self, world: World, desk: Desk | None = None) -> None:
        """`world` has one partition."""
        self.desk = desk or Desk()
        self.world = world
        self._outbox: dict[str, Outgoing] = {}
        self._told_until: datetime | None = None
        self._waits: defaultdict[tuple[str, str], Waited] = defaultdict(dict)
        """By the step that opened or last raised a finding, and recipient."""

    def fold(self, message: CaseMessage) -> None:
        fold(self.desk, 0, message, self.world.calendar)

    def reach(self, at: datetime) -> list[Told]:
        """School time moves on to a quarter-hour; returns what is told then."""
        self.fold(TimeReached(at=at))
        self._release(at)
        made = tell(self.desk, self.world, self._told_until, at)
        self._outbox |= {message.id: message for message in made}
        self._told_until = at
        self._note_waits(at)
        self.desk.take_routed()
        return [each for message in self._going(at) if (each := self._send(message, at))]

    def has_news(self) -> bool:
        """Has anything but the time changed since this was last asked?"""
        return any(table != "reached" for table, _ in self.desk.take_changes())

    def say(self) -> Iterator[Fact]:
        """What rules is to hear of since it was last asked."""
        said = dict(self.desk.said)
        for key, each in said.items():
            self.desk.drop("said", key)
            yield FACT.validate_json(each.fact)

    def untold(self, at: datetime) -> Iterator[Untold]:
        """What is owed and was never told."""
        for finding in self.desk.findings.values():
            for each in choices(self.desk, self.world, finding, at)[1]:
                if not each.owed.again:
                    waited = dict(self._waits[finding.steps[-1], str(each.recipient)])
                    if each.muted:
                        waited.setdefault(each.muted)
                    elif self._was_answered(finding):
                        waited.setdefault(ANSWERED)
                    yield Untold(finding, str(each.recipient), tuple(waited))

    def _release(self, at: datetime) -> None:
        """Someone looks at what the brake holds as soon as anything may be sent again."""
        brake = self.desk.brake.get(BRAKE)
        if brake is not None and not self._quiet(at):
            self.desk.put("brake", BRAKE, brake.but(released=True))

    def _quiet(self, at: datetime) -> str:
        return why_quiet(at, self.world.routing.quiet_hours, self.world.calendar)

    def _note_waits(self, at: datetime) -> None:
        for key in self.desk.unsettled & self.desk.findings.keys():
            finding = self.desk.findings[key]
            for choice in choices(self.desk, self.world, finding, at)[1]:
                recipient = str(choice.recipient)
                if choice.muted and recipient not in finding.on_way:
                    self._waits[finding.steps[-1], recipient].setdefault(choice.muted)

    def _going(self, at: datetime) -> list[Outgoing]:
        """What leaves the outbox; in quiet hours only what may."""
        quiet = self._quiet(at)
        going = []
        for message in list(self._outbox.values()):
            if quiet and not message.break_quiet and message.kind not in {"correction", "storm"}:
                for item in message.items:
                    self._waits[item.steps[-1], str(message.recipient)].setdefault(quiet)
            else:
                going.append(self._outbox.pop(message.id))
        return going

    def _send(self, message: Outgoing, at: datetime) -> Told | None:
        desk, world = self.desk, self.world
        on = world.calendar.local_date(school_time(desk, message))
        begun = world.calendar.year_start(on)
        if begun and world.calendar.local_date(message.made) < begun:
            withdraw(desk, message)
            return None
        going = as_it_stands(desk, world, message, at)
        let_go(desk, message, kept={item.opened for item in going.items})
        if not going.items and going.kind != "storm":
            withdraw(desk, message)
            return None
        roster = world.rosters.get(going.recipient.school)
        items = tuple(self._told_item(going, item) for item in going.items)
        found = ways(going.recipient, going.channels, roster, world.routing, on)
        if not found:
            bury(desk, going)
            return Told(at, going, "", items)
        channel, _ = found[0]
        record(desk, begin(desk, going, on, Began(channel, 0.0, 0.0)), channel, on)
        return Told(at, going, channel, items)

    def _told_item(self, message: Outgoing, item: Item) -> ToldItem:
        waited = self._waits.pop((item.steps[-1], str(message.recipient)), {})
        finding = None if item.correction else self.desk.findings.get(item.finding)
        if finding is None:
            return ToldItem(item, None, tuple(waited))
        if not (item.again or item.handed_over) and self._was_answered(finding):
            waited.setdefault(ANSWERED)
        return ToldItem(item, finding.came, tuple(waited))

    def _was_answered(self, finding: Finding) -> bool:
        """Was its case answered since it opened or rose?"""
        case = self.desk.cases.get(finding.about)
        answered = case.answered_at if case else None
        return answered is not None and finding.came < answered and not finding.good_news


class Answering:
    """Staff who answer some of what they are told, within two school days."""

    def __init__(self, share: float, seed: int, calendar: SchoolCalendar) -> None:
        """`share`: from 0 to 1, of the cases that are told of on a day."""
        self._share = share
        self._seed = seed
        self._calendar = calendar
        self._drawn: set[tuple[str, date]] = set()
        self._coming: list[Given] = []

    def hear(self, told: Told) -> None:
        """Draw what becomes of the cases that a message tells of."""
        if not told.message.recipient.staff or not told.channel:
            return
        on = self._calendar.local_date(told.at)
        for each in told.items:
            item = each.item
            _, _, pupil = item.about.partition("/")
            is_case = not (item.good_news or item.correction or pupil.startswith("/"))
            kinds = {"contact_teacher": _TEACHERS, "eht": _EHT}.get(item.audience)
            if is_case and kinds and (item.about, on) not in self._drawn:
                self._drawn.add((item.about, on))
                self._draw(told.message.recipient.staff, item.about, on, kinds)

    def given(self, until: datetime) -> list[Given]:
        """The answers that come up to a time, in their order."""
        given = sorted((each for each in self._coming if each.at <= until), key=lambda one: one.at)
        self._coming = [each for each in self._coming if each.at > until]
        return given

    def _draw(self, staff: str, about: str, on: date, kinds: Mapping[AnswerKind, int]) -> None:
        # By the case and day alone: what is drawn of others changes nothing here.
        random = Random(f"{self._seed} {about} {on}")
        if random.random() >= self._share:
            return
        day = self._calendar.after(on, random.randint(1, _ANSWER_DAYS))
        kind = random.choices(list(kinds), list(kinds.values()))[0]
        minutes = random.randrange(_ANSWER_HOURS * 60)
        days_ahead = random.randint(3, 15)
        until = self._calendar.after(day, days_ahead) if day else None
        if day is None or until is None:
            return
        begin = datetime.combine(day, _ANSWER_FROM, self._calendar.zone)
        school, _, pupil = about.partition("/")
        dated = kind in {"known_cause", "booked"}
        at = begin + timedelta(minutes=minutes)
        self._coming.append(Given(school, pupil, kind, staff, at, until if dated else None))


@dataclass
class Rehearsal:
    """One run over recorded facts."""

    rulebook: Rulebook
    calendar: SchoolCalendar
    routing: Routing
    rosters: Mapping[str, Roster]
    answering: Answering | None = None
    every_quarter: bool = False
    """Look also when nothing can have changed; what is told is the same."""
    _happened: list[Happened] = field(default_factory=list)

    def over(self, facts: Iterable[Fact]) -> Iterator[Happened]:
        """What happens, in its order, as facts come in the order in which they were known.

        Their closes are left out for those of the clock, which all schools share.
        """
        numbers = count(1)
        world = World(self.routing, self.calendar, self.rosters, 1, lambda: f"{next(numbers)}")
        telling = Telling(world)
        # Each fact is taken only after the steps of the one before have been folded here.
        for step in backtest(self._lived(facts, telling), self.rulebook, self.calendar):
            telling.fold(step)
            yield from self._take_happened()
        yield from self._take_happened()
        if telling.desk.reached:
            yield from telling.untold(telling.desk.reached["0"].at)

    def _take_happened(self) -> list[Happened]:
        happened, self._happened = self._happened, []
        return happened

    def _lived(self, facts: Iterable[Fact], telling: Telling) -> Iterator[Fact]:
        """Facts for rules: what is recorded, closes, and what telling leads to."""
        turns = turning_points(self.calendar, self.routing, self.rosters.values())
        for fact in with_time(facts, self.calendar):
            match fact:
                case SchoolLive():
                    telling.fold(fact)
                case TimeReached(at=at):
                    self._answer(telling.desk, at)
                    if telling.has_news() or turns(at) or self.every_quarter:
                        self._hear(telling.reach(at))
                        yield from telling.say()
                    else:
                        telling.fold(fact)
                case _:
                    yield fact

    def _hear(self, told: list[Told]) -> None:
        self._happened += told
        if self.answering is not None:
            for each in told:
                self.answering.hear(each)

    def _answer(self, desk: Desk, until: datetime) -> None:
        for given in self.answering.given(until) if self.answering else ():
            try:
                taken = answer(desk, given, self.routing, self.calendar)
            except AnswerRefusedError:  # it has ended meanwhile, and there is nothing to answer
                continue
            if taken:
                self._happened.append(Answered(given))


def with_time(facts: Iterable[Fact], calendar: SchoolCalendar) -> Iterator[Fact]:
    """Recorded registrations as if they came in live, with the clock's closes and quarter-hours.

    A school goes live with its first registration. What was recorded at or before a close or
    quarter-hour comes before it; closes among the facts are left out. Time goes on to the
    midnight after the last registration.
    """
    clock = _Clock(calendar)
    waiting: list[RowEvent] = []
    for fact in facts:
        if isinstance(fact, DayClosed):
            continue
        if not isinstance(fact, AttendanceBatch):
            yield fact
            continue
        # Rows that were read hold what the contract's own value does, and are what files give.
        for event in cast("list[RowEvent]", fact.events):
            if event.known_at > clock.next_tick or event.school not in clock.live:
                yield from _batches(waiting)
                waiting = []
                yield from clock.before(event.known_at)
                yield from clock.go_live(event.school)
            waiting.append(event)
    yield from _batches(waiting)
    yield from clock.to_midnight()


def _batches(events: list[RowEvent]) -> Iterator[Fact]:
    for first in range(0, len(events), _BATCH):
        some: list[Any] = events[first : first + _BATCH]
        yield AttendanceBatch.model_construct(source=_LIVE, history=False, events=some)


class _Clock:
    """School time as the ingest service sends it, asked for piece by piece."""

    def __init__(self, calendar: SchoolCalendar) -> None:
        self.live: dict[str, date] = {}
        self.next_tick = -1
        """The next quarter-hour or close, as microseconds since 1970, UTC."""
        self._closed: dict[str, date] = {}
        self._reached: datetime | None = None
        self._calendar = calendar

    def before(self, microseconds: int) -> Iterator[Fact]:
        """All that comes before an instant; at first the quarter-hour that it lies in."""
        if self._reached is None:
            yield from self._reach(quarter_of(_instant(microseconds)))
        while self.next_tick < microseconds:
            yield from self._reach(_instant(self.next_tick))

    def to_midnight(self) -> Iterator[Fact]:
        """The rest of the day."""
        if self._reached is not None:
            day = self._calendar.local_date(self._reached) + timedelta(days=1)
            midnight = datetime.combine(day, time(), self._calendar.zone)
            yield from self.before(_microseconds(midnight) + 1)

    def go_live(self, school: str) -> Iterator[Fact]:
        if school not in self.live and self._reached is not None:
            self.live[school] = self._calendar.local_date(self._reached)
            yield SchoolLive(school=school, at=self._reached)

    def _reach(self, at: datetime) -> Iterator[Fact]:
        for sent in due(self._calendar, at, self._reached, self.live, self._closed):
            if isinstance(sent, DayClosed):
                self._closed[sent.school] = sent.date
            yield sent
        self._reached = at
        following = quarter_of(at) + QUARTER
        close = self._calendar.closes_at(self._calendar.local_date(at))
        self.next_tick = _microseconds(min(following, close) if close > at else following)


def turning_points(
    calendar: SchoolCalendar, routing: Routing, rosters: Iterable[Roster]
) -> Callable[[datetime], bool]:
    """At which quarter-hours something may be told though nothing has happened.

    These are the first ones after midnight, after quiet hours begin or end, after a close, and
    after a slot; and all on days on which the clock is changed.
    """
    slots = {routing.default_slot}
    slots |= {row.slot for roster in rosters for row in roster.staff if row.slot}
    clocks = {time(), calendar.day_close, *routing.quiet_hours.times}
    clocks |= {slot_of(slot)[1] for slot in slots}

    @cache
    def on(day: date) -> frozenset[datetime] | None:
        first, last = (datetime.combine(day, time(), calendar.zone) + timedelta(days=n)
                       for n in (0, 1))  # fmt: skip
        if first.utcoffset() != last.utcoffset():
            return None
        turns = (datetime.combine(day, clock, calendar.zone).astimezone(UTC) for clock in clocks)
        return frozenset(quarter_of(each + QUARTER - timedelta(microseconds=1)) for each in turns)

    def may_turn(at: datetime) -> bool:
        turns = on(calendar.local_date(at))
        return turns is None or at in turns

    return may_turn


def _instant(microseconds: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=microseconds)


def _microseconds(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000)
