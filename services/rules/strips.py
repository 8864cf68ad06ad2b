"""Strips: for each of many (pupil, day), the school days of the year up to that day, aligned.

Every figure is measured on a strip, whether of a whole school at a close or of one pupil's past
days that are judged anew; the last row is always the day that is looked back from.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import date
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.rules.daybook import (
    ABSENT,
    COUNTING,
    EXCUSED_WHOLE,
    FIELDS,
    LEAVE_WHOLE,
    MISSED,
    OFFERED,
    Daybook,
)
from shared.calendar import SchoolCalendar
from shared.indicators import Span

Rows: TypeAlias = Any
"""An array of school days × columns, of numbers or truth values; numpy's types can't say more."""

_NEVER = 10**9
"""The ordinal of a day that never comes."""


class Column(NamedTuple):
    """Whose strip, up to which day."""

    book: Daybook
    slot: int
    enrolled: int
    """The ordinal of the first day that counts."""
    as_of: date


class Spells(NamedTuple):
    """Where spells begin, and at each such row how many days they last up to the last row."""

    begins: Rows
    lasts: Rows


class Strips:
    """The strips of some columns; sums outside a column's year and enrolment are zero."""

    def __init__(
        self,
        sums: Rows,
        days: Rows,
        inside: Rows,
        *,
        calendar: SchoolCalendar,
        subjects: "_CountSubjects",
        names: Sequence[str],
        windows: dict[Span, frozenset[int]] | None = None,
    ) -> None:
        self.sums = sums
        """School days × sums × columns."""
        self.days = days
        """Ordinals; 0 above the first day of a column's year. One column when all share them."""
        self.inside = inside
        self.count = sums.shape[2]
        self.length = len(sums)
        self._calendar = calendar
        self._subjects = subjects
        self._names = names
        self._made: dict[object, Any] = {}
        self._windows: dict[Span, frozenset[int]] = {} if windows is None else windows

    def column(self, number: int) -> "Strips":
        """One column alone; a view, so it costs next to nothing."""
        only = slice(number, number + 1)
        shared = self.days.shape[1] == 1

        def subjects(_: "Strips", span: Span) -> Rows:
            return self.by_subject(span)[..., only]

        alone = Strips(
            self.sums[..., only],
            self.days if shared else self.days[:, only],
            self.inside[:, only],
            calendar=self._calendar,
            subjects=subjects,
            names=self._names,
            windows=self._windows if shared else None,
        )
        # What is worked out for all columns need not be worked out again for one.
        for name in _BY_COLUMN & self.__dict__.keys():
            rows = self.__dict__[name]
            alone.__dict__[name] = rows if rows.shape[1] == 1 else rows[:, only]
        return alone

    def field(self, number: int) -> Rows:
        return self.sums[:, number]

    def total(self, number: int, span: Span) -> Rows:
        """One sum over a window, of each column."""
        return self.once((number, span), lambda: self.over(self.field(number), span).sum(axis=0))

    def over(self, rows: Rows, span: Span) -> Rows:
        """The rows of a window; those before it are left out, or zero where columns differ."""
        if span == "year":
            return rows
        if span == "term":
            return rows * self._in_term
        return rows[max(0, self.length - int(span)) :]

    def before(self, rows: Rows, days: int, more: int) -> Rows:
        """The `more` rows before the last `days`."""
        end = max(0, self.length - days)
        return rows[max(0, end - more) : end]

    def by_subject(self, days: Span) -> Rows:
        """Subjects × (counting, missed wholly) × columns over a window, by the subject's name."""
        return self.once(("subjects", days), lambda: self._subjects(self, days))

    @property
    def subject_names(self) -> list[str]:
        """The subjects in the order of `by_subject`."""
        return list(self._names)

    @cached_property
    def counting(self) -> Rows:
        return self.field(COUNTING) > 0

    @cached_property
    def absent(self) -> Rows:
        """Absent days: counting lessons, each missed wholly."""
        return self.counting & (self.field(MISSED) == self.field(COUNTING))

    @cached_property
    def attended(self) -> Rows:
        return self.counting & ~self.absent

    @cached_property
    def excused(self) -> Rows:
        """Absent days, each lesson with a reason."""
        return self.absent & (self.field(EXCUSED_WHOLE) == self.field(COUNTING))

    @cached_property
    def leave(self) -> Rows:
        """Absent days, each lesson on granted leave."""
        return self.absent & (self.field(LEAVE_WHOLE) == self.field(COUNTING))

    @property
    def minutes_missed(self) -> Rows:
        return self.field(ABSENT)

    @cached_property
    def half(self) -> Rows:
        """Days with at least half of the minutes missed."""
        return self.counting & (2 * self.field(ABSENT) >= self.field(OFFERED))

    @cached_property
    def quarter(self) -> Rows:
        return self.counting & (4 * self.field(ABSENT) >= self.field(OFFERED))

    @cached_property
    def absent_so_far(self) -> Rows:
        """Absent days up to and including each row."""
        return np.cumsum(self.absent, axis=0, dtype=np.int16)

    @cached_property
    def weekday(self) -> Rows:
        """0 Monday to 6; of rows outside any year it means nothing."""
        return (self.days + 6) % 7

    @cached_property
    def edge(self) -> Rows:
        """School days next to a weekend or break."""
        return self._per_day(self._calendar.is_edge)

    @cached_property
    def _in_term(self) -> Rows:
        if not self.length:
            return self.days > 0
        starts = [
            (self._calendar.term_start(date.fromordinal(last)) or date.max).toordinal()
            for last in self.days[-1].tolist()
        ]
        return self.days >= np.array(starts)

    @cached_property
    def term_day(self) -> Rows:
        """Of the rows of the last day's term, the how-manieth day of it, from 1; others 0."""
        return np.cumsum(self._in_term, axis=0)

    @cached_property
    def spells(self) -> Spells:
        """The runs of absent days, days without counting lessons passed over."""
        so_far, attended = self.absent_so_far, self.attended
        # The absent days up to the last attended day before a row, and before the next after it.
        earlier = np.maximum.accumulate(np.where(attended, so_far, 0), axis=0)
        end = np.where(attended, so_far, so_far[-1:])
        until = np.minimum.accumulate(end[::-1], axis=0)[::-1]
        return Spells(self.absent & (so_far == earlier + 1), until - so_far + 1)

    def once(self, what: object, make: Callable[[], Any]) -> Any:
        """What several figures are made of, made once."""
        found = self._made.get(what)
        if found is None:
            found = self._made[what] = make()
        return found

    def window_days(self, span: Span) -> frozenset[int]:
        """The ordinals of a window's days, of a column alone or where all share theirs."""
        found = self._windows.get(span)
        if found is None:
            days = self.days[:, 0]
            if span == "term":
                days = days[self.term_day[:, 0] > 0]
            elif span != "year":
                days = days[max(0, self.length - int(span)) :]
            found = self._windows[span] = frozenset(days.tolist())
        return found

    @cached_property
    def first_inside(self) -> int:
        """Of a column alone the ordinal of the first day that counts."""
        inside = self.inside[:, 0]
        return int(self.days[inside.argmax(), 0]) if inside.any() else _NEVER

    def _per_day(self, asked: Callable[[date], bool]) -> Rows:
        days, places = np.unique(self.days, return_inverse=True)
        known = [day > 0 and asked(date.fromordinal(day)) for day in days.tolist()]
        return np.array(known, bool)[places].reshape(self.days.shape)


