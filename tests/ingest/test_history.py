"""The order of a history: what was known first comes first, and every day closes once."""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.ingest.history import in_order, with_closes
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


MINUTES = st.lists(st.integers(0, 40), max_size=30)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(minutes=MINUTES, chunk=st.integers(1, 8), once=st.booleans())
def test_registrations_come_in_the_order_in_which_they_were_recorded(
    tmp_path: Path, minutes: list[int], chunk: int, once: bool
) -> None:
    events = [recorded(MONDAY, f"08:{minute:02}:00", n=n) for n, minute in enumerate(minutes)]

    ordered = list(in_order(iter(events) if once else events, tmp_path, chunk))

    assert ordered == sorted(events, key=lambda event: event.recorded_at)
    assert list(tmp_path.iterdir()) == []


def test_registrations_with_other_offsets_are_ordered_by_instant(tmp_path: Path) -> None:
    times = ["2025-09-01T09:00:00+02:00", "2025-09-01T06:30:00+00:00", "2025-09-01T05:00:00-03:00"]
    events = [
        recorded(MONDAY).model_copy(update={"recorded_at": datetime.fromisoformat(time)})
        for time in times
    ]

    ordered = list(in_order(iter(events), tmp_path, chunk=1))

    assert [str(event.recorded_at) for event in ordered] == [
        "2025-09-01 06:30:00+00:00",
        "2025-09-01 09:00:00+02:00",
        "2025-09-01 05:00:00-03:00",
    ]


def test_what_is_in_order_already_and_can_be_read_again_is_not_spilled(tmp_path: Path) -> None:
    events = [recorded(MONDAY, n=n) for n in range(10)]

    ordered = list(in_order(events, tmp_path / "there is no such folder", chunk=2))

    assert ordered == events


def test_spilled_files_are_gone_when_an_import_is_given_up(tmp_path: Path) -> None:
    ordered = in_order((recorded(MONDAY, n=n) for n in range(10)), tmp_path, chunk=2)
    next(ordered)
    spilled = list(tmp_path.rglob("*.jsonl"))

    ordered.close()  # type: ignore[attr-defined]

    assert len(spilled) == 5
    assert list(tmp_path.iterdir()) == []
