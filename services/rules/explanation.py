"""What an explanation says, and the keys of its JSON. Dates as 2025-11-14, shares from 0 to 1."""

from datetime import date, datetime
from typing import Literal

import msgspec

from shared.events import AnswerKind, Figure, Status
from shared.indicators import Span
from shared.rulebook import Audience

Join = Literal["", "and", "or"]
Why = Literal["nothing_open", "audience", "lifted", "taken_over"]


class Lesson(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a lesson. A withdrawn one is left out."""

    lesson: str
    starts_at: datetime
    minutes: int
    absent_minutes: int
    status: Status
    bus_delay: bool
    """Late by a late bus: measured as attended."""
    corrected: bool
    """Recorded after its day's close."""


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """Monday to Friday of the weeks of the strip."""

    date: date
    school_day: bool
    why: str
    """Of a day off, as the calendar has it."""
    counts: bool
    """From the enrolment on, and not after the day asked for."""
    closed: bool
    lessons: list[Lesson]


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """How much a rule wants to know, and how much is known, in one window."""

    days: Span
    counting_days: Figure | None
    least_days: int
    coverage: Figure | None
    """None: nothing was scheduled."""
    least_coverage: Figure
    met: bool


class Threshold(msgspec.Struct, frozen=True, kw_only=True):
    """A limit, as it holds for this pupil on this day, and the value beside it."""

    join: Join
    """What leads on from the threshold before it."""
    depth: int
    """0: of the level itself; more: within so many groups."""
    indicator: str
    kind: str | None
    days: Span | None
    share: Figure | None
    level: int | None
    rules: list[str]
    value: Figure | None
    """None: nothing to measure."""
    coverage: Figure | None
    at_least: Figure | None
    at_most: Figure | None
    eased_at_least: Figure | None
    eased_at_most: Figure | None
    """A day is quiet when no level holds by its eased thresholds."""
    reached: bool


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """One level of a rule."""

    level: int
    holds: bool
    """It is the highest that holds on the day."""
    audience: list[Audience]
    thresholds: list[Threshold]


class RuleSeen(msgspec.Struct, frozen=True, kw_only=True):
    """One rule in force and what it says of the day."""

    rule: str
    title: dict[str, str]
    good_news: bool
    shadow: bool
    open_level: int
    """Of the finding that is open; 0: none is."""
    holds: int | None
    """The highest level that holds on the day, 0 for none; None: not enough data."""
    quiet: bool
    needs: list[Need]
    levels: list[Level]


class Open(msgspec.Struct, frozen=True, kw_only=True):
    """A finding that is open."""

    rule: str
    title: dict[str, str]
    good_news: bool
    shadow: bool
    level: int
    since: date
    quiet_days: int | None
    """So far; kept as of the newest close alone, so None for a day before it."""
    clear_after: int
    held_until: date | None
    audience: list[Audience]
    decided: date | None
    words: dict[str, str]
    """What the newest step told, as of `decided`; empty: there is none."""
    clearing: dict[str, str]


class Over(msgspec.Struct, frozen=True, kw_only=True):
    """A finding that ended within the strip's days."""

    rule: str
    title: dict[str, str]
    good_news: bool
    level: int
    """The highest that it reached."""
    since: date
    on: date
    cleared: bool
    """False: a correction took it away."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A telling."""

    on: date
    recipient: str


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What a member of staff answered."""

    on: date
    answer: AnswerKind
    by: str
    until: date | None


class Deadline(msgspec.Struct, frozen=True, kw_only=True):
    """When somebody more is told, unless somebody answers before."""

    on: date | None
    """None: past the calendar's end."""
    after_days: int
    level: int
    audience: list[Audience]


class Who(msgspec.Struct, frozen=True, kw_only=True):
    """Whose explanation it is, and who looks after it."""

    school_class: str
    enrolled: date | None
    sensitive: bool
    sensitive_until: date | None
    """The last day on which thresholds are lower."""
    factor: Figure
    """By which they are; 1: they are not."""
    responsible: list[Audience]
    why: Why
    told: list[Told]
    answers: list[Answered]
    waiting_since: date | None
    """The oldest telling that nobody has answered, while something is open."""
    deadline: Deadline | None


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    school: str
    pupil: str
    as_of: date
    closed: bool
    """Has that day been closed?"""
    known_on: date
    """The newest close that is folded."""
    complete: bool
    """All that has come is folded, not only what was known on a day."""
    rulebook: str
    rulebook_since: date
    calendar: str
    calendar_since: date
    who: Who
    strip: list[Day]
    rules: list[RuleSeen]
    """Open ones first, then those of which a level holds, else in the rulebook's order."""
    open: list[Open]
    ended: list[Over]

    @property
    def as_json(self) -> str:
        return msgspec.json.encode(self).decode()
