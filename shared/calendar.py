"""School days: which dates count, and where a window of them begins and ends.

Windows, deadlines and horizons are all spans of school days; no other module steps through
dates. The content comes from `calendar.yaml` and travels whole in `CalendarChanged`.
"""

from bisect import bisect_left, bisect_right
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from itertools import pairwise
from typing import Annotated, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, Field, field_validator, model_validator

from shared.config import ConfigPart, as_written

_MOST_MOMENTS = 100_000
"""A school has some thousand lesson times a year; other instants must not pile up."""


class Moment(NamedTuple):
    """An instant's local date, the date's ordinal, and its microseconds since 1970, UTC."""

    date: date
    ordinal: int
    microseconds: int


def _clock_time(value: object) -> object:
    read = value
    if isinstance(value, str) and ":" in value:
        with suppress(ValueError):
            read = time.fromisoformat(value)
    # With an offset it would be another local time in winter than in summer.
    if isinstance(read, time) and read.tzinfo is None:
        return read
    raise ValueError(f'met {as_written(value)}; wanted a local time such as "17:00", in quotes')


ClockTime = Annotated[time, BeforeValidator(_clock_time)]


class Span(ConfigPart):
    """Dates from `first` to `last`, both included."""

    first: date
    last: date

    @model_validator(mode="after")
    def _in_order(self) -> "Span":
        if self.last < self.first:
            raise ValueError(f"ends on {self.last}, before it begins on {self.first}")
        return self

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


class DaysOff(Span):
    """A break or a study day: no school for pupils."""

    why: str = ""


class BusDelay(ConfigPart):
    """Buses were late: who came late by them, before an hour, was not late."""

    date: date
    before: ClockTime = Field(description="Local time; lessons that start earlier.")
    buses: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="As the roster names them; left out: everybody."
    )
    why: str = ""


class SchoolYear(ConfigPart):
    """The terms of one school year and the days off in them."""

    terms: tuple[Span, ...] = Field(min_length=1)
    days_off: tuple[DaysOff, ...] = ()

    @field_validator("terms")
    @classmethod
    def _terms_in_order(cls, terms: tuple[Span, ...]) -> tuple[Span, ...]:
        for earlier, later in pairwise(terms):
            if later.first <= earlier.last:
                raise ValueError(
                    f"the term from {later.first} begins before the one to {earlier.last} ends"
                )
        return terms

    @cached_property
    def school_days(self) -> tuple[date, ...]:
        return tuple(
            day
            for term in self.terms
            for day in (
                term.first + timedelta(days=n) for n in range((term.last - term.first).days + 1)
            )
            if day.weekday() < 5 and not any(day in off for off in self.days_off)
        )


