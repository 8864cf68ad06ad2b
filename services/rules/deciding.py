"""The lessons behind a figure: what a step lists as evidence.

Asked for one pupil and day when a step comes of it, so that what is listed is found on the same
strip that the figure was measured on.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby

import numpy as np

from services.rules.daybook import FIRST, INTERNAL, LAST
from services.rules.indicators import (
    edge_rows,
    persistent_blocks,
    worst_subject,
    worst_weekday,
)
from services.rules.strips import Rows, Strips
from services.rules.window import Lessons, Registration, lessons_on
from shared.events import Status
from shared.indicators import FigureKey, Span

Counts = Callable[[Registration], bool]

Listed = Sequence[tuple[str, Registration]]
"""Lessons with their ids, by day and start."""

IN_ORDER = frozenset({"internal_truancy_days"})
"""Indicators that look at all lessons of a day; for others those will do that aren't plain."""


def deciding_lessons(strips: Strips, lessons: Lessons, key: FigureKey) -> Listed:
    """The lessons that a figure of a strip's only column counts, by day and start.

    `lessons`: the pupil's. What is found stands for the strip: figures that count the same
    lessons share it.
    """
    choose = _CHOICES.get(key.indicator)
    if choose is None:
        return ()
    found: Listed = strips.once((choose, *key[1:]), lambda: choose(strips, lessons, key))
    return found


_Choice = Callable[[Strips, Lessons, FigureKey], Listed]
"""Finds the lessons of some figures, which differ only in what they make of them."""


def _on(
    days: Iterable[int], lessons: Lessons, counts: Counts, first: int = 0
) -> list[tuple[str, Registration]]:
    """The lessons that count on some dates, from date `first` on; ordinals."""
    return [
        (lesson, known)
        for lesson, known in lessons_on(lessons, days)
        if known.day >= first and known.counts and counts(known)
    ]


def _days(strips: Strips, chosen: Rows, first: int) -> list[int]:
    """The dates of chosen rows, of which there is one for each row from `first` on."""
    days: list[int] = strips.days[first : first + len(chosen), 0][chosen].tolist()
    return days


def _first_row(strips: Strips, span: Span) -> int:
    """Of a window."""
    if span == "year":
        return 0
    if span == "term":
        return strips.length - int(strips.term_day[-1, 0]) if strips.length else 0
    return max(0, strips.length - span)


def _missing(known: Registration) -> bool:
    return known.absent > 0


def _unexcused(known: Registration) -> bool:
    return known.status is Status.UNEXCUSED


def _any(_: Registration) -> bool:
    return True


def _in_window(counts: Counts) -> _Choice:
    """All of the window that count: no need to look at each day."""
    return lambda strips, lessons, key: _on(
        strips.window_days(key.days), lessons, counts, strips.first_inside
    )


def _on_days(rows: Callable[[Strips], Rows], counts: Counts) -> _Choice:
    """Those of the window's days that some rows tell."""

    def choose(strips: Strips, lessons: Lessons, key: FigureKey) -> Listed:
        first = _first_row(strips, key.days)
        return _on(_days(strips, rows(strips)[first:, 0], first), lessons, counts)

    return choose


_absences = _in_window(_missing)
_unexcused_lessons = _in_window(_unexcused)
_BY_KIND = {
    "all": _absences,
    "excused": _in_window(lambda known: known.excused and known.absent > 0),
    "unexcused": _in_window(lambda known: known.unexcused_minutes > 0),
}


def _share(strips: Strips, lessons: Lessons, key: FigureKey) -> Listed:
    return _BY_KIND[key.kind](strips, lessons, key)


def _scattered(strips: Strips, lessons: Lessons, key: FigureKey) -> Listed:
    """All but the excused spell in which most was missed: of equals the earliest."""
    first = _first_row(strips, key.days)
    excused, counting, minutes = (
        rows[first:, 0].tolist()
        for rows in (strips.excused, strips.counting, strips.minutes_missed)
    )
    most = missed = begin = 0
    longest = range(0)
    for row in range(len(excused)):
        if excused[row]:
            missed += minutes[row]
            if missed > most:
                most, longest = missed, range(begin, row + 1)
        elif counting[row]:
            missed, begin = 0, row + 1
    left_out = strips.days[first:, 0][longest.start : longest.stop].tolist()
    days = strips.window_days(key.days).difference(left_out)
    return _on(days, lessons, _missing, strips.first_inside)


def _run(strips: Strips, lessons: Lessons, before: int) -> Listed:
    """The absent days since the last attended one before the newest `before` rows."""
    attended = np.flatnonzero(strips.attended[: strips.length - before, 0])
    first = int(attended[-1]) + 1 if len(attended) else 0
    return _on(_days(strips, strips.absent[first:, 0], first), lessons, _any)


