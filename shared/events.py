"""The contracts: every message that crosses a service boundary.

A message is frozen and refuses unknown keys, so that a misspelt field is an error where it
is made and not a silence where it is read. All of them but `CaseStep` travel on
`attendance:{p}`; time, rosters and rule changes are entries there like any registration,
which is what makes the fold repeatable.
"""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

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
    group: str = Field(
        default="", max_length=128, description="Who registers it: a teaching group or teacher key."
    )

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
    feeder_school: str = Field(default="", description="The school that handed the pupil over.")
    need: bool = Field(default=False, description="The handover says that the pupil needs support.")
    last_year_share: Decimal | None = Field(
        default=None, ge=0, le=1, description="Share of last year's time that was missed."
    )
    protected: bool = Field(
        default=False, description="Protected identity: counted of no class, group or school."
    )
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


class CaseTold(Message):
    """A signal about a pupil was told: the gateway accepted it. Deadlines count from here."""

    type: Literal["case_told"] = "case_told"
    school: Name
    pupil: Name
    recipient: Name = Field(description="Staff id of whom it was told to.")
    on: date = Field(description="Local date.")
    rules: tuple[Name, ...] = Field(
        default=(), description="Rules of whose findings it told; empty: that is not said."
    )


AnswerKind = Literal[
    "talked", "known_cause", "lift", "not_relevant", "booked", "takes_over", "wrongly_registered"
]
"""What staff did: talked with the pupil, know the cause until a date, lift to EHT, not relevant,
contact booked, EHT takes over, wrongly registered."""


class CaseAnswer(Message):
    """What a member of staff answered about a pupil's case. Notes stay where they were written."""

    type: Literal["case_answer"] = "case_answer"
    school: Name
    pupil: Name
    answer: AnswerKind
    by: Name = Field(description="Staff id.")
    on: date = Field(description="Local date.")
    until: date | None = Field(default=None, description="Known cause, contact booked: that date.")

    @model_validator(mode="after")
    def _known_until(self) -> "CaseAnswer":
        if self.answer == "known_cause" and self.until is None:
            raise ValueError("a known cause ends on a date; wanted until")
        return self


class UnitCell(NamedTuple):
    """A count of one date within one partition, as it is known now; the newest replaces others."""

    kind: Literal["class", "group"]
    unit: str
    """A class, or a group of registrations (empty: of none)."""
    date: date
    """Of the lessons of a class; of a group's, the date on which they came due."""
    of: int
    """Pupils with counting lessons; lessons that came due."""
    hits: int
    """Of them newly absent; unreported."""


class UnitsCounted(Message):
    """What one partition counts of a school's classes and groups at a close.

    Goes to the partition that judges the school's units, from each partition, so that figures
    across pupils have one writer too.
    """

    type: Literal["units_counted"] = "units_counted"
    school: Name
    whole: date | None = Field(
        default=None, description="From this date on, all that the partition counts; else changes."
    )
    date: date
    history: bool = False
    partition: int = Field(ge=0)
    cells: tuple[UnitCell, ...] = ()


Fact = Annotated[
    AttendanceBatch
    | PupilRecord
    | CaseTold
    | CaseAnswer
    | UnitsCounted
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


# Evidence and clearing are no `Message`: a step has many, and checking what rules itself puts in
# costs more than all else about them. Read from JSON they are checked like any message.


@dataclass(frozen=True)
class Evidence:
    """One deciding indicator of a step: what was measured, over which lessons, against what."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    indicator: str
    kind: str | None = None
    days: Annotated[
        int | Literal["term", "year"] | None,
        Field(description="School days in the window, or the term or year so far."),
    ] = None
    value: Annotated[Figure | None, Field(description="Empty: nothing to measure.")] = None
    at_least: Figure | None = None
    at_most: Figure | None = None
    share: Annotated[Figure | None, Field(description="Of each of persistent_blocks.")] = None
    level: Annotated[int | None, Field(description="Least level of findings that count.")] = None
    coverage: Annotated[
        Figure | None, Field(description="Share of the window's lessons that are registered.")
    ] = None
    lessons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Clearing:
    """What would clear a finding: every condition quiet on `quiet_days` school days in a row."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    quiet_days: int
    conditions: Annotated[
        tuple[Evidence, ...],
        Field(
            description="The eased thresholds with today's values; "
            "quiet while no level holds by them."
        ),
    ]
    words: Annotated[
        dict[str, str],
        Field(description="The same in Swedish and English, for a parent to read."),
    ] = field(default_factory=dict)


class CaseStep(Message):
    """One change of a pupil's case, on `case-steps:{p}`. Its id is made of its content."""

    type: Literal["case_step"] = "case_step"
    step_id: str
    school: Name
    pupil: Name | Literal[""] = Field(description="Empty: a unit's step.")
    unit: str = Field(default="", description="class/…, group/… or school, when not a pupil's.")
    rule: str
    kind: StepKind
    level: Level = Field(description="Retracted and cleared: the level the finding had.")
    remaining: int | None = Field(default=None, description="Retracted only: the level left, or 0.")
    as_of: date
    since: date
    history: bool = False
    corrected: bool = Field(default=False, description="Opened on a lesson recorded after its day.")
    shadow: bool = Field(default=False, description="Told to nobody: the rule is being tried.")
    good_news: bool = False
    held_until: date | None = Field(
        default=None, description="Telling waits until this day: a cool-down or a known cause."
    )
    damps: tuple[str, ...] = Field(
        default=(), description="A unit's: rules whose telling waits while this stands."
    )
    title: dict[str, str]
    audience: tuple[str, ...]
    words: dict[str, str] = Field(
        default_factory=dict, description="What was seen, in Swedish and English, for a parent."
    )
    evidence: tuple[Evidence, ...]
    clearing: Clearing
    rulebook: str = Field(description="Version of the rulebook in force.")


CaseMessage = Annotated[CaseStep | TimeReached | SchoolLive, Field(discriminator="type")]
"""All that may stand on `case-steps:{p}`."""

CASE_MESSAGE: TypeAdapter[CaseMessage] = TypeAdapter(CaseMessage)
