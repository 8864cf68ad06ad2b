"""School days: what counts, and where a window begins and ends."""

from datetime import UTC, date, datetime, timedelta

import pytest

from shared.calendar import SchoolCalendar

CALENDAR = SchoolCalendar.model_validate(
    {
        "school_years": [
            {
                "terms": [
                    {"first": "2025-08-18", "last": "2025-12-19"},
                    {"first": "2026-01-08", "last": "2026-06-12"},
                ],
                "days_off": [
                    {"first": "2025-10-27", "last": "2025-10-31", "why": "höstlov"},
                    {"first": "2025-09-15", "last": "2025-09-15", "why": "studiedag"},
                ],
            },
            {"terms": [{"first": "2026-08-15", "last": "2026-12-18"}]},
        ]
    }
)


@pytest.mark.parametrize(
    ("day", "counts"),
    [
        (date(2025, 8, 17), False),
        (date(2025, 8, 18), True),
        (date(2025, 8, 23), False),
        (date(2025, 9, 15), False),
        (date(2025, 10, 24), True),
        (date(2025, 10, 29), False),
        (date(2025, 12, 19), True),
        (date(2025, 12, 22), False),
        (date(2026, 7, 1), False),
    ],
)
def test_school_days_are_weekdays_of_a_term_that_are_not_off(day: date, *, counts: bool) -> None:
    assert CALENDAR.is_school_day(day) is counts


def test_a_window_steps_over_weekends_and_breaks() -> None:
    window = CALENDAR.window(date(2025, 11, 3), 3)

    assert window == (date(2025, 10, 23), date(2025, 10, 24), date(2025, 11, 3))


def test_a_window_on_a_day_off_ends_with_the_school_day_before() -> None:
    assert CALENDAR.window(date(2025, 11, 2), 2) == (date(2025, 10, 23), date(2025, 10, 24))


def test_a_window_reaches_over_christmas_and_never_into_the_year_before() -> None:
    january = CALENDAR.window(date(2026, 1, 8), 2)
    autumn = CALENDAR.window(date(2026, 8, 18), 20)

    assert january == (date(2025, 12, 19), date(2026, 1, 8))
    assert autumn == (date(2026, 8, 17), date(2026, 8, 18))


def test_a_school_year_begins_on_its_first_school_day_whatever_date_the_term_names() -> None:
    assert CALENDAR.year_start(date(2026, 8, 17)) == date(2026, 8, 17)
    assert CALENDAR.year_start(date(2026, 8, 16)) == date(2025, 8, 18)
    assert CALENDAR.year_start(date(2025, 8, 17)) is None
    assert CALENDAR.window(date(2025, 8, 17), 20) == ()


def test_the_whole_year_so_far_is_a_window_too() -> None:
    window = CALENDAR.window(date(2025, 8, 29))

    assert (window[0], window[-1], len(window)) == (date(2025, 8, 18), date(2025, 8, 29), 10)


def test_only_the_last_school_day_ends_the_school_year() -> None:
    ends = [day for day in CALENDAR.school_days if CALENDAR.ends_school_year(day)]

    assert ends == [date(2026, 6, 12), date(2026, 12, 18)]


def test_the_horizon_counts_school_days_and_a_young_calendar_has_none() -> None:
    closed = CALENDAR.school_days[60]

    assert CALENDAR.horizon(closed, 60) == CALENDAR.school_days[0]
    assert CALENDAR.horizon(closed + timedelta(days=1), 0) == max(
        day for day in CALENDAR.school_days if day <= closed + timedelta(days=1)
    )
    assert CALENDAR.horizon(CALENDAR.school_days[59], 60) is None


def test_the_distance_between_days_counts_school_days_after_the_first() -> None:
    assert CALENDAR.distance(date(2025, 10, 24), date(2025, 11, 3)) == 1
    assert CALENDAR.distance(date(2025, 8, 18), date(2025, 8, 18)) == 0
    assert CALENDAR.distance(date(2025, 11, 3), date(2025, 10, 24)) == 0


@pytest.mark.parametrize(
    ("at", "day"),
    [
        (datetime(2025, 9, 1, 21, 59, tzinfo=UTC), date(2025, 9, 1)),
        (datetime(2025, 9, 1, 22, 0, tzinfo=UTC), date(2025, 9, 2)),
        (datetime(2025, 10, 25, 22, 30, tzinfo=UTC), date(2025, 10, 26)),
        (datetime(2025, 10, 26, 22, 30, tzinfo=UTC), date(2025, 10, 26)),
        (datetime(2025, 10, 26, 23, 0, tzinfo=UTC), date(2025, 10, 27)),
        (datetime(2026, 3, 29, 22, 0, tzinfo=UTC), date(2026, 3, 30)),
    ],
)
def test_a_lesson_belongs_to_the_local_date_also_when_the_clocks_change(
    at: datetime, day: date
) -> None:
    assert CALENDAR.local_date(at) == day


def test_a_day_closes_at_the_same_local_time_all_year() -> None:
    summer, winter = CALENDAR.closes_at(date(2025, 10, 24)), CALENDAR.closes_at(date(2025, 11, 3))

    assert summer.astimezone(UTC).hour == 15
    assert winter.astimezone(UTC).hour == 16


def test_the_same_instant_gives_the_same_date_whatever_its_offset() -> None:
    instant = datetime(2025, 9, 1, 22, 30, tzinfo=UTC)
    stockholm = instant.astimezone(CALENDAR.zone)

    assert CALENDAR.local_date(instant) == CALENDAR.local_date(stockholm) == date(2025, 9, 2)
