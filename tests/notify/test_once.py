"""Whatever comes in whatever order: told at most once unless in doubt, and in the end told.

Beside the chain runs a slow model that knows nothing of routes, slots or messages: it notes what
each recipient may know of each finding, and judges every try by it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from itertools import chain
from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from services.notify.rows import Item, Outgoing
from shared.events import CaseStep, TimeReached
from tests.notify.examples import (
    CALENDAR,
    EHT,
    OTHER_PUPIL,
    OTHER_TEACHER,
    PUPIL,
    SCHOOL,
    TEACHER,
    WEDNESDAY,
    Telling,
    at,
    member,
    pupil,
    reached,
    roster,
    step,
)

TEACHERS, TEAM = (f"{SCHOOL}/{TEACHER}", f"{SCHOOL}/{OTHER_TEACHER}"), (f"{SCHOOL}/{EHT}",)
PARTITION = {PUPIL: 0, OTHER_PUPIL: 1}

# By rule and level.
AUDIENCES: dict[str, dict[int, tuple[str, ...]]] = {
    "first-teachers-then-eht": {
        1: ("contact_teacher",), 2: ("contact_teacher",), 3: ("eht",), 4: ("eht",),
    },
    "both": dict.fromkeys((1, 2, 3, 4), ("contact_teacher", "eht")),
}  # fmt: skip

Subject = tuple[str, str]
"""A pupil and a rule."""

Outcome = Literal["sent", "doubt", "refused"]

Known = tuple[str, str]
"""A recipient, and the step that opened a finding."""


@dataclass
class Model:
    """What stands, what each recipient may know of it, and who is to be told that it was wrong."""

    opened: dict[Subject, str] = field(default_factory=dict)
    level: dict[Subject, int] = field(default_factory=dict)
    known: dict[Known, int] = field(default_factory=dict)
    before: dict[Known, int] = field(default_factory=dict)
    """What was known when the present try began."""
    owed: dict[Known, str] = field(default_factory=dict)
    """The step that took something back, by whom is to be told of it."""
    spared: set[Known] = field(default_factory=set)
    """They may be told or not: what they were not reached with stands no more."""

    def rises(self, subject: Subject, risen: CaseStep) -> None:
        self.opened.setdefault(subject, risen.step_id)
        self.level[subject] = risen.level

    def falls(self, subject: Subject, fallen: CaseStep) -> None:
        opened, left = self.opened[subject], fallen.remaining or 0
        for who, level in list(self.known.items()):
            if who[1] != opened:
                continue
            if fallen.kind == "retracted" and level > left:
                self.owed[who] = fallen.step_id
                self.spared.discard(who)
            self.known[who] = min(level, left)
        self.level[subject] = left
        if not left:
            del self.level[subject], self.opened[subject]

    def tries(self, message: Outgoing) -> None:
        """A message that may tell anything new: nothing twice, and nothing that doesn't stand."""
        for item in message.items:
            who, subject = (str(message.recipient), item.opened), _subject(item)
            if item.correction:
                assert who in self.owed, "corrected to one who was never told"
                continue
            assert self.opened.get(subject) == item.opened, "told of what does not stand"
            assert item.level == self.level[subject], "told of a level that it has not"
            assert item.level > self.known.get(who, 0), "told of what they may know"
            self.before[who] = self.known.get(who, 0)
            self.known[who] = item.level

    def sent(self, message: Outgoing) -> None:
        for item in message.items:
            who = (str(message.recipient), item.opened)
            if item.correction and self.owed.get(who) in item.steps:
                del self.owed[who]

    def refused(self, message: Outgoing) -> None:
        """It is as it was before; who was reached by nothing else needs no correction."""
        for item in message.items:
            who, subject = (str(message.recipient), item.opened), _subject(item)
            if item.correction:
                continue
            stands = self.opened.get(subject) == item.opened
            left, before = self.level[subject] if stands else 0, self.before[who]
            self.known[who] = min(before, left)
            if not before:
                self.owed.pop(who, None)
            elif before <= left and who in self.owed:
                self.spared.add(who)

    def is_left_to_tell(self) -> list[str]:
        left = [
            f"{recipient} does not know of {subject} at level {level}"
            for subject, level in self.level.items()
            for recipient in _recipients(subject, level)
            if self.known.get((recipient, self.opened[subject]), 0) < level
        ]
        return left + [f"{who} is not corrected" for who in self.owed.keys() - self.spared]


def _subject(item: Item) -> Subject:
    about, _, rule = item.finding.partition(" ")
    return about.partition("/")[2], rule


def _recipients(subject: Subject, level: int) -> Iterable[str]:
    """By default level 1 is only shown."""
    if level == 1:
        return
    audience = AUDIENCES[subject[1]][level]
    yield from TEACHERS if "contact_teacher" in audience else ()
    yield from TEAM if "eht" in audience else ()


