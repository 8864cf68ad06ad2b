"""What is written as canonical CSV is read back as it was."""

from datetime import UTC, datetime, timedelta, timezone
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.csv_export import write_events
from services.ingest.profile import Accepted, read_rows
from shared.events import AttendanceEvent, Status

IDENTIFIERS = st.text(
    st.characters(codec="utf-8", exclude_characters="/\0", exclude_categories=("Z", "C")),
    min_size=1,
    max_size=128,
)
SUBJECTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=128)
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TIMES = st.datetimes(datetime(1950, 1, 1), datetime(2150, 1, 1), timezones=OFFSETS)  # noqa: DTZ001


@st.composite
def events(draw: st.DrawFn) -> AttendanceEvent:
    minutes = draw(st.integers(1, 1440))
    return AttendanceEvent(
        school=draw(IDENTIFIERS),
        pupil=draw(IDENTIFIERS),
        lesson=draw(IDENTIFIERS),
        starts_at=draw(TIMES),
        minutes=minutes,
        subject=draw(SUBJECTS),
        status=draw(st.sampled_from(Status)),
        absent_minutes=draw(st.integers(0, minutes)),
        recorded_at=draw(TIMES),
        group=draw(SUBJECTS),
    )


def an_event(status: Status, absent: int, group: str = "") -> AttendanceEvent:
    at = datetime(2025, 9, 1, 8, 10, tzinfo=UTC)
    return AttendanceEvent(
        school="skola-1",
        pupil="p0001",
        lesson="7A-20250901-1",
        starts_at=at,
        minutes=60,
        status=status,
        absent_minutes=absent,
        recorded_at=at,
        group=group,
    )


def text_of(events: list[AttendanceEvent], group: bool | None = None) -> str:
    out = StringIO(newline="")
    write_events(events, out, group=group)
    return out.getvalue()


@given(st.lists(events(), max_size=5))
def test_what_was_written_is_read_back_offsets_included(written: list[AttendanceEvent]) -> None:
    rows = list(read_rows(StringIO(text_of(written, group=True), newline="")))

    read = [row.event for row in rows if isinstance(row, Accepted)]
    assert len(rows) == len(written)
    assert [event.model_dump_json() for event in read] == [
        event.model_dump_json() for event in written
    ]


def test_absent_minutes_are_written_even_where_none_were_missed() -> None:
    rows = text_of([an_event(Status.EXCUSED, 0), an_event(Status.PRESENT, 0)]).splitlines()

    assert [row.split(",")[7] for row in rows[1:]] == ["0", "0"]


def test_nobody_reported_minutes_of_a_lesson_that_nobody_reported() -> None:
    rows = text_of([an_event(Status.UNREPORTED, 0), an_event(Status.WITHDRAWN, 0)]).splitlines()

    assert [row.split(",")[7] for row in rows[1:]] == ["", ""]


def test_the_number_of_rows_is_told() -> None:
    assert write_events([an_event(Status.LATE, 5)] * 3, StringIO()) == 3


def test_where_no_group_is_known_there_is_no_column_for_it() -> None:
    header, row = text_of([an_event(Status.LATE, 5)]).splitlines()

    assert header.endswith(",recorded_at")
    assert row.endswith("+00:00")


def test_where_a_group_is_known_it_has_the_last_column() -> None:
    rows = text_of([an_event(Status.LATE, 5, "7A-MA"), an_event(Status.LATE, 5)]).splitlines()

    assert [row.rsplit(",", 1)[1] for row in rows] == ["group", "7A-MA", ""]


def test_a_group_is_never_lost_for_want_of_a_column() -> None:
    with pytest.raises(ValueError, match="an event has a group"):
        text_of([an_event(Status.LATE, 5), an_event(Status.LATE, 5, "7A-MA")])
