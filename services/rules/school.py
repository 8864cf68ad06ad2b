"""One school's pupils in one partition: what is known of them, and what is counted of its units."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Literal

import numpy as np

from services.rules.closing import DayClose, Part
from services.rules.daybook import Daybook, Place
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
from services.rules.window import Outcome, Registered, Registration, counting_on
from shared.calendar import SchoolCalendar
from shared.events import PupilRecord, UnitCell

_LATEST_DUE = 3
"""Days after its own by which a lesson has come due. For so many days before the correction
horizon lessons are held whole, so that what came due since can be counted anew."""


_Cell = tuple[Literal["class", "group"], str, date]


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
        self._grown_old: set[int] = set()
        """Slots of pupils of whom more days are old than their record says."""

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
            if not pupil.protected:
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
        bus, room, protected = pupil.bus, pupil.school_class, pupil.protected
        enrol(pupil, record, self.days)
        if pupil.bus != bus:
            self._recount(self.days.delays, [pupil])
        if pupil.protected != protected:
            for known in pupil.lessons.values():
                if known.day >= self._kept_whole:
                    self.registers.note(known, -1 if pupil.protected else 1)
        self._all_anew |= (pupil.school_class, pupil.protected) != (room, protected)

    def turn(self, calendar: SchoolCalendar, closed: date | None) -> None:
        """A calendar comes into force, or a day has been closed."""
        before, self.days = self.days, school_days(calendar, closed)
        if before.calendar is calendar:
            return
        self._all_anew = True
        for pupil in self._by_slot:
            pupil.base.clear()
        if (before.calendar.zone, before.calendar.day_close) != (calendar.zone, calendar.day_close):
            self._recount_due()
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
            count = sum(self.book.lessons(day, slot)[1] for day in days)
            for known in counting_on(pupil.lessons, days, count):
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

    def _recount_due(self) -> None:
        """Days close at another hour now: lessons come due on other dates."""
        self.registers = Registers(self.days.calendar)
        for pupil in self._by_slot:
            if not pupil.protected:
                for known in pupil.lessons.values():
                    self.registers.note(known, 1)

    def _recount_outside(self, before: SchoolDays) -> None:
        """Lessons that lay outside the calendar's span until now."""
        new = {
            known.day
            for pupil in self._by_slot
            for known in pupil.lessons.values()
            if self.days.covers(known.day) and not before.covers(known.day)
        }
        self._recount(new, self._by_slot)

    def record(self, name: str) -> Pupil:
        """A pupil with all that is to be written of them."""
        pupil = self.pupils[name]
        if pupil.slot in self._grown_old:
            # Only now, since days may grow old many times before a record is written.
            pupil.old = self.book.old_days(pupil.slot, self._kept_whole)
            self._grown_old.discard(pupil.slot)
        return pupil

    # -- a day closes

    def part(self, at: DayClose) -> Part:
        """What is known of the pupils, all added up, for a day to be judged."""
        self.settle()
        return Part(self.name, at, self.book, self.days, self._by_slot)

    def count_units(self, at: DayClose, *, known: bool) -> tuple[tuple[UnitCell, ...], date | None]:
        """What changed in the counts of classes and groups since they were last told of.

        All of it, from the date that is given beside, at first and after a restart, and as long
        as it is not `known` that what was told then is what is counted now.
        """
        horizon = at.calendar.horizon(at.day, CORRECTION_DAYS)
        oldest = horizon or at.calendar.school_days[0]
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
        """Of each class, who was absent and not so on the school day before.

        A pupil with protected identity is of none: no figure may change with them.
        """
        dates = at.calendar.between(oldest, at.day)
        if not self._all_anew:
            touched, self.book.touched = self.book.touched, set()
            self.book.touched = {day for day in touched if day > at.day.toordinal()}
            after = {at.calendar.after(date.fromordinal(day), 1) for day in touched}
            dates = tuple(day for day in dates if day.toordinal() in touched or day in after)
        rooms = ["" if pupil.protected else pupil.school_class for pupil in self._by_slot]
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

    def forget(self, horizon: int, kept: int) -> None:
        """Drop what nothing can reach any more; ordinals. See `pupil.forget`.

        `horizon`: the oldest day that can still be corrected.
        """
        self.settle()
        kept_whole = max(kept, horizon - _LATEST_DUE)
        self._kept_whole = kept_whole
        self._grown_old.update(range(len(self._by_slot)))
        for pupil in self._by_slot:
            forget(pupil, kept_whole, kept)
        self.book.drop_before(kept)
        self.registers.drop_before(kept_whole)
        oldest = date.fromordinal(kept_whole)
        self._counted = {key: told for key, told in self._counted.items() if key[2] >= oldest}
