"""Stage 1, route: who is told of a finding, how and why, by the routing file and the roster.

Nothing may be told to nobody by accident: whoever can't be reached is replaced by the school's
EHT, and where no roster knows EHT either, by the inbox that the routing file names.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from hashlib import sha256
from typing import Protocol

from services.notify.routing import NO_ROUTE, Matcher, Rotation, Route, Routing
from services.notify.rows import IT, PROTECTED, Case, Recipient, Send
from shared.roster import Roster, RosterPupil, StaffMember

_WEEK = 7


class Routable(Protocol):
    """What a route looks at: a case step, or the signal of a finding."""

    @property
    def school(self) -> str: ...
    @property
    def pupil(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def rule(self) -> str: ...
    @property
    def level(self) -> int: ...
    @property
    def good_news(self) -> bool: ...
    @property
    def audience(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class Decision:
    """One recipient: how they are told, by which channels in order, and why they."""

    recipient: Recipient
    route: Route
    audience: str
    reason: str
    fallback: bool = False
    """The audience could not be reached; this recipient stands in."""
    earlier: bool = False
    """By a level that the finding has risen from: of the raise this recipient is not told."""
    in_turn: tuple[str, ...] = ()
    """The recipients who take turns, this one among them: what one of them knows, all know."""

    @property
    def send(self) -> Send:
        return self.route.send

    @property
    def channels(self) -> tuple[str, ...]:
        return self.route.channels


def route(
    step: Routable,
    roster: Roster | None,
    routing: Routing,
    on: date,
    *,
    case: Case | None = None,
) -> list[Decision]:
    """Everyone who is told of `step`, each once and in the most urgent way, by the roster `on`.

    What was answered of the case may call for others too, but not for good news. Of a pupil with
    protected identity one named handler is told, and nobody else, whatever the audience.
    """
    if step.pupil and roster is not None:
        pupil = roster.pupil(step.pupil, on)
        if pupil is not None and pupil.protected:
            return _to_handler(step, roster, routing, on)
    decisions: dict[Recipient, Decision] = {}
    taken = case is not None and case.taken
    also = case.also if case and not step.good_news else ()
    for audience in dict.fromkeys((*step.audience, *also)):
        for found in _decide(step, audience, roster, routing, on):
            decision = found if audience in step.audience else _called_for(found)
            held = decisions.get(decision.recipient)
            if held is None or _rank(decision, taken=taken) > _rank(held, taken=taken):
                decisions[decision.recipient] = decision
    return list(decisions.values())


def _called_for(decision: Decision) -> Decision:
    """Whom an answer calls for is told of what would only be shown, in a digest."""
    if decision.send != "shown":
        return decision
    chosen = decision.route.model_copy(update={"send": "digest"})
    return replace(decision, route=chosen, reason=f"{decision.reason}: called for by an answer")


def ways(
    recipient: Recipient,
    channels: tuple[str, ...],
    roster: Roster | None,
    routing: Routing,
    on: date,
) -> list[tuple[str, str]]:
    """Channels and addresses by which a recipient can be reached, in order.

    One who has no address at all is reached by EHT's inbox; empty: nobody can be.
    """
    if recipient.staff == IT:
        return [("email", routing.it_inbox)] if routing.it_inbox else []
    member = roster.member(recipient.staff, on) if roster and recipient.staff else None
    own = [(channel, _address(member, channel)) for channel in channels] if member else []
    reached = [(channel, address) for channel, address in own if address]
    inbox = routing.inbox(recipient.school)
    return reached or ([("email", inbox)] if inbox else [])


def address_key(address: str) -> str:
    """Names an address in the store, which has none in the clear."""
    return sha256(address.strip().lower().encode()).hexdigest()


def without(roster: Roster, gone: Collection[str]) -> Roster:
    """A roster in which nobody has an address at which nobody is; `gone`: by `address_key`."""
    staff = tuple(
        row.model_copy(
            update={
                kind: ""
                for kind in ("email", "mobile")
                if getattr(row, kind) and address_key(getattr(row, kind)) in gone
            }
        )
        for row in roster.staff
    )
    return roster.model_copy(update={"staff": staff})


def slot_for(recipient: Recipient, roster: Roster | None, routing: Routing, on: date) -> str:
    """The recipient's own set-aside time, else the routing file's."""
    member = roster.member(recipient.staff, on) if roster and recipient.staff else None
    return (member.slot if member else "") or routing.default_slot


def _decide(
    step: Routable, audience: str, roster: Roster | None, routing: Routing, on: date
) -> Iterator[Decision]:
    chosen = next((each for each in routing.routes if matches(each, step, audience)), NO_ROUTE)
    members = _members(step, audience, roster, on)
    why = f"level {step.level} for {audience}"
    if step.good_news and chosen.send == "immediate":
        chosen = chosen.model_copy(update={"send": "digest"})
        why += ": good news waits for a digest"
    by = Decision(Recipient(step.school), chosen, audience, why)
    if chosen.send == "shown":
        for recipient in [_recipient(member) for member in members] or [by.recipient]:
            yield replace(by, recipient=recipient)
        return
    present = _present(members, roster, on)
    reachable = _reachable(present, chosen)
    if reachable:
        rotation = _rotation(routing, step.school, audience)
        for member in _in_turn(reachable, rotation, on):
            yield replace(by, recipient=_recipient(member), in_turn=_sharing(member, rotation))
        return
    if members and not present:
        why += ": away, and nobody stands in"
    else:
        why += f": {_why_not(step, audience, members, roster, on)}"
    eht = _reachable(_present(_members(step, "eht", roster, on), roster, on), chosen)
    rotation = _rotation(routing, step.school, "eht")
    by = replace(by, reason=f"{why}; to EHT", fallback=True)
    for member in _in_turn(eht, rotation, on):
        yield replace(by, recipient=_recipient(member), in_turn=_sharing(member, rotation))
    if not eht:
        yield replace(by, reason=f"{why}; to EHT's inbox")


def _to_handler(step: Routable, roster: Roster, routing: Routing, on: date) -> list[Decision]:
    """The handler whom the routing file names, else the rektor; as EHT would be told."""
    chosen = next((each for each in routing.routes if matches(each, step, "eht")), NO_ROUTE)
    why = f"level {step.level}, protected identity"
    named = roster.member(routing.protected_handlers.get(step.school, ""), on)
    handlers = (named,) if named else roster.with_role("rektor", on)
    reachable = _reachable(_present(handlers, roster, on), chosen)
    by = Decision(Recipient(step.school), chosen, PROTECTED, why)
    if not reachable:
        inbox = f"{why}: no handler can be reached; to EHT's inbox"
        return [replace(by, reason=inbox, fallback=True)]
    return [replace(by, recipient=_recipient(reachable[0]))]


def matches(matcher: Matcher, step: Routable, audience: str) -> bool:
    """Is that what a line of the routing file speaks of?"""
    return (
        (not matcher.levels or step.level in matcher.levels)
        and (not matcher.audience or audience in matcher.audience)
        and (not matcher.schools or step.school in matcher.schools)
        and (not matcher.rules or step.rule in matcher.rules)
        and matcher.good_news in (None, step.good_news)
    )


def _present(
    members: tuple[StaffMember, ...], roster: Roster | None, on: date
) -> tuple[StaffMember, ...]:
    """Those who are there, and the substitutes of those who are not; each once."""
    if roster is None:
        return members
    there: dict[str, StaffMember] = {}
    for member in members:
        substitute = roster.stands_in(member.staff, on)
        found = roster.member(substitute, on) if substitute else None
        if found is not None:
            there[found.staff] = found
    return tuple(there.values())


def _rotation(routing: Routing, school: str, audience: str) -> Rotation | None:
    turns = routing.rotations.get(school, {})
    return next((turn for role, turn in turns.items() if role == audience), None)


def _in_turn(members: list[StaffMember], rotation: Rotation | None, on: date) -> list[StaffMember]:
    """Of those who take turns the one of this week, or the next of them who can be reached."""
    if rotation is None:
        return members
    begun = rotation.since - timedelta(days=rotation.since.weekday())
    first = (on - begun).days // _WEEK % len(rotation.staff)
    reachable = {member.staff: member for member in members}
    in_order = (*rotation.staff[first:], *rotation.staff[:first])
    return [reachable[staff] for staff in in_order if staff in reachable][:1] or members


def _sharing(member: StaffMember, rotation: Rotation | None) -> tuple[str, ...]:
    """Who knows what one of them knows, as recipients."""
    if rotation is None or member.staff not in rotation.staff:
        return ()
    return tuple(str(Recipient(member.school, each)) for each in rotation.staff)


def _members(
    step: Routable, audience: str, roster: Roster | None, on: date
) -> tuple[StaffMember, ...]:
    if roster is None:
        return ()
    if audience == "contact_teacher":
        pupils = _pupils(step, roster, on)
        teachers = dict.fromkeys(staff for pupil in pupils for staff in pupil.contact_teachers)
        members = (roster.member(staff, on) for staff in teachers)
        return tuple(member for member in members if member)
    return roster.with_role(audience, on)


def _pupils(step: Routable, roster: Roster, on: date) -> list[RosterPupil]:
    """Whose contact teachers a step concerns: a class's pupils; a group or school has none."""
    if step.pupil:
        pupil = roster.pupil(step.pupil, on)
        return [pupil] if pupil else []
    kind, _, name = step.unit.partition("/")
    if kind != "class":
        return []
    ids = dict.fromkeys(row.pupil for row in roster.pupils if row.school_class == name)
    pupils = (roster.pupil(each, on) for each in ids)
    return [
        pupil
        for pupil in pupils
        if pupil and pupil.school_class == name and (pupil.left is None or on <= pupil.left)
    ]


