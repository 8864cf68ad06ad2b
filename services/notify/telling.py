"""What is told when school time moves on: derived from what stands, who knows it, and the files.

No row says that something is to be told. At each quarter-hour that all partitions have reached,
every finding is looked at: who is routed to (`stages/route.py`), who of them is owed a word
(`dedup`), why that waits (`mute`), and what goes into one message (`group`). The same is asked
again of each message before each try, so that what has changed meanwhile is never told as it was.
See docs/decisions/0013-telling-is-derived-from-what-stands.md.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from typing import NamedTuple

from services.notify.desk import Desk, Looked
from services.notify.routing import Routing
from services.notify.rows import (
    OF_NO_FINDING,
    PROTECTED,
    Correction,
    Finding,
    Item,
    Kind,
    Outgoing,
    Recipient,
)
from services.notify.stages.brake import (
    BRAKE,
    adults,
    count,
    hold,
    is_storm,
    who_is_told,
)
from services.notify.stages.dedup import Owed, owed
from services.notify.stages.group import capped, in_order, latest_slot, mail_first
from services.notify.stages.mute import Around, held_until, released_at, why_muted
from services.notify.stages.route import route, slot_for
from shared.calendar import SchoolCalendar
from shared.roster import Roster

_TOO_OLD = 2
"""School days: what is older than that when it may be told waits for the digest."""


@dataclass(frozen=True)
class World:
    """What decisions are taken by, beside the desk."""

    routing: Routing
    calendar: SchoolCalendar
    rosters: Mapping[str, Roster]
    partitions: int
    token: Callable[[], str]


@dataclass(frozen=True)
class Choice:
    """One recipient of a finding: what is owed, how, and why it waits (empty: it may be told)."""

    owed: Owed
    at_once: bool
    """Else in the recipient's digest."""
    muted: str
    held: date | None
    """The day until which it is held, come or not."""

    @property
    def recipient(self) -> Recipient:
        return self.owed.decision.recipient


def tell(desk: Desk, world: World, before: datetime | None, reached: datetime) -> list[Outgoing]:
    """The messages that become due when all partitions have reached a school time.

    `before` is the time that they had all reached until now: slots up to it have been told.
    """
    _look_again(desk, world, reached)
    brake = desk.brake.get(BRAKE)
    gathered = _Gathered(brake.since if brake else before, reached, world)
    for key in sorted(desk.unsettled):
        finding = desk.findings.get(key)
        if finding is None or _look(desk, world, finding, gathered):
            desk.unsettled.discard(key)
    _correct(desk, world, gathered)
    messages = list(gathered.messages())
    local = reached.astimezone(world.calendar.zone)
    if brake is not None and brake.released:
        desk.drop("brake", BRAKE)
    elif brake is not None or is_storm(desk, messages, adults(world.rosters.values()), local):
        desk.unsettled.update(item.finding for each in messages for item in each.items)
        if brake is not None:
            return []
        hold(desk, before, reached, len(messages))
        messages = _warnings(world, reached, len(messages))
    count(desk, messages, local)
    for message in messages:
        _send_off(desk, message)
    return messages


def _warnings(world: World, reached: datetime, held: int) -> list[Outgoing]:
    """Coordinators and IT hear that all messages are held."""
    on, it = world.calendar.local_date(reached), bool(world.routing.it_inbox)
    return [
        Outgoing(
            f"{recipient} {reached.isoformat()} storm",
            "storm",
            recipient,
            ("email", "sms"),
            (),
            world.token(),
            reached,
            break_quiet=True,
            held=held,
        )
        for recipient in who_is_told(world.rosters, on, it=it)
    ]


def choices(
    desk: Desk, world: World, finding: Finding, at: datetime
) -> tuple[Around, list[Choice]]:
    """Everyone who is owed a word of a finding, and why it waits."""
    roster, case = world.rosters.get(finding.school), desk.cases.get(finding.about)
    around = Around(
        at,
        world.calendar,
        world.routing,
        roster,
        live=desk.live.get(finding.school),
        case=case,
        outbreaks=desk.outbreaks.values(),
    )
    decisions = route(finding, roster, world.routing, around.on, case=case)
    known = {decision.recipient for decision in decisions}
    for audience, level in finding.earlier:
        before = finding.but(audience=(audience,), level=level)
        for decision in route(before, roster, world.routing, around.on):
            if decision.recipient not in known:
                decisions.append(replace(decision, earlier=True))
                known.add(decision.recipient)
    standing = desk.of(finding.about)
    concerns = [each for each in standing if each.rule != finding.rule and not each.good_news]
    found = owed(finding, decisions, case, around.on, concerns)
    return around, [_choice(finding, each, around) for each in found]


def _choice(finding: Finding, found: Owed, around: Around) -> Choice:
    held = held_until(finding, found.decision, around.calendar)
    at_once = _goes_at_once(finding, found, around, held)
    muted = why_muted(finding, found.decision, around, at_once=at_once)
    return Choice(found, at_once, muted, held)


