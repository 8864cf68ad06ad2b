"""What is counted of classes and groups, and what is measured of them and of the school."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from statistics import median

from tests.oracle.figures import Figures, Measured, Value, ratio
from tests.oracle.files import HORIZON, Calendar, Plain, Rule
from tests.oracle.sight import Judged, Sight

SCHOOL = "school"


@dataclass(frozen=True)
class Cell:
    """A count of one date."""

    of: int = 0
    """Pupils of a class with counting lessons; lessons of a group that came due."""
    hits: int = 0
    """Of them newly absent; unreported."""

    def with_one(self, *, hit: bool) -> "Cell":
        return Cell(self.of + 1, self.hits + hit)


Cells = dict[tuple[str, date], Cell]
"""By unit, `class/…` or `group/…` (`group/`: lessons of no group), and date."""


def counted(pupils: Iterable[Figures], calendar: Calendar, day: date) -> Cells:
    """Every cell of the last 60 school days, as it is known at the close of `day`; pupils with
    protected identity are in none."""
    cells: Cells = {}

    def count(unit: str, on: date, *, hit: bool) -> None:
        cells[unit, on] = cells.get((unit, on), Cell()).with_one(hit=hit)

    recent = [each for each in calendar.in_order if each <= day][-HORIZON - 1 :]
    for pupil in pupils:
        if pupil.record.get("protected"):
            continue
        school_class = pupil.record.get("class")
        for on in recent if school_class else ():
            if pupil.day(on).counts:
                count(f"class/{school_class}", on, hit=_newly_absent(pupil, on))
        for lesson in pupil.scheduled:
            due = calendar.due_on(lesson.ends_at)
            if due <= day and calendar.distance(due, day) <= HORIZON:
                count(f"group/{lesson.group}", due, hit=not lesson.counts)
    return cells


def _newly_absent(pupil: Figures, day: date) -> bool:
    """An absent day, and the school day before it, in the same school year, is none."""
    *_, before = [None, *pupil.calendar.year_so_far(day)[:-1]]
    return pupil.day(day).absent and not (before is not None and pupil.day(before).absent)


def kept(before: Cells, now: Cells, calendar: Calendar, day: date) -> Cells:
    """Cells older than 60 school days are left as they were."""
    old = {key: cell for key, cell in before.items() if calendar.distance(key[1], day) > HORIZON}
    return old | now


def changed(before: Cells, now: Cells, last_close: date) -> set[str]:
    """The units of which a count of a day that had been judged is another now."""
    units = {
        unit
        for unit, on in before.keys() | now.keys()
        if on <= last_close and before.get((unit, on), Cell()) != now.get((unit, on), Cell())
    }
    # The school's counts are those of its groups, and of lessons of no group.
    return units | ({SCHOOL} if any(unit.startswith("group/") for unit in units) else set())


class UnitSight(Sight):
    """A class, a group or the school, as it was counted."""

    def __init__(self, unit: str, cells: Cells, calendar: Calendar) -> None:
        self.calendar = calendar
        self.cells: dict[date, Cell] = {}
        for (each, day), cell in cells.items():
            if each == unit or (unit == SCHOOL and each.startswith("group/")):
                so_far = self.cells.get(day, Cell())
                self.cells[day] = Cell(so_far.of + cell.of, so_far.hits + cell.hits)

    def measure(self, condition: Plain, at: Judged) -> Measured:
        name = condition["indicator"]
        if name == "class_newly_absent":
            return self._newly_absent(at.day), []
        if name == "class_newly_absent_ratio":
            return ratio(self._newly_absent(at.day), self._usual(condition["days"], at.day)), []
        due, unreported = self._due(condition["days"], at.day)
        if name == "unregistered_lessons":
            return unreported, []
        if name == "registered_share":
            return (Fraction(due - unreported, due) if due else None), []
        raise ValueError(f"met the indicator {name!r}, which the oracle does not measure")

    def lack(self, _: Rule, __: Judged) -> None:
        """Rules with units have no needs."""

    def strictness(self, _: Rule, __: Judged) -> Fraction:
        """Nor is there a sensitivity."""
        return Fraction(1)

    def _newly_absent(self, day: date) -> Fraction | None:
        cell = self.cells.get(day, Cell())
        return Fraction(cell.hits, cell.of) if cell.of else None

    def _usual(self, number: int, day: date) -> Value:
        """The median of the shares on the N school days before, of the same school year; none when
        fewer than ten have a share."""
        before = self.calendar.year_so_far(day)[:-1][-number:]
        shares = [self._newly_absent(each) for each in before]
        there = [each for each in shares if each is not None]
        return median(there) if len(there) >= 10 else None

    def _due(self, number: int, day: date) -> tuple[int, int]:
        """Lessons that came due, and those of them not reported, since the (N+1)th last school
        day, or from the school year's first day on when there are fewer."""
        year = self.calendar.year_so_far(day)
        cells = [
            cell
            for due, cell in self.cells.items()
            if due <= day and (due > year[-number - 1] if len(year) > number else due >= year[0])
        ]
        return sum(cell.of for cell in cells), sum(cell.hits for cell in cells)
