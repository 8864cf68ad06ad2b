"""What the streams promise: every corner is met, and the same seed gives the same stream."""

from collections import Counter
from collections.abc import Iterable
from datetime import date
from functools import cache
from typing import Any

from hypothesis import given, settings

from shared.events import (
    AttendanceBatch,
    AttendanceEvent,
    CalendarChanged,
    CaseAnswer,
    CaseTold,
    DayClosed,
    Fact,
    PupilRecord,
    RulebookChanged,
    Status,
)
from shared.indicators import INDICATORS
from shared.rulebook import Rulebook
from tests.oracle.judge import Step, steps
from tests.streams import (
    CALENDAR,
    CALENDAR_CONTENT,
    EVERY_INDICATOR_RULEBOOK,
    EVERY_RULEBOOKS,
    RULEBOOK_CONTENT,
    RULEBOOK_VARIANTS,
    SMALL_CALENDAR_CONTENT,
    SMALL_EVERY_RULEBOOK,
    SMALL_RULEBOOK_CONTENT,
    random_stream,
    reordered_streams,
)

SEEDS = range(10)
YEAR_END = date(2026, 1, 30)
LONGEST_WINDOW = 40


@cache
def _stream(seed: int) -> tuple[Fact, ...]:
    return tuple(random_stream(seed))


@cache
def _judged(seed: int) -> tuple[list[Step], Counter[str]]:
    tally = Counter[str]()
    return steps(_plain(_stream(seed)), RULEBOOK_CONTENT, CALENDAR_CONTENT, tally), tally


def _plain(facts: Iterable[Fact]) -> list[dict[str, Any]]:
    return [fact.model_dump(mode="python", by_alias=True) for fact in facts]


def test_the_streams_meet_every_outcome_of_a_finding() -> None:
    met = Counter[str]()
    for seed in SEEDS:
        found, _ = _judged(seed)
        changed = _closes_after_a_rulebook_change(_stream(seed))
        for step in found:
            kind = step["kind"]
            met[f"{kind} at level {step['level']}"] += 1
            met["retracted with a level left"] += bool(step["remaining"])
            met["retracted with none left"] += step["remaining"] == 0
            met["raised on a past day, by correction"] += (
                kind == "raised" and step["figures"] is None
            )
            if kind == "cleared":
                if step["as_of"] == YEAR_END:
                    met["cleared at the school year's end"] += 1
                elif (step["school"], step["as_of"]) in changed:
                    met["cleared after a change of rulebook"] += 1
                else:
                    met["cleared after quiet days"] += 1
            met["in a history import"] += step["history"]
            met["in the second school year"] += step["as_of"] > YEAR_END

    assert {name: met[name] for name in OUTCOMES if met[name] < 3} == {}


OUTCOMES = (
    *(f"{kind} at level {n}" for kind in ("opened", "retracted", "cleared") for n in range(1, 5)),
    *(f"raised at level {n}" for n in range(2, 5)),
    "retracted with a level left",
    "retracted with none left",
    "raised on a past day, by correction",
    "cleared after quiet days",
    "cleared at the school year's end",
    "cleared after a change of rulebook",
    "in a history import",
    "in the second school year",
)


def _closes_after_a_rulebook_change(facts: Iterable[Fact]) -> set[tuple[str, date]]:
    waiting, result = set[str](), set[tuple[str, date]]()
    for fact in facts:
        if isinstance(fact, RulebookChanged):
            waiting = {"alvik", "österby"}
        elif isinstance(fact, DayClosed) and fact.school in waiting:
            waiting.discard(fact.school)
            result.add((fact.school, fact.date))
    return result


def test_the_streams_meet_every_fate_of_a_registration_a_close_and_a_judgement() -> None:
    met = Counter[str]()
    for seed in SEEDS:
        met += _judged(seed)[1]

    fates = ("accepted", "superseded", "duplicate", "expired", "correction", "close ignored")
    judgements = ("too few days", "too low coverage")
    assert {name: met[name] for name in (*fates, *judgements) if met[name] < 50} == {}


def test_the_streams_meet_every_kind_of_fact() -> None:
    met = Counter[str]()
    for seed in SEEDS:
        _count_facts(_stream(seed), met)

    assert {name: met[name] for name in FACTS if met[name] < 5} == {}


FACTS = (
    "lesson not reported",
    "lesson withdrawn",
    "withdrawn lesson reported again",
    "lesson moved to another date",
    "lesson on a day off",
    "lesson just after midnight",
    "older revision arriving late",
    "equal revision with other content",
    "exact repetition",
    "correction days late",
    "correction weeks late",
    "correction of a lesson that has left every window",
    "correction more than sixty school days late",
    "record with enrolment",
    "record without enrolment",
    "record that changes the enrolment",
    "pupil without a record",
    "pupil who joins late",
    "close repeated or stale",
    "close left out",
    "change of rulebook",
    "change of calendar",
    "changed bus delays",
    "record that changes the class",
    "record that changes the bus",
    "record that tells of a need or of last year late",
    "telling",
    "telling of a day already closed",
    "telling repeated",
    "answer",
    "answer of a day already closed",
    "known cause",
    "lesson without a group",
    "unreported lesson of a group",
    "registration in history",
)