def _goes_at_once(finding: Finding, found: Owed, around: Around, held: date | None) -> bool:
    """A start list, old news, and what comes back or is handed over go in a digest.

    Whatever their route says.
    """
    if found.decision.send != "immediate" or finding.history:
        return False
    if found.again or found.handed_over:
        return False
    known = max(finding.as_of, held or finding.as_of)
    return around.calendar.distance(known, around.on) <= _TOO_OLD


def item_of(finding: Finding, choice: Choice) -> Item:
    """What a message tells of a finding as it stands."""
    told = finding.told.get(str(choice.recipient))
    return Item(
        finding.key,
        finding.about,
        finding.opened,
        finding.steps,
        finding.shows,
        finding.level,
        finding.since,
        choice.owed.why + _why_only_now(finding, choice.held),
        choice.owed.decision.audience,
        finding.good_news,
        again=choice.owed.again,
        handed_over=choice.owed.handed_over,
        before=told,
    )


def _why_only_now(finding: Finding, held: date | None) -> str:
    if held:
        return f"; held until {held}"
    return "; start list" if finding.history else ""


def correction_item(correction: Correction) -> Item:
    return Item(
        correction.finding,
        correction.about,
        correction.opened,
        (correction.step,),
        correction.shows,
        correction.level,
        correction.since,
        "was told of a finding that has been corrected",
        PROTECTED if correction.protected else "",
        good_news=correction.good_news,
        correction=True,
    )


def as_it_stands(desk: Desk, world: World, message: Outgoing, at: datetime) -> Outgoing:
    """A message that is not in doubt as it would go now; without items: it has nothing to tell."""
    if message.kind in OF_NO_FINDING:
        return message
    items: list[Item] = []
    channels: dict[str, tuple[str, ...]] = {}
    for item in message.items:
        if item.correction:
            correction = desk.corrections.get(f"{message.recipient} {item.opened}")
            if correction is not None and correction.on_way in {"", message.id}:
                items.append(correction_item(correction))
            continue
        finding = desk.findings.get(item.finding)
        if finding is None or finding.opened != item.opened:
            continue
        # One that has risen since is on no message's way until the next is made.
        if finding.on_way.get(str(message.recipient), message.id) != message.id:
            continue
        _, found = choices(desk, world, finding, at)
        for choice in found:
            if choice.recipient != message.recipient or choice.muted:
                continue
            if (choice.owed.decision.audience == PROTECTED) != (message.kind == "protected"):
                continue
            if message.kind != "immediate" or choice.owed.decision.send == "immediate":
                items.append(item_of(finding, choice))
                channels[item.finding] = choice.owed.decision.channels
    ordered = in_order(items)
    by = channels.get(ordered[0].finding) if ordered else None
    if message.kind == "digest":
        ordered = capped(ordered, world.routing.cap)
        by = mail_first(by) if by else None
    changed: Outgoing = message.but(items=ordered, channels=by or message.channels)
    return changed


def let_go(desk: Desk, message: Outgoing, kept: Collection[str] = ()) -> None:
    """A message tells of some findings no more: whoever is still owed a word of them is again."""
    left = [item for item in message.items if item.opened not in kept]
    free_corrections(desk, message, left)
    for item in left:
        finding = desk.findings.get(item.finding)
        if finding is not None and finding.on_way.get(str(message.recipient)) == message.id:
            on_way = {who: name for who, name in finding.on_way.items() if name != message.id}
            desk.put("findings", item.finding, finding.but(on_way=on_way))


def free_corrections(desk: Desk, message: Outgoing, items: Iterable[Item]) -> None:
    """Corrections that a message was to tell, or to go before, wait for it no more."""
    for item in items:
        key = f"{message.recipient} {item.opened}"
        correction = desk.corrections.get(key)
        if correction is not None and correction.on_way == message.id:
            desk.put("corrections", key, correction.but(on_way=""))


def schools_involved(desk: Desk) -> set[str]:
    """The schools whose rosters may be asked for when time moves on."""
    owed_to = {each.recipient.school for each in desk.corrections.values()}
    return owed_to | {each.school for each in desk.findings.values()}


class _By(NamedTuple):
    """How an item is sent."""

    channels: tuple[str, ...]
    break_quiet: bool = False


