"""What notify writes down, row by row: findings that stand, answers, messages and their fates.

Rows name pupils and staff by their ids alone: addresses are looked up when a message is sent, and
stand in no row. What is to be told is in no row either: it is derived from what stands each time
that school time moves on (`telling.py`).

They are `msgspec` structs, kept slim: a school year's findings of a municipality are in memory at
once. What only pages show (`Signal`, `Page`) is written and never held.
"""

from datetime import date, datetime
from typing import Any, Literal

import msgspec

from shared.events import AnswerKind, StepKind

Send = Literal["shown", "digest", "immediate"]
"""How a finding is told: on a page only, in the recipient's next digest, or at once."""

Kind = Literal["digest", "immediate", "correction", "protected", "storm", "link", "address"]

OF_NO_FINDING: frozenset[Kind] = frozenset({"storm", "link", "address"})
"""Messages that tell of no finding: always the same words, and sent in quiet hours too."""

Table = Literal[
    "findings", "outbreaks", "cases", "corrections", "live", "reached", "said", "volume", "brake",
    "unreachable", "attempts", "taken", "texted", "spent", "decisions", "investigations",
    "outbox", "history", "notes", "signals", "messages", "fates", "ledger", "dead-letters", "asked",
    "dropped", "quarantine", "postponed",
]  # fmt: skip

Key = str


