"""School time: which closes and quarter-hours are due, worked out from a clock that is given.

Pure, so that a simulated week and a real one go the same way. Only live schools are closed by
the clock, from the day on which they went live; what was missed while nothing ran is sent first.
"""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta

from shared.calendar import SchoolCalendar
from shared.events import DayClosed, TimeReached

QUARTER = timedelta(minutes=15)

_CATCH_UP = timedelta(hours=2)
"""After a longer gap only the closes and the newest quarter-hour are sent: notify asks of each
slot whether it is passed, not whether it was seen."""


def due(
    calendar: SchoolCalendar,
    now: datetime,
    reached: datetime | None,
    live: Mapping[str, date],
    closed: Mapping[str, date],
) -> Iterator[DayClosed | TimeReached]:
    """What is to be sent at `now`, in the order of its time.

    `reached` is the instant up to which time has been sent, `live` the schools' first live
    days, `closed` the newest close sent of each.
    """
    closes: list[tuple[datetime, DayClosed | TimeReached]] = [
        (calendar.closes_at(day), DayClosed(school=school, date=day))
        for school, first in live.items()
        for day in _unclosed(calendar, first, closed.get(school), now)
    ]
    last = None if reached is None else quarter_of(reached)
    quarters = [(at, TimeReached(at=at)) for at in _quarters(last, quarter_of(now))]
    # A slot at the hour of the close must see its steps: the close goes first.
    for _, message in sorted(
        [*closes, *quarters], key=lambda pair: (pair[0], isinstance(pair[1], TimeReached))
    ):
        yield message


def _unclosed(
    calendar: SchoolCalendar, first: date, closed: date | None, now: datetime
) -> Iterator[date]:
    begin = first if closed is None else max(first, closed + timedelta(days=1))
    for day in calendar.between(begin, calendar.local_date(now)):
        if calendar.closes_at(day) <= now:
            yield day


def _quarters(last: datetime | None, newest: datetime) -> Iterator[datetime]:
    if last is None or newest - last > _CATCH_UP:
        yield newest
        return
    while last < newest:
        last += QUARTER
        yield last


def quarter_of(at: datetime) -> datetime:
    """The newest quarter-hour at or before an instant."""
    return at - timedelta(minutes=at.minute % 15, seconds=at.second, microseconds=at.microsecond)