def _why_not(
    step: Routable,
    audience: str,
    members: tuple[StaffMember, ...],
    roster: Roster | None,
    on: date,
) -> str:
    if roster is None:
        return "the school has no roster"
    if members:
        return "none of them has an address"
    if audience != "contact_teacher":
        return "the roster has none"
    if step.unit and not step.unit.startswith("class/"):
        return "only a pupil or class has one"
    known = "the class has none" if step.unit else "the pupil has none"
    unknown = "no roster names the class" if step.unit else "no roster names the pupil"
    return known if _pupils(step, roster, on) else unknown


def _reachable(members: tuple[StaffMember, ...], chosen: Route) -> list[StaffMember]:
    return [member for member in members if any(_address(member, each) for each in chosen.channels)]


def _address(member: StaffMember, channel: str) -> str:
    return member.email if channel == "email" else member.mobile


def _recipient(member: StaffMember) -> Recipient:
    return Recipient(member.school, member.staff)


def _rank(decision: Decision, *, taken: bool) -> tuple[bool, int, bool]:
    """Of two decisions for one recipient the more urgent stands, and the direct one.

    In a case that EHT has taken, one who is also the contact teacher is told as EHT.
    """
    quieted = taken and decision.audience == "contact_teacher"
    urgency = ("shown", "digest", "immediate").index(decision.send)
    return not quieted, urgency, not decision.fallback
