"""The roster: who follows which pupil, and how staff are reached.

Read by ingest from `pupils.csv`, `staff.csv` and `absences.csv`, kept per school in the server for
notify. Names and addresses stay in it; what rules may know travels as `PupilRecord`.
"""

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, TypeVar

from pydantic import ConfigDict, Field, StringConstraints

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
    protected: bool = Field(default=False, repr=False)
    """Protected identity (skyddade personuppgifter): changes nobody's message, list or figure."""
    feeder_school: str = Field(default="", repr=False)
    need: bool = Field(default=False, repr=False)
    last_year_share: Decimal | None = Field(default=None, ge=0, le=1, repr=False)

    model_config = Message.model_config | {"populate_by_name": True}


class Absence(Message):
    """Days on which an adult is away, both included, and who stands in; empty: nobody."""

    school: Name
    staff: Name
    first: date = Field(alias="from")
    last: date = Field(alias="until")
    substitute: Annotated[str, StringConstraints(pattern=r"^[^\s/]*$", max_length=128)] = ""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Roster(Message):
    """A school's pupils and staff."""

    school: Name
    pupils: tuple[RosterPupil, ...] = ()
    staff: tuple[StaffMember, ...] = ()
    absences: tuple[Absence, ...] = ()

    def model_copy(
        self, *, update: Mapping[str, Any] | None = None, deep: bool = False
    ) -> "Roster":
        """As pydantic's, but without what was worked out of the rows that may change."""
        copied = super().model_copy(update=update, deep=deep)
        for worked_out in ("_by_pupil", "_by_staff", "_there"):
            copied.__dict__.pop(worked_out, None)
        return copied

    @cached_property
    def _by_pupil(self) -> dict[str, list[RosterPupil]]:
        found: dict[str, list[RosterPupil]] = defaultdict(list)
        for row in self.pupils:
            found[row.pupil].append(row)
        return dict(found)

    @cached_property
    def _by_staff(self) -> dict[str, list[StaffMember]]:
        found: dict[str, list[StaffMember]] = defaultdict(list)
        for row in self.staff:
            found[row.staff].append(row)
        return dict(found)

    def pupil(self, pupil: str, on: date) -> RosterPupil | None:
        """The newest row about a pupil that is valid on a date; None: the roster names no such."""
        return _newest(self._by_pupil.get(pupil, []), on)

    @cached_property
    def _there(self) -> dict[date, tuple[RosterPupil, ...]]:
        return {}

    def present(self, on: date) -> tuple[RosterPupil, ...]:
        """Pupils who go to the school on a date, by class and name."""
        found = self._there.get(on)
        if found is None:
            rows = (self.pupil(each, on) for each in self._by_pupil)
            there = [row for row in rows if row and (row.left is None or on <= row.left)]
            found = tuple(
                sorted(there, key=lambda each: (each.school_class, each.name, each.pupil))
            )
            self._there.clear()  # all ask for today
            self._there[on] = found
        return found

    def member(self, staff: str, on: date) -> StaffMember | None:
        return _newest(self._by_staff.get(staff, []), on)

    def stands_in(self, staff: str, on: date) -> str:
        """Who is told in an adult's place on a date: they, a substitute, or nobody (empty).

        One who stands in may be away too; nobody stands in for themselves in the end.
        """
        asked: set[str] = set()
        while staff and staff not in asked:
            asked.add(staff)
            away = [each for each in self.absences if each.staff == staff]
            away = [each for each in away if each.first <= on <= each.last]
            if not away:
                return staff
            staff = away[-1].substitute
        return ""

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
