"""Batches are read quickly; what they say, and what is refused, is the contract's alone."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from services.rules.reading import QuickBatch, read_fact
from services.rules.window import microseconds_of, registration_of
from shared.events import FACT, AttendanceBatch, AttendanceEvent
from tests.streams import CALENDAR, random_stream

GOOD = {
    "school": "alvik",
    "pupil": "p1",
    "lesson": "p1-0818-1",
    "starts_at": "2025-08-18T08:10:00+02:00",
    "minutes": 60,
    "subject": "ma",
    "status": "late",
    "absent_minutes": 10,
    "recorded_at": "2025-08-18T08:25:03.250000Z",
    "group": "7a-ma",
}


def body(**changed: Any) -> bytes:
    event = {key: value for key, value in {**GOOD, **changed}.items() if value is not None}
    return json.dumps({"type": "attendance", "source": "test", "events": [event]}).encode()


def test_a_batch_says_the_same_whichever_way_it_is_read() -> None:
    for fact in random_stream(5):
        if isinstance(fact, AttendanceBatch):
            quick = read_fact(fact.model_dump_json().encode())

            assert isinstance(quick, QuickBatch)
            assert (quick.source, quick.history) == (fact.source, fact.history)
            for event, wanted in zip(quick.events, fact.events, strict=True):
                known = registration_of(event, CALENDAR.moment(event.starts_at))
                assert known == registration_of(wanted, CALENDAR.moment(wanted.starts_at))
                assert (event.school, event.pupil, event.lesson) == (
                    wanted.school,
                    wanted.pupil,
                    wanted.lesson,
                )


ODD: dict[str, st.SearchStrategy[Any]] = {
    "school": st.sampled_from(("alvik", "", "a b", "a/b", "x" * 128, "x" * 129, 7, None, "ö")),
    "pupil": st.sampled_from(("p1", "", "2025-08-18T08:10:00Z", "p 1", None)),
    "lesson": st.sampled_from(("l1", "\n", "l/1", "x" * 200)),
    "starts_at": st.sampled_from(
        (
            "2025-08-18T08:10:00+02:00",
            "2025-08-18T08:10:00",
            "2025-13-40T08:10:00Z",
            "2025-08-18",
            "p1",
            1755504600,
            None,
        )
    ),
    "minutes": st.sampled_from((1, 1440, 0, 1441, -5, "60", 60.0, None)),
    "subject": st.sampled_from(("", "ma", "x" * 129, None)),
    "status": st.sampled_from(("present", "late", "sick", "PRESENT", None)),
    "absent_minutes": st.sampled_from((0, 1, 60, 61, -1, None)),
    "recorded_at": st.sampled_from(("2025-08-18T08:25:03Z", "2025-02-30T08:00:00Z", "then")),
    "group": st.sampled_from(("", "7a", "x" * 129, None)),
    "extra": st.sampled_from((None, None, "key")),
}


@given(st.fixed_dictionaries({}, optional=ODD))
@settings(max_examples=500, deadline=None)
def test_what_the_contract_refuses_is_refused_and_nothing_else(changed: dict[str, Any]) -> None:
    raw = body(**changed)
    try:
        wanted = FACT.validate_json(raw)
    except ValidationError:
        with pytest.raises(ValidationError):
            read_fact(raw)
    else:
        read = read_fact(raw)
        assert isinstance(wanted, AttendanceBatch)
        assert isinstance(read, QuickBatch | AttendanceBatch)
        assert said(read.events[0]) == said(wanted.events[0])


def said(event: Any) -> tuple[object, ...]:
    names = [name for name in AttendanceEvent.model_fields if not name.endswith("_at")]
    instants = microseconds_of(event.starts_at), microseconds_of(event.recorded_at)
    return (*(getattr(event, name) for name in names), *instants)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("rulebook_changed", {"rules": [{"id": "no-levels"}]}),
        ("calendar_changed", {"school_years": []}),
    ],
)
def test_a_rulebook_or_calendar_that_is_none_is_refused(kind: str, content: object) -> None:
    with pytest.raises(ValidationError):
        read_fact(json.dumps({"type": kind, "version": "v", "content": content}).encode())


def test_other_facts_are_read_by_their_contract() -> None:
    assert read_fact(b'{"type": "school_live", "school": "alvik", "at": "2025-08-18T08:00:00Z"}')
    with pytest.raises(ValidationError):
        read_fact(b"no json")
