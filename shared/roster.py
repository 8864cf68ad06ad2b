"""The roster: who follows which pupil, and how staff are reached.

Read by ingest from `pupils.csv` and `staff.csv`, kept per school in the server for notify. Names
and addresses stay in it; what rules may know travels as `PupilRecord`.
"""

from datetime import date, time
from decimal import Decimal
from typing import Annotated, TypeVar

from pydantic import Field, StringConstraints

from shared.events import Message, Name
from shared.rulebook import Audience

ROSTER = "roster:{notify}"
"""Hash: school → its roster as JSON. Written whole by `narvara roster`."""

_Row = TypeVar("_Row", "StaffMember", "RosterPupil")

HANDOVER = ("feeder_school", "need", "last_year_share")
"""Of a pupil's row: what the feeder school handed over. Rules alone needs it."""

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri")

Slot = Annotated[
    str,
    StringConstraints(pattern=r"^((mon|tue|wed|thu|fri) ([01][0-9]|2[0-3]):[0-5][0-9])?$"),
]
"""A weekly set-aside time in local time such as `thu 15:00`; empty: the routing file's default."""

Email = Annotated[str, StringConstraints(pattern=r"^([^@\s]+@[^@\s]+\.[^@\s.]+)?$", max_length=254)]
Mobile = Annotated[str, StringConstraints(pattern=r"^(\+[1-9][0-9]{6,14})?$")]


class StaffMember(Message):
    """One adult at a school, as of `valid_from`."""

    school: Name
    staff: Name
    name: str = Field(default="", repr=False)
    roles: tuple[Audience, ...]
    email: Email = Field(default="", repr=False)
    mobile: Mobile = Field(default="", repr=False)
    slot: Slot = ""
    valid_from: date


class RosterPupil(Message):
    """One pupil as the school's own system lists them, as of `valid_from`."""

    school: Name
    pupil: Name
    name: str = Field(default="", repr=False)
    school_class: str = Field(default="", alias="class")
    work_team: str = ""
    enrolled: date | None = None
    left: date | None = None
    contact_teachers: tuple[Name, ...] = ()
    bus: str = ""
    valid_from: date
    feeder_school: str = Field(default="", repr=False)
    need: bool = Field(default=False, repr=False)
    last_year_share: Decimal | None = Field(default=None, ge=0, le=1, repr=False)

    model_config = Message.model_config | {"populate_by_name": True}


class Roster(Message):
    """A school's pupils and staff."""

    school: Name
    pupils: tuple[RosterPupil, ...] = ()
    staff: tuple[StaffMember, ...] = ()

    def pupil(self, pupil: str, on: date) -> RosterPupil | None:
        """The newest row about a pupil that is valid on a date; None: the roster names no such."""
        return _newest([row for row in self.pupils if row.pupil == pupil], on)

    def member(self, staff: str, on: date) -> StaffMember | None:
        return _newest([row for row in self.staff if row.staff == staff], on)

    def with_role(self, role: str, on: date) -> tuple[StaffMember, ...]:
        """All staff who have a role on a date, in the roster's order."""
        ids = dict.fromkeys(row.staff for row in self.staff)
        members = (self.member(staff, on) for staff in ids)
        return tuple(each for each in members if each is not None and role in each.roles)


def slot_of(slot: str) -> tuple[int, time]:
    """A slot's weekday (0 Monday) and local time."""
    day, _, clock = slot.partition(" ")
    return WEEKDAYS.index(day), time.fromisoformat(clock)


def _newest(rows: list[_Row], on: date) -> _Row | None:
    valid = [row for row in rows if row.valid_from <= on]
    return max(valid, key=lambda row: row.valid_from) if valid else None