def _count_facts(facts: Iterable[Fact], met: Counter[str]) -> None:
    newest: dict[str, date] = {}
    held: dict[tuple[str, str], AttendanceEvent] = {}
    records: dict[str, PupilRecord] = {}
    pupils: set[str] = set()
    calendar: dict[str, Any] = CALENDAR_CONTENT
    talk: list[Fact] = []
    for fact in facts:
        if isinstance(fact, AttendanceBatch):
            met["registration in history"] += len(fact.events) * fact.history
            for event in fact.events:
                if event.pupil not in pupils:
                    pupils.add(event.pupil)
                    met["pupil who joins late"] += len(newest) > 0
                _count_event(event, held.get((event.pupil, event.lesson)), newest, met)
                held[event.pupil, event.lesson] = event
        elif isinstance(fact, PupilRecord):
            met[
                "record without enrolment" if fact.enrolled is None else "record with enrolment"
            ] += 1
            before = records.get(fact.pupil, fact)
            met["record that changes the enrolment"] += before.enrolled != fact.enrolled
            met["record that changes the class"] += before.school_class != fact.school_class
            met["record that changes the bus"] += before.bus != fact.bus
            met["record that tells of a need or of last year late"] += (
                before.need,
                before.last_year_share,
            ) != (fact.need, fact.last_year_share)
            records[fact.pupil] = fact
        elif isinstance(fact, DayClosed):
            last = newest.get(fact.school)
            met["close repeated or stale"] += last is not None and fact.date <= last
            met["close left out"] += last is not None and CALENDAR.distance(last, fact.date) > 1
            newest[fact.school] = max(fact.date, last or fact.date)
        elif isinstance(fact, CaseTold | CaseAnswer):
            what = "telling" if isinstance(fact, CaseTold) else "answer"
            met[what] += 1
            met[f"{what} of a day already closed"] += fact.on <= newest.get(fact.school, date.min)
            met[f"{what} repeated"] += fact in talk
            met["known cause"] += isinstance(fact, CaseAnswer) and fact.answer == "known_cause"
            talk.append(fact)
        elif isinstance(fact, CalendarChanged):
            met["change of calendar"] += 1
            met["changed bus delays"] += fact.content["bus_delays"] != calendar["bus_delays"]
            calendar = fact.content
        met["change of rulebook"] += isinstance(fact, RulebookChanged)
    met["pupil without a record"] += len(pupils - records.keys())


def _count_event(
    event: AttendanceEvent,
    known: AttendanceEvent | None,
    newest: dict[str, date],
    met: Counter[str],
) -> None:
    day = CALENDAR.local_date(event.starts_at)
    met["lesson on a day off"] += not CALENDAR.is_school_day(day)
    met["lesson just after midnight"] += day != event.starts_at.date()
    met["lesson not reported"] += event.status is Status.UNREPORTED
    met["lesson without a group"] += not event.group
    met["unreported lesson of a group"] += bool(event.group) and event.status is Status.UNREPORTED
    met["lesson withdrawn"] += event.status is Status.WITHDRAWN
    if known is None:
        return
    met["exact repetition"] += event == known
    met["older revision arriving late"] += event.recorded_at < known.recorded_at
    met["equal revision with other content"] += (
        event.recorded_at == known.recorded_at and event != known
    )
    if event.recorded_at <= known.recorded_at:
        return
    met["lesson moved to another date"] += event.starts_at != known.starts_at
    if known.status is Status.WITHDRAWN and event.status is not Status.WITHDRAWN:
        met["withdrawn lesson reported again"] += 1
    late = CALENDAR.distance(day, newest[event.school]) if event.school in newest else 0
    met["correction days late"] += 1 <= late <= 5
    met["correction weeks late"] += 6 <= late <= LONGEST_WINDOW
    met["correction of a lesson that has left every window"] += LONGEST_WINDOW < late <= 60
    met["correction more than sixty school days late"] += late > 60


def test_the_same_seed_gives_the_same_stream() -> None:
    assert random_stream(3) == random_stream(3)
    assert random_stream(3) != random_stream(4)


def test_every_rulebook_of_the_streams_is_a_valid_file() -> None:
    small = (SMALL_RULEBOOK_CONTENT, SMALL_EVERY_RULEBOOK)
    for content in (RULEBOOK_CONTENT, *small, *RULEBOOK_VARIANTS.values()):
        Rulebook.model_validate(content)
    for content in EVERY_RULEBOOKS.values():
        Rulebook.model_validate(content)


def test_the_rulebook_of_every_indicator_names_every_indicator() -> None:
    for content in (EVERY_INDICATOR_RULEBOOK, SMALL_EVERY_RULEBOOK):
        rules = Rulebook.model_validate(content).rules
        named = {leaf.indicator for rule in rules for leaf in rule.leaves}
        assert INDICATORS.keys() == named


@settings(max_examples=50, deadline=None)
@given(reordered_streams())
def test_order_and_repetition_between_two_closes_change_no_step(
    streams: tuple[list[Fact], list[Fact]],
) -> None:
    one, other = (
        steps(_plain(facts), SMALL_EVERY_RULEBOOK, SMALL_CALENDAR_CONTENT) for facts in streams
    )

    assert one == other
