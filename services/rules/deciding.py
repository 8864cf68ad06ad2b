"""The lessons behind a figure: what a step lists as evidence.

Asked for one pupil and day when a step comes of it, so that what is listed is found on the same
strip that the figure was measured on.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from services.rules.indicators import (
    edge_rows,
    longest_excused_spell,
    persistent_blocks,
    worst_subject,
    worst_weekday,
)
from services.rules.strips import Rows, Strips
from services.rules.window import Lessons, Registration, lessons_on
from shared.events import Status
from shared.indicators import FigureKey

Counts = Callable[[Registration], bool]

IN_ORDER = frozenset({"first_last_misses", "internal_truancy_days"})
"""Indicators that look at all lessons of a day; for others those will do that aren't plain."""


def deciding_lessons(
    strips: Strips, lessons: Lessons, key: FigureKey
) -> Iterator[tuple[str, Registration]]:
    """The lessons that a figure of a strip's only column counts, by day and start."""
    counts = _IN_WINDOW.get((key.indicator, key.kind))
    if counts is not None:  # most figures: no need to look at each day
        first, days = strips.first_inside, strips.window_days(key.days)
        for lesson, known in lessons_on(lessons, days):
            if known.day >= first and known.counts and counts(known):
                yield lesson, known
        return
    choose = _CHOICES.get(key.indicator)
    if choose is None:
        return
    rows, counts = choose(strips, key)
    inside = (rows & strips.inside)[:, 0]
    days = strips.days[inside, 0].tolist()
    if key.indicator == "first_last_misses":
        lessons = _ends(lessons, days, last=key.kind == "last")
    elif key.indicator == "internal_truancy_days":
        lessons = _between(lessons, days)
    for lesson, known in lessons_on(lessons, days):
        if known.counts and counts(known):
            yield lesson, known


def _missing(known: Registration) -> bool:
    return known.absent > 0


def _any(_: Registration) -> bool:
    return True


def _unexcused(known: Registration) -> bool:
    return known.status is Status.UNEXCUSED


_IN_WINDOW: dict[tuple[str, str], Counts] = {
    ("absence_share", "all"): _missing,
    ("absence_share", "excused"): lambda known: known.excused and known.absent > 0,
    ("absence_share", "unexcused"): lambda known: known.unexcused_minutes > 0,
    ("unexcused_lessons", ""): _unexcused,
    ("unexcused_days", ""): _unexcused,
    ("lates", ""): lambda known: known.status is Status.LATE,
    ("rise", ""): _missing,
    ("rise_ratio", ""): _missing,
    ("relapse", ""): _missing,
    ("improvement", ""): _missing,
}
"""Figures that count lessons of all days of their window, by indicator and kind."""

_Choice = Callable[[Strips, FigureKey], tuple[Rows, Counts]]


def _window(strips: Strips, key: FigureKey) -> Rows:
    """Which rows lie in the window."""
    if key.days == "year":
        return np.ones_like(strips.inside)
    if key.days == "term":
        return strips.term_day > 0
    place = np.arange(strips.length)[:, None]
    return place >= strips.length - int(key.days)


def _in_window(counts: Counts) -> _Choice:
    return lambda strips, key: (_window(strips, key), counts)


def _on_days(rows: Callable[[Strips], Rows], counts: Counts) -> _Choice:
    return lambda strips, key: (_window(strips, key) & rows(strips), counts)


def _scattered(strips: Strips, key: FigureKey) -> tuple[Rows, Counts]:
    """All but the longest excused spell: of equals the earliest."""
    rows = _window(strips, key)
    most = longest_excused_spell(strips, key.days)[0]
    run: list[int] = []
    minutes = 0
    for row in np.flatnonzero(rows[:, 0]).tolist():
        if strips.excused[row, 0]:
            run.append(row)
            minutes += int(strips.minutes_missed[row, 0])
            if minutes == most:
                break
        elif strips.counting[row, 0]:
            run, minutes = [], 0
    left = rows.copy() if rows.shape == strips.inside.shape else rows & strips.inside
    if minutes == most:
        left[run, 0] = False
    return left, _missing


