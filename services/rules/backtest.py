"""The same fold over recorded events, without any server: what would have been signalled, when."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, TypeVar, cast

from services.rules.partition import JudgesKnown, Partition
from services.rules.window import Registered
from shared.calendar import SchoolCalendar
from shared.config import plain, version_of
from shared.events import (
    AttendanceBatch,
    AttendanceEvent,
    CalendarChanged,
    CaseStep,
    Fact,
    RulebookChanged,
)
from shared.rulebook import Rulebook

BACKTEST = "backtest"
_BATCH = 100

_Event = TypeVar("_Event", bound=Registered)


def backtest(
    facts: Iterable[AttendanceEvent | Fact],
    rulebook: Rulebook,
    calendar: SchoolCalendar,
    judges: JudgesKnown | None = None,
) -> Iterator[CaseStep]:
    """The steps that `facts`, in stream order with their day closes, lead to.

    `judges`: rulebooks compiled before, which several back-tests may share.
    """
    partition = Partition(judges=judges)
    in_force: list[Fact] = [
        CalendarChanged(version=version_of(calendar), content=plain(calendar)),
        RulebookChanged(version=version_of(rulebook), content=plain(rulebook)),
    ]
    for number, fact in enumerate(chain(in_force, batched(facts, AttendanceEvent)), start=1):
        messages, counted = partition.fold((number, 0), fact)
        if counted is not None:  # what would come back to the stream comes back at once
            messages = [*messages, *partition.fold((number, 1), counted).messages]
        for message in messages:
            if isinstance(message, CaseStep):
                yield message


def batched(facts: Iterable[_Event | Fact], kind: type[_Event]) -> Iterator[Fact]:
    """Registrations, which are of one kind, in batches; other facts in their places."""
    waiting: list[Any] = []  # unchecked: the fold takes in whatever is `Registered`
    for fact in facts:
        if isinstance(fact, kind):
            waiting.append(fact)
            if len(waiting) < _BATCH:
                continue
        if waiting:
            yield AttendanceBatch.model_construct(source=BACKTEST, history=True, events=waiting)
            waiting = []
        if not isinstance(fact, kind):
            yield cast("Fact", fact)
    if waiting:
        yield AttendanceBatch.model_construct(source=BACKTEST, history=True, events=waiting)
