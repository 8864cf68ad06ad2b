"""Invented examples: a school with one contact teacher and one EHT member, and steps about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import count
from typing import Any, Literal
from zoneinfo import ZoneInfo

from services.notify.desk import Desk
from services.notify.outbox import Began, begin, bury, not_sent, record, withdraw
from services.notify.routing import Routing
from services.notify.rows import OF_NO_FINDING, Answer, Case, Outgoing
from services.notify.stages.mute import why_quiet
from services.notify.standing import fold
from services.notify.telling import World, as_it_stands, choices, let_go, tell
from shared.calendar import SchoolCalendar
from shared.events import (
    AnswerKind,
    CaseMessage,
    CaseStep,
    Clearing,
    Evidence,
    SchoolLive,
    StepKind,
    TimeReached,
)
from shared.roster import Absence, Roster, RosterPupil, StaffMember

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


def away(rows: Roster, staff: str, substitute: str = "", *, first: date, last: date) -> Roster:
    """A roster in which someone is away too, from the first day to the last."""
    days = {"school": SCHOOL, "staff": staff, "from": first, "until": last}
    absence = Absence.model_validate({**days, "substitute": substitute})
    return rows.model_copy(update={"absences": (*rows.absences, absence)})


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
    calendar: SchoolCalendar = CALENDAR
    desk: Desk = field(default_factory=Desk)
    tokens: Any = field(default_factory=lambda: count(1))
    waiting: dict[str, Outgoing] = field(default_factory=dict)
    """The outbox."""

    @property
    def world(self) -> World:
        return World(
            self.routing,
            self.calendar,
            self.rosters,
            self.partitions,
            lambda: f"token-{next(self.tokens)}",
        )

    @property
    def now(self) -> datetime:
        reached = self.desk.reached_by_all(self.partitions)
        assert reached is not None, "no partition has reached any time"
        return reached

    @property
    def today(self) -> date:
        return self.calendar.local_date(self.now)

    def fold(self, *messages: CaseMessage, partition: int = 0) -> None:
        for message in messages:
            before = self.desk.reached_by_all(self.partitions)
            fold(self.desk, partition, message, self.calendar)
            reached = self.desk.reached_by_all(self.partitions)
            if reached is not None and reached != before:
                for made in tell(self.desk, self.world, before, reached):
                    assert made.id not in self.waiting
                    self.waiting[made.id] = made

    def fold_all(self, *messages: CaseMessage) -> None:
        """The same messages of every partition."""
        for partition in range(self.partitions):
            self.fold(*messages, partition=partition)

    def answered(self, answer: AnswerKind, clock: datetime, by: str = TEACHER, **case: Any) -> None:
        """An answer of a member of staff about `PUPIL`, and what it changes in the case."""
        key = f"{SCHOOL}/{PUPIL}"
        self.desk.put("cases", key, Case(SCHOOL, PUPIL, (Answer(answer, by, clock),), **case))
        of_case = (name for name, each in self.desk.findings.items() if each.about == key)
        self.desk.unsettled.update(of_case)

    def due(self) -> list[Outgoing]:
        """The messages in the outbox as they would go now; quiet hours hold others."""
        going = []
        for message in self.waiting.values():
            as_it_goes = None if self._waits(message) else self._as_it_goes(message)
            going += [as_it_goes] if as_it_goes else []
        return going

    def try_all(self) -> list[Outgoing]:
        """A try of each that may go has begun, and nobody knows how it ends."""
        tried = []
        for message in list(self.waiting.values()):
            if self._waits(message):
                continue
            going = self._as_it_goes(message)
            if not message.in_doubt:
                let_go(self.desk, message, {item.opened for item in going.items} if going else ())
            if going is None:
                withdraw(self.desk, message)
                del self.waiting[message.id]
                continue
            self.waiting[message.id] = begin(
                self.desk, going, self.today, Began(going.channels[0], 0, 0)
            )
            tried.append(self.waiting[message.id])
        return tried

    def send(self) -> list[Outgoing]:
        """All that may go reaches its recipients; what has nothing to tell is withdrawn."""
        tried = self.try_all()
        for message in tried:
            self.take(message)
        return tried

    def take(self, message: Outgoing) -> None:
        """The gateway has taken a message that was tried."""
        record(self.desk, message, message.channels[0], self.today)
        del self.waiting[message.id]

    def refuse(self, message: Outgoing) -> None:
        """It is known that a message's first try has reached nobody; it will be tried again."""
        not_sent(self.desk, message)
        self.waiting[message.id] = message.but(in_doubt=False)

    def give_up(self, message: Outgoing, *, in_doubt: bool = False) -> None:
        """A message will not be tried again: it has reached nobody, or nobody knows."""
        if not in_doubt:
            self.refuse(message)
        bury(self.desk, self.waiting.pop(message.id))

    @property
    def outbox(self) -> list[tuple[str, str, list[str]]]:
        """Kind, recipient and pupils (or unit) of each message that would go now."""
        return [
            (each.kind, str(each.recipient), [item.about.partition("/")[2] for item in each.items])
            for each in self.due()
        ]

    @property
    def owed(self) -> list[tuple[str, str]]:
        """Recipient and pupil (or unit) of all that may be told and is not on its way."""
        found = []
        for finding in self.desk.findings.values():
            _, who = choices(self.desk, self.world, finding, self.now)
            found += [
                (str(each.recipient), finding.pupil or finding.unit)
                for each in who
                if not each.muted and str(each.recipient) not in finding.on_way
            ]
        corrections = [
            (str(each.recipient), each.about.partition("/")[2])
            for each in self.desk.corrections.values()
            if not each.on_way
        ]
        return found + corrections

    def _as_it_goes(self, message: Outgoing) -> Outgoing | None:
        """What is in doubt goes as it was; None: there is nothing left to tell."""
        if message.in_doubt:
            return message
        going = as_it_stands(self.desk, self.world, message, self.now)
        return going if going.items or going.kind in OF_NO_FINDING else None

    def _waits(self, message: Outgoing) -> bool:
        if message.break_quiet or message.kind == "correction":
            return False
        return bool(why_quiet(self.now, self.routing.quiet_hours, self.calendar))