@dataclass
class Trial:
    """The chain and the model side by side."""

    telling: Telling
    model: Model = field(default_factory=Model)
    clocks: list[datetime] = field(default_factory=lambda: [at(WEDNESDAY, "12:00")] * 2)
    trying: list[tuple[Outgoing, bool]] = field(default_factory=list)
    """Messages whose try has begun, and whether an earlier one may have got through."""

    def rise(self, subject: Subject, level: int) -> None:
        before = self.model.level.get(subject, 0)
        if level > before:
            risen = step(
                "raised" if before else "opened",
                level,
                pupil=subject[0],
                rule=subject[1],
                audience=AUDIENCES[subject[1]][level],
                as_of=self._today(subject),
            )
            self.telling.fold(risen, partition=PARTITION[subject[0]])
            self.model.rises(subject, risen)

    def fall(self, subject: Subject, kind: Literal["retracted", "cleared"], remaining: int) -> None:
        before = self.model.level.get(subject, 0)
        if before <= remaining:
            return
        left = remaining if kind == "retracted" else 0
        fallen = step(
            kind,
            before,
            pupil=subject[0],
            rule=subject[1],
            remaining=left if kind == "retracted" else None,
            audience=AUDIENCES[subject[1]][left or before],
            as_of=self._today(subject),
        )
        self.telling.fold(fallen, partition=PARTITION[subject[0]])
        self.model.falls(subject, fallen)

    def pass_time(self, partition: int, quarters: int) -> None:
        self.clocks[partition] += timedelta(minutes=15 * quarters)
        self.telling.fold(TimeReached(at=self.clocks[partition]), partition=partition)

    def close(self, quarters: int) -> None:
        """Both partitions reach the time that the later one would reach by itself."""
        reached = max(self.clocks) + timedelta(minutes=15 * quarters)
        for partition, clock in enumerate(self.clocks):
            self.pass_time(partition, (reached - clock) // timedelta(minutes=15))

    def begin(self) -> None:
        if self.trying:
            return
        before = dict(self.telling.waiting)
        for message in self.telling.try_all():
            earlier = before[message.id]
            if earlier.in_doubt:
                assert (message.items, message.token) == (earlier.items, earlier.token)
            else:
                self.model.tries(message)
            self.trying.append((message, earlier.in_doubt))

    def settle(self, outcomes: list[Outcome]) -> None:
        """Outcomes in turn for the messages that are being tried; sent, when there are no more."""
        for number, (message, doubted) in enumerate(self.trying):
            outcome = outcomes[number] if number < len(outcomes) else "sent"
            if outcome == "sent":
                self.telling.take(message)
                self.model.sent(message)
            elif outcome == "refused" and not doubted:
                self.telling.refuse(message)
                self.model.refused(message)
        self.trying.clear()

    def end(self) -> None:
        """A week and a half goes by in which everything gets through."""
        self.settle([])
        day = max(self.clocks).date()
        for _ in range(11):
            day += timedelta(days=1)
            for clock in ("15:00", "15:15", "15:30"):
                for partition in (0, 1):
                    self.telling.fold(reached(day, clock), partition=partition)
                self.begin()
                self.settle([])

    def _today(self, subject: Subject) -> date:
        return CALENDAR.local_date(self.clocks[PARTITION[subject[0]]])


SUBJECTS = st.sampled_from([(who, rule) for who in PARTITION for rule in AUDIENCES])
RISE = st.builds(partial, st.just(Trial.rise), subject=SUBJECTS, level=st.integers(1, 4))
FALL = st.builds(
    partial,
    st.just(Trial.fall),
    subject=SUBJECTS,
    kind=st.sampled_from(["retracted", "retracted", "cleared"]),
    remaining=st.integers(0, 3),
)
PASS = st.builds(
    partial, st.just(Trial.pass_time), partition=st.integers(0, 1), quarters=st.integers(1, 2)
)
CLOSE = st.builds(partial, st.just(Trial.close), quarters=st.sampled_from([1, 1, 12, 96, 288]))
BEGIN = st.just(Trial.begin)
OUTCOMES = st.lists(st.sampled_from(["sent", "doubt", "refused"]), min_size=4, max_size=4)
SETTLE = st.builds(partial, st.just(Trial.settle), outcomes=OUTCOMES)
# What makes a finding move, what makes time pass and what makes a message move, in turn.
ACTIONS = st.lists(
    st.tuples(st.one_of(RISE, FALL), st.one_of(CLOSE, PASS), st.one_of(BEGIN, SETTLE)),
    min_size=8,
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(ACTIONS)
def test_each_is_told_at_most_once_unless_in_doubt_and_in_the_end(
    actions: list[tuple[Callable[[Trial], None], ...]],
) -> None:
    rows = roster(
        member(TEACHER, "contact_teacher"),
        member(OTHER_TEACHER, "contact_teacher", slot="mon 15:15"),
        member(EHT, "eht"),
        pupil(PUPIL, TEACHER, OTHER_TEACHER),
        pupil(OTHER_PUPIL, TEACHER, OTHER_TEACHER),
    )
    trial = Trial(Telling(rosters={SCHOOL: rows}, partitions=2))
    for partition in (0, 1):
        trial.pass_time(partition, 0)

    for action in chain.from_iterable(actions):
        action(trial)
    trial.end()

    assert trial.model.is_left_to_tell() == []
    assert trial.telling.waiting == {}
    assert trial.telling.desk.corrections == {}
