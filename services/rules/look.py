"""A pupil as the partition's owner has them in memory: what `narvara explain` shows, for pages.

Looking changes nothing that is kept: figures are measured as at a close, and only shown.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from services.rules.closing import Closing, Part
from services.rules.explain import (
    ExplainError,
    explain,
    measured_on,
    school_day_of,
)
from services.rules.explain_days import STRIP_DAYS
from services.rules.explain_numbers import Spoken
from services.rules.explanation import Explanation, RuleSeen
from services.rules.partition import Partition
from services.rules.pupil import Pupil, measured
from services.rules.window import Lessons
from shared.events import CaseStep, Status
from shared.picture import Day, Earlier, Lesson, OpenShown, Picture, RuleShown, Shown

_SPOKEN = {code: Spoken(code) for code in ("sv", "en")}


@dataclass(frozen=True)
class Live:
    """A pupil of a living partition, as `explain` wants them. No past steps are held."""

    partition: Partition
    school: str
    name: str
    known_on: date | None = None
    over: bool = False
    steps: tuple[CaseStep, ...] = ()

    @property
    def pupil(self) -> Pupil | None:
        school = self.partition.schools.get(self.school)
        return school.pupils.get(self.name) if school else None

    @property
    def lessons(self) -> Lessons:
        return self.pupil.lessons if self.pupil else {}


class Sight:
    """A school as a partition has it now, until something more is folded.

    Its figures are measured once, for all of its pupils who are looked at.
    """

    def __init__(self, partition: Partition, school: str) -> None:
        self._partition = partition
        self._school = school

    @cached_property
    def _closing(self) -> Closing | None:
        known = self._partition.schools.get(self._school)
        time = self._partition.memory.schools.get(self._school)
        if known is None or time is None or time.closed is None:
            return None
        try:
            day = school_day_of(known.days.calendar, time.closed, time.closed)
            return measured_on(self._partition, self._school, day)
        except ExplainError:
            return None

    def look(self, pupil: str, *, brief: bool = False) -> Picture | None:
        """A pupil as of the newest close; None: nothing is known of them, or none is closed.

        `brief`: of the rules only those that are open or hold.
        """
        live, closing = Live(self._partition, self._school, pupil), self._closing
        if live.pupil is None or closing is None:
            return None
        earlier = [] if brief else list(_earlier(live.pupil, closing.parts[0]))
        return _picture(explain(live, closing=closing, brief=brief), earlier)


def registered(partition: Partition, school: str) -> tuple[int, int]:
    """Lessons of a school that came due within the strip's days, and of them unreported ones."""
    known, time = partition.schools.get(school), partition.memory.schools.get(school)
    if known is None or time is None or time.closed is None:
        return 0, 0
    window = known.days.calendar.window(time.closed, STRIP_DAYS)
    first, last = window[0].toordinal(), window[-1].toordinal()
    counts = [each for (due, _), each in known.registers.counts.items() if first <= due <= last]
    return sum(lessons for lessons, _ in counts), sum(missing for _, missing in counts)


def _earlier(pupil: Pupil, part: Part) -> Iterator[Earlier]:
    """What the school year's days before the strip's were, by lessons that are held or summed.

    Attended ones are not held that long, but their days are added up.
    """
    days = part.at.calendar.window(part.at.day)[:-STRIP_DAYS]
    counts: dict[int, Counter[Status]] = {day.toordinal(): Counter() for day in days}
    for known in pupil.lessons.values():
        if known.day in counts and known.day >= pupil.enrolled:
            shown = measured(known, pupil.bus, part.days)
            if not shown.plain:
                counts[known.day][shown.status] += 1
    for day in days:
        ordinal = day.toordinal()
        scheduled, counting = part.book.lessons(ordinal, pupil.slot)
        if ordinal >= pupil.enrolled and scheduled > counting:
            counts[ordinal][Status.UNREPORTED] = scheduled - counting
        if counts[ordinal]:
            yield Earlier(day, scheduled, dict(counts[ordinal]))


def _picture(found: Explanation, earlier: list[Earlier]) -> Picture:
    deadline = found.who.deadline
    return Picture(
        found.as_of,
        [
            Day(
                each.date,
                each.school_day,
                each.counts,
                [Lesson(known.minutes, known.status, known.bus_delay) for known in each.lessons],
                each.why,
            )
            for each in found.strip
        ],
        [_rule(each) for each in found.rules if not each.shadow],
        [
            OpenShown(
                each.rule,
                each.title,
                each.level,
                each.since,
                each.words,
                each.clearing,
                each.good_news,
            )
            for each in found.open
            if not each.shadow
        ],
        deadline.on if deadline else None,
        deadline.audience if deadline else [],
        earlier,
    )


def _rule(each: RuleSeen) -> RuleShown:
    figures = [
        Shown(
            level.level,
            {code: _capital(spoken.name(limit)) for code, spoken in _SPOKEN.items()},
            {code: spoken.value(limit) for code, spoken in _SPOKEN.items()},
            {code: spoken.limits(limit)[0] for code, spoken in _SPOKEN.items()},
            limit.reached,
        )
        for level in each.levels
        for limit in level.thresholds
    ]
    return RuleShown(each.rule, each.title, each.open_level, each.holds, figures, each.good_news)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