_BY_COLUMN = frozenset(
    name
    for name, made in vars(Strips).items()
    if isinstance(made, cached_property) and name not in {"spells", "first_inside"}
)
"""Rows that a strip works out once; each column of them is the column's own."""

_CountSubjects = Callable[[Strips, Span], Rows]


def of_all(
    schools: Sequence[tuple[Daybook, NDArray[np.int64]]], calendar: SchoolCalendar, as_of: date
) -> Strips:
    """The strips of all slots of some daybooks as of one day, one book after the other.

    With each book come the days of enrolment by slot.
    """
    days = np.array([day.toordinal() for day in calendar.window(as_of)], np.int64)
    for book, enrolled in schools:
        book.make_room((int(days[0]), int(days[-1])) if len(days) else (), len(enrolled))
    inside = days[:, None] >= np.concatenate([enrolled for _, enrolled in schools])
    sums = _side_by_side([book.sums[days - book.first, :, : len(own)] for book, own in schools])
    if not inside.all():
        sums = sums * inside[:, None]
    places = _Subjects([book for book, _ in schools])

    def subjects(strips: Strips, span: Span) -> Rows:
        last = days if isinstance(span, str) else days[max(0, len(days) - span) :]
        within = strips.over(inside, span)
        counts = []
        for book, own in schools:
            found = book.subjects[last - book.first, :, :, : len(own)]
            part, within = within[:, : len(own)], within[:, len(own) :]
            if not part.all():
                found = found * part[:, None, None]
            counts.append(places.in_order(book, found.sum(axis=0)))
        return _side_by_side(counts)

    return Strips(
        sums, days[:, None], inside, calendar=calendar, subjects=subjects, names=places.names
    )


