"""What notify knows: findings that stand, what waits for whom, what is on its way.

The desk is all of it in memory, and remembers which rows it changed, so that what one batch of
entries causes can be written in one go. Rows name pupils by their ids alone, and staff too:
addresses are looked up when a message is sent, and stand in no row.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

from pydantic import AwareDatetime, Field

from shared.events import (
    CaseStep,
    Level,
    Message,
    Name,
    SchoolLive,
    StepKind,
    TimeReached,
)

Send = Literal["shown", "digest", "immediate"]
"""How a step is told: on a page only, in the recipient's next digest, or at once."""

Kind = Literal["digest", "immediate", "correction"]

Table = Literal[
    "findings", "outbreaks", "pending", "outbox", "live", "reached",
    "messages", "fates", "ledger", "dead-letters", "replay", "quarantine",
]  # fmt: skip

IN_MEMORY: tuple[Table, ...] = ("findings", "outbreaks", "pending", "outbox", "live", "reached")
"""Tables that the desk holds; the others are written, and read by those who need a row."""


class Recipient(Message):
    """One adult at a school; without `staff` it is the inbox of the school's EHT."""

    school: Name
    staff: str = ""

    def __str__(self) -> str:
        return f"{self.school}/{self.staff}"


class Signal(Message):
    """What staff may see of a finding, as of one step."""

    opened: str = Field(description="The step that opened the finding: its identity.")
    school: Name
    pupil: Name | Literal[""]
    unit: str = Field(default="", description="class/…, group/… or school, when not a pupil's.")
    rule: str
    level: Level
    as_of: date
    since: date
    good_news: bool = False
    title: dict[str, str]
    audience: tuple[str, ...]
    words: dict[str, str] = Field(description="What was seen, in Swedish and English.")

    @property
    def about(self) -> str:
        """Names the pupil or unit among all."""
        return _about(self)

    @property
    def finding(self) -> str:
        """Names the finding among those that stand: one per pupil or unit, and rule."""
        return finding_of(self)


class Telling(Message):
    """How a recipient was told of a finding."""

    send: Send
    channels: tuple[str, ...]
    level: int = Field(description="The highest they were told of that has not been corrected.")


class Held(Message):
    """Telling that waits."""

    steps: tuple[str, ...] = Field(description="Opened or raised it, and are not told.")
    reason: str


class Finding(Message):
    """A finding that stands."""

    signal: Signal
    steps: tuple[str, ...] = Field(description="The steps that opened and raised it.")
    risen: date = Field(description="As of this day it opened or was last raised.")
    waiting: bool = Field(default=False, description="From history, and not yet in a start list.")
    shadow: bool = Field(default=False, description="Its rule is being tried: told to nobody.")
    held_until: date | None = Field(default=None, description="Not told before this day.")
    held: Held | None = Field(default=None, description="What of it waits to be told, and why.")
    told: dict[str, Telling] = Field(default_factory=dict, description="Recipients told of it.")


class Outbreak(Message):
    """A class's finding that stands; while it does, telling of some rules waits for its pupils."""

    school: Name
    unit: str
    rule: str
    damps: tuple[str, ...] = Field(description="Rules whose telling waits.")
    since: date = Field(description="What opened or rose as of an earlier day doesn't wait.")


class Item(Message):
    """A finding, or its correction, that a recipient is to be told of."""

    recipient: Recipient
    signal: Signal
    steps: tuple[str, ...]
    correction: bool = False
    after: AwareDatetime = Field(description="School time at which it came.")
    channels: tuple[str, ...]
    reason: str

    @property
    def key(self) -> str:
        kind = "correction" if self.correction else "signal"
        return f"{self.recipient} {self.signal.finding} {kind}"


class Outgoing(Message):
    """A message in the outbox."""

    id: str
    kind: Kind
    recipient: Recipient
    channels: tuple[str, ...] = Field(description="Tried in order.")
    items: tuple[Item, ...]
    token: str = Field(repr=False, description="Opens its page: 128 bits, known to nobody else.")
    made: AwareDatetime = Field(description="School time.")
    due: float = Field(default=0, description="Machine time of the next try, in Unix seconds.")
    attempts: int = Field(default=0, description="Tries on the present channel.")
    in_doubt: bool = Field(default=False, description="A try began whose outcome is not known.")
    failed: dict[str, str] = Field(default_factory=dict, description="Channels given up, and why.")
    at_slot: bool = Field(default=False, description="Made at a slot that all have passed.")


class Page(Message):
    """What the link in a message opens."""

    kind: Kind
    made: AwareDatetime
    items: tuple[Item, ...]


class Fate(Message):
    """What has last become of a finding after it opened."""

    kind: StepKind
    level: int = Field(description="The level it has since; 0: it stands no more.")
    as_of: date


class Delivery(Message):
    """A line of the delivery ledger: a step told to a recipient by a channel."""

    message: str = Field(description="The outbox id.")
    kind: Kind
    at: AwareDatetime = Field(description="School time.")


class DeadLetter(Message):
    """A message given up, kept for replay."""

    outgoing: Outgoing
    reason: str
    at: AwareDatetime = Field(description="School time.")


class Refused(Message):
    """A stream entry that could not be read."""

    where: str
    entry: str
    reason: str
    raw: str


Changes = Mapping[tuple[Table, str], Message | None]
"""Rows to write, by table and key; None: the row is gone."""


@dataclass
class Desk:
    """Everything that is held in memory, and what changed since it was last written."""

    findings: dict[str, Finding] = field(default_factory=dict)
    outbreaks: dict[str, Outbreak] = field(default_factory=dict)
    """By the key of the class's finding."""
    pending: dict[str, Item] = field(default_factory=dict)
    outbox: dict[str, Outgoing] = field(default_factory=dict)
    live: dict[str, SchoolLive] = field(default_factory=dict)
    reached: dict[str, TimeReached] = field(default_factory=dict)
    routed: list[str] = field(default_factory=list)
    """Decisions taken since last asked, for the metrics."""
    _changes: dict[tuple[Table, str], Message | None] = field(default_factory=dict)

    def reached_by_all(self, partitions: int) -> datetime | None:
        """The school time that every partition has reached; None before each has reached any."""
        if len(self.reached) < partitions:
            return None
        return min(each.at for each in self.reached.values())

    def put(self, table: Table, key: str, row: Message) -> None:
        if table in IN_MEMORY:
            getattr(self, table)[key] = row
        self._changes[table, key] = row

    def drop(self, table: Table, key: str) -> None:
        if table in IN_MEMORY:
            getattr(self, table).pop(key, None)
        self._changes[table, key] = None

    def take_changes(self) -> Changes:
        changes, self._changes = self._changes, {}
        return changes

    def take_routed(self) -> list[str]:
        routed, self.routed = self.routed, []
        return routed


def signal_of(step: CaseStep, opened: str, level: int) -> Signal:
    """What may be seen of a finding after `step`."""
    return Signal(
        opened=opened,
        school=step.school,
        pupil=step.pupil,
        unit=step.unit,
        rule=step.rule,
        level=level,
        as_of=step.as_of,
        since=step.since,
        good_news=step.good_news,
        title=step.title,
        audience=step.audience,
        words=step.words,
    )


def finding_of(step: CaseStep | Signal) -> str:
    """The key of the finding that a step changes."""
    return f"{_about(step)} {step.rule}"


def _about(step: CaseStep | Signal) -> str:
    # No pupil's id is empty or has a slash, so a unit is never taken for a pupil.
    return f"{step.school}/{step.pupil}" if step.pupil else f"{step.school}//{step.unit}"
