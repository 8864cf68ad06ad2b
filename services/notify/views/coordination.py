"""What a coordinator sees: how many, never who. Counts of fewer than five pupils are not told."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from services.notify.rows import Counted
from services.notify.views.now import PupilNow
from shared.events import StepKind
from shared.roster import RosterPupil

LEAST = 5
"""k: with fewer, and a colleague's guess, a pupil might be known."""

WEEKS = 12
"""Weeks of the table, up to the present one."""


@dataclass(frozen=True)
class Count:
    """A number of pupils; None: more than none, and fewer than `LEAST`."""

    pupils: int | None

    @classmethod
    def of(cls, pupils: Iterable[str]) -> "Count":
        found = len(set(pupils))
        return cls(found if not 0 < found < LEAST else None)


@dataclass(frozen=True)
class Row:
    """New signals of one rule, level or class: pupils by week, the oldest first."""

    name: str
    weeks: tuple[Count, ...]
    all_weeks: Count


@dataclass(frozen=True)
class Share:
    """A share of pupils; None where either side is of fewer than `LEAST`."""

    value: float | None


@dataclass(frozen=True)
class Load:
    """A contact teacher's pupils, and how many of them stand at level 2 and up unanswered."""

    staff: str
    pupils: int
    waiting: Count


@dataclass(frozen=True)
class Coordination:
    """A school's counts."""

    weeks: tuple[date, ...]
    """The Mondays of the weeks."""
    rules: tuple[Row, ...]
    levels: tuple[Row, ...]
    classes: tuple[Row, ...]
    answered: Share
    """Of pupils who were signalled at level 2 and up: those of whom somebody has answered."""
    retracted: Share
    """Of pupils who were signalled: those of whom a signal was taken back by a correction."""
    loads: tuple[Load, ...]


def coordination(
    pupils: Sequence[RosterPupil],
    histories: Mapping[str, Sequence[Counted]],
    now: Sequence[PupilNow],
    on: date,
) -> Coordination:
    """Counts of the last weeks; `histories` by pupil id. Good news is no signal here."""
    monday = on - timedelta(days=on.weekday())
    weeks = tuple(monday - timedelta(weeks=back) for back in range(WEEKS - 1, -1, -1))
    week_of = {week + timedelta(days=day): week for week in weeks for day in range(7)}
    by_rule: _Cells = defaultdict(lambda: defaultdict(set))
    by_level: _Cells = defaultdict(lambda: defaultdict(set))
    by_class: _Cells = defaultdict(lambda: defaultdict(set))
    signalled, serious, answered, retracted = set(), set(), set(), set()
    for pupil in pupils:
        for line in histories.get(pupil.pupil, ()):
            week = week_of.get(line.on)
            if week is None:
                continue
            if line.what == "answer":
                answered.add(pupil.pupil)
            if line.what != "signal" or line.good_news:
                continue
            if line.kind is StepKind.RETRACTED:
                retracted.add(pupil.pupil)
            if line.kind not in {StepKind.OPENED, StepKind.RAISED}:
                continue
            signalled.add(pupil.pupil)
            if line.level > 1:
                serious.add(pupil.pupil)
            by_rule[line.rule][week].add(pupil.pupil)
            by_level[str(line.level)][week].add(pupil.pupil)
            by_class[pupil.school_class or "-"][week].add(pupil.pupil)
    return Coordination(
        weeks,
        _rows(by_rule, weeks),
        _rows(by_level, weeks),
        _rows(by_class, weeks),
        _share(answered & serious, serious),
        _share(retracted & signalled, signalled),
        _loads(now),
    )


_Cells = defaultdict[str, defaultdict[date, set[str]]]


def _rows(cells: _Cells, weeks: Sequence[date]) -> tuple[Row, ...]:
    return tuple(
        Row(
            name,
            tuple(Count.of(by_week.get(week, ())) for week in weeks),
            Count.of(set().union(*by_week.values())),
        )
        for name, by_week in sorted(cells.items())
    )


def _share(some: set[str], of: set[str]) -> Share:
    told = len(of) >= LEAST and not 0 < len(some) < LEAST and not 0 < len(of - some) < LEAST
    return Share(len(some) / len(of) if told else None)


def _loads(now: Sequence[PupilNow]) -> tuple[Load, ...]:
    pupils: Counter[str] = Counter()
    waiting: defaultdict[str, set[str]] = defaultdict(set)
    for each in now:
        for staff in each.pupil.contact_teachers:
            pupils[staff] += 1
            if each.state == "needs":
                waiting[staff].add(each.pupil.pupil)
    return tuple(Load(staff, pupils[staff], Count.of(waiting[staff])) for staff in sorted(pupils))
