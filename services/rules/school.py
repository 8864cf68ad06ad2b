"""One school's pupils in one partition: their day closes, judged for all of them at a time.

What is the same for every pupil, measuring and finding which thresholds are reached, is done
for all at once; a pupil is looked at alone only when something stands, comes or was corrected.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal, NamedTuple

import numpy as np

from services.rules.case import Change, Today, close, end, ended, rise
from services.rules.closing import Asked, Closing, DayClose, Found, Wanted
from services.rules.daybook import Daybook, Place
from services.rules.engine import Engine, Judgement
from services.rules.evidence import Cause, step_of
from services.rules.pupil import (
    CORRECTION_DAYS,
    Pupil,
    SchoolDays,
    enrol,
    forget,
    measured,
    register,
    school_days,
)
from services.rules.registers import Registers
from services.rules.window import Outcome, Registered, Registration, lessons_on
from shared.calendar import SchoolCalendar
from shared.events import CaseStep, PupilRecord, StepKind, UnitCell
from shared.rulebook import Rule

_LATEST_DUE = 3
"""Days after its own by which a lesson has come due. Counts of dates nearer to the correction
horizon than this are left as they were: not all lessons behind them are held any more."""


_Cell = tuple[Literal["class", "group"], str, date]


@dataclass
class _Looked:
    """A pupil who is looked at alone, and what became of it."""

    name: str
    pupil: Pupil
    corrected: int | None
    changes: list[tuple[str, Change]] = field(default_factory=list)


class Closed(NamedTuple):
    """What a close gave."""

    steps: list[CaseStep]
    touched: list[str]
    """The pupils who were looked at."""
    judged: list[Judgement]
    """Of the pupils in the order in which they were named."""


class School:
    """The pupils of one school that one partition owns."""

    def __init__(self, name: str, calendar: SchoolCalendar, closed: date | None) -> None:
        self.name = name
        self.pupils: dict[str, Pupil] = {}
        self.book = Daybook()
        self.registers = Registers(calendar)
        self.days: SchoolDays = school_days(calendar, closed)
        self._by_slot: list[Pupil] = []
        self._counted: dict[_Cell, tuple[int, int]] = {}
        """What the stage for units was told last, by kind, unit and date."""
        self._all_anew = True
        self._all_told = False
        self._kept_whole = 0
        """From this day on all lessons are held."""

    # -- what comes in

    def add(self, name: str, pupil: Pupil) -> Pupil:
        """Take in a pupil, new or as a record has it; its lessons come to their days."""
        pupil.slot = len(self._by_slot)
        self._by_slot.append(pupil)
        self.pupils[name] = pupil
        if pupil.old is not None:
            self.book.put_back(pupil.slot, pupil.old)
            self._kept_whole = max(self._kept_whole, pupil.old.until)
        since = 0 if pupil.old is None else pupil.old.until
        pupil.away = {name: known for name, known in pupil.lessons.items() if not known.plain}
        for known in pupil.lessons.values():
            if self.days.covers(known.day) and known.day >= since:
                self.book.note(pupil.slot, measured(known, pupil.bus, self.days), 1)
            self.registers.note(known, 1)
        return pupil

    def pupil(self, name: str) -> Pupil:
        """The pupil of that name; made when there is none."""
        return self.pupils.get(name) or self.add(name, Pupil(slot=0))

    @property
    def intake(self) -> tuple[dict[str, Pupil], SchoolDays, Daybook, Registers]:
        """What registrations are taken into: pupils by name, and what counts their lessons."""
        return self.pupils, self.days, self.book, self.registers

    def register(self, pupil: Pupil, event: Registered) -> Outcome:
        return register(pupil, event, self.days, self.book, self.registers)

    def enrol(self, pupil: Pupil, record: PupilRecord) -> None:
        bus, room = pupil.bus, pupil.school_class
        enrol(pupil, record, self.days)
        if pupil.bus != bus:
            self._recount(self.days.delays, [pupil])
        self._all_anew |= pupil.school_class != room

    def turn(self, calendar: SchoolCalendar, closed: date | None) -> None:
        """A calendar comes into force, or a day has been closed."""
        before, self.days = self.days, school_days(calendar, closed)
        if before.calendar is calendar:
            return
        self._all_anew = True
        for pupil in self._by_slot:
            pupil.base.clear()
        self._recount(before.delays | self.days.delays, self._by_slot)
        self._recount_outside(before)

    def settle(self) -> None:
        """Add up what has come since the last time."""
        in_question: dict[int, list[int]] = defaultdict(list)
        for place in self.book.add_up(len(self._by_slot)):
            in_question[place.slot].append(place.day)
        for slot, days in in_question.items():
            pupil = self._by_slot[slot]
            order: dict[int, list[Registration]] = {day: [] for day in days}
            for _, known in lessons_on(pupil.lessons, days):
                if known.counts:
                    order[known.day].append(measured(known, pupil.bus, self.days))
            for day, lessons in order.items():
                self.book.flag(Place(day, slot), lessons)

    def _recount(self, days: Iterable[int], pupils: Sequence[Pupil]) -> None:
        """Some days add up to something else now; those of which lessons are gone are left."""
        wanted = {day for day in days if day >= self._kept_whole and self.days.covers(day)}
        if not wanted:
            return
        self.settle()
        for pupil in pupils:
            lessons: dict[int, list[Registration]] = {day: [] for day in wanted}
            for known in pupil.lessons.values():
                if known.day in wanted:
                    lessons[known.day].append(measured(known, pupil.bus, self.days))
            for day, found in lessons.items():
                self.book.recount(Place(day, pupil.slot), found)

    def _recount_outside(self, before: SchoolDays) -> None:
        """Lessons that lay outside the calendar's span until now."""
        new = {
            known.day
            for pupil in self._by_slot
            for known in pupil.lessons.values()
            if self.days.covers(known.day) and not before.covers(known.day)
        }
        self._recount(new, self._by_slot)

    # -- a day closes

    def close(self, at: DayClose, names: Sequence[str]) -> Closed:
        """Judge every rule for the named pupils, whether or not they had lessons."""
        self.settle()
        closing = Closing(self.book, self.days, self._by_slot, at)
        looked: list[_Looked] = []
        for name in names:
            pupil = self.pupils[name]
            if closing.plain[pupil.slot].levels or pupil.findings or pupil.corrected is not None:
                looked.append(_Looked(name, pupil, pupil.corrected))
                pupil.corrected = None
        for each in looked:
            _end_what_is_gone(each, at)
        _decide(closing, looked, on_case=False)
        if at.judges.case.rules:
            known = {each.name for each in looked}
            for name in names:
                pupil = self.pupils[name]
                if name not in known and closing.case()[pupil.slot].levels:
                    looked.append(_Looked(name, pupil, None))
            _decide(closing, looked, on_case=True)
        looked.sort(key=lambda each: each.name)
        return Closed(
            steps=[step for each in looked for step in self._steps(closing, each)],
            touched=[each.name for each in looked],
            judged=[closing.plain[self.pupils[name].slot] for name in names],
        )

    def look(self, at: DayClose) -> Closing:
        """What may be asked of a day without closing it."""
        self.settle()
        return Closing(self.book, self.days, self._by_slot, at)

    def count_units(self, at: DayClose, *, known: bool) -> tuple[tuple[UnitCell, ...], date | None]:
        """What changed in the counts of classes and groups since they were last told of.

        All of it, from the date that is given beside, at first and after a restart, and as long
        as it is not `known` that what was told then is what is counted now.
        """
        horizon = at.calendar.horizon(at.day, CORRECTION_DAYS)
        oldest = horizon + timedelta(days=_LATEST_DUE) if horizon else at.calendar.school_days[0]
        whole = None if self._all_told else oldest
        self._all_anew |= whole is not None
        if whole is not None:
            self._counted.clear()
        counted = [*self._count_classes(at, oldest), *self._count_groups(at, oldest)]
        if self._all_anew:
            counted += self._no_more(counted, oldest)
        cells = []
        for cell in counted:
            key = (cell.kind, cell.unit, cell.date)
            now = (cell.of, cell.hits)
            if self._counted.get(key, (0, 0)) != now:
                self._counted[key] = now
                cells.append(cell)
        self._all_anew = False
        self._all_told = known
        return tuple(cells), whole

    def _no_more(self, counted: Iterable[UnitCell], oldest: date) -> list[UnitCell]:
        """What was counted of a class that nobody is in now, or of a day that is none any more."""
        now = {(cell.kind, cell.unit, cell.date) for cell in counted}
        return [
            UnitCell(kind, unit, day, 0, 0)
            for kind, unit, day in self._counted.keys() - now
            if day >= oldest
        ]

    def _count_classes(self, at: DayClose, oldest: date) -> Iterator[UnitCell]:
        """Of each class, who was absent and not so on the school day before."""
        dates = at.calendar.between(oldest, at.day)
        if not self._all_anew:
            touched, self.book.touched = self.book.touched, set()
            self.book.touched = {day for day in touched if day > at.day.toordinal()}
            after = {at.calendar.after(date.fromordinal(day), 1) for day in touched}
            dates = tuple(day for day in dates if day.toordinal() in touched or day in after)
        rooms = [pupil.school_class for pupil in self._by_slot]
        names = sorted(set(rooms) - {""})
        if not names or not dates:
            return
        place = {name: number for number, name in enumerate(names)}
        belongs = np.array([place.get(room, len(names)) for room in rooms])
        for day in dates:
            before = at.calendar.window(day, 2)[:-1]
            absent, counting = self.book.attendance(day.toordinal(), len(rooms))
            newly = absent
            if before:
                newly = absent & ~self.book.attendance(before[0].toordinal(), len(rooms))[0]
            of = np.bincount(belongs[counting], minlength=len(names))
            hits = np.bincount(belongs[newly], minlength=len(names))
            for name, number in place.items():
                yield UnitCell("class", name, day, int(of[number]), int(hits[number]))

    def _count_groups(self, at: DayClose, oldest: date) -> Iterator[UnitCell]:
        """Of each group, which lessons that came due are unreported."""
        first, last = oldest.toordinal(), at.day.toordinal()
        changed = self.registers.counts.keys() if self._all_anew else self.registers.changed
        later = {key for key in self.registers.changed if key[0] > last}
        for day, group in sorted(changed):
            if first <= day <= last:
                of, hits = self.registers.counts[day, group]
                yield UnitCell("group", group, date.fromordinal(day), of, hits)
        self.registers.changed = later

    def forget(self, kept_whole: int, kept: int) -> None:
        """Drop what nothing can reach any more; ordinals. See `pupil.forget`."""
        self.settle()
        self._kept_whole = kept_whole
        for pupil in self._by_slot:
            pupil.old = self.book.old_days(pupil.slot, kept, kept_whole)
            forget(pupil, kept_whole, kept)
        self.book.drop_before(kept)
        self.registers.drop_before(kept_whole)
        oldest = date.fromordinal(kept_whole)
        self._counted = {key: told for key, told in self._counted.items() if key[2] >= oldest}

    def judge_early(self, at: DayClose, names: Sequence[str]) -> Closed:
        """Judge the rules that don't wait for the close, for some pupils, as of an open day."""
        self.settle()
        closing = Closing(self.book, self.days, self._by_slot, at)
        by_engine: dict[Engine, list[str]] = defaultdict(list)
        for name in names:
            lowered = closing.is_lowered(Asked(self.pupils[name], at.day))
            by_engine[at.judges.early_lowered if lowered else at.judges.early].append(name)
        steps: list[CaseStep] = []
        for engine, group in by_engine.items():
            found = closing.find([Asked(self.pupils[name], at.day) for name in group], engine)
            for name, each in zip(group, found, strict=True):
                steps += self._early_steps(closing, name, each)
        return Closed(sorted(steps, key=lambda step: step.pupil), list(names), [])

    def _early_steps(self, closing: Closing, name: str, found: Found) -> Iterator[CaseStep]:
        for rule in found.engine.rules.values():
            today = _today(closing.at, found.engine, rule.id, found.judgement)
            finding, changes = rise(found.pupil.findings.get(rule.id), today)
            if finding is not None:
                found.pupil.findings[rule.id] = finding
            for change in changes:
                cause = self._cause(name, found.pupil, rule, change, closing.at)
                yield step_of(cause, change, rule, found.engine, closing.evidence(found))

    def _steps(self, closing: Closing, looked: _Looked) -> Iterator[CaseStep]:
        at = closing.at
        for rule_id, change in looked.changes:
            rule, judges = at.rule_and_judges(rule_id, change.decided_on)
            if judges and rule:
                cause = self._cause(looked.name, looked.pupil, rule, change, at)
                asked = Asked(looked.pupil, change.decided_on)
                engine, seen = closing.seen(asked, judges, rule_id)
                yield step_of(cause, change, rule, engine, seen)

    def _cause(self, name: str, pupil: Pupil, rule: Rule, change: Change, at: DayClose) -> Cause:
        held = _held_until(pupil, rule, change, at)
        return Cause(self.name, name, "", at.day, at.history, at.rulebook, held)


