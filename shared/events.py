"""The contracts: every message that crosses a service boundary.

A message is frozen and refuses unknown keys, so that a misspelt field is an error where it
is made and not a silence where it is read. All of them but `CaseStep` travel on
`attendance:{p}`; time, rosters and rule changes are entries there like any registration,
which is what makes the fold repeatable.
"""

from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, model_validator

Name = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\s/]+$")]
"""An identifier of the source: no spaces and no slash, since `school/pupil` is a name too."""

Level = Annotated[int, Field(ge=1, le=4)]
"""Severity: 1 watch (shown, not sent), 2 concern, 3 serious, 4 critical."""


class Status(StrEnum):
    """What a school says of one pupil at one lesson."""

    PRESENT = "present"
    LATE = "late"
    EXCUSED = "excused"
    LEAVE = "leave"
    UNEXCUSED = "unexcused"
    OTHER = "other"
    UNREPORTED = "unreported"
    WITHDRAWN = "withdrawn"

    # Enum hashes in Python, by name; a registration is looked up by its status several times.
    __hash__ = str.__hash__


WHOLLY_ABSENT = frozenset({Status.EXCUSED, Status.LEAVE, Status.UNEXCUSED})
"""Statuses that mean the whole lesson when the source gives no minutes."""


class Message(BaseModel):
    """A frozen value that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class AttendanceEvent(Message):
    """What a school knows about one pupil at one lesson, as of `recorded_at`.

    An upsert: its key is (school, pupil, lesson), and the highest `recorded_at` wins.
    """

    school: Name
    pupil: Name
    lesson: Name = Field(description="Identifies the pupil's lesson within the school.")
    starts_at: AwareDatetime
    minutes: int = Field(ge=1, le=1440, description="Lesson time offered to this pupil.")
    subject: str = Field(default="", max_length=128, description="A key, never shown in messages.")
    status: Status
    absent_minutes: int = Field(ge=0, description="Minutes missed, at most `minutes`.")
    recorded_at: AwareDatetime = Field(description="When the source last changed it: the revision.")

    @model_validator(mode="after")
    def _absent_within_offered(self) -> "AttendanceEvent":
        if self.absent_minutes > self.minutes:
            raise ValueError(
                f"{self.absent_minutes} absent minutes of {self.minutes} offered; "
                "a pupil can miss at most the whole lesson"
            )
        return self


class AttendanceBatch(Message):
    """Registrations of one partition, packed into one stream entry.

    One entry per registration costs fifty times the CPU (docs/decisions, steps and checkpoints).
    """

    type: Literal["attendance"] = "attendance"
    source: str = Field(description="The import they came by; outcomes are counted under it.")
    history: bool = Field(default=False, description="True: past days, nobody is told.")
    events: list[AttendanceEvent]


class PupilRecord(Message):
    """What the roster says about a pupil from `valid_from` on, without name or address."""

    type: Literal["pupil_record"] = "pupil_record"
    school: Name
    pupil: Name
    school_class: str = Field(default="", alias="class")
    work_team: str = ""
    enrolled: date | None = Field(default=None, description="First school day; windows start here.")
    left: date | None = Field(default=None, description="Last school day, when the pupil has left.")
    contact_teachers: tuple[Name, ...] = ()
    bus: str = ""
    valid_from: date
    recorded_at: AwareDatetime = Field(description="When the roster was read: the revision.")

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class DayClosed(Message):
    """School time: the school's `date` is over, and daily rules are judged on what is known."""

    type: Literal["day_closed"] = "day_closed"
    school: Name
    date: date
    history: bool = Field(default=False, description="True: its steps are told to nobody.")


class TimeReached(Message):
    """School time, each quarter-hour. Rules forwards it; notify decides slots by it alone."""

    type: Literal["time_reached"] = "time_reached"
    at: AwareDatetime


class SchoolLive(Message):
    """A school went live: from here on its steps are told."""

    type: Literal["school_live"] = "school_live"
    school: Name
    at: AwareDatetime


class RulebookChanged(Message):
    """The whole rulebook; in force from the next day close of each school."""

    type: Literal["rulebook_changed"] = "rulebook_changed"
    version: str
    content: dict[str, Any]


class CalendarChanged(Message):
    """The whole calendar; in force from the next day close of each school."""

    type: Literal["calendar_changed"] = "calendar_changed"
    version: str
    content: dict[str, Any]


Fact = Annotated[
    AttendanceBatch
    | PupilRecord
    | DayClosed
    | TimeReached
    | SchoolLive
    | RulebookChanged
    | CalendarChanged,
    Field(discriminator="type"),
]
"""All that may stand on `attendance:{p}`."""

FACT: TypeAdapter[Fact] = TypeAdapter(Fact)


class StepKind(StrEnum):
    """How a finding changed."""

    OPENED = "opened"
    RAISED = "raised"
    RETRACTED = "retracted"
    CLEARED = "cleared"


Figure = int | float
"""A measured value as shown: a count, or a share rounded to 12 decimals. Never compared."""


class Evidence(Message):
    """One deciding indicator of a step: what was measured, over which lessons, against what."""

    indicator: str
    kind: str | None = None
    days: int | None = Field(default=None, description="School days in the window.")
    value: Figure | None = Field(default=None, description="Empty: nothing to measure.")
    at_least: Figure | None = None
    at_most: Figure | None = None
    lessons: tuple[str, ...] = ()


class Clearing(Message):
    """What would clear a finding: every condition quiet on `quiet_days` school days in a row."""

    quiet_days: int
    conditions: tuple[Evidence, ...] = Field(
        description="The eased thresholds with today's values; quiet while no level holds by them."
    )


class CaseStep(Message):
    """One change of a pupil's case, on `case-steps:{p}`. Its id is made of its content."""

    type: Literal["case_step"] = "case_step"
    step_id: str
    school: Name
    pupil: Name
    rule: str
    kind: StepKind
    level: Level = Field(description="Retracted and cleared: the level the finding had.")
    remaining: int | None = Field(default=None, description="Retracted only: the level left, or 0.")
    as_of: date
    since: date
    history: bool = False
    corrected: bool = Field(default=False, description="Opened on a lesson recorded after its day.")
    title: dict[str, str]
    audience: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    clearing: Clearing
    rulebook: str = Field(description="Version of the rulebook in force.")


CaseMessage = Annotated[CaseStep | TimeReached | SchoolLive, Field(discriminator="type")]
"""All that may stand on `case-steps:{p}`."""

CASE_MESSAGE: TypeAdapter[CaseMessage] = TypeAdapter(CaseMessage)