class _Gathered:
    """What is to be told, by recipient, until messages are made of it.

    What concerns pupils with protected identity is told apart: it changes no other message.
    """

    def __init__(self, before: datetime | None, reached: datetime, world: World) -> None:
        self.before = before
        self.reached = reached
        self._world = world
        self._urgent: defaultdict[tuple[Recipient, Kind], list[tuple[Item, _By]]]
        self._urgent = defaultdict(list)
        self._digests: defaultdict[tuple[Recipient, datetime, bool], list[tuple[Item, _By]]]
        self._digests = defaultdict(list)

    def at_once(self, recipient: Recipient, item: Item, by: _By) -> None:
        kind: Kind = "correction" if item.correction else "immediate"
        self._urgent[recipient, "protected" if item.protected else kind].append((item, by))

    def in_digest(
        self, recipient: Recipient, item: Item, by: _By, came: datetime, *, daily: bool = False
    ) -> bool:
        """Put it in the digest whose slot has passed; False: that is still to come."""
        world = self._world
        on = world.calendar.local_date(self.reached)
        slot = slot_for(recipient, world.rosters.get(recipient.school), world.routing, on)
        after = came if self.before is None else max(came, self.before)
        held = latest_slot(slot, after, self.reached, world.calendar, daily=daily)
        if held is not None:
            self._digests[recipient, held, item.protected].append((item, by))
        return held is not None

    def messages(self) -> Iterator[Outgoing]:
        for (recipient, kind), found in sorted(self._urgent.items(), key=lambda pair: pair[0]):
            name = f"{self.reached.isoformat()} {kind}"
            yield self._message(recipient, kind, (self.reached, name), found)
        for (recipient, slot, protected), found in sorted(
            self._digests.items(), key=lambda pair: pair[0]
        ):
            corrections = all(item.correction for item, _ in found)
            named: Kind = "protected" if protected else "correction" if corrections else "digest"
            name = f"{slot.isoformat()} protected" if protected else slot.isoformat()
            yield self._message(recipient, named, (slot, name), found)

    def _message(
        self,
        recipient: Recipient,
        kind: Kind,
        made: tuple[datetime, str],
        found: list[tuple[Item, _By]],
    ) -> Outgoing:
        items = in_order(item for item, _ in found)
        at, name = made
        return Outgoing(
            f"{recipient} {name}",
            kind,
            recipient,
            next(by.channels for item, by in found if item is items[0]),
            capped(items, self._world.routing.cap) if kind == "digest" else items,
            self._world.token(),
            at,
            break_quiet=any(by.break_quiet for _, by in found),
        )


def _look_again(desk: Desk, world: World, reached: datetime) -> None:
    """Look at more than what has changed: the date has, or one of the files."""
    last, on = desk.looked_by, world.calendar.local_date(reached)
    desk.looked_by = now = Looked(on, world.routing, world.calendar, world.rosters)
    if last is None or last[:3] != now[:3]:
        desk.unsettled.update(desk.findings)
        return
    new = {
        school for school, roster in now.rosters.items() if last.rosters.get(school) is not roster
    }
    if new:
        desk.unsettled.update(key for key, each in desk.findings.items() if each.school in new)


def _look(desk: Desk, world: World, finding: Finding, gathered: _Gathered) -> bool:
    """Gather what may be told of a finding; returns whether nothing of it is left to be told."""
    around, found = choices(desk, world, finding, gathered.reached)
    settled = True
    for choice in found:
        if str(choice.recipient) in finding.on_way:
            continue
        if choice.muted:
            settled = False
            continue
        item, decision = item_of(finding, choice), choice.owed.decision
        channels = decision.channels if choice.at_once else mail_first(decision.channels)
        by = _By(channels, choice.at_once and decision.route.break_quiet)
        if choice.at_once:
            gathered.at_once(choice.recipient, item, by)
        elif not gathered.in_digest(
            choice.recipient,
            item,
            by,
            _may_be_told_since(finding, choice, around),
            daily=decision.route.digest == "daily",
        ):
            settled = False
            continue
        desk.routed.append("fallback" if decision.fallback else decision.send)
    return settled


def _may_be_told_since(finding: Finding, choice: Choice, around: Around) -> datetime:
    """A slot that passed before then is not made up for."""
    since = finding.came if str(choice.recipient) in finding.told else finding.first
    released = released_at(around.live, around.routing)
    if finding.history and released is not None:
        since = max(since, released)
    back = around.case.again_on if around.case else None
    if back is not None and back <= around.on:
        since = max(since, datetime.combine(back, time(), around.calendar.zone))
    if choice.held is not None:
        since = max(since, datetime.combine(choice.held, time(), around.calendar.zone))
    return since


def _correct(desk: Desk, world: World, gathered: _Gathered) -> None:
    begun = world.calendar.year_start(world.calendar.local_date(gathered.reached))
    for key, correction in list(desk.corrections.items()):
        if begun and world.calendar.local_date(correction.came) < begun:
            desk.drop("corrections", key)
        elif not correction.on_way:
            item = correction_item(correction)
            by = _By(correction.channels, break_quiet=correction.at_once)
            if correction.at_once:
                gathered.at_once(correction.recipient, item, by)
            else:
                gathered.in_digest(correction.recipient, item, by, correction.came)


def _send_off(desk: Desk, message: Outgoing) -> None:
    desk.put("outbox", message.id, message)
    for item in message.items:
        if item.correction:
            key = f"{message.recipient} {item.opened}"
            desk.put("corrections", key, desk.corrections[key].but(on_way=message.id))
        else:
            finding = desk.findings[item.finding]
            on_way = {**finding.on_way, str(message.recipient): message.id}
            desk.put("findings", item.finding, finding.but(on_way=on_way))
