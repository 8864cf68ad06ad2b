"""Figures of classes, groups and schools: counted, gathered and measured as the oracle does it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from random import Random
from typing import Any
from zlib import crc32

import msgspec
import pytest

from services.rules.judges import Judges
from services.rules.partition import Folded, Memory, Partition
from services.rules.school import School
from services.rules.units import SCHOOL, Counted, Sums, Units, figure, gather, judge
from shared.calendar import SchoolCalendar
from shared.config import plain, version_of
from shared.events import (
    AttendanceBatch,
    CalendarChanged,
    CaseAnswer,
    CaseStep,
    CaseTold,
    Fact,
    PupilRecord,
    RulebookChanged,
    Status,
    UnitCell,
    UnitsCounted,
)
from shared.indicators import FigureKey
from shared.rulebook import Rulebook
from tests.oracle import files as oracle_files
from tests.oracle.judge import steps as oracle_steps
from tests.oracle.sight import Judged
from tests.oracle.units import Cell, UnitSight, counted
from tests.rules.random_school import (
    CALENDAR,
    CALENDAR_CONTENT,
    OTHER_CALENDAR,
    RandomSchool,
    close_of,
)
from tests.rules.test_agreement import assert_same
from tests.rules.test_figures import lesson
from tests.streams import CALENDAR_CONTENT as STREAMS_CALENDAR
from tests.streams import random_stream
from tests.streams.files import UNIT_RULES

DAYS = CALENDAR.school_days
MONDAY = 3
"""The place of the first Monday."""
SECOND_YEAR = DAYS.index(date(2025, 11, 17))

NO_RULEBOOK = oracle_files.Rulebook({"rules": []}, "alvik")
NO_JUDGES = Judges(Rulebook(rules=()))

UNITS = ("class/7a", "class/7b", "group/7a-ma", "group/", SCHOOL)
CLASS_KEYS = (
    FigureKey("class_newly_absent"),
    *(FigureKey("class_newly_absent_ratio", days) for days in (10, 11, 15, 30)),
)
REGISTER_KEYS = tuple(
    FigureKey(name, days)
    for name in ("unregistered_lessons", "registered_share")
    for days in (1, 2, 3, 5, 10, 30)
)


# ---- Figures -------------------------------------------------------------------------------


def random_counts(seed: int) -> Units:
    """Counts of three partitions, on weekends too, of some units on few dates."""
    random, units = Random(seed), Units()
    for unit in UNITS[:-1]:
        scarce = random.random()
        counts = units.counts[unit] = {}
        for number in range((DAYS[-1] - DAYS[0]).days + 1):
            parts = {
                part: (of, random.randint(0, of))
                for part in range(3)
                if random.random() > scarce and (of := random.randint(0, 3))
            }
            if parts:
                counts[DAYS[0].toordinal() + number] = parts
    return units


def cells_of(units: Units) -> dict[tuple[str, date], Cell]:
    """The same as the oracle counts it."""
    return {
        (unit, date.fromordinal(day)): Cell(
            sum(of for of, _ in parts.values()), sum(hits for _, hits in parts.values())
        )
        for unit, counts in units.counts.items()
        for day, parts in counts.items()
    }


@pytest.mark.parametrize("seed", range(6))
def test_figures_of_random_counts_are_the_oracles(seed: int) -> None:
    units = random_counts(seed)

    for unit in UNITS:
        sight = UnitSight(unit, cells_of(units), OTHER_CALENDAR)
        of_class = unit.startswith("class/")
        for key in CLASS_KEYS if of_class else REGISTER_KEYS:
            for day in DAYS:
                condition = {"indicator": key.indicator, "days": key.days}
                wanted, _ = sight.measure(condition, Judged(day, NO_RULEBOOK))
                found = figure(units, unit, key, day, CALENDAR)
                assert (None if found is None else Fraction(*found)) == wanted, (unit, key, day)
        for key in REGISTER_KEYS if of_class else CLASS_KEYS:
            assert figure(units, unit, key, DAYS[20], CALENDAR) is None


def class_of(hits: dict[int, int], of: int = 10) -> Units:
    """Newly absent pupils of a class by the places of school days."""
    counts = {DAYS[place].toordinal(): {0: (of, many)} for place, many in hits.items()}
    return Units(counts={"class/7a": counts})


def usual_ratio(hits: dict[int, int], on: int, days: int) -> Fraction | None:
    key = FigureKey("class_newly_absent_ratio", days)
    found = figure(class_of(hits), "class/7a", key, DAYS[on], CALENDAR)
    return None if found is None else Fraction(*found)


def test_a_median_wants_ten_days_before() -> None:
    ten = {place: 1 + place % 2 for place in range(10)}

    assert usual_ratio(ten | {10: 3}, 10, 10) == 2
    assert usual_ratio(ten | {10: 3}, 10, 9) is None
    assert usual_ratio(dict.fromkeys(range(1, 11), 1) | {11: 3}, 11, 20) == 3
    assert usual_ratio(dict.fromkeys(range(2, 11), 1) | {11: 3}, 11, 20) is None
    assert usual_ratio({place: place for place in range(11)} | {11: 10}, 11, 11) == 2
    # The eleventh day back is left out of ten, and so is another year.
    assert usual_ratio({place: place for place in range(11)} | {11: 11}, 11, 10) == 2
    assert usual_ratio(dict.fromkeys(range(48, 58), 1) | {SECOND_YEAR: 1}, SECOND_YEAR, 20) is None
    # Of a median of nothing a thousand, of nothing to nothing no value.
    assert usual_ratio(dict.fromkeys(range(10), 0) | {10: 1}, 10, 10) == 1000
    assert usual_ratio(dict.fromkeys(range(11), 0), 10, 10) is None
    assert usual_ratio(dict.fromkeys(range(10), 1), 10, 10) is None


def test_of_classes_those_without_a_median_hold_nothing() -> None:
    judges = Judges(
        Rulebook.model_validate(
            {
                "rules": [
                    {
                        "id": "as-usual",
                        "title": {"sv": "som vanligt", "en": "as usual"},
                        "levels": {
                            1: {"indicator": "class_newly_absent_ratio", "days": 10, "at_most": 1}
                        },
                        "units": ["class"],
                    }
                ]
            }
        )
    )
    cells = [
        UnitCell("class", name, DAYS[place], 20, 1)
        for name, first in (("7a", 0), ("7b", 1))
        for place in range(first, 11)
    ]

    assert closed(Units(), 10, message(0, 10, *cells), judges=judges) == ["class/7a opened"]


def test_of_a_school_of_which_nothing_is_counted_nothing_is_unregistered() -> None:
    key = FigureKey("unregistered_lessons", 5)

    assert figure(Units(), SCHOOL, key, DAYS[MONDAY], CALENDAR) == (0, 1)


def test_what_came_due_reaches_to_the_day_after_the_close_before_the_window() -> None:
    first, last = DAYS[MONDAY].toordinal() - 10, DAYS[MONDAY].toordinal() + 10
    units = Units(counts={"group/": {day: {0: (1, 1)} for day in range(first, last)}})

    def unregistered(place: int, days: int) -> tuple[int, int] | None:
        key = FigureKey("unregistered_lessons", days)
        return figure(units, "group/", key, DAYS[place], CALENDAR)

    # On Monday the days after Friday; on Tuesday the day itself.
    assert unregistered(MONDAY, 1) == (3, 1)
    assert unregistered(MONDAY + 1, 1) == (1, 1)
    assert unregistered(MONDAY + 1, 2) == (4, 1)
    # The year's first day is Wednesday, and its window goes no further back.
    assert [unregistered(0, days) for days in (1, 2)] == [(1, 1), (1, 1)]
    assert [unregistered(1, days) for days in (1, 2)] == [(1, 1), (2, 1)]


# ---- Counts --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_what_a_partition_counts_is_what_the_oracle_counts(seed: int) -> None:
    made, known = RandomSchool(seed, pupils=16), dict[tuple[str, str, date], tuple[int, int]]()
    for day in DAYS[9:50:8]:
        cells, whole = made.school.count_units(close_of(day, NO_JUDGES), known=True)
        assert whole == (DAYS[0] if day == DAYS[9] else None)
        for cell in cells:
            known[cell.kind, cell.unit, cell.date] = (cell.of, cell.hits)
        wanted = {
            (*unit.split("/"), on): (cell.of, cell.hits)
            for (unit, on), cell in counted(made.figures, OTHER_CALENDAR, day).items()
            if on >= DAYS[0]
        }
        assert {key: told for key, told in known.items() if told != (0, 0)} == wanted


@pytest.mark.parametrize("closed", range(62, 69))
def test_on_the_oldest_days_that_can_be_corrected_lessons_are_counted_as_if_all_were_held(
    closed: int,
) -> None:
    """Some that came due since then were given before it, and those before it are let go."""
    at = close_of(DAYS[closed], NO_JUDGES)
    horizon = CALENDAR.horizon(at.day, 60)
    assert horizon is not None
    held, whole = School("alvik", CALENDAR, None), School("alvik", CALENDAR, None)
    lessons = [
        lesson(day, "p", 12 * place, group="7a-ma", status=status)
        for day in DAYS[: closed + 1]
        for place, status in enumerate((Status.UNREPORTED, Status.PRESENT))
    ]
    for each in lessons:
        held.register(held.pupil("p"), each)
        whole.register(whole.pupil("p"), each)
    held.forget(horizon.toordinal(), DAYS[0].toordinal())
    again = School("alvik", CALENDAR, DAYS[closed - 1])
    again.add("p", held.record("p"))
    mended = lesson(horizon, "p", group="7a-ma", recorded_at=datetime.combine(at.day, time(8), UTC))

    for school in (again, whole):
        school.register(school.pupil("p"), mended)
        school.turn(CALENDAR, at.day)
    cells = [school.count_units(at, known=True)[0] for school in (again, whole)]

    assert cells[0] == cells[1]
    assert min(cell.date for cell in cells[0]) <= horizon + timedelta(days=3)


@pytest.mark.parametrize("seed", range(20))
def test_counts_add_up_in_whatever_order_they_come(seed: int) -> None:
    random, added = Random(seed), Counter[tuple[str, int]]()
    hit, sums = added.copy(), Sums(())
    span = range(DAYS[9].toordinal(), DAYS[30].toordinal())
    for many in (0, 1, 1, 2, 9, 30, 0, 30):
        more = [
            (random.choice(UNITS[:-1]), random.choice(span), random.randint(-2, 5), 1)
            for _ in range(many)
        ]
        sums.add(more)
        for unit, day, of, hits in more:
            for each in (unit, SCHOOL) if unit.startswith("group/") else (unit,):
                added[each, day] += of
                hit[each, day] += hits
        names = random.sample([*UNITS, "group/new", "class/new"], 4)
        rows = sums.rows(names)

        first, last = (random.choice(span) + random.randint(-5, 5) for _ in range(2))
        within = range(first, last + 1)
        for found, known in zip(sums.between(rows, first, last), (added, hit), strict=True):
            assert found.tolist() == [sum(known[name, day] for day in within) for name in names]

        days = random.sample(range(span[0] - 5, span[-1] + 5), 9)
        reached = [day for _, day in added] or [0]
        for found, known in zip(
            sums.on(rows, map(date.fromordinal, days)), (added, hit), strict=True
        ):
            assert found.tolist() == [
                [known[name, day] for day in days if min(reached) <= day <= max(reached)]
                for name in names
            ]
        if more:
            assert sums.first == min(reached)


# ---- Gathering -----------------------------------------------------------------------------


def message(partition: int, place: int, *cells: UnitCell, whole: int | None = None) -> Counted:
    """What a partition counted at the close of a school day."""
    first = None if whole is None else DAYS[whole]
    return Counted(first, DAYS[place], False, partition, cells)


def sent(counted: Counted) -> UnitsCounted:
    """The same as it comes in the stream."""
    return UnitsCounted(school="alvik", **msgspec.structs.asdict(counted))


def test_a_close_is_judged_when_all_partitions_have_counted_and_in_order() -> None:
    units = Units()

    def came(partition: int, place: int) -> list[list[Counted]]:
        return gather(units, sent(message(partition, place)), 2)

    assert came(0, 1) == []
    assert came(0, 1) == []
    assert came(1, 2) == []
    assert came(0, 2) == []
    # The first close lacked one, and the second waited for it.
    assert came(1, 1) == [[message(0, 1), message(1, 1)], [message(1, 2), message(0, 2)]]
    assert units.closed == DAYS[2].toordinal()
    # What comes again of a close that was judged is nothing new.
    assert came(0, 2) == came(1, 2) == came(0, 1) == []
    assert units.arrived == {}
    assert came(1, 3) == []
    assert came(0, 3) == [[message(1, 3), message(0, 3)]]


def test_of_two_counts_of_a_partition_the_first_stands_until_the_close_is_judged() -> None:
    cell = UnitCell("class", "7a", DAYS[1], 4, 1)
    units = Units()

    gather(units, sent(message(0, 1, cell)), 2)
    gather(units, sent(message(0, 1)), 2)

    assert gather(units, sent(message(1, 1)), 2) == [[message(0, 1, cell), message(1, 1)]]


# ---- Counts that change --------------------------------------------------------------------


def watched(at_least: int) -> Judges:
    """One rule on lessons that came due since the day before; its second level at three."""
    figure = {"indicator": "unregistered_lessons", "days": 1}
    rule = {
        "id": "unregistered",
        "title": {"sv": "oregistrerade", "en": "unregistered"},
        "levels": {1: {**figure, "at_least": at_least}, 2: {**figure, "at_least": 3 * at_least}},
        "units": ["group", "school"],
    }
    return Judges(Rulebook.model_validate({"clear_after": 9, "rules": [rule]}))


WATCHED, STRICTER = watched(1), watched(4)

WEDNESDAY = date(2025, 9, 10)
"""Off; with school that day, what came due on it would be no more of Thursday's span."""
THURSDAY, FRIDAY = DAYS.index(date(2025, 9, 11)), DAYS.index(date(2025, 9, 12))

