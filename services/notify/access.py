"""Who may see what: by today's roster, and by nothing that was true yesterday. Pure."""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Literal, get_args

from services.notify.routing import Routing
from shared.roster import Roster, RosterPupil
from shared.rulebook import Audience

What = Literal[
    "own_pupils", "pupil", "brief", "notes_for_eht", "sheet", "investigation", "registrations",
    "coordination", "access_log",
]  # fmt: skip

WHATS: tuple[What, ...] = get_args(What)

MAY: Mapping[What, frozenset[Audience]] = {
    "own_pupils": frozenset({"contact_teacher"}),
    "pupil": frozenset({"contact_teacher", "eht", "rektor"}),
    "brief": frozenset({"eht", "rektor"}),
    "notes_for_eht": frozenset({"eht", "rektor"}),
    "sheet": frozenset({"eht", "rektor"}),
    "investigation": frozenset({"rektor"}),
    "registrations": frozenset({"admin"}),
    "coordination": frozenset({"coordinator", "rektor"}),
    "access_log": frozenset({"rektor"}),
}
"""The whole of it. IT stands in no roster, and sees nothing."""

_OF_ALL: frozenset[Audience] = frozenset({"eht", "rektor"})
"""Roles that follow all pupils of their school; contact teachers follow their own."""


@dataclass(frozen=True)
class Visitor:
    """A member of staff on a day, by that day's roster."""

    school: str
    staff: str
    name: str
    roles: frozenset[Audience]
    on: date

    def may(self, what: What) -> bool:
        return bool(MAY[what] & self.roles)


def visitor(roster: Roster | None, staff: str, on: date) -> Visitor | None:
    """Who somebody is today; None: the roster names no such person any more."""
    member = roster.member(staff, on) if roster else None
    if member is None:
        return None
    return Visitor(member.school, staff, member.name or staff, frozenset(member.roles), on)


def own_pupils(who: Visitor, roster: Roster) -> list[RosterPupil]:
    """Whose contact teacher they are today, or stand in for; none with protected identity."""
    return [
        pupil
        for pupil in roster.present(who.on)
        if not pupil.protected
        and any(
            staff == who.staff or roster.stands_in(staff, who.on) == who.staff
            for staff in pupil.contact_teachers
        )
    ]


def pupils_of(who: Visitor, roster: Roster, routing: Routing) -> list[RosterPupil]:
    """All pupils that they may look at today.

    One with protected identity is seen by their handler alone: whom the routing file names, else
    the first rektor.
    """
    handler = routing.protected_handlers.get(who.school, "")
    if roster.member(handler, who.on) is None:
        handler = next((each.staff for each in roster.with_role("rektor", who.on)), "")
    protected = [each for each in roster.present(who.on) if each.protected]
    handled = protected if who.staff == handler and who.may("pupil") else []
    if who.roles & _OF_ALL:
        return [each for each in roster.present(who.on) if not each.protected] + handled
    return (own_pupils(who, roster) if who.may("own_pupils") else []) + handled


def all_pupils(roster: Roster, on: date) -> list[RosterPupil]:
    """For counts: everybody but pupils with protected identity, who change no figure."""
    return [each for each in roster.present(on) if not each.protected]


def reference(secret: str, about: str) -> str:
    """Names a pupil in an address: means nothing to anybody else, or after the visit."""
    digest = hmac.new(secret.encode(), b"reference " + about.encode(), sha256).digest()
    return urlsafe_b64encode(digest[:16]).decode().rstrip("=")


def resolved(secret: str, name: str, pupils: Iterable[RosterPupil]) -> RosterPupil | None:
    """The one of some pupils whom a reference names; None: none of them."""
    for pupil in pupils:
        known = reference(secret, f"{pupil.school}/{pupil.pupil}")
        if hmac.compare_digest(known.encode(), name.encode(errors="replace")):
            return pupil
    return None
