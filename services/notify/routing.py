"""Who is told of a step, how and why: a pure decision, and the file that steers it.

Nothing may be told to nobody by accident: whoever can't be reached is replaced by the school's
EHT, and where no roster knows EHT either, by the inbox that the routing file names.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal, Protocol

from pydantic import Field

from services.notify.desk import Recipient, Send
from shared.config import ConfigPart
from shared.events import Level, Name
from shared.roster import Email, Roster, RosterPupil, Slot, StaffMember
from shared.rulebook import Audience

ChannelName = Literal["email", "sms"]


class Route(ConfigPart):
    """One line of the routing file; a matcher that is left out matches everything."""

    levels: tuple[Level, ...] = ()
    audience: tuple[Audience, ...] = ()
    schools: tuple[Name, ...] = ()
    rules: tuple[str, ...] = ()
    good_news: bool | None = Field(
        default=None, description="true: good news alone; false: all else; left out: both."
    )
    send: Send
    channels: tuple[ChannelName, ...] = Field(default=("email", "sms"), min_length=1)


_ROUTES = (
    Route(good_news=True, send="digest"),
    Route(levels=(1,), send="shown"),
    Route(levels=(2,), send="digest"),
    Route(levels=(3, 4), audience=("eht",), send="immediate", channels=("sms", "email")),
    Route(levels=(3, 4), send="immediate"),
)

_NO_ROUTE = Route(send="digest")
"""A step that no route matches is told all the same."""


class Routing(ConfigPart):
    """`routing.yaml`."""

    default_slot: Annotated[Slot, Field(min_length=1)] = "thu 15:00"
    eht_inbox: dict[str, Annotated[Email, Field(min_length=1)]] = Field(
        default_factory=dict, description="By school, or `default`: used when nobody is reachable."
    )
    start_list: Literal["digest", "hold"] = "digest"
    routes: tuple[Route, ...] = _ROUTES

    def inbox(self, school: str) -> str:
        """The address of last resort; empty when the file names none."""
        return self.eht_inbox.get(school) or self.eht_inbox.get("default", "")


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
    channels: tuple[str, ...]
    send: Send
    reason: str
    fallback: bool = False
    """The audience could not be reached; this recipient stands in."""


def route(step: Routable, roster: Roster | None, routing: Routing, on: date) -> list[Decision]:
    """Everyone who is told of `step`, each once and in the most urgent way, by the roster `on`."""
    decisions: dict[Recipient, Decision] = {}
    for audience in step.audience:
        for decision in _decide(step, audience, roster, routing, on):
            held = decisions.get(decision.recipient)
            if held is None or _urgency(decision) > _urgency(held):
                decisions[decision.recipient] = decision
    return list(decisions.values())


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
    member = roster.member(recipient.staff, on) if roster and recipient.staff else None
    own = [(channel, _address(member, channel)) for channel in channels] if member else []
    reached = [(channel, address) for channel, address in own if address]
    inbox = routing.inbox(recipient.school)
    return reached or ([("email", inbox)] if inbox else [])


def slot_for(recipient: Recipient, roster: Roster | None, routing: Routing, on: date) -> str:
    """The recipient's own set-aside time, else the routing file's."""
    member = roster.member(recipient.staff, on) if roster and recipient.staff else None
    return (member.slot if member else "") or routing.default_slot


def _decide(
    step: Routable, audience: str, roster: Roster | None, routing: Routing, on: date
) -> Iterator[Decision]:
    chosen = next((each for each in routing.routes if _matches(each, step, audience)), _NO_ROUTE)
    members = _members(step, audience, roster, on)
    reachable = _reachable(members, chosen)
    why = f"level {step.level} for {audience}"
    if step.good_news and chosen.send == "immediate":
        chosen = chosen.model_copy(update={"send": "digest"})
        why += ": good news waits for a digest"
    if chosen.send == "shown":
        inbox = [Recipient(school=step.school)]
        for recipient in [_recipient(member) for member in members] or inbox:
            yield Decision(recipient, chosen.channels, "shown", why)
        return
    if reachable:
        for member in reachable:
            yield Decision(_recipient(member), chosen.channels, chosen.send, why)
        return
    why += f": {_why_not(step, audience, members, roster, on)}"
    eht = _reachable(_members(step, "eht", roster, on), chosen)
    for member in eht:
        yield Decision(_recipient(member), chosen.channels, chosen.send, f"{why}; to EHT", True)
    if not eht:
        inbox_of = Recipient(school=step.school)
        yield Decision(inbox_of, chosen.channels, chosen.send, f"{why}; to EHT's inbox", True)


def _matches(route: Route, step: Routable, audience: str) -> bool:
    return (
        (not route.levels or step.level in route.levels)
        and (not route.audience or audience in route.audience)
        and (not route.schools or step.school in route.schools)
        and (not route.rules or step.rule in route.rules)
        and route.good_news in (None, step.good_news)
    )


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
    return Recipient(school=member.school, staff=member.staff)


def _urgency(decision: Decision) -> tuple[int, bool]:
    """Of two decisions for one recipient the more urgent stands, and the direct one."""
    return ("shown", "digest", "immediate").index(decision.send), not decision.fallback
