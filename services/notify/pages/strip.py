"""The strip: a pupil's last eight school weeks, a column a day, split by lesson.

Each status has a pattern as well as a colour, so that it is read in print and by those who see
colours otherwise; each day of a large one says in words what it shows. Drawn as SVG with classes
alone, since the Content-Security-Policy lets no style in.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import groupby

from markupsafe import Markup, escape

from services.notify.pages.words import STATUSES, Words, day_of
from shared.events import Status
from shared.picture import Day, Earlier, Lesson


@dataclass(frozen=True)
class _Size:
    day: int
    """Width of a column, in pixels."""
    gap: int
    """Between two weeks."""
    height: int
    weeks: int
    """Room for the numbers of the weeks below."""
    titles: bool
    """Does each day say in words what it shows?"""


_LARGE = _Size(day=14, gap=6, height=84, weeks=18, titles=True)
_SMALL = _Size(day=5, gap=3, height=30, weeks=0, titles=False)

SHOWN_AS: dict[Status, str] = {
    Status.PRESENT: "present",
    Status.OTHER: "present",
    Status.LATE: "late",
    Status.EXCUSED: "excused",
    Status.LEAVE: "leave",
    Status.UNEXCUSED: "unexcused",
    Status.UNREPORTED: "unreported",
}
"""Statuses by how they are drawn."""

LEGEND: tuple[tuple[str, Words], ...] = (
    ("present", STATUSES[Status.PRESENT]),
    ("late", STATUSES[Status.LATE]),
    ("excused", STATUSES[Status.EXCUSED]),
    ("leave", STATUSES[Status.LEAVE]),
    ("unexcused", STATUSES[Status.UNEXCUSED]),
    ("unreported", STATUSES[Status.UNREPORTED]),
)

PATTERNS = Markup(
    '<svg class="patterns" width="0" height="0" aria-hidden="true" focusable="false"><defs>'
    '<pattern id="p-late" width="4" height="4" patternUnits="userSpaceOnUse">'
    '<rect class="late" width="4" height="4"/><path class="line" d="M0 2h4"/></pattern>'
    '<pattern id="p-excused" width="5" height="5" patternUnits="userSpaceOnUse">'
    '<rect class="excused" width="5" height="5"/>'
    '<path class="line" d="M-1 1l2-2M0 5l5-5M4 6l2-2"/></pattern>'
    '<pattern id="p-leave" width="4" height="4" patternUnits="userSpaceOnUse">'
    '<rect class="leave" width="4" height="4"/><circle class="dot" cx="2" cy="2" r="1"/></pattern>'
    "</defs></svg>"
)
"""Once on each page that has a strip."""


def strip(days: Sequence[Day], name: Words, language: str, *, small: bool = False) -> Markup:
    """The days, Monday to Friday of each week, as one picture with a text of its own.

    `name` says whose it is and what it shows.
    """
    size = _SMALL if small else _LARGE
    weeks = [list(each) for _, each in groupby(days, lambda day: day.date.isocalendar()[:2])]
    parts: list[str] = []
    left = 0
    for week in weeks:
        for place, day in enumerate(week):
            parts.append(_column(day, left + place * size.day, size, language))
        if size.weeks:
            number = week[0].date.isocalendar().week
            words = f"w. {number}" if language == "en" else f"v. {number}"
            middle = left + len(week) * size.day / 2
            under = size.height + size.weeks - 4
            parts.append(f'<text class="week" x="{middle:g}" y="{under}">{words}</text>')
        left += len(week) * size.day + size.gap
    width, height = max(left - size.gap, 1), size.height + size.weeks
    summary = summed(days)
    said = f"{name.en}: {summary.en}" if language == "en" else f"{name.sv}: {summary.sv}"
    return Markup(  # noqa: S704 - what is said in words is escaped, the rest is ours
        f'<svg class="strip{" small" if small else ""}" role="img" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}"><title>{escape(said)}</title>{"".join(parts)}</svg>'
    )


def summed(days: Sequence[Day]) -> Words:
    """The strip in a sentence, for those who don't see it."""
    counts = dict.fromkeys(SHOWN_AS.values(), 0)
    for day in days:
        if day.school_day and day.counts:
            for lesson in day.lessons:
                counts[_shown_as(lesson)] += 1
    total = sum(counts.values())
    sv = [f"{n} {words.sv}" for key, words in LEGEND if (n := counts[key]) and key != "present"]
    en = [f"{n} {words.en}" for key, words in LEGEND if (n := counts[key]) and key != "present"]
    return Words(
        f"{total} lektioner, {', '.join(sv) or 'närvarande på alla'}",
        f"{total} lessons, {', '.join(en) or 'present at all'}",
    )


