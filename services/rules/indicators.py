"""The indicators: figures measured on strips, for many pupils at a time.

What each means stands in docs/patterns.md, in the words of docs/glossary.md. A figure is a pair
of whole numbers, numerator and denominator, so that it is compared exactly; a denominator of 0
means that there is nothing to measure, which holds nothing.
"""

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from functools import lru_cache
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.rules.daybook import (
    ABSENT,
    COUNTING,
    EXCUSED,
    FIRST,
    INTERNAL,
    LAST,
    LATES,
    OFFERED,
    SCHEDULED,
    UNEXCUSED,
    UNEXCUSED_LESSONS,
)
from services.rules.strips import Rows, Strips
from shared.indicators import RATIO_MOST, FigureKey, Span

Numbers = NDArray[np.int64]

COUNTING_DAYS = "counting_days"
COVERAGE = "coverage"

_TAIL_PLACES = 10**12
_NARROW = 3
"""Spells of more days than this are left out of the Bradford factor."""


class Figures(NamedTuple):
    """One figure of every column."""

    over: Numbers
    under: Numbers


Measured = Mapping[FigureKey, Figures]


def measure(strips: Strips, wanted: Iterable[FigureKey]) -> dict[FigureKey, Figures]:
    """Every wanted figure of every strip; figures of the case and of units are not ours."""
    return {key: _MEASURES[key.indicator](strips, key) for key in wanted}


def figure_of(figures: Figures, column: int) -> Fraction | None:
    """One column's figure as a number; None: nothing to measure."""
    under = int(figures.under[column])
    return Fraction(int(figures.over[column]), under) if under else None


def counted(numbers: Rows) -> Figures:
    over = numbers.astype(np.int64)
    return Figures(over, np.ones_like(over))


def ratio(over: Numbers, under: Numbers) -> Figures:
    """A ratio of what are not negative; to nothing it has no end, and 0 to 0 has no value."""
    endless = (over > 0) & (over >= RATIO_MOST * under)
    most = np.int64(RATIO_MOST)
    return Figures(np.where(endless, most, over), np.where(endless, 1, under))


def ratio_of(now: Figures, before: Figures) -> Figures:
    """The ratio of two figures; without a value where either has none, being 0 to 0."""
    return ratio(now.over * before.under, now.under * before.over)


def _share(strips: Strips, span: Span, field: int = ABSENT) -> Figures:
    over, under = strips.total(field, span), strips.total(OFFERED, span)
    return Figures(over.astype(np.int64), under.astype(np.int64))


_KINDS = {"all": ABSENT, "excused": EXCUSED, "unexcused": UNEXCUSED}


def _absence_share(strips: Strips, key: FigureKey) -> Figures:
    return _share(strips, key.days, _KINDS[key.kind])


def longest_excused_spell(strips: Strips, span: Span) -> Rows:
    """The minutes of the run of excused days that missed the most, within a window."""
    excused = strips.over(strips.excused, span)
    broken = strips.over(strips.counting, span) & ~excused
    so_far = np.cumsum(np.where(excused, strips.over(strips.field(ABSENT), span), 0), axis=0)
    if not len(so_far):
        return np.zeros(strips.count, np.int64)
    runs: Rows = so_far - np.maximum.accumulate(np.where(broken, so_far, 0), axis=0)
    return runs.max(axis=0)


def _scattered_share(strips: Strips, key: FigureKey) -> Figures:
    share = _share(strips, key.days)
    return Figures(share.over - longest_excused_spell(strips, key.days), share.under)


def _total_of(field: int) -> Callable[[Strips, FigureKey], Figures]:
    return lambda strips, key: counted(strips.total(field, key.days))


def _days_with(field: int) -> Callable[[Strips, FigureKey], Figures]:
    return lambda strips, key: _days(strips, strips.field(field) > 0, key.days)


def _days(strips: Strips, rows: Rows, span: Span) -> Figures:
    return counted(strips.over(rows, span).sum(axis=0))


def _run_before(strips: Strips, end: int) -> Numbers:
    """Absent days since the last attended one among the first `end` rows."""
    if not end:
        return np.zeros(strips.count, np.int64)
    so_far = strips.absent_so_far[:end]
    at_last = np.where(strips.attended[:end], so_far, 0).max(axis=0)
    run: Numbers = (so_far[-1] - at_last).astype(np.int64)
    return run


def _absent_run(strips: Strips, _: FigureKey) -> Figures:
    return counted(_run_before(strips, strips.length))


def _return(strips: Strips, _: FigureKey) -> Figures:
    if not strips.length:
        return counted(np.zeros(strips.count))
    back = strips.attended[-1]
    return counted(np.where(back, _run_before(strips, strips.length - 1), 0))


def _spell_count(strips: Strips, key: FigureKey) -> Figures:
    return _days(strips, strips.spells.begins, key.days)


def _spell_days(strips: Strips, key: FigureKey) -> Figures:
    begins, lasts = strips.spells
    return counted(strips.over(np.where(begins, lasts, 0), key.days).sum(axis=0))