def _end_what_is_gone(looked: _Looked, at: DayClose) -> None:
    """Findings whose rules are gone or disabled are cleared."""
    for rule in [each for each in looked.pupil.findings if each not in at.judges.rules]:
        finding = looked.pupil.findings.pop(rule)
        looked.pupil.ended.append(ended(rule, finding, at.day, cleared=True))
        looked.changes += [(rule, change) for change in end(finding, at.day)]


def _decide(closing: Closing, looked: Sequence[_Looked], *, on_case: bool) -> None:
    """The life of each finding of the plain rules, or of those on cases."""
    at = closing.at
    engine = at.judges.case if on_case else at.judges.plain
    today = closing.case() if on_case else closing.plain
    wanted: list[Wanted] = []
    for each in looked:
        rules = {rule for rule in each.pupil.findings if rule in engine.rules}
        rules |= today[each.pupil.slot].levels.keys()
        in_order = tuple(sorted(rules, key=at.judges.order.__getitem__))
        wanted.append(Wanted(each.pupil, each.corrected, in_order))
    anew = closing.anew(wanted, on_case=on_case)
    for each, (pupil, _, mine) in zip(looked, wanted, strict=True):
        for rule in mine:
            before = pupil.findings.pop(rule, None)
            now = _today(at, engine, rule, today[pupil.slot])
            after, changes, was = close(before, now, anew.get((pupil.slot, rule)))
            each.changes += [(rule, change) for change in changes]
            if after is not None:
                pupil.findings[rule] = after
            elif was is not None:
                cleared = changes[-1].kind is StepKind.CLEARED
                pupil.ended.append(ended(rule, was, at.day, cleared=cleared))


