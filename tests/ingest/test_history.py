"""The order of a history: what was known first comes first, and every day closes once."""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from services.ingest.history import in_order, with_closes
from services.ingest.profile import CANONICAL, Accepted, RowEvent, read_rows
from shared.calendar import SchoolCalendar
from shared.events import AttendanceEvent, DayClosed

CALENDAR = SchoolCalendar.model_validate(
    {
        "school_years": [
            {
                "terms": [{"first": date(2025, 8, 18), "last": date(2025, 12, 19)}],
                "days_off": [{"first": date(2025, 9, 3), "last": date(2025, 9, 3)}],
            }
        ]
    }
)
MONDAY = date(2025, 9, 1)
TUESDAY, WEDNESDAY_OFF, THURSDAY, FRIDAY, SATURDAY = (
    MONDAY + timedelta(days=n) for n in range(1, 6)
)


def recorded(
    day: date, clock: str = "08:15:00", school: str = "norr", n: int = 0
) -> AttendanceEvent:
    at = datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=CALENDAR.zone)
    return AttendanceEvent(
        school=school,
        pupil="p1",
        lesson=f"{day}-{n}",
        starts_at=at,
        minutes=60,
        status="present",
        absent_minutes=0,
        recorded_at=at,
    )


def told(facts: Iterable[AttendanceEvent | DayClosed]) -> list[str]:
    return [
        f"{fact.school} closes {fact.date:%a}"
        if isinstance(fact, DayClosed)
        else f"{fact.school} {fact.recorded_at:%a %H:%M}"
        for fact in facts
    ]


def history(*events: AttendanceEvent) -> list[str]:
    return told(with_closes(events, CALENDAR))


def test_every_school_day_from_the_first_to_the_last_recorded_date_is_closed() -> None:
    assert history(recorded(MONDAY), recorded(FRIDAY)) == [
        "norr Mon 08:15",
        "norr closes Mon",
        "norr closes Tue",
        "norr closes Thu",
        "norr Fri 08:15",
        "norr closes Fri",
    ]


def test_what_was_recorded_at_the_instant_of_a_close_comes_before_it() -> None:
    assert history(
        recorded(MONDAY, "16:59:59"),
        recorded(MONDAY, "17:00:00"),
        recorded(MONDAY, "17:00:01"),
        recorded(TUESDAY),
    ) == [
        "norr Mon 16:59",
        "norr Mon 17:00",
        "norr closes Mon",
        "norr Mon 17:00",
        "norr Tue 08:15",
        "norr closes Tue",
    ]


def test_nothing_follows_what_was_recorded_after_the_last_close() -> None:
    assert history(recorded(MONDAY), recorded(MONDAY, "19:30:00")) == [
        "norr Mon 08:15",
        "norr closes Mon",
        "norr Mon 19:30",
    ]


def test_what_is_recorded_on_a_saturday_comes_after_fridays_close() -> None:
    assert history(recorded(FRIDAY), recorded(SATURDAY)) == [
        "norr Fri 08:15",
        "norr closes Fri",
        "norr Sat 08:15",
    ]


def test_a_first_registration_in_the_evening_comes_after_that_days_close() -> None:
    assert history(recorded(MONDAY, "20:00:00")) == ["norr closes Mon", "norr Mon 20:00"]


def test_a_school_has_no_closes_beyond_its_own_last_recorded_date() -> None:
    facts = history(
        recorded(MONDAY), recorded(MONDAY, school="syd"), recorded(FRIDAY, school="syd")
    )

    assert [fact for fact in facts if fact.startswith("norr")] == [
        "norr Mon 08:15",
        "norr closes Mon",
    ]
    assert [fact for fact in facts if fact.startswith("syd")] == [
        "syd Mon 08:15",
        "syd closes Mon",
        "syd closes Tue",
        "syd closes Thu",
        "syd Fri 08:15",
        "syd closes Fri",
    ]


def test_the_date_is_the_local_one_even_where_the_offset_is_another() -> None:
    late_on_monday_in_utc = recorded(MONDAY).model_copy(
        update={"recorded_at": datetime.fromisoformat("2025-09-01T23:30:00+00:00")}
    )

    assert history(late_on_monday_in_utc) == ["norr Mon 23:30", "norr closes Tue"]


def test_days_outside_the_school_year_close_nothing() -> None:
    assert history(recorded(date(2025, 7, 1)), recorded(date(2025, 7, 3))) == [
        "norr Tue 08:15",
        "norr Thu 08:15",
    ]