def _coming_back(strips: Strips, lessons: Lessons, _: FigureKey) -> Listed:
    back = strips.length and strips.attended[-1, 0]
    return _run(strips, lessons, 1) if back else ()


def _in_spells(longest: int | None) -> _Choice:
    """Those of spells that begin in the window; of none that lasts more than `longest` days."""

    def choose(strips: Strips, lessons: Lessons, key: FigureKey) -> Listed:
        first = _first_row(strips, key.days)
        begins, lasts = (rows[first:, 0] for rows in strips.spells)
        which = np.cumsum(begins)
        wanted = which > 0
        if longest is not None:
            wanted[wanted] = (lasts[begins] <= longest)[which[wanted] - 1]
        return _on(_days(strips, strips.absent[first:, 0] & wanted, first), lessons, _any)

    return choose


_in_all_spells = _in_spells(None)


def _weekday(strips: Strips, lessons: Lessons, key: FigureKey) -> Listed:
    first = _first_row(strips, key.days)
    worst = worst_weekday(strips, key.days).which[0]
    rows = strips.half[first:, 0] & (strips.weekday[first:, 0] == worst)
    return _on(_days(strips, rows, first), lessons, _missing)


def _edge(strips: Strips, lessons: Lessons, key: FigureKey) -> Listed:
    wanted, _ = edge_rows(strips, int(key.days))
    return _on(_days(strips, (wanted & strips.half)[:, 0], 0), lessons, _missing)


def _subject(strips: Strips, lessons: Lessons, key: FigureKey) -> Listed:
    which = int(worst_subject(strips, key.days).which[0])
    if which < 0:
        return ()
    name = strips.subject_names[which]

    def counts(known: Registration) -> bool:
        return known.subject == name and known.wholly_missed

    return _on(strips.window_days(key.days), lessons, counts, strips.first_inside)


def _early(strips: Strips, lessons: Lessons, key: FigureKey) -> Listed:
    """The absent days of a term that isn't older than the window."""
    first = _first_row(strips, "term")
    if strips.length - first > int(key.days):
        return ()
    return _on(_days(strips, strips.absent[first:, 0], first), lessons, _any)


def _blocks(strips: Strips, lessons: Lessons, key: FigureKey) -> Listed:
    days = int(persistent_blocks(strips, key).over[0]) * int(key.days)
    return _on(strips.window_days(days), lessons, _missing, strips.first_inside)


def _first_or_last(strips: Strips, lessons: Lessons, key: FigureKey) -> Listed:
    """Missed, so it is also the first or last of those that aren't plain."""
    last = key.kind == "last"
    first = _first_row(strips, key.days)
    rows = strips.field(LAST if last else FIRST)[first:, 0] > 0
    found = _on(_days(strips, rows, first), lessons, _any)
    return [order[-1 if last else 0] for order in _by_day(found)]


def _between(strips: Strips, lessons: Lessons, key: FigureKey) -> Listed:
    """Unexcused whole lessons with an attended one before and after."""
    first = _first_row(strips, key.days)
    rows = strips.field(INTERNAL)[first:, 0] > 0
    between: list[tuple[str, Registration]] = []
    for order in _by_day(_on(_days(strips, rows, first), lessons, _any)):
        there = [place for place, (_, known) in enumerate(order) if not known.wholly_missed]
        inside = order[there[0] : there[-1]] if there else []
        between += [each for each in inside if each[1].wholly_missed and not each[1].excused]
    return between


def _by_day(found: Listed) -> Iterator[Listed]:
    """The lessons of each day, in their order."""
    for _, of_day in groupby(found, key=lambda each: each[1].day):
        yield list(of_day)


_CHOICES: dict[str, _Choice] = {
    "absence_share": _share,
    "scattered_share": _scattered,
    "unexcused_lessons": _unexcused_lessons,
    "unexcused_days": _unexcused_lessons,
    "absent_run": lambda strips, lessons, _: _run(strips, lessons, 0),
    "lates": _in_window(lambda known: known.status is Status.LATE),
    "spells": _in_all_spells,
    "spell_days": _in_all_spells,
    "bradford": _in_spells(3),
    "weekday_hits": _weekday,
    "weekday_share": _weekday,
    "weekday_tail": _weekday,
    "edge_hits": _edge,
    "edge_ratio": _edge,
    "subject_missed": _subject,
    "subject_share": _subject,
    "subject_ratio": _subject,
    "internal_truancy_days": _between,
    "first_last_misses": _first_or_last,
    "rise": _absences,
    "rise_ratio": _absences,
    "term_start_days": _early,
    "persistent_blocks": _blocks,
    "quarter_days": _on_days(lambda strips: strips.quarter, _missing),
    "leave_days": _on_days(lambda strips: strips.leave, _any),
    "return": _coming_back,
    "relapse": _absences,
    "improvement": _absences,
}