def _today(at: DayClose, engine: Engine, rule: str, judgement: Judgement) -> Today:
    return Today(
        at.day,
        judgement.level(rule),
        judgement.quiet(rule),
        engine.clear_after[rule],
        at.calendar.ends_school_year(at.day),
    )


def _held_until(pupil: Pupil, rule: Rule, change: Change, at: DayClose) -> date | None:
    """Until when telling waits: a cool-down after the rule's last finding, or a known cause."""
    if change.kind not in (StepKind.OPENED, StepKind.RAISED):
        return None
    held: list[date] = []
    cool_down = at.judges.rulebook.cool_down
    if change.kind is StepKind.OPENED and cool_down:
        ends = [
            each.on for each in pupil.ended if each.rule == rule.id and each.on < at.day.toordinal()
        ]
        if ends:
            over = at.calendar.after(date.fromordinal(max(ends)), cool_down)
            held += [over] if over is not None and at.day <= over else []
    if change.level <= _HELD_BY_A_CAUSE:
        held += [
            date.fromordinal(each.until)
            for each in pupil.answers
            if each.answer == "known_cause" and at.day.toordinal() <= each.until
        ]
    return max(held, default=None)


_HELD_BY_A_CAUSE = 2
"""The highest level whose telling a known cause holds."""
