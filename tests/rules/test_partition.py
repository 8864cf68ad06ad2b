"""A partition's owner may die at any moment: read again from its checkpoint, the story is one.

It is also one whether schools' days close together or one by one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from services.rules.partition import EntryId, Memory, Partition, together
from services.rules.record import pack, unpack
from shared.events import CalendarChanged, CaseMessage, CaseStep, Fact, RulebookChanged
from tests.streams import (
    CALENDAR_CONTENT,
    RULEBOOK_CONTENT,
    SMALL_CALENDAR_CONTENT,
    SMALL_RULEBOOK_CONTENT,
    random_stream,
    small_streams,
)

START: EntryId = (0, 0)


@dataclass
class Kept:
    """What the server keeps of a partition: bytes, as the store writes them."""

    checkpoint: EntryId = START
    memory: bytes = msgspec.msgpack.encode(Memory())
    pupils: dict[str, bytes] = field(default_factory=dict)
    position: EntryId = START
    steps: list[CaseMessage] = field(default_factory=list)

    def restored(self) -> Partition:
        partition = Partition(msgspec.msgpack.decode(self.memory, type=Memory))
        partition.restore(
            [(key, unpack(each)) for key, each in self.pupils.items()], self.checkpoint
        )
        return partition


class Owner:
    """Folds as the service does, and can be cut short at any place."""

    def __init__(self, kept: Kept, entries: list[Fact], *, one_by_one: bool = False) -> None:
        self.kept = kept
        self.partition = kept.restored()
        self.folded = kept.checkpoint
        self._entries = entries
        self._one_by_one = one_by_one

    def fold(self, number: int) -> None:
        """Fold some entries; their steps are written at once, all or none, and once.

        Counts of units go to the end of the stream, and come twice, as after a death between
        their sending and the steps.
        """
        told: list[CaseMessage] = []
        begin = self.folded[0]
        facts = self._entries[begin : begin + number]
        entries = [((place, 0), fact) for place, fact in enumerate(facts, begin + 1)]
        for group in [[each] for each in entries] if self._one_by_one else together(entries):
            folded = self.partition.fold_together(group)
            for (entry, _), each in zip(group, folded, strict=True):
                if entry > self.kept.position:
                    told += each.messages
                    self._entries += [each.counted] * 2 if each.counted else []
                self.folded = entry
        if told:
            self.kept.steps += told
            self.kept.position = self.folded

    def write(self, at_most: int | None = None) -> None:
        """A checkpoint; cut short when it gets no further than `at_most` pupils."""
        if self.folded == self.kept.checkpoint or self.folded < self.partition.ahead:
            return
        changed = sorted(self.partition.changed)
        for key in changed[:at_most]:
            record = self.partition.record(key, self.folded)
            self.kept.pupils["/".join(key)] = pack(record)
        if at_most is None:
            self.kept.memory = msgspec.msgpack.encode(self.partition.memory)
            self.kept.checkpoint = self.folded
            self.partition.checkpointed()


@dataclass(frozen=True)
class Life:
    """What happens after some entries: a checkpoint, one that is cut short, or a death alone."""

    entries: int
    pupils: int | None
    dies: bool


def lives() -> st.SearchStrategy[Life]:
    """A checkpoint that is cut short is always a death."""
    whole = st.builds(Life, st.integers(0, 12), st.none(), st.booleans())
    cut = st.builds(Life, st.integers(0, 12), st.integers(0, 8), st.just(True))
    return st.one_of(whole, cut)


def live(
    entries: Sequence[Fact], fate: Sequence[Life], *, one_by_one: bool = False
) -> tuple[Kept, Partition]:
    """The whole story, through all that happens; ends with a checkpoint."""
    kept, stream = Kept(), list(entries)
    owner = Owner(kept, stream, one_by_one=one_by_one)
    for each in fate:
        owner.fold(each.entries)
        owner.write(each.pupils)
        if each.dies:
            owner = Owner(kept, stream)
    while owner.folded[0] < len(stream):
        owner.fold(len(stream))
    owner.write()
    return kept, owner.partition


def story(kept: Kept, partition: Partition) -> tuple[object, ...]:
    """All that must be the same whatever happened."""
    return kept.steps, pupils(partition), partition.memory


def pupils(partition: Partition) -> dict[str, tuple[object, ...]]:
    """What is known of each, their days included, but for how far they are folded."""
    found: dict[str, tuple[object, ...]] = {}
    for school in partition.schools.values():
        school.settle()
        for name, pupil in school.pupils.items():
            first, rows = school.book.first, school.book.sums[:, :, pupil.slot].tolist()
            days = {first + place: row for place, row in enumerate(rows) if any(row)}
            known = msgspec.structs.asdict(pupil)
            for place in ("slot", "folded", "tally", "base"):
                del known[place]
            found[f"{school.name}/{name}"] = (*known.values(), days)
    return found


def in_force(calendar: dict[str, object], rulebook: dict[str, object]) -> list[Fact]:
    return [
        CalendarChanged(version="calendar", content=calendar),
        RulebookChanged(version="rulebook", content=rulebook),
    ]


@given(small_streams(), st.lists(lives(), max_size=6))
@settings(max_examples=300, deadline=None)
def test_whenever_the_owner_dies_pupils_steps_and_counts_are_the_same(
    facts: list[Fact], fate: list[Life]
) -> None:
    entries = [*in_force(SMALL_CALENDAR_CONTENT, SMALL_RULEBOOK_CONTENT), *facts]

    assert story(*live(entries, fate)) == story(*live(entries, [], one_by_one=True))


@given(st.integers(0, 30), st.lists(lives(), min_size=2, max_size=40))
@settings(max_examples=10, deadline=None)
def test_through_a_term_of_deaths_every_step_is_written_once(seed: int, fate: list[Life]) -> None:
    entries = [*in_force(CALENDAR_CONTENT, RULEBOOK_CONTENT), *random_stream(seed)]
    longer = [replace(each, entries=8 * each.entries) for each in fate]

    kept, partition = live(entries, longer)
    ids = [step.step_id for step in kept.steps if isinstance(step, CaseStep)]

    assert story(kept, partition) == story(*live(entries, [], one_by_one=True))
    assert len(set(ids)) == len(ids) > 0


def test_a_restored_partition_is_the_one_that_was_written() -> None:
    entries = [*in_force(CALENDAR_CONTENT, RULEBOOK_CONTENT), *random_stream(1)]
    kept, partition = live(entries, [])

    restored = kept.restored()

    assert pupils(restored) == pupils(partition)
    assert restored.memory == partition.memory
    assert restored.changed == set()


def test_when_the_close_hour_changes_lessons_come_due_as_after_a_restart() -> None:
    later = {**CALENDAR_CONTENT, "day_close": "11:00"}
    facts = random_stream(3)
    middle = 5 * len(facts) // 6
    change = CalendarChanged(version="later", content=later)
    stream = [*in_force(CALENDAR_CONTENT, RULEBOOK_CONTENT), *facts[:middle], change]
    stream += facts[middle:]

    kept, partition = live(stream, [])

    assert due(kept.restored()) == due(partition)


def due(partition: Partition) -> dict[str, dict[tuple[int, str], list[int]]]:
    """What came due on dates of which everything is still known."""
    found = {}
    for name, school in partition.schools.items():
        oldest = school.days.horizon + 3
        counts = school.registers.counts.items()
        found[name] = {key: count for key, count in counts if key[0] >= oldest and any(count)}
    assert any(found.values())
    return found