MENDED = SchoolCalendar.model_validate(
    {
        **CALENDAR_CONTENT,
        "school_years": [
            {**CALENDAR_CONTENT["school_years"][0], "days_off": []},
            CALENDAR_CONTENT["school_years"][1],
        ],
    }
)


def group_cell(day: date, of: int, hits: int, group: str = "7a-ma") -> UnitCell:
    return UnitCell("group", group, day, of, hits)


def steps_of(
    units: Units, place: int, *messages: Counted, mended: bool = False, **more: Any
) -> list[CaseStep]:
    """What the units' rules say at a close; `more` of what they are judged by."""
    at = close_of(DAYS[place], WATCHED)._replace(**more)
    if mended:
        at = at._replace(calendar=MENDED, calendar_since=DAYS[place])
    return list(judge(units, "alvik", messages, at))


def closed(units: Units, place: int, *messages: Counted, **more: Any) -> list[str]:
    """The same in short, in order."""
    steps = steps_of(units, place, *messages, **more)
    return [f"{step.unit} {step.kind.value}" for step in steps]


def with_a_finding() -> Units:
    """As of Thursday a lesson that came due on the day off before is unregistered."""
    units = Units()
    cells = (group_cell(WEDNESDAY, 3, 1), group_cell(DAYS[THURSDAY], 2, 0))
    assert closed(units, THURSDAY, message(0, THURSDAY, *cells)) == [
        "group/7a-ma opened",
        "school opened",
    ]
    return units


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        # A count of a day that was judged is another now.
        (group_cell(DAYS[THURSDAY], 3, 0), ["group/7a-ma retracted", "school retracted"]),
        (group_cell(DAYS[0], 1, 0), ["group/7a-ma retracted", "school retracted"]),
        # Of another group, or of none: the school's too.
        (group_cell(DAYS[THURSDAY], 2, 0, "7b-ma"), ["school retracted"]),
        (group_cell(DAYS[THURSDAY], 2, 0, ""), ["school retracted"]),
        # Of a class; of a day that was not judged yet; and counts that are what they were.
        (UnitCell("class", "7a", DAYS[THURSDAY], 2, 1), []),
        (group_cell(DAYS[FRIDAY], 2, 0), []),
        (group_cell(DAYS[THURSDAY], 2, 0), []),
        (group_cell(DAYS[0], 0, 0), []),
        (None, []),
    ],
)
def test_a_unit_is_judged_anew_when_its_counts_of_judged_days_changed(
    cell: UnitCell | None, said: list[str]
) -> None:
    cells = () if cell is None else (cell,)

    # By the new calendar nothing holds on Thursday; judged anew the finding is gone.
    assert closed(with_a_finding(), FRIDAY, message(0, FRIDAY, *cells), mended=True) == said


