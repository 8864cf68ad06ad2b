"""The strip: whatever was registered, a picture that can be drawn, read out and told in words."""

from collections import Counter
from datetime import date, timedelta
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.pages.strip import SHOWN_AS, strip, summed, told_days, told_earlier
from services.notify.pages.words import Words
from shared.events import Status
from shared.picture import Day, Earlier, Lesson

MONDAY = date(2025, 9, 8)
STATUSES = st.sampled_from(sorted(SHOWN_AS))
LESSONS = st.lists(
    st.builds(Lesson, st.integers(1, 600), STATUSES, st.booleans()), min_size=0, max_size=10
)


@st.composite
def weeks(draw: st.DrawFn) -> list[Day]:
    """Monday to Friday of some weeks."""
    days = [MONDAY + timedelta(weeks=week, days=day) for week in range(3) for day in range(5)]
    return [
        Day(day, school_day=draw(st.booleans()), counts=draw(st.booleans()), lessons=draw(LESSONS))
        for day in days
    ]


def drawn_of(days: list[Day], name: str, *, small: bool) -> ElementTree.Element:
    drawn = strip(days, Words(name, name), "sv", small=small)
    return ElementTree.fromstring(drawn)  # noqa: S314, our own


@pytest.mark.parametrize("small", [True, False])
@given(days=weeks(), name=st.text(st.characters(exclude_categories=["C"]), min_size=1))
def test_a_strip_is_a_picture_with_a_column_a_day_and_words_for_those_who_do_not_see_it(
    days: list[Day], name: str, *, small: bool
) -> None:
    drawn = drawn_of(days, name, small=small)
    title, *parts = drawn
    columns = [each for each in parts if each.tag in {"g", "rect"}]

    assert title.text == f"{name}: {summed(days).sv}"
    assert len(columns) == len(days)
    for day, column in zip(days, columns, strict=True):
        cells = [each for each in column if each.tag == "rect"]
        shown = day.lessons if day.school_day and day.counts else []
        assert [cell.get("class") for cell in cells] == [
            "present" if lesson.bus_delay else SHOWN_AS[lesson.status] for lesson in shown
        ]
    assert not {"style", "script"} & {each.tag for each in drawn.iter()}


@given(weeks())
def test_a_strip_keeps_within_its_height(days: list[Day]) -> None:
    drawn = drawn_of(days, "x", small=True)
    least, height = 0.8, float(drawn.get("height", ""))

    for cell in drawn.iter("rect"):
        top, high = float(cell.get("y", "")), float(cell.get("height", ""))
        assert 0 <= top <= height
        assert least <= high <= height
        assert top + high <= height + least + 0.1


@given(weeks())
def test_a_day_is_told_in_the_same_words_when_it_is_older_than_the_strip(days: list[Day]) -> None:
    by_date = {day.date: day for day in days}
    for on, words in told_days(days):
        lessons = by_date[on].lessons
        counts = Counter(
            each.status
            for each in lessons
            if not each.bus_delay and SHOWN_AS[each.status] != "present"
        )
        assert told_earlier([Earlier(on, len(lessons), dict(counts))]) == [(on, words)]


def test_a_day_is_told_by_what_was_not_attended() -> None:
    day = Earlier(MONDAY, 4, {Status.UNEXCUSED: 2, Status.LATE: 1})

    assert told_earlier([day]) == [
        (MONDAY, Words(
            "3 av 4 lektioner: 1 sen ankomst, 2 ogiltig frånvaro",
            "3 of 4 lessons: 1 late, 2 unexcused absence",
        ))
    ]  # fmt: skip