def of_columns(columns: Sequence[Column], calendar: SchoolCalendar) -> Strips:
    """A strip for each column, as of its own day."""
    windows = [calendar.window(column.as_of) for column in columns]
    length = max(map(len, windows), default=0)
    days = np.zeros((length, len(columns)), np.int64)
    for number, window in enumerate(windows):
        days[length - len(window) :, number] = [day.toordinal() for day in window]
    inside = (days > 0) & (days >= np.array([column.enrolled for column in columns], np.int64))
    slots = np.array([column.slot for column in columns], np.int64)
    known = days[days > 0]
    room = (int(known.min()), int(known.max())) if known.size else ()
    owned: dict[Daybook, list[int]] = defaultdict(list)
    for number, column in enumerate(columns):
        owned[column.book].append(number)
    places = _Subjects(list(owned))
    sums = np.zeros((length, FIELDS, len(columns)), np.int32)
    for book, mine in owned.items():
        book.make_room(room, int(slots[mine].max()) + 1)
        rows = np.where(inside[:, mine], days[:, mine] - book.first, 0)
        # Advanced indices on both sides of a slice come first: days × columns × sums.
        found = book.sums[rows, :, slots[mine]].transpose(0, 2, 1)
        sums[:, :, mine] = found * inside[:, None, mine]

    def subjects(strips: Strips, span: Span) -> Rows:
        within = strips.over(inside, span)
        counts = np.zeros((len(places.names), 2, len(columns)), np.int64)
        for book, mine in owned.items():
            rows = np.where(inside[:, mine], days[:, mine] - book.first, 0)
            last = rows[len(rows) - len(within) :]
            found = book.subjects[last, :, :, slots[mine]] * within[:, mine, None, None]
            counts[..., mine] = places.in_order(book, found.sum(axis=0).transpose(1, 2, 0))
        return counts

    return Strips(sums, days, inside, calendar=calendar, subjects=subjects, names=places.names)


def _side_by_side(parts: Sequence[Rows]) -> Rows:
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)


class _Subjects:
    """The subjects of some daybooks, in the order of their names."""

    def __init__(self, books: Sequence[Daybook]) -> None:
        self.names = sorted({name for book in books for name in book.names})
        self._place = {name: number for number, name in enumerate(self.names)}

    def in_order(self, book: Daybook, counts: Rows) -> Rows:
        """One book's counts by subject, with zeros for subjects that others have."""
        ordered = np.zeros((len(self.names), *counts.shape[1:]), counts.dtype)
        ordered[[self._place[name] for name in book.names]] = counts
        return ordered