def test_a_correction_after_a_calendar_came_judges_all_of_a_finding_anew() -> None:
    units = with_a_finding()
    assert closed(units, FRIDAY, message(0, FRIDAY)) == []

    later = message(0, FRIDAY + 1, group_cell(DAYS[FRIDAY], 1, 0))

    assert closed(units, FRIDAY + 1, later, mended=True) == [
        "group/7a-ma retracted",
        "school retracted",
    ]


def opened(place: int) -> Units:
    """A lesson that came due on a school day is unregistered at its close."""
    units = Units()
    assert closed(units, place, message(0, place, group_cell(DAYS[place], 2, 1))) != []
    return units


@pytest.mark.parametrize(("days", "said"), [(60, ["retracted"] * 2), (61, [])])
def test_days_more_than_sixty_school_days_back_keep_their_levels(
    days: int, said: list[str]
) -> None:
    units, today = opened(2), 2 + days

    corrected = message(0, today, group_cell(DAYS[2], 2, 0))

    assert [step.kind.value for step in steps_of(units, today, corrected)] == said


def test_a_day_that_nobody_closed_is_judged_when_something_is_corrected() -> None:
    units = opened(3)
    assert closed(units, 5, message(0, 5, group_cell(DAYS[4], 3, 3))) == []

    corrected = message(0, 6, group_cell(DAYS[5], 1, 0))
    missed = frozenset({DAYS[4]})

    steps = steps_of(units, 6, corrected, missed=missed)
    assert [(step.kind.value, step.level) for step in steps] == [("raised", 2)] * 2