class SchoolCalendar(ConfigPart):
    """`calendar.yaml`: school days are Monday to Friday within a term and not off."""

    timezone: str = "Europe/Stockholm"
    day_close: ClockTime = Field(default=time(17), description="Local time at which a day closes.")
    school_years: tuple[SchoolYear, ...] = Field(min_length=1)
    bus_delays: tuple[BusDelay, ...] = ()

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # some names are folders
            raise ValueError(
                f"no time zone is called {name!r}; wanted one such as Europe/Stockholm"
            ) from error
        return name

    @field_validator("school_years")
    @classmethod
    def _years_in_order(cls, years: tuple[SchoolYear, ...]) -> tuple[SchoolYear, ...]:
        for year in years:
            if not year.school_days:
                raise ValueError(f"the school year from {year.terms[0].first} has no school day")
        for earlier, later in pairwise(years):
            if later.terms[0].first <= earlier.terms[-1].last:
                raise ValueError(
                    f"the school year from {later.terms[0].first} begins before "
                    f"the one to {earlier.terms[-1].last} ends"
                )
        return years

    @cached_property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @cached_property
    def school_days(self) -> tuple[date, ...]:
        """Every school day of every school year, in order."""
        return tuple(day for year in self.school_years for day in year.school_days)

    @cached_property
    def _days(self) -> frozenset[date]:
        return frozenset(self.school_days)

    @cached_property
    def _year_starts(self) -> tuple[date, ...]:
        return tuple(year.school_days[0] for year in self.school_years)

    @cached_property
    def _year_ends(self) -> frozenset[date]:
        return frozenset(year.school_days[-1] for year in self.school_years)

    @cached_property
    def _windows(self) -> dict[tuple[date, int | None], tuple[date, ...]]:
        return {}

    def is_school_day(self, day: date) -> bool:
        return day in self._days

    def ends_school_year(self, day: date) -> bool:
        """Is `day` the last school day of its school year?"""
        return day in self._year_ends

    @cached_property
    def _term_starts(self) -> tuple[date, ...]:
        terms = (
            [day for day in year.school_days if day in term]
            for year in self.school_years
            for term in year.terms
        )
        return tuple(days[0] for days in terms if days)

    def term_start(self, day: date) -> date | None:
        """The first school day of the term that `day` is in or after; None before all."""
        position = bisect_right(self._term_starts, day)
        return self._term_starts[position - 1] if position else None

    @cached_property
    def _delays(self) -> dict[date, tuple[BusDelay, ...]]:
        days: dict[date, tuple[BusDelay, ...]] = {}
        for delay in self.bus_delays:
            days[delay.date] = (*days.get(delay.date, ()), delay)
        return days

    def bus_delayed(self, bus: str, starts_at: datetime) -> bool:
        """Is a pupil of `bus` not late, though they came late to a lesson then?"""
        local = starts_at.astimezone(self.zone)
        return any(
            local.time() < delay.before and (delay.buses is None or bus in delay.buses)
            for delay in self._delays.get(local.date(), ())
        )

    @cached_property
    def delay_ordinals(self) -> frozenset[int]:
        """The ordinals of the dates on which buses were late."""
        return frozenset(day.toordinal() for day in self._delays)

    @cached_property
    def ordinals(self) -> frozenset[int]:
        """The ordinals of all school days."""
        return frozenset(day.toordinal() for day in self.school_days)

    def is_edge(self, day: date) -> bool:
        """A school day next to a weekend or break: the day before or after is no school day."""
        return self.is_school_day(day) and not (
            self.is_school_day(day - timedelta(days=1))
            and self.is_school_day(day + timedelta(days=1))
        )

    def due_on(self, ends_at: datetime) -> date:
        """The date of the first day-close hour at least 24 hours after a lesson's end."""
        local = (ends_at.astimezone(UTC) + timedelta(days=1)).astimezone(self.zone)
        late = local.time() > self.day_close
        return local.date() + timedelta(days=1) if late else local.date()

    def year_start(self, day: date) -> date | None:
        """The first school day of the school year that `day` is in or after; None before all."""
        position = bisect_right(self._year_starts, day)
        return self._year_starts[position - 1] if position else None

    def window(self, as_of: date, days: int | None = None) -> tuple[date, ...]:
        """The last `days` school days up to `as_of`, never before the school year's first day.

        `days=None` is the whole school year so far. Empty before the first school year.
        """
        key = (as_of, days)
        found = self._windows.get(key)
        if found is None:
            end = bisect_right(self.school_days, as_of)
            start = self.year_start(as_of)
            begin = end if start is None else bisect_left(self.school_days, start)
            if days is not None:
                begin = max(begin, end - days)
            found = self._windows[key] = self.school_days[begin:end]
        return found

    def distance(self, day: date, later: date) -> int:
        """School days after `day` up to and including `later`; 0 when there is none."""
        return max(0, bisect_right(self.school_days, later) - bisect_right(self.school_days, day))

    def after(self, day: date, days: int) -> date | None:
        """The school day that is `days` school days after a day; None past the calendar's end."""
        position = bisect_right(self.school_days, day) - 1 + days
        return self.school_days[position] if position < len(self.school_days) else None

    def horizon(self, closed: date, days: int) -> date | None:
        """The oldest date at most `days` school days before `closed`; None: no date is older."""
        position = bisect_right(self.school_days, closed) - 1 - days
        return self.school_days[position] if position >= 0 else None

    def between(self, first: date, last: date) -> tuple[date, ...]:
        """The school days from `first` to `last`, both included."""
        return self.school_days[
            bisect_left(self.school_days, first) : bisect_right(self.school_days, last)
        ]

    @cached_property
    def _moments(self) -> dict[datetime | str, Moment]:
        return {}

    def moment(self, at: datetime | str) -> Moment:
        """An instant, as such or as ISO text, as this calendar sees it.

        Remembered: a lesson begins for a whole class.
        """
        found = self._moments.get(at)
        if found is None:
            if len(self._moments) >= _MOST_MOMENTS:
                self._moments.clear()
            instant = datetime.fromisoformat(at) if isinstance(at, str) else at
            local = instant.astimezone(self.zone).date()
            microseconds = round(instant.timestamp() * 1_000_000)
            found = self._moments[at] = Moment(local, local.toordinal(), microseconds)
        return found

    def local_date(self, at: datetime) -> date:
        """The local date of an instant; a lesson belongs to the one on which it starts."""
        return self.moment(at).date

    @cached_property
    def _closes(self) -> dict[int, int]:
        return {}

    def closes_at_microseconds(self, ordinal: int) -> int:
        """The same of a date by its ordinal, as microseconds since 1970, UTC."""
        found = self._closes.get(ordinal)
        if found is None:
            at = self.closes_at(date.fromordinal(ordinal))
            found = self._closes[ordinal] = round(at.timestamp() * 1_000_000)
        return found

    @cached_property
    def _why_off(self) -> dict[date, str]:
        return {}

    def why_off(self, day: date) -> str:
        """Why a day is off, where the calendar says so."""
        found = self._why_off.get(day)
        if found is None:
            offs = (off for year in self.school_years for off in year.days_off)
            found = self._why_off[day] = next((off.why for off in offs if day in off), "")
        return found

    def closes_at(self, day: date) -> datetime:
        """The instant at which `day` closes."""
        return datetime.combine(day, self.day_close, self.zone)
