"""What is measured of a pupil, worked out from scratch as of any school day.

Each method says in other words the line of "What is measured" that it follows. A figure as of a
day looks at no later day: what was measured is remembered until an earlier or equal day changes.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from fractions import Fraction

from tests.oracle.files import Calendar, Plain, exact, exact_date, kind

Value = Fraction | int | None
"""None: there is nothing to measure, and nothing holds."""

RATIO_MOST = Fraction(1000)


@dataclass(frozen=True)
class Lesson:
    """The registration that counts of one lesson."""

    name: str
    starts_at: datetime
    minutes: int
    subject: str
    group: str
    status: str
    absent_minutes: int
    recorded_at: datetime
    canonical: str

    @property
    def counts(self) -> bool:
        """Lessons that count are reported and not withdrawn."""
        return self.status not in ("unreported", "withdrawn")

    @property
    def ends_at(self) -> datetime:
        return self.starts_at + timedelta(minutes=self.minutes)

    @property
    def excused(self) -> bool:
        """`leave` counts as excused."""
        return self.status in ("excused", "leave")

    @property
    def wholly_missed(self) -> bool:
        return (self.excused or self.status == "unexcused") and self.absent_minutes == self.minutes


class Day:
    """One date's lessons of a pupil, and the words for such a day."""

    def __init__(self, lessons: Iterable[Lesson]) -> None:
        # Withdrawn lessons are not scheduled. Order: starts_at, then lesson id.
        self.scheduled = sorted(
            (lesson for lesson in lessons if lesson.status != "withdrawn"),
            key=lambda lesson: (lesson.starts_at, lesson.name),
        )
        self.lessons = [lesson for lesson in self.scheduled if lesson.counts]
        self.offered = sum(lesson.minutes for lesson in self.lessons)
        self.missed = sum(lesson.absent_minutes for lesson in self.lessons)
        self.counts = bool(self.lessons)
        self.absent = self.counts and all(lesson.wholly_missed for lesson in self.lessons)
        self.attended = self.counts and not self.absent
        self.half_missed = self.counts and 2 * self.missed >= self.offered
        self.quarter_missed = self.counts and 4 * self.missed >= self.offered
        self.excused = self.absent and all(lesson.excused for lesson in self.lessons)
        self.leave = self.absent and all(lesson.status == "leave" for lesson in self.lessons)

    @property
    def with_absence(self) -> list[Lesson]:
        return [lesson for lesson in self.lessons if lesson.absent_minutes > 0]


NO_LESSONS = Day([])


def share(days: Iterable[Day]) -> Fraction | None:
    """Absent minutes / offered minutes of counting lessons; of nothing offered there is none."""
    days = list(days)
    offered = sum(day.offered for day in days)
    return Fraction(sum(day.missed for day in days), offered) if offered else None


def ratio(of: Value, to: Value) -> Value:
    """A ratio to 0 is 1000, any ratio is capped at 1000; 0 / 0 has no value."""
    if of is None or to is None or of == to == 0:
        return None
    return RATIO_MOST if to == 0 else min(Fraction(of) / to, RATIO_MOST)


def _absence(days: Iterable[Day]) -> list[Lesson]:
    return [lesson for day in days for lesson in day.with_absence]


def _all(days: Iterable[Day]) -> list[Lesson]:
    return [lesson for day in days for lesson in day.lessons]


Measured = tuple[Value, list[Lesson]]
"""A value and the lessons behind it."""