def test_each_day_is_judged_anew_by_the_rulebook_that_it_had() -> None:
    units = opened(3)
    corrected = message(0, 4, group_cell(DAYS[3], 9, 2), group_cell(DAYS[4], 9, 3))

    # By today's rulebook neither two lessons hold nor three.
    now = {"judges": STRICTER, "judges_on": lambda day: STRICTER if day > DAYS[3] else WATCHED}
    assert closed(units, 4, corrected, **now) == []
    (finding,) = units.findings["group/7a-ma"].values()
    assert finding.levels == {DAYS[3].toordinal(): 1}


def test_a_level_that_is_taken_back_leaves_the_last_day_of_the_lower_one() -> None:
    units = opened(3)
    closed(units, 4, message(0, 4))
    assert closed(units, 5, message(0, 5, group_cell(DAYS[5], 3, 3))) == [
        "group/7a-ma raised",
        "school raised",
    ]

    # On the day between nothing held.
    steps = steps_of(units, 6, message(0, 6, group_cell(DAYS[5], 3, 0)))
    assert [(step.kind.value, step.remaining) for step in steps] == [("retracted", 1)] * 2
    (finding,) = units.findings["group/7a-ma"].values()
    assert finding.levels == {DAYS[3].toordinal(): 1}
    assert [step.evidence[0].value for step in steps] == [1, 1]