class Row(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Something that is written as it stands."""

    def but(self, **changes: Any) -> "Any":
        """The same with some fields changed."""
        return msgspec.structs.replace(self, **changes)


PROTECTED = "protected"
"""The audience of what concerns a pupil with protected identity: one named handler."""


IT = "/it"
"""In place of a staff id: the IT address of the routing file. No staff id has a slash."""


class Recipient(msgspec.Struct, frozen=True, order=True):
    """One adult at a school; without `staff` it is the inbox of the school's EHT."""

    school: str
    staff: str = ""

    def __str__(self) -> str:
        return f"{self.school}/{self.staff}"


class Signal(Row, frozen=True):
    """What staff may see of a finding, as of one step; by the step's id."""

    school: str
    pupil: str
    unit: str
    rule: str
    level: int
    since: date
    title: dict[str, str]
    words: dict[str, str]
    """What was seen, in Swedish and English."""
    good_news: bool = False

    @property
    def about(self) -> str:
        return about(self.school, self.pupil, self.unit)


class Telling(Row, frozen=True):
    """How a recipient was told of a finding."""

    level: int
    """The highest they were told of that has not been corrected."""
    on: date
    audience: str
    channels: tuple[str, ...]
    at_once: bool = False
    trying: str = ""
    """The message whose try began, as long as its outcome is not known."""
    before: "Telling | None" = None
    """What they had been told when that try began."""

    @property
    def in_doubt(self) -> bool:
        return bool(self.trying)

    def lowered(self, level: int) -> "Telling":
        """The same when only `level` is left of the finding."""
        before = self.before.lowered(level) if self.before else None
        return Telling(
            min(self.level, level),
            self.on,
            self.audience,
            self.channels,
            self.at_once,
            self.trying,
            before,
        )

    def settled(self, message: str, on: date | None) -> "Telling | None":
        """What they know when a message's outcome is known: told on a day, or not (None)."""
        if self.trying == message:
            told: Telling = self.but(on=on, trying="", before=None)
            return self.before if on is None else told
        if self.before is None:
            return self
        # Told of a raise meanwhile; the earlier message is settled beneath.
        changed: Telling = self.but(before=self.before.settled(message, on))
        return changed


class Finding(Row, frozen=True):
    """A finding that stands. Its key is `finding_key`."""

    school: str
    pupil: str
    """Empty: a unit's."""
    unit: str
    rule: str
    level: int
    since: date
    opened: str
    """The step that opened it: its identity."""
    steps: tuple[str, ...]
    """The steps that opened and raised it."""
    shows: str
    """The newest step: what is seen of the finding as of it."""
    as_of: date
    """The day as of which it opened or was last raised."""
    came: datetime
    """The school time at which that was known."""
    first: datetime
    """The same of when it opened, or came out of trial or history: from then on it is owed."""
    audience: tuple[str, ...]
    earlier: tuple[tuple[str, int], ...] = ()
    """Audiences of levels that it rose from, with these: told once, as of then, and of no raise."""
    good_news: bool = False
    shadow: bool = False
    """Its rule is being tried: told to nobody."""
    history: bool = False
    """From history, and told to nobody yet: part of the start list."""
    held_until: date | None = None
    """Not told before this day."""
    told: dict[str, Telling] = {}
    """By recipient."""
    on_way: dict[str, str] = {}
    """The message that is to tell a recipient."""

    @property
    def key(self) -> Key:
        return finding_key(self.school, self.pupil, self.unit, self.rule)

    @property
    def about(self) -> str:
        return about(self.school, self.pupil, self.unit)


class Outbreak(Row, frozen=True):
    """A class's finding that stands; while it does, telling of some rules waits for its pupils."""

    school: str
    unit: str
    rule: str
    damps: tuple[str, ...]
    """Rules whose telling waits."""
    since: date
    """What opened or rose as of an earlier day doesn't wait."""


class Answer(Row, frozen=True):
    """What a member of staff answered."""

    answer: AnswerKind
    by: str
    at: datetime
    """School time."""
    until: date | None = None
    note: str = ""
    """The id of a note."""


class Case(Row, frozen=True):
    """What was answered of a pupil, as long as something stands of them. By `school/pupil`."""

    school: str
    pupil: str
    answers: tuple[Answer, ...] = ()
    again_on: date | None = None
    """What still stands on that day is told again."""
    known_until: date | None = None
    """Levels 1 and 2 wait until then: their cause is known."""
    lifted: bool = False
    """EHT is told too."""
    taken: bool = False
    """EHT has taken the case: contact teachers are told no more."""
    wrong: date | None = None
    """When it was said to be wrongly registered: the school's admin is told too."""

    @property
    def also(self) -> tuple[str, ...]:
        """Audiences that are told by what was answered, whatever the rulebook says."""
        eht = ("eht",) if self.lifted or self.taken else ()
        return (*eht, *(("admin",) if self.wrong else ()))

    @property
    def answered_at(self) -> datetime | None:
        return self.answers[-1].at if self.answers else None


class Note(Row, frozen=True):
    """What was written with an answer. It stays here: events carry its id alone."""

    school: str
    pupil: str
    by: str
    at: datetime
    text: str
    for_eht: bool = False
    """For EHT's eyes only."""


class Decision(Row, frozen=True):
    """What a work-team meeting decided of a pupil: who does what, by when. By its own id."""

    school: str
    pupil: str
    what: str
    who: str
    """Staff id of whoever is to do it."""
    by: date
    """The day by which it is to be done."""
    at: datetime
    """School time at which it was decided."""
    decided_by: str
    """Staff id of whoever wrote it down."""
    done: date | None = None


Report = Literal["huvudman", "home_municipality"]
"""Who hears of an investigation: the school's authority, and the pupil's home municipality."""


class Investigation(Row, frozen=True):
    """What rektor decided by 7 kap. 19 a § skollagen: absence is investigated, or need not be."""

    school: str
    pupil: str
    begun: date
    """Or the day on which it was found not to be needed."""
    by: str
    needed: bool = True
    why: str = ""
    """Of one that is not needed."""
    ended: date | None = None
    owed: tuple[Report, ...] = ()
    """Reports that are still to be made; 7 kap. 19 a § and 22 §."""
    made: dict[str, date] = {}
    """Reports by when they were made."""

    @property
    def is_open(self) -> bool:
        return self.needed and self.ended is None


class Happened(Row, frozen=True):
    """Something of a pupil's case, for the history that staff read. By pupil, and then by `key`."""

    what: Literal["signal", "told", "answer", "decision", "investigation"]
    at: datetime
    """School time."""
    on: date
    name: str
    """Of a signal the step; of a telling the message; of an answer what was answered; of a decision
    its id; of an investigation what became of it."""
    who: str = ""
    """Staff id of whoever was told or has answered."""
    kind: StepKind | None = None
    """Of a signal: what became of it."""
    level: int = 0
    """Of a signal: the level it has since; 0: it stands no more."""
    rule: str = ""
    title: dict[str, str] = {}
    words: dict[str, str] = {}
    good_news: bool = False
    corrected: bool = False
    """Of a signal that opened: on a lesson that was recorded after its day."""
    channel: str = ""
    until: date | None = None
    note: str = ""
    """The id of a note."""

    @property
    def key(self) -> Key:
        return f"{self.at.isoformat()} {self.what} {self.who} {self.name}"


class Counted(msgspec.Struct, frozen=True):
    """What is counted of a line of history; read of its row, of which it takes less."""

    what: str
    on: date
    kind: StepKind | None = None
    level: int = 0
    rule: str = ""
    good_news: bool = False


class Correction(Row, frozen=True):
    """What one who was told is to be told: that it no longer holds."""

    recipient: Recipient
    finding: Key
    about: str
    opened: str
    step: str
    """That took it back."""
    shows: str
    level: int
    since: date
    came: datetime
    channels: tuple[str, ...]
    good_news: bool = False
    at_once: bool = False
    protected: bool = False
    on_way: str = ""
    """The message that is to tell it, or one in doubt that it is to follow."""

    @property
    def key(self) -> Key:
        return f"{self.recipient} {self.opened}"


class Live(Row, frozen=True):
    """A school that has gone live."""

    first: datetime
    released: datetime | None = None
    """From then on its start list may be told; None: it is held."""


class Item(Row, frozen=True):
    """One finding, or one correction, that a message tells of."""

    finding: Key
    about: str
    """The pupil or unit."""
    opened: str
    steps: tuple[str, ...]
    """Those that it tells of, for the ledger."""
    shows: str
    level: int
    since: date
    reason: str
    """Why this recipient is told, and why now."""
    audience: str = ""
    good_news: bool = False
    correction: bool = False
    again: bool = False
    """It was told before, was answered, and still stands."""
    handed_over: bool = False
    """Another contact teacher was told of it before."""
    beyond_cap: bool = False
    before: Telling | None = None
    """What the recipient had been told when the present try began."""

    @property
    def protected(self) -> bool:
        """Is it told in a message of its own, which says the same whatever it is about?"""
        return self.audience == PROTECTED

    @property
    def counts_for_cap(self) -> bool:
        """Is it one more thing for a contact teacher to look into?"""
        return not self.good_news and not self.correction


class Outgoing(Row, frozen=True):
    """A message in the outbox."""

    id: str
    kind: Kind
    recipient: Recipient
    channels: tuple[str, ...]
    """Tried in order."""
    items: tuple[Item, ...]
    token: str
    """Opens its page: 128 bits, known to nobody else."""
    made: datetime
    """School time."""
    break_quiet: bool = False
    held: int = 0
    """A warning's: how many messages the brake holds."""
    whose: str = ""
    """Of a warning of an address: the staff id of whom it was to reach."""
    due: float = 0
    """Machine time of the next try, in Unix seconds."""
    attempts: int = 0
    """Tries on the present channel."""
    tried_by: str = ""
    """The channel of the last try."""
    tried_at: float = 0
    """Machine time at which it began, in Unix seconds."""
    in_doubt: bool = False
    """A try began whose outcome is not known: what it told stands as it was."""
    failed: dict[str, str] = {}
    """Channels given up, and why."""


class Shown(Row, frozen=True):
    """One finding on a page: as of which step, and what became of it since is its fate."""

    shows: str
    opened: str
    correction: bool = False
    again: bool = False
    handed_over: bool = False
    beyond_cap: bool = False


class Page(Row, frozen=True):
    """What the link in a message opens; by the digest of its token."""

    kind: Kind
    recipient: Recipient
    made: datetime
    items: tuple[Shown, ...]
    whose: str = ""
    """Of a warning of an address: the staff id of whom it was to reach."""
    renewed: date | None = None
    """When a fresh link was last asked for."""


class Fate(Row, frozen=True):
    """What has last become of a finding after it opened; by the step that opened it."""

    kind: StepKind
    level: int
    """The level it has since; 0: it stands no more."""
    as_of: date


class Delivery(Row, frozen=True):
    """A line of the delivery ledger: a step told to a recipient by a channel."""

    message: str
    """The outbox id."""
    kind: Kind
    at: datetime
    """School time."""


class DeadLetter(Row, frozen=True):
    """A message given up, kept for replay."""

    outgoing: Outgoing
    reason: str
    at: datetime
    """School time."""
    dropped: str = ""
    """Why it is not to be sent after all: its recipient knows, or need not."""


class Asked(Row, frozen=True):
    """What someone wants done with a dead letter (by its message), the brake, an address, or all
    that is past its time."""

    what: Literal["replay", "drop", "release", "dead", "alive", "purge"]
    why: str = ""


class Refused(Row, frozen=True):
    """A stream entry that could not be read."""

    where: str
    entry: str
    reason: str
    raw: str


class Unreachable(Row, frozen=True):
    """An address at which nobody is; by its digest."""

    since: date
    why: str


class Volume(Row, frozen=True):
    """Messages made in the hours of a day, by the local hour as two digits; by date."""

    hours: dict[str, int]


class Attempt(Row, frozen=True):
    """A try of which it is not known whether it got through, where the gateway can be asked."""

    message: str
    """The outbox id."""
    address: str
    """As `address_key` names it."""
    at: float
    """Machine time at which it began, in Unix seconds."""


class Taken(Row, frozen=True):
    """A message that a gateway has taken; by the gateway's name of it."""

    message: str
    """The outbox id."""
    on: date


class Texted(Row, frozen=True):
    """An SMS of which no report has come yet that it was delivered; by `message.identity`."""

    page: Key
    """What its link opens."""
    at: datetime
    """School time."""


class Spent(Row, frozen=True):
    """SMS to a recipient on a date, or to a school in a month."""

    sms: int
    on: date
    """Of the newest."""


class Brake(Row, frozen=True):
    """All messages are held, since far more than usual were to leave in an hour."""

    at: datetime
    """School time."""
    since: datetime | None
    """Digests whose slots have passed since then are made up for at the release."""
    held: int
    """Messages that were to leave."""
    released: bool = False


class Said(Row, frozen=True):
    """A fact that rules is to hear of: a telling or an answer. Written on the pupil's partition."""

    school: str
    pupil: str
    fact: str
    """As JSON."""


class Reached(Row, frozen=True):
    """The school time that a partition has reached."""

    at: datetime


IN_MEMORY: dict[Table, type[Row]] = {
    "findings": Finding,
    "outbreaks": Outbreak,
    "cases": Case,
    "corrections": Correction,
    "live": Live,
    "reached": Reached,
    "said": Said,
    "volume": Volume,
    "brake": Brake,
    "unreachable": Unreachable,
    "attempts": Attempt,
    "texted": Texted,
    "spent": Spent,
    "decisions": Decision,
    "investigations": Investigation,
}
"""Tables that the desk holds; the others are written, and read by those who need a row."""


def about(school: str, pupil: str, unit: str) -> str:
    """Names a pupil or unit among all."""
    # No pupil's id is empty or has a slash, so a unit is never taken for a pupil.
    return f"{school}/{pupil}" if pupil else f"{school}//{unit}"


def finding_key(school: str, pupil: str, unit: str, rule: str) -> Key:
    """Names a finding among those that stand: one per pupil or unit, and rule."""
    return f"{about(school, pupil, unit)} {rule}"


def rule_of(finding: Key) -> str:
    """The rule of a finding's key. No rule's name has a space."""
    return finding.rpartition(" ")[2]