class Figures:
    """All that is known of a pupil now, by one calendar and one roster record."""

    def __init__(self, calendar: Calendar, record: Plain | None, lessons: Iterable[Lesson]) -> None:
        self.calendar = calendar
        self.record = record or {}
        enrolled = self.record.get("enrolled")
        # Where the roster says nothing, windows are not cut: no lesson is older than the first.
        self.enrolled = None if enrolled is None else exact_date(enrolled)
        self._by_date: dict[date, dict[str, Lesson]] = {}
        self._days: dict[date, Day] = {}
        self._remembered: dict[date, dict[tuple[object, ...], Measured]] = {}
        for lesson in lessons:
            self.take(lesson, None)

    def take(self, lesson: Lesson, before: Lesson | None) -> None:
        """A registration took effect, in the place of the one before."""
        # A lesson belongs to the local date on which it starts.
        dates = {self.calendar.local_date(each.starts_at) for each in (lesson, before) if each}
        if before is not None:
            del self._by_date[self.calendar.local_date(before.starts_at)][before.name]
        own = self._by_date.setdefault(self.calendar.local_date(lesson.starts_at), {})
        own[lesson.name] = self._as_measured(lesson)
        for day in dates:
            self._days[day] = Day(self._by_date[day].values())
        for day in [day for day in self._remembered if day >= min(dates)]:
            del self._remembered[day]

    def _as_measured(self, lesson: Lesson) -> Lesson:
        """Late by a delayed bus is `other`, with nothing missed."""
        bus = self.record.get("bus") or ""
        if lesson.status == "late" and self.calendar.bus_delayed(bus, lesson.starts_at):
            return replace(lesson, status="other", absent_minutes=0)
        return lesson

    def day(self, day: date) -> Day:
        return self._days.get(day, NO_LESSONS)

    @property
    def scheduled(self) -> list[Lesson]:
        """Every lesson, of whatever date, that is not withdrawn."""
        return [lesson for day in self._days.values() for lesson in day.scheduled]

    def days(self, span: int | str, as_of: date) -> list[date]:
        """The window: the last N school days up to and including the as-of day, or those of the
        term or school year so far; never past the school year's first day, nor the enrolment."""
        if span == "term":
            days = self.calendar.term_so_far(as_of)
        else:
            days = self.calendar.year_so_far(as_of)
            days = days[-span:] if isinstance(span, int) else days
        return self._since_enrolment(days)

    def _since_enrolment(self, days: list[date]) -> list[date]:
        return [day for day in days if self.enrolled is None or day >= self.enrolled]

    def window(self, span: int | str, as_of: date) -> list[Day]:
        return [self.day(day) for day in self.days(span, as_of)]

    def measure(self, condition: Plain, as_of: date) -> Measured:
        """An indicator's value as of a school day, and the lessons behind it."""
        name, span = condition["indicator"], condition.get("days")
        key = (name, span, kind(condition), condition.get("share"))
        remembered = self._remembered.setdefault(as_of, {})
        if key not in remembered:
            remembered[key] = self._measure(condition, as_of)
        return remembered[key]

    def _measure(self, condition: Plain, as_of: date) -> Measured:
        name = condition["indicator"]
        by_dates = {
            "absent_run": self._absent_run,
            "return": self._return,
            "spells": self._spells,
            "spell_days": self._spells,
            "bradford": self._spells,
            "weekday_hits": self._weekday,
            "weekday_share": self._weekday,
            "weekday_tail": self._weekday,
            "edge_hits": self._edge,
            "edge_ratio": self._edge,
            "rise": self._rise,
            "rise_ratio": self._rise,
            "term_start_days": self._term_start_days,
            "persistent_blocks": self._persistent_blocks,
        }
        if name in by_dates:
            return by_dates[name](condition, as_of)
        return _OF_WINDOW[name](condition, self.window(condition["days"], as_of))

    def _absent_run(self, _: Plain, as_of: date) -> Measured:
        """Consecutive absent days up to the last day with counting lessons, in the school year. A
        day without any neither counts nor breaks."""
        run = list[Day]()
        for day in reversed(self.window("year", as_of)):
            if day.attended:
                break
            if day.absent:
                run.append(day)
        return len(run), _all(run)

    def _return(self, condition: Plain, as_of: date) -> Measured:
        """On an attended day, the absent days of the run that ends on the counting day before; on
        any other 0."""
        days = self.days("year", as_of)
        if as_of not in days or not self.day(as_of).attended or len(days) == 1:
            return 0, []
        return self._absent_run(condition, days[-2])

    def _spells(self, condition: Plain, as_of: date) -> Measured:
        """Maximal runs of consecutive counting days that are absent days, seen over the school
        year up to the as-of day; those count whose first day lies in the window."""
        name = condition["indicator"]
        spells, open_spell = list[list[date]](), False
        for day in self.days("year", as_of):
            if self.day(day).absent and not open_spell:
                spells.append([])
            if self.day(day).absent:
                spells[-1].append(day)
            if self.day(day).counts:
                open_spell = self.day(day).absent
        window = self.days(condition["days"], as_of)
        spells = [spell for spell in spells if spell[0] in window]
        if name == "bradford":
            spells = [spell for spell in spells if len(spell) <= 3]
        days = [self.day(day) for spell in spells for day in spell]
        if name == "spells":
            return len(spells), _all(days)
        if name == "spell_days":
            return len(days), _all(days)
        return len(spells) ** 2 * len(days), _all(days)

    def _weekday(self, condition: Plain, as_of: date) -> Measured:
        """The worst weekday has the most half-missed days; of several the one with the fewest
        counting days, then the earliest in the week."""
        counting = [day for day in self.days(condition["days"], as_of) if self.day(day).counts]
        missed = [day for day in counting if self.day(day).half_missed]

        def on(weekday: int, days: list[date]) -> list[date]:
            return [day for day in days if day.weekday() == weekday]

        worst = min(range(5), key=lambda n: (-len(on(n, missed)), len(on(n, counting)), n))
        hits = len(on(worst, missed))
        lessons = _absence(self.day(day) for day in on(worst, missed))
        name = condition["indicator"]
        if name == "weekday_hits":
            return hits, lessons
        if not missed:
            return None, lessons
        if name == "weekday_share":
            return Fraction(hits, len(missed)), lessons
        return _tail(hits, len(missed), len(on(worst, counting)), len(counting)), lessons

    def _edge(self, condition: Plain, as_of: date) -> Measured:
        """Half-missed days among the last N edge days; how often, against the school days that are
        none, from the oldest of those edge days on."""
        days = self.days("year", as_of)
        edge = [day for day in days if self.calendar.is_edge(day)][-condition["days"] :]
        others = [day for day in days if edge and day >= edge[0] and day not in edge]
        hits = [self.day(day) for day in edge if self.day(day).half_missed]
        if condition["indicator"] == "edge_hits":
            return len(hits), _absence(hits)
        return ratio(self._half_missed_rate(edge), self._half_missed_rate(others)), _absence(hits)

    def _half_missed_rate(self, days: list[date]) -> Fraction | None:
        counting = [self.day(day) for day in days if self.day(day).counts]
        hits = [day for day in counting if day.half_missed]
        return Fraction(len(hits), len(counting)) if counting else None

    def _rise(self, condition: Plain, as_of: date) -> Measured:
        """The absence share of the last N school days, less that of, or over that of, the 2N
        before those; with the same cuts."""
        year, number = self.calendar.year_so_far(as_of), condition["days"]
        newest = [self.day(day) for day in self._since_enrolment(year[-number:])]
        older = [self.day(day) for day in self._since_enrolment(year[-3 * number : -number])]
        now, before = share(newest), share(older)
        if now is None or before is None:
            return None, _absence(newest)
        rise = condition["indicator"] == "rise"
        return now - before if rise else ratio(now, before), _absence(newest)

    def _term_start_days(self, condition: Plain, as_of: date) -> Measured:
        """Absent days among the term's first N school days; 0 once the N are over."""
        term = self.calendar.term_so_far(as_of)
        if len(term) > condition["days"]:
            return 0, []
        absent = [self.day(day) for day in self._since_enrolment(term) if self.day(day).absent]
        return len(absent), _all(absent)

    def _persistent_blocks(self, condition: Plain, as_of: date) -> Measured:
        """Blocks of N school days counted back from the as-of day, within the school year and from
        the enrolment on: how many of the newest are whole and at or over the share, in a row."""
        number, least = condition["days"], exact(condition["share"])
        days, found = self.window("year", as_of), list[Day]()
        blocks = 0
        while len(days) >= number:
            block = days[-number:]
            missed = share(block)
            if missed is None or missed < least:
                break
            blocks, found, days = blocks + 1, block + found, days[:-number]
        return blocks, _absence(found)