def test_a_count_replaces_the_partitions_own_and_nothing_is_left_of_none() -> None:
    units, day = Units(), DAYS[5]

    def counts() -> dict[int, tuple[int, int]]:
        return units.counts.get("group/7a-ma", {}).get(day.toordinal(), {})

    closed(units, 5, message(0, 5, group_cell(day, 2, 1)), message(1, 5, group_cell(day, 3, 0)))
    assert counts() == {0: (2, 1), 1: (3, 0)}
    closed(units, 6, message(0, 6, group_cell(day, 1, 1)))
    assert counts() == {0: (1, 1), 1: (3, 0)}
    closed(units, 7, message(0, 7, group_cell(day, 0, 0)))
    assert counts() == {1: (3, 0)}
    closed(units, 8, message(1, 8, group_cell(day, 0, 0), group_cell(DAYS[8], 0, 0)))
    assert units.counts == {}


def test_who_tells_all_from_a_day_on_takes_back_what_is_not_told() -> None:
    units = Units()
    cells = [group_cell(DAYS[place], 2, 1) for place in range(3, 9)]
    closed(units, 8, message(0, 8, *cells), message(1, 8, *cells))

    again = (group_cell(DAYS[5], 2, 1), group_cell(DAYS[6], 4, 0))
    closed(units, 8, message(0, 7, *again, whole=4))

    counts = units.counts["group/7a-ma"]
    assert [counts[DAYS[place].toordinal()].get(0) for place in range(3, 9)] == [
        *((2, 1), None, (2, 1), (4, 0), None, (2, 1)),
    ]
    assert all(counts[DAYS[place].toordinal()][1] == (2, 1) for place in range(3, 9))


