"""The indicators: figures measured over a pupil's window (DESIGN section 6 defines each).

A figure is a pair of whole numbers, numerator and denominator, so that it is compared exactly;
None when there is nothing to measure, which holds nothing.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from typing import NamedTuple

from services.rules.window import NO_DAY, Day, Registration, Window, day_of
from shared.calendar import SchoolCalendar
from shared.events import Status
from shared.rulebook import FigureKey

Figure = tuple[int, int] | None
Figures = dict[FigureKey, Figure]

COUNTING_DAYS = "counting_days"
COVERAGE = "coverage"


class View(NamedTuple):
    """A pupil's window as of a day: what indicators are measured on."""

    window: Window
    calendar: SchoolCalendar
    as_of: date
    enrolled: date | None

    def dates(self, days: int | None) -> tuple[date, ...]:
        """The last `days` school days (None: all of the school year), from the enrolment on."""
        dates = self.calendar.window(self.as_of, days)
        if self.enrolled is not None and dates and dates[0] < self.enrolled:
            return tuple(day for day in dates if day >= self.enrolled)
        return dates

    @property
    def run(self) -> tuple[date, ...]:
        """The consecutive absent days that end at the last day with counting lessons."""
        found: list[date] = []
        for day in reversed(self.dates(None)):
            sums = self.window.days.get(day)
            if sums is None or not sums.counting:
                continue
            if not sums.is_absent:
                break
            found.append(day)
        return tuple(reversed(found))


class Sums(NamedTuple):
    """The days of one window and what they add up to."""

    days: list[Day]
    total: Day


def measure(view: View, wanted: Iterable[FigureKey]) -> Figures:
    """Measure every wanted figure as of the view's day."""
    sums: dict[int, Sums] = {}
    figures: Figures = {}
    for key in wanted:
        indicator, days, kind = key
        if not days:
            figures[key] = (len(view.run), 1)
            continue
        span = sums.get(days)
        if span is None:
            span = sums[days] = _sums(view.window.of(view.dates(days)))
        figures[key] = _MEASURES[indicator](span, kind)
    return figures


def _sums(days: list[Day]) -> Sums:
    return Sums(days, day_of(map(sum, zip(*days, strict=True))) if days else NO_DAY)


def deciding_lessons(view: View, key: FigureKey) -> Iterator[tuple[str, Registration]]:
    """The lessons that a figure counts: its evidence."""
    dates = view.dates(key.days) if key.days else view.run
    counts = _LESSONS[key.indicator]
    for lesson, known in view.window.lessons_on(dates):
        if known.counts and counts(known, key.kind):
            yield lesson, known


def _absence_share(span: Sums, kind: str) -> Figure:
    total = span.total
    if not total.offered:
        return None
    absent = {"all": total.absent, "excused": total.excused, "unexcused": total.unexcused}[kind]
    return absent, total.offered


def _coverage(span: Sums, _: str) -> Figure:
    total = span.total
    return (total.counting, total.scheduled) if total.scheduled else None


_MEASURES: dict[str, Callable[[Sums, str], Figure]] = {
    "absence_share": _absence_share,
    "unexcused_lessons": lambda span, _: (span.total.unexcused_lessons, 1),
    "unexcused_days": lambda span, _: (len([1 for day in span.days if day.unexcused_lessons]), 1),
    "lates": lambda span, _: (span.total.lates, 1),
    COUNTING_DAYS: lambda span, _: (len([1 for day in span.days if day.counting]), 1),
    COVERAGE: _coverage,
}


def _adds_absence(known: Registration, kind: str) -> bool:
    if kind == "excused":
        return known.excused and known.absent > 0
    if kind == "unexcused":
        return known.unexcused_minutes > 0
    return known.absent > 0


_LESSONS: dict[str, Callable[[Registration, str], bool]] = {
    "absence_share": _adds_absence,
    "unexcused_lessons": lambda known, _: known.status is Status.UNEXCUSED,
    "unexcused_days": lambda known, _: known.status is Status.UNEXCUSED,
    "absent_run": lambda _, __: True,
    "lates": lambda known, _: known.status is Status.LATE,
}

MEASURED = frozenset(_LESSONS)
"""The indicators that rules may name; a test holds them equal to the rulebook's."""