def _absence_share(condition: Plain, window: list[Day]) -> Measured:
    """Of kind excused: minutes missed in excused lessons; unexcused: in those unexcused or late.
    `kind` limits the numerator only."""
    what = kind(condition)
    offered = sum(day.offered for day in window)
    missed = [
        lesson
        for lesson in _absence(window)
        if what == "all"
        or (what == "excused" and lesson.excused)
        or (what == "unexcused" and lesson.status in ("unexcused", "late"))
    ]
    absent = sum(lesson.absent_minutes for lesson in missed)
    return (Fraction(absent, offered) if offered else None), missed


def _unexcused_lessons(_: Plain, window: list[Day]) -> Measured:
    lessons = _with_status("unexcused", window)
    return len(lessons), lessons


def _unexcused_days(_: Plain, window: list[Day]) -> Measured:
    days = [day for day in window if _with_status("unexcused", [day])]
    return len(days), _with_status("unexcused", window)


def _lates(_: Plain, window: list[Day]) -> Measured:
    lessons = _with_status("late", window)
    return len(lessons), lessons


def _with_status(status: str, window: list[Day]) -> list[Lesson]:
    return [lesson for lesson in _all(window) if lesson.status == status]


def _quarter_days(_: Plain, window: list[Day]) -> Measured:
    days = [day for day in window if day.quarter_missed]
    return len(days), _absence(days)