def test_what_is_told_again_is_no_change_and_what_is_taken_back_is_one() -> None:
    told = (group_cell(WEDNESDAY, 3, 1), group_cell(DAYS[THURSDAY], 2, 0))
    again = message(0, FRIDAY, *told, whole=0)
    less = message(0, FRIDAY, told[0], whole=0)

    assert closed(with_a_finding(), FRIDAY, again, mended=True) == []
    assert closed(with_a_finding(), FRIDAY, less, mended=True) == [
        "group/7a-ma retracted",
        "school retracted",
    ]


def test_counts_before_the_school_year_of_the_oldest_day_are_given_up() -> None:
    before, first = DAYS[0] - timedelta(days=1), DAYS[0]
    units = Units()

    # Sixty school days back from the seventieth lies the first year.
    cells = [group_cell(day, 1, 0) for day in (before, first, DAYS[70])]
    closed(units, 70, message(0, 70, *cells))
    assert list(units.counts["group/7a-ma"]) == [first.toordinal(), DAYS[70].toordinal()]

    units = Units()
    closed(units, 70, message(0, 70, group_cell(before, 1, 0)))
    assert units.counts == {}


# ---- The life of what units' rules find ----------------------------------------------------

RULES = [{**rule, "damps": []} for rule in UNIT_RULES]
BOOKS: dict[str, dict[str, Any]] = {
    "all": {"clear_after": 2, "rules": RULES},
    "other kinds": {
        "clear_factor": "0.5",
        "clear_after": 1,
        "rules": [
            {**RULES[2], "units": ["school"]},
            {**RULES[3], "units": ["group"], "enabled": False},
            RULES[1],
        ],
    },
    "sooner": {
        "clear_after": 4,
        "rules": [{**rule, "clear_after": 1} for rule in reversed(RULES)],
    },
}


class Partitions:
    """Some partitions of the pupils; the first judges the units."""

    def __init__(self, number: int, random: Random) -> None:
        self._all = [Partition(number=n, partitions=number) for n in range(number)]
        self._random = random
        self._entry = 0

    def told(self, facts: Sequence[Fact]) -> Iterator[CaseStep]:
        """The steps of units."""
        for fact in facts:
            counts = []
            for partition in self._all:
                for own in self._own(partition, fact):
                    counted = self._fold(partition, own).counted
                    counts += [counted] if counted else []
            # They come in any order, and some of them twice.
            self._random.shuffle(counts)
            for count in [*counts, *counts[:1]]:
                self._restart()
                messages = self._fold(self._all[0], count).messages
                yield from (each for each in messages if isinstance(each, CaseStep) and each.unit)

    def _restart(self) -> None:
        """Now and then the one that judges goes on with what a checkpoint keeps."""
        if self._random.random() < 0.1:
            kept = msgspec.msgpack.encode(self._all[0].memory)
            self._all[0].memory = msgspec.msgpack.decode(kept, type=Memory)

    def _fold(self, partition: Partition, fact: Fact) -> Folded:
        self._entry += 1
        return partition.fold((self._entry, 0), fact)

    def _own(self, partition: Partition, fact: Fact) -> Iterator[Fact]:
        """What of a fact reaches a partition: not what is of another's pupils."""

        def mine(pupil: str) -> bool:
            return self._all[crc32(pupil.encode()) % len(self._all)] is partition

        if isinstance(fact, AttendanceBatch):
            events = [event for event in fact.events if mine(event.pupil)]
            yield fact.model_copy(update={"events": events})
        elif not isinstance(fact, PupilRecord | CaseTold | CaseAnswer) or mine(fact.pupil):
            yield fact


@pytest.mark.parametrize("seed", [1, 2])
def test_what_units_rules_find_in_several_partitions_is_what_the_oracle_finds(seed: int) -> None:
    facts = random_stream(seed, pupils=6, days=95, rulebooks=BOOKS)
    calendar = SchoolCalendar.model_validate(STREAMS_CALENDAR)
    rulebook = Rulebook.model_validate(BOOKS["all"])
    in_force: list[Fact] = [
        CalendarChanged(version=version_of(calendar), content=plain(calendar)),
        RulebookChanged(version=version_of(rulebook), content=plain(rulebook)),
    ]

    found = list(Partitions(3, Random(seed)).told([*in_force, *facts]))

    plainly = [fact.model_dump(mode="python", by_alias=True) for fact in facts]
    wanted = oracle_steps(plainly, BOOKS["all"], STREAMS_CALENDAR)
    assert_same(found, [step for step in wanted if step["unit"]])
    assert len(found) > 20