def test_no_registrations_mean_no_closes() -> None:
    assert history() == []


def test_closes_of_a_history_are_told_to_nobody() -> None:
    closes = [f for f in with_closes([recorded(MONDAY)], CALENDAR) if isinstance(f, DayClosed)]

    assert closes == [DayClosed(school="norr", date=MONDAY, history=True)]


def test_facts_come_as_registrations_are_asked_for() -> None:
    def endless() -> Iterator[AttendanceEvent]:
        yield recorded(MONDAY)
        yield recorded(TUESDAY)
        pytest.fail("looked further ahead than it must")

    facts = with_closes(endless(), CALENDAR)

    assert told(next(facts) for _ in range(3)) == [
        "norr Mon 08:15",
        "norr closes Mon",
        "norr Tue 08:15",
    ]


def rows(*recorded_at: str) -> list[RowEvent]:
    """A registration recorded at each of some instants, its lesson numbered by its place."""
    header = ",".join(CANONICAL.columns)
    lines = [
        f"norr,p1,l{place},2025-09-01T08:10:00+02:00,60,MA,late,5,{at}"
        for place, at in enumerate(recorded_at)
    ]
    read = read_rows(f"{line}\n" for line in (header, *lines))
    return [row.registration for row in read if isinstance(row, Accepted)]


def in_time(events: Iterable[RowEvent], folder: Path, chunk: int) -> list[str]:
    return [event.lesson for event in in_order(events, folder, chunk)]


MINUTES = st.lists(st.integers(0, 40), max_size=30)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(minutes=MINUTES, chunk=st.integers(1, 8))
def test_registrations_come_in_the_order_in_which_they_were_recorded(
    tmp_path: Path, minutes: list[int], chunk: int
) -> None:
    events = rows(*(f"2025-09-01T08:{minute:02}:00+02:00" for minute in minutes))

    ordered = list(in_order(events, tmp_path, chunk))

    assert ordered == sorted(events, key=lambda event: event.recorded_at)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("chunk", [1, 10])
def test_registrations_with_other_offsets_are_ordered_by_instant(
    tmp_path: Path, chunk: int
) -> None:
    events = rows(
        "2025-09-01T09:00:00+02:00", "2025-09-01T06:30:00+00:00", "2025-09-01T05:00:00-03:00"
    )

    assert in_time(events, tmp_path, chunk) == ["l1", "l0", "l2"]


def test_registrations_a_microsecond_apart_are_told_apart(tmp_path: Path) -> None:
    events = rows("2199-12-31T23:00:00.000002Z", "2199-12-31T23:00:00.000001Z")

    assert in_time(events, tmp_path, chunk=1) == ["l1", "l0"]


def test_what_fits_in_memory_is_not_spilled(tmp_path: Path) -> None:
    events = rows("2025-09-01T09:00:00Z", "2025-09-01T08:00:00Z")

    assert in_time(events, tmp_path / "there is no such folder", chunk=3) == ["l1", "l0"]


@given(group=st.text(st.characters(codec="utf-8"), max_size=8))
def test_a_spilled_registration_is_what_it_was(group: str) -> None:
    events = [replace(event, group=group) for event in rows("2025-09-01T08:00:00.5Z") * 3]

    with TemporaryDirectory() as folder:
        assert list(in_order(events, Path(folder), chunk=1)) == events


def test_spilled_files_are_gone_when_an_import_is_given_up(tmp_path: Path) -> None:
    ordered = in_order(rows(*["2025-09-01T08:00:00Z"] * 10), tmp_path, chunk=2)
    next(ordered)
    spilled = list(tmp_path.rglob("*.jsonl"))

    ordered.close()  # type: ignore[attr-defined]

    assert len(spilled) == 5
    assert list(tmp_path.iterdir()) == []


def test_rows_are_closed_as_the_same_registrations_by_the_contract_are() -> None:
    events = rows(
        "2025-09-01T17:00:00+02:00", "2025-09-01T15:00:00.000001Z", "2025-09-04T15:30:00+02:00"
    )

    by_row = told(
        fact if isinstance(fact, DayClosed) else fact.by_contract()
        for fact in with_closes(events, CALENDAR)
    )

    assert by_row == history(*(event.by_contract() for event in events))
    assert by_row[:2] == ["norr Mon 17:00", "norr closes Mon"]