def _run(strips: Strips, before: int) -> Rows:
    """The absent days since the last attended one, `before` rows left out at the end."""
    end = strips.length - before
    attended = np.flatnonzero(strips.attended[:end, 0])
    begin = attended[-1] + 1 if len(attended) else 0
    rows = np.zeros_like(strips.absent)
    rows[begin:end] = strips.absent[begin:end]
    return rows


def _coming_back(strips: Strips, _: FigureKey) -> tuple[Rows, Counts]:
    back = strips.length and strips.attended[-1, 0]
    return (_run(strips, 1) if back else np.zeros_like(strips.absent)), _any


def _in_spells(longest: int | None) -> _Choice:
    def choose(strips: Strips, key: FigureKey) -> tuple[Rows, Counts]:
        begins, lasts = strips.spells
        chosen = begins & _window(strips, key)
        if longest is not None:
            chosen = chosen & (lasts <= longest)
        which = np.cumsum(begins, axis=0)
        wanted = np.isin(which, which[chosen])
        return strips.absent & wanted, _any

    return choose


def _weekday(strips: Strips, key: FigureKey) -> tuple[Rows, Counts]:
    worst = worst_weekday(strips, key.days).which[0]
    return _window(strips, key) & strips.half & (strips.weekday == worst), _missing


def _edge(strips: Strips, key: FigureKey) -> tuple[Rows, Counts]:
    wanted, _ = edge_rows(strips, int(key.days))
    return wanted & strips.half, _missing


def _subject(strips: Strips, key: FigureKey) -> tuple[Rows, Counts]:
    which = int(worst_subject(strips, key.days).which[0])
    name = strips.subject_names[which] if which >= 0 else None
    return _window(strips, key), lambda known: known.subject == name and known.wholly_missed


def _early(strips: Strips, key: FigureKey) -> tuple[Rows, Counts]:
    day = strips.term_day
    return strips.absent & (day >= 1) & (day <= int(key.days)) & (day[-1:] <= int(key.days)), _any


def _blocks(strips: Strips, key: FigureKey) -> tuple[Rows, Counts]:
    blocks = int(persistent_blocks(strips, key).over[0])
    place = np.arange(strips.length)[:, None]
    return place >= strips.length - blocks * int(key.days), _missing


_CHOICES: dict[str, _Choice] = {
    "scattered_share": _scattered,
    "absent_run": lambda strips, _: (_run(strips, 0), _any),
    "spells": _in_spells(None),
    "spell_days": _in_spells(None),
    "bradford": _in_spells(3),
    "weekday_hits": _weekday,
    "weekday_share": _weekday,
    "weekday_tail": _weekday,
    "edge_hits": _edge,
    "edge_ratio": _edge,
    "subject_missed": _subject,
    "subject_share": _subject,
    "subject_ratio": _subject,
    "internal_truancy_days": _in_window(_any),
    "first_last_misses": _in_window(lambda k: k.wholly_missed or k.status is Status.LATE),
    "term_start_days": _early,
    "persistent_blocks": _blocks,
    "quarter_days": _on_days(lambda strips: strips.quarter, _missing),
    "leave_days": _on_days(lambda strips: strips.leave, _any),
    "return": _coming_back,
}


def _by_day(lessons: Lessons, days: list[int]) -> Iterable[list[tuple[str, Registration]]]:
    """The counting lessons of each of the days, in their order."""
    order: dict[int, list[tuple[str, Registration]]] = defaultdict(list)
    for lesson, known in lessons_on(lessons, days):
        if known.counts:
            order[known.day].append((lesson, known))
    return order.values()


def _ends(lessons: Lessons, days: list[int], *, last: bool) -> Lessons:
    return dict(order[-1 if last else 0] for order in _by_day(lessons, days))


def _between(lessons: Lessons, days: list[int]) -> Lessons:
    """Unexcused whole lessons with an attended one before and after."""
    found: Lessons = {}
    for order in _by_day(lessons, days):
        there = [place for place, (_, known) in enumerate(order) if not known.wholly_missed]
        between = order[there[0] : there[-1]] if there else []
        found.update((name, k) for name, k in between if k.wholly_missed and not k.excused)
    return found