def _bradford(strips: Strips, key: FigureKey) -> Figures:
    begins, lasts = strips.spells
    narrow = strips.over(begins & (lasts <= _NARROW), key.days)
    count = narrow.sum(axis=0).astype(np.int64)
    days = np.where(narrow, strips.over(lasts, key.days), 0).sum(axis=0)
    return counted(count**2 * days)


class Weekday(NamedTuple):
    hits: Numbers
    days: Numbers
    all_hits: Numbers
    all_days: Numbers
    which: Numbers


def worst_weekday(strips: Strips, span: Span) -> Weekday:
    """The weekday with most half-missed days; of equals the one with fewer days, the earlier."""
    made: Weekday = strips.once(("weekday", span), lambda: _worst_weekday(strips, span))
    return made


def _worst_weekday(strips: Strips, span: Span) -> Weekday:
    half, counting = strips.over(strips.half, span), strips.over(strips.counting, span)
    weekday = strips.weekday if span == "term" else strips.over(strips.weekday, span)
    on = [weekday == number for number in range(5)]
    hits = np.stack([(half & each).sum(axis=0) for each in on])
    days = np.stack([(counting & each).sum(axis=0) for each in on])
    # There are not a thousand days of a weekday.
    worst = np.argmax(hits * 1000 - days, axis=0)[None]
    return Weekday(
        np.take_along_axis(hits, worst, 0)[0],
        np.take_along_axis(days, worst, 0)[0],
        hits.sum(axis=0),
        days.sum(axis=0),
        worst[0],
    )


def _weekday_hits(strips: Strips, key: FigureKey) -> Figures:
    return counted(worst_weekday(strips, key.days).hits)


def _weekday_share(strips: Strips, key: FigureKey) -> Figures:
    worst = worst_weekday(strips, key.days)
    return Figures(worst.hits, worst.all_hits)


def _weekday_tail(strips: Strips, key: FigureKey) -> Figures:
    worst = worst_weekday(strips, key.days)
    cases = zip(*(column.tolist() for column in worst[:4]), strict=True)
    tails = [binomial_tail(*case) for case in cases]
    return Figures(
        np.array(tails, np.int64), np.where(worst.all_hits > 0, np.int64(_TAIL_PLACES), 0)
    )


