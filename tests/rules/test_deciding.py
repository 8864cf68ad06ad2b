"""The lessons behind a figure: those that the oracle counts, and no others."""

import pytest

from services.rules.deciding import IN_ORDER, deciding_lessons
from services.rules.indicators import figure_of, measure
from services.rules.pupil import Pupil, measured_lessons
from services.rules.school import School
from services.rules.strips import Column, Strips, of_all, of_columns
from shared.indicators import FigureKey
from tests.rules.random_school import CALENDAR
from tests.rules.test_figures import (
    DAYS,
    KEYS,
    MONDAY,
    SEEDS,
    columns,
    expected,
    lesson,
    random_school,
    some,
)


def behind(pupil: Pupil, school: School, strip: Strips, key: FigureKey) -> list[str]:
    """The lessons that evidence lists."""
    lessons = measured_lessons(pupil, school.days, all_of_them=key.indicator in IN_ORDER)
    return [name for name, _ in deciding_lessons(strip, lessons, key)]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_lessons_behind_each_figure_are_the_oracles(seed: int) -> None:
    made, asked = random_school(seed), some(seed, 40)
    strips, pupils = columns(made, asked), made.pupils
    measure(strips, KEYS)

    for column, (slot, day) in enumerate(asked):
        whole = of_all([(made.school.book, made.enrolled)], CALENDAR, day)
        if column % 4:
            measure(whole, KEYS)  # what is worked out for all is each one's own
        strip = strips.column(column) if column % 2 else whole.column(slot)
        for key in KEYS:
            value, lessons = expected(made.figures[slot], key, day)
            names = behind(pupils[slot], made.school, strip, key)
            wanted = sorted(lessons, key=lambda lesson: (lesson.starts_at, lesson.name))
            assert names == [lesson.name for lesson in wanted], (key, day)
            # One column alone is measured as it was among others.
            figures = measure(strip, [key])[key]
            assert (len(figures.over), figure_of(figures, 0)) == (1, value), (key, day)


def test_a_minute_missed_is_absence_that_is_listed() -> None:
    school, day = School("alvik", CALENDAR, None), DAYS[MONDAY]
    pupil = school.pupil("p")
    for name, what in (("a", "e"), ("b", "t"), ("c", "p")):
        school.register(pupil, lesson(day, what, lesson=name, absent_minutes=int(name != "c")))
    school.settle()
    strip = of_columns([Column(school.book, 0, 0, day)], CALENDAR)

    def listed(kind: str) -> list[str]:
        return behind(pupil, school, strip, FigureKey("absence_share", 1, kind))

    assert (listed("all"), listed("excused"), listed("unexcused")) == (["a", "b"], ["a"], ["b"])


@pytest.mark.parametrize(("second", "left_out"), [(59, "a"), (60, "a"), (61, "c")])
def test_of_excused_spells_the_one_in_which_most_was_missed_is_left_out(
    second: int, left_out: str
) -> None:
    """Of equals the earliest."""
    school = School("alvik", CALENDAR, None)
    pupil = school.pupil("p")
    lessons = (("a", "e", 60), ("b", "u", 60), ("c", "e", second))
    for day, (name, what, minutes) in zip(DAYS[MONDAY:], lessons, strict=False):
        missed = {"minutes": minutes, "absent_minutes": minutes}
        school.register(pupil, lesson(day, what, lesson=name, **missed))
    school.settle()
    strip = of_columns([Column(school.book, 0, 0, DAYS[MONDAY + 2])], CALENDAR)

    names = behind(pupil, school, strip, FigureKey("scattered_share", 3))

    assert names == [name for name in ("a", "b", "c") if name != left_out]


def test_figures_that_count_the_same_lessons_share_what_is_found() -> None:
    school, day = School("alvik", CALENDAR, None), DAYS[MONDAY]
    pupil = school.pupil("p")
    school.register(pupil, lesson(day, "e"))
    school.settle()
    strip = of_columns([Column(school.book, 0, 0, day)], CALENDAR)
    spells, days, longer = (
        deciding_lessons(strip, pupil.lessons, FigureKey(name, span))
        for name, span in (("spells", 5), ("spell_days", 5), ("spell_days", 10))
    )

    assert spells is days
    assert spells is not longer