def _leave_days(_: Plain, window: list[Day]) -> Measured:
    days = [day for day in window if day.leave]
    return len(days), _all(days)


def _scattered_share(_: Plain, window: list[Day]) -> Measured:
    """The absence share less the longest excused spell: the run of consecutive counting days, all
    of them excused days, with the most absent minutes."""
    counting = [day for day in window if day.counts]
    spell, longest = list[Day](), list[Day]()
    for day in counting:
        spell = [*spell, day] if day.excused else []
        if sum(each.missed for each in spell) > sum(each.missed for each in longest):
            longest = spell
    offered = sum(day.offered for day in counting)
    rest = [day for day in counting if day not in longest]
    absent = sum(day.missed for day in rest)
    return (Fraction(absent, offered) if offered else None), _absence(rest)


def _subject(condition: Plain, window: list[Day]) -> Measured:
    """The worst subject: with the greatest number missed less what would be missed of it at the
    share missed of all the other subjects together; of several the alphabetically first."""
    by_subject: dict[str, list[Lesson]] = {}
    for lesson in _all(window):
        if lesson.subject:
            by_subject.setdefault(lesson.subject, []).append(lesson)
    if len(by_subject) < 2:
        return None, []
    worst: tuple[Fraction, str, Fraction] | None = None
    for subject in sorted(by_subject):
        others = [each for other in by_subject if other != subject for each in by_subject[other]]
        of_others = Fraction(len(_missed(others)), len(others))
        own = by_subject[subject]
        too_many = len(_missed(own)) - len(own) * of_others
        if worst is None or too_many > worst[0]:
            worst = (too_many, subject, of_others)
    assert worst is not None
    lessons, missed = by_subject[worst[1]], _missed(by_subject[worst[1]])
    missed_share = Fraction(len(missed), len(lessons))
    name = condition["indicator"]
    if name == "subject_missed":
        return len(missed), missed
    return (missed_share if name == "subject_share" else ratio(missed_share, worst[2])), missed


def _missed(lessons: list[Lesson]) -> list[Lesson]:
    return [lesson for lesson in lessons if lesson.wholly_missed]


def _internal_truancy_days(_: Plain, window: list[Day]) -> Measured:
    """Days with a wholly missed unexcused lesson after one attended and before another."""
    days, found = 0, list[Lesson]()
    for day in window:
        attended = [not lesson.wholly_missed for lesson in day.lessons]
        between = [
            lesson
            for n, lesson in enumerate(day.lessons)
            if lesson.wholly_missed
            and lesson.status == "unexcused"
            and any(attended[:n])
            and any(attended[n + 1 :])
        ]
        days += bool(between)
        found += between
    return days, found


def _first_last_misses(condition: Plain, window: list[Day]) -> Measured:
    """Counting days whose first (last) counting lesson is wholly missed or late."""
    place = {"first": 0, "last": -1}[str(kind(condition))]
    outer = [day.lessons[place] for day in window if day.counts]
    missed = [lesson for lesson in outer if lesson.wholly_missed or lesson.status == "late"]
    return len(missed), missed


def _tail(hits: int, missed: int, on_weekday: int, counting: int) -> Fraction:
    """P(X >= hits) for X ~ Bin(all half-missed days, that weekday's share of the counting days),
    rounded up to 12 decimals."""
    likely = Fraction(on_weekday, counting)
    tail = sum(
        math.comb(missed, n) * likely**n * (1 - likely) ** (missed - n)
        for n in range(hits, missed + 1)
    )
    return Fraction(math.ceil(tail * 10**12), 10**12)


_OF_WINDOW: dict[str, Callable[[Plain, list[Day]], Measured]] = {
    "absence_share": _absence_share,
    "scattered_share": _scattered_share,
    "unexcused_lessons": _unexcused_lessons,
    "unexcused_days": _unexcused_days,
    "lates": _lates,
    "subject_missed": _subject,
    "subject_share": _subject,
    "subject_ratio": _subject,
    "internal_truancy_days": _internal_truancy_days,
    "first_last_misses": _first_last_misses,
    "quarter_days": _quarter_days,
    "leave_days": _leave_days,
}
"""What needs only the days of the window, in order."""