def told_days(days: Sequence[Day]) -> list[tuple[date, Words]]:
    """School days with something to tell, newest first: what the strip shows, as a list."""
    return [
        (day.date, _told(day))
        for day in reversed(days)
        if day.school_day
        and day.counts
        and any(_shown_as(lesson) != "present" for lesson in day.lessons)
    ]


def _shown_as(lesson: Lesson) -> str:
    return "present" if lesson.bus_delay else SHOWN_AS[lesson.status]


def told_earlier(days: Sequence[Earlier]) -> list[tuple[date, Words]]:
    """School days before the strip's, as a list in the same words, in their order."""
    return [
        (
            day.date,
            _words(
                Counter({SHOWN_AS[status]: count for status, count in day.counts.items()}),
                day.scheduled,
            ),
        )
        for day in days
    ]


def _told(day: Day) -> Words:
    return _words(Counter(_shown_as(lesson) for lesson in day.lessons), len(day.lessons))


def _words(known: Counter[str], of: int) -> Words:
    """What became of a day's lessons: `3 av 5 lektioner: 2 ogiltig frånvaro, 1 sen ankomst`."""
    kinds = [(words, known[key]) for key, words in LEGEND if key != "present" and known[key]]
    missed = sum(count for _, count in kinds)
    sv = ", ".join(f"{count} {words.sv}" for words, count in kinds)
    en = ", ".join(f"{count} {words.en}" for words, count in kinds)
    return Words(f"{missed} av {of} lektioner: {sv}", f"{missed} of {of} lessons: {en}")


# Drawn as plain text, of numbers and names of ours: of a page of small strips, checking each piece
# anew took half the time. What is said in words is escaped where it comes in.


def _column(day: Day, left: int, size: _Size, language: str) -> str:
    """A day, from its first lesson at the top to its last, each as high as its minutes."""
    if not day.school_day or not day.counts or not day.lessons:
        state = "off" if not day.school_day else "empty"
        return (
            f'<rect class="{state}" x="{left}" y="0" width="{size.day - 1}" '
            f'height="{size.height}"/>'
        )
    cells = _cells(tuple([(_shown_as(each), each.minutes) for each in day.lessons]), size)
    title = ""
    if size.titles:
        words, on = _told(day), day_of(day.date)
        said = f"{on.en}: {words.en}" if language == "en" else f"{on.sv}: {words.sv}"
        title = f"<title>{escape(said)}</title>"
    return f'<g transform="translate({left})">{title}{cells}</g>'


@lru_cache(maxsize=8192)
def _cells(lessons: tuple[tuple[str, int], ...], size: _Size) -> str:
    """A day's lessons by how they are shown and minutes. Most days of most pupils look alike."""
    whole = sum(minutes for _, minutes in lessons)
    cells, done = [], 0
    for shown, minutes in lessons:
        top, done = done * size.height / whole, done + minutes
        high = max(done * size.height / whole - top - 0.8, 0.8)
        cells.append(
            f'<rect class="{shown}" y="{top:.1f}" width="{size.day - 1}" height="{high:.1f}"/>'
        )
    return "".join(cells)
