"""Protected identity: a pupil who is judged like others, and is in no figure of others."""

from collections.abc import Sequence
from random import Random

import pytest

from services.rules.backtest import backtest
from services.rules.record import pack, unpack
from services.rules.school import School
from shared.calendar import SchoolCalendar
from shared.config import plain, version_of
from shared.events import (
    AttendanceBatch,
    CalendarChanged,
    CaseStep,
    Fact,
    PupilRecord,
    RulebookChanged,
)
from shared.rulebook import Rulebook
from tests.oracle.judge import steps as oracle_steps
from tests.rules.test_agreement import assert_same
from tests.rules.test_units import BOOKS, Partitions
from tests.streams import CALENDAR_CONTENT, random_stream

CALENDAR = SchoolCalendar.model_validate(CALENDAR_CONTENT)
RULEBOOK = Rulebook.model_validate(BOOKS["all"])
IN_FORCE: tuple[Fact, ...] = (
    CalendarChanged(version=version_of(CALENDAR), content=plain(CALENDAR)),
    RulebookChanged(version=version_of(RULEBOOK), content=plain(RULEBOOK)),
)


def of_units(facts: Sequence[Fact], seed: int = 1) -> list[CaseStep]:
    return list(Partitions(3, Random(seed)).told([*IN_FORCE, *facts]))


def protect(facts: Sequence[Fact], pupils: set[str]) -> list[Fact]:
    """The same facts; all that the roster says of these pupils says that they are protected."""
    return [
        fact.model_copy(update={"protected": True})
        if isinstance(fact, PupilRecord) and fact.pupil in pupils
        else fact
        for fact in facts
    ]


def without(facts: Sequence[Fact], pupils: set[str]) -> list[Fact]:
    """The same facts, as if these pupils went to another school."""
    left: list[Fact] = []
    for fact in facts:
        if isinstance(fact, AttendanceBatch):
            events = [event for event in fact.events if event.pupil not in pupils]
            left.append(fact.model_copy(update={"events": events}))
        elif getattr(fact, "pupil", "") not in pupils:
            left.append(fact)
    return left


def enrolled_at_first(facts: Sequence[Fact]) -> set[str]:
    """Pupils of whom the roster spoke before any of their registrations came."""
    seen: set[str] = set()
    named: set[str] = set()
    for fact in facts:
        if isinstance(fact, AttendanceBatch):
            seen |= {event.pupil for event in fact.events}
        elif isinstance(fact, PupilRecord) and fact.pupil not in seen:
            named.add(fact.pupil)
    return named


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_is_found_of_units_is_as_if_a_protected_pupil_were_not_there(seed: int) -> None:
    facts = random_stream(seed, pupils=6, days=60, rulebooks=BOOKS)
    hidden = set(sorted(enrolled_at_first(facts))[:2])

    found = of_units(protect(facts, hidden))

    assert hidden
    assert _told(found) == _told(of_units(without(facts, hidden)))
    assert _told(found) != _told(of_units(facts))


def _told(steps: Sequence[CaseStep]) -> list[CaseStep]:
    """Steps in an order that does not depend on which partition spoke first."""
    return sorted(steps, key=lambda step: (step.as_of, step.school, step.unit, step.rule))


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_protection_that_comes_and_goes_counts_the_units_anew_as_the_oracle_does(
    seed: int,
) -> None:
    def flagged(record: PupilRecord) -> PupilRecord:
        """A record says the same when it is sent again."""
        said = Random(f"{seed} {record.pupil} {record.valid_from} {record.recorded_at}")
        return record.model_copy(update={"protected": said.random() < 0.4})

    facts: list[Fact] = [
        flagged(fact) if isinstance(fact, PupilRecord) else fact
        for fact in random_stream(seed, pupils=6, days=95, rulebooks=BOOKS)
    ]

    found = of_units(facts, seed)

    plainly = [fact.model_dump(mode="python", by_alias=True) for fact in facts]
    wanted = oracle_steps(plainly, BOOKS["all"], CALENDAR_CONTENT)
    assert_same(found, [step for step in wanted if step["unit"]])
    assert len(found) > 10


def test_a_protected_pupil_is_judged_like_any_other() -> None:
    facts = random_stream(1, pupils=6, days=60)
    pupils = {fact.pupil for fact in facts if isinstance(fact, PupilRecord)}

    def of_pupils(facts: Sequence[Fact]) -> list[CaseStep]:
        return [step for step in backtest(facts, RULEBOOK, CALENDAR) if step.pupil]

    found = of_pupils(facts)
    assert found
    assert of_pupils(protect(facts, pupils)) == found


def test_protection_outlasts_a_restart() -> None:
    facts = random_stream(1, pupils=6, days=30)
    school = School("s", CALENDAR, None)
    record = next(fact for fact in facts if isinstance(fact, PupilRecord))
    name = record.pupil
    school.enrol(school.pupil(name), record.model_copy(update={"protected": True}))
    for fact in facts:
        if isinstance(fact, AttendanceBatch):
            for event in fact.events:
                if event.pupil == name:
                    school.register(school.pupil(name), event)

    again = School("s", CALENDAR, None)
    again.add(name, unpack(pack(school.pupils[name])))

    assert again.pupils[name].lessons
    assert again.pupils[name].protected
    assert again.registers.counts == {}
