"""Invented examples: a school with one contact teacher and one EHT member, and steps about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import count
from typing import Any, Literal
from zoneinfo import ZoneInfo

from services.notify.desk import Desk, Item
from services.notify.routing import Routing
from services.notify.telling import Around, advance
from shared.calendar import SchoolCalendar
from shared.events import (
    CaseMessage,
    CaseStep,
    Clearing,
    Evidence,
    SchoolLive,
    StepKind,
    TimeReached,
)
from shared.roster import Roster, RosterPupil, StaffMember

SCHOOL = "skola-1"
TEACHER, OTHER_TEACHER, EHT = "kt-1", "kt-2", "eht-1"
PUPIL, OTHER_PUPIL, UNKNOWN_PUPIL = "elev-1", "elev-2", "elev-99"
ZONE = ZoneInfo("Europe/Stockholm")
START = date(2025, 8, 1)

CALENDAR = SchoolCalendar.model_validate(
    {
        "school_years": [
            {
                "terms": [
                    {"first": date(2025, 8, 18), "last": date(2025, 12, 19)},
                    {"first": date(2026, 1, 8), "last": date(2026, 6, 12)},
                ],
                "days_off": [{"first": date(2025, 10, 27), "last": date(2025, 10, 31)}],
            }
        ]
    }
)

# Thursday 2025-09-11 is an ordinary school day.
WEDNESDAY, THURSDAY, FRIDAY = date(2025, 9, 10), date(2025, 9, 11), date(2025, 9, 12)

_numbers = count(1)


def at(day: date, clock: str = "17:00") -> datetime:
    return datetime.fromisoformat(f"{day.isoformat()}T{clock}").replace(tzinfo=ZONE)


def reached(day: date, clock: str = "17:00") -> TimeReached:
    return TimeReached(at=at(day, clock))


def live(day: date = WEDNESDAY, clock: str = "08:00", school: str = SCHOOL) -> SchoolLive:
    return SchoolLive(school=school, at=at(day, clock))


def member(staff: str, *roles: str, **fields: Any) -> StaffMember:
    fields = {"email": f"{staff}@skola.example", "mobile": "+46700000001", **fields}
    return StaffMember.model_validate(
        {
            "school": SCHOOL,
            "staff": staff,
            "name": "Astrid Påhittad",
            "roles": roles,
            "valid_from": START,
            **fields,
        }
    )


def pupil(
    name: str = PUPIL,
    *teachers: str,
    school_class: str = "8B",
    valid_from: date = START,
    left: date | None = None,
) -> RosterPupil:
    return RosterPupil(
        school=SCHOOL,
        pupil=name,
        name="Nils Uppdiktad",
        **{"class": school_class},
        contact_teachers=teachers or (TEACHER,),
        valid_from=valid_from,
        left=left,
    )


def roster(*rows: StaffMember | RosterPupil) -> Roster:
    """The given rows; without any, a teacher, EHT and two pupils."""
    rows = rows or (
        member(TEACHER, "contact_teacher"),
        member(EHT, "eht", mobile="+46700000002"),
        pupil(PUPIL),
        pupil(OTHER_PUPIL),
    )
    return Roster(
        school=SCHOOL,
        pupils=tuple(row for row in rows if isinstance(row, RosterPupil)),
        staff=tuple(row for row in rows if isinstance(row, StaffMember)),
    )


def step(
    kind: Literal["opened", "raised", "retracted", "cleared"] = "opened",
    level: int = 2,
    **fields: Any,
) -> CaseStep:
    audience = {1: ("contact_teacher",), 2: ("contact_teacher",)}.get(level, ("eht",))
    values: dict[str, Any] = {
        "step_id": f"step-{next(_numbers)}",
        "school": SCHOOL,
        "pupil": PUPIL,
        "rule": "high-absence",
        "kind": StepKind(kind),
        "level": level,
        "as_of": WEDNESDAY,
        "since": WEDNESDAY,
        "title": {"sv": "Hög total frånvaro", "en": "High total absence"},
        "audience": audience,
        "words": {
            "sv": "Borta 16,3 % av lektionstiden de senaste 20 skoldagarna (gränsen är 15 %).",
            "en": "Away 16.3% of lesson time over the last 20 school days (the limit is 15%).",
        },
        "evidence": (
            Evidence(
                indicator="absence_share", days=20, value=0.1625, at_least=0.15, lessons=("l-1",)
            ),
        ),
        "clearing": Clearing(quiet_days=10, conditions=()),
        "rulebook": "0123456789ab",
    }
    return CaseStep.model_validate(values | fields)


def unit_step(
    unit: str = "class/8B",
    kind: Literal["opened", "raised", "retracted", "cleared"] = "opened",
    level: int = 2,
    **fields: Any,
) -> CaseStep:
    """A class's, a group's or the school's step."""
    values = {
        "pupil": "",
        "unit": unit,
        "rule": "class-outbreak",
        "title": {"sv": "Många nyligen borta", "en": "Many newly away"},
        "audience": ("contact_teacher",),
    }
    return step(kind, level, **{**values, **fields})


@dataclass
class Telling:
    """The pure chain alone, over one partition unless told otherwise."""

    routing: Routing = field(default_factory=Routing)
    rosters: Mapping[str, Roster] = field(default_factory=lambda: {SCHOOL: roster()})
    partitions: int = 1
    desk: Desk = field(default_factory=Desk)
    tokens: Any = field(default_factory=lambda: count(1))

    def fold(self, *messages: CaseMessage, partition: int = 0) -> None:
        around = Around(
            self.routing,
            CALENDAR,
            self.rosters,
            self.partitions,
            lambda: f"token-{next(self.tokens)}",
        )
        for message in messages:
            advance(self.desk, partition, message, around)

    @property
    def outbox(self) -> list[tuple[str, str, list[str]]]:
        """Kind, recipient and pupils (or unit) of each message in the outbox."""
        return [
            (each.kind, str(each.recipient), [_about(item) for item in each.items])
            for each in self.desk.outbox.values()
        ]

    @property
    def pending(self) -> list[tuple[str, str]]:
        """Recipient and pupil (or unit) of all that waits for a digest."""
        return [(str(item.recipient), _about(item)) for item in self.desk.pending.values()]


def _about(item: Item) -> str:
    return item.signal.pupil or item.signal.unit