@lru_cache(maxsize=1 << 15)
def binomial_tail(hits: int, days: int, all_hits: int, all_days: int) -> int:
    """The chance of at least `hits` of `all_hits` on `days` of `all_days`, in 10⁻¹², rounded up."""
    if not hits:
        return _TAIL_PLACES
    rest = all_days - days
    ways = sum(
        comb(all_hits, n) * days**n * rest ** (all_hits - n) for n in range(hits, all_hits + 1)
    )
    return int(-(-ways * _TAIL_PLACES // all_days**all_hits))


def edge_rows(strips: Strips, days: int) -> tuple[Rows, Rows]:
    """The last edge days, and the other days from the oldest of them on."""
    made: tuple[Rows, Rows] = strips.once(("edge", days), lambda: _edge_rows(strips, days))
    return made


def _edge_rows(strips: Strips, days: int) -> tuple[Rows, Rows]:
    edge = strips.edge & strips.inside
    still_to_come = np.cumsum(edge[::-1], axis=0, dtype=np.int16)[::-1]
    wanted = edge & (still_to_come <= days)
    begun = np.logical_or.accumulate(wanted, axis=0)
    return wanted, strips.inside & ~strips.edge & begun


def _edge_hits(strips: Strips, key: FigureKey) -> Figures:
    wanted, _ = edge_rows(strips, int(key.days))
    return counted((wanted & strips.half).sum(axis=0))


def _edge_ratio(strips: Strips, key: FigureKey) -> Figures:
    def rate(rows: Rows) -> Figures:
        return Figures(
            (rows & strips.half).sum(axis=0).astype(np.int64),
            (rows & strips.counting).sum(axis=0).astype(np.int64),
        )

    edge, others = edge_rows(strips, int(key.days))
    return ratio_of(rate(edge), rate(others))


class Subject(NamedTuple):
    missed: Numbers
    lessons: Numbers
    others_missed: Numbers
    others: Numbers
    which: Numbers
    """By the subjects' names, in order; -1 when there is no other to compare with."""


def worst_subject(strips: Strips, span: Span) -> Subject:
    """The subject of which most lessons are missed beyond what the others' share would make."""
    made: Subject = strips.once(("subject", span), lambda: _worst_subject(strips, span))
    return made


def _worst_subject(strips: Strips, span: Span) -> Subject:
    counts = strips.by_subject(span).astype(np.int64)
    lessons, missed = counts[:, 0], counts[:, 1]
    if not len(counts):
        none = np.zeros(strips.count, np.int64)
        return Subject(none, none, none, none, none - 1)
    other_lessons, other_missed = lessons.sum(axis=0) - lessons, missed.sum(axis=0) - missed
    fit = (lessons > 0) & (other_lessons > 0)
    # Equal fractions are equal floats, since both are rounded right; others differ by far more.
    beyond = (missed * other_lessons - lessons * other_missed) / np.maximum(other_lessons, 1)
    which = np.argmax(np.where(fit, beyond, -np.inf), axis=0)
    pick = which[None]
    taken = [
        np.take_along_axis(each, pick, 0)[0]
        for each in (missed, lessons, other_missed, other_lessons)
    ]
    any_fit = fit.any(axis=0)
    missed, lessons, other_missed, other_lessons = (np.where(any_fit, each, 0) for each in taken)
    return Subject(missed, lessons, other_missed, other_lessons, np.where(any_fit, which, -1))


def _subject_missed(strips: Strips, key: FigureKey) -> Figures:
    worst = worst_subject(strips, key.days)
    return Figures(worst.missed, (worst.which >= 0).astype(np.int64))


def _subject_share(strips: Strips, key: FigureKey) -> Figures:
    worst = worst_subject(strips, key.days)
    return Figures(worst.missed, worst.lessons)


def _subject_ratio(strips: Strips, key: FigureKey) -> Figures:
    worst = worst_subject(strips, key.days)
    return ratio_of(
        Figures(worst.missed, worst.lessons), Figures(worst.others_missed, worst.others)
    )


_PLACES = {"first": FIRST, "last": LAST}


def _first_last_misses(strips: Strips, key: FigureKey) -> Figures:
    return _days(strips, strips.field(_PLACES[key.kind]) > 0, key.days)


def _now_and_before(strips: Strips, key: FigureKey) -> tuple[Figures, Figures]:
    days = int(key.days)
    rows = strips.before(strips.sums, days, 2 * days).sum(axis=0)
    before = Figures(rows[ABSENT].astype(np.int64), rows[OFFERED].astype(np.int64))
    return _share(strips, days), before


def _rise(strips: Strips, key: FigureKey) -> Figures:
    now, before = _now_and_before(strips, key)
    return Figures(now.over * before.under - before.over * now.under, now.under * before.under)


def _rise_ratio(strips: Strips, key: FigureKey) -> Figures:
    return ratio_of(*_now_and_before(strips, key))


def _term_start_days(strips: Strips, key: FigureKey) -> Figures:
    if not strips.length:
        return counted(np.zeros(strips.count))
    day = strips.term_day
    early = (day >= 1) & (day[-1] <= key.days)
    return counted((strips.absent & early).sum(axis=0))


def persistent_blocks(strips: Strips, key: FigureKey) -> Figures:
    days, share = int(key.days), Fraction(key.share or 0)
    blocks = np.zeros(strips.count, np.int64)
    going_on = np.ones(strips.count, bool)
    end = strips.length
    while end >= days and going_on.any():
        block = strips.sums[end - days : end].sum(axis=0).astype(np.int64)
        whole = strips.inside[end - days : end].sum(axis=0) == days
        held = block[ABSENT] * share.denominator >= block[OFFERED] * share.numerator
        going_on = going_on & whole & held & (block[OFFERED] > 0)
        blocks += going_on
        end -= days
    return counted(blocks)


def _leave_days(strips: Strips, key: FigureKey) -> Figures:
    return _days(strips, strips.leave, key.days)


def _coverage(strips: Strips, key: FigureKey) -> Figures:
    counting, scheduled = strips.total(COUNTING, key.days), strips.total(SCHEDULED, key.days)
    return Figures(counting.astype(np.int64), scheduled.astype(np.int64))


_MEASURES: dict[str, Callable[[Strips, FigureKey], Figures]] = {
    "absence_share": _absence_share,
    "scattered_share": _scattered_share,
    "unexcused_lessons": _total_of(UNEXCUSED_LESSONS),
    "unexcused_days": _days_with(UNEXCUSED_LESSONS),
    "absent_run": _absent_run,
    "lates": _total_of(LATES),
    "spells": _spell_count,
    "spell_days": _spell_days,
    "bradford": _bradford,
    "weekday_hits": _weekday_hits,
    "weekday_share": _weekday_share,
    "weekday_tail": _weekday_tail,
    "edge_hits": _edge_hits,
    "edge_ratio": _edge_ratio,
    "subject_missed": _subject_missed,
    "subject_share": _subject_share,
    "subject_ratio": _subject_ratio,
    "internal_truancy_days": _days_with(INTERNAL),
    "first_last_misses": _first_last_misses,
    "rise": _rise,
    "rise_ratio": _rise_ratio,
    "term_start_days": _term_start_days,
    "persistent_blocks": persistent_blocks,
    "quarter_days": lambda strips, key: _days(strips, strips.quarter, key.days),
    "leave_days": _leave_days,
    "return": _return,
    COUNTING_DAYS: lambda strips, key: _days(strips, strips.counting, key.days),
    COVERAGE: _coverage,
}

MEASURED = frozenset(_MEASURES) - {COUNTING_DAYS, COVERAGE}
"""The indicators of a pupil that rules may name; a test holds them equal to the rulebook's."""
