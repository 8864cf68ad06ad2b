"""Every figure of a pupil, and the lessons behind it, as the oracle measures it from scratch."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from math import ceil, comb
from random import Random
from typing import Any

import msgspec
import numpy as np
import pytest
import zstandard

from services.rules.daybook import FIELDS, Daybook, Place
from services.rules.indicators import COUNTING_DAYS, COVERAGE, MEASURED, figure_of, measure, ratio
from services.rules.indicators import Figures as OfAll
from services.rules.school import School
from services.rules.strips import Column, Strips, of_all, of_columns
from services.rules.window import registration_of
from shared.calendar import SchoolCalendar
from shared.events import AttendanceEvent, PupilRecord, Status
from shared.indicators import INDICATORS, FigureKey, Span
from tests.oracle.figures import Figures, Measured
from tests.oracle.files import Calendar
from tests.rules.random_school import CALENDAR, CALENDAR_CONTENT, OTHER_CALENDAR, RandomSchool

DAYS = CALENDAR.school_days
SEEDS = range(2)
PUPILS = 20

NUMBERS: Sequence[Span] = (1, 2, 3, 5, 10, 20, 40)
SPANS: Sequence[Span] = (*NUMBERS, "term", "year")
SHARES = (Decimal(0), Decimal("0.1"), Decimal("0.25"), Decimal("0.5"), Decimal(1))


def _keys() -> Iterator[FigureKey]:
    for name in sorted(MEASURED):
        known = INDICATORS[name]
        windows = {"none": (0,), "number": NUMBERS, "span": SPANS}[known.days]
        for days in windows:
            for kind in known.kinds or ("",):
                for share in SHARES if "share" in known.keys else (None,):
                    yield FigureKey(name, days, kind, share)


KEYS = tuple(_keys())
"""Every indicator of a pupil over every window, of every kind."""

ASKED_BY_NEEDS = tuple(
    FigureKey(name, days) for name in (COUNTING_DAYS, COVERAGE) for days in SPANS
)


@cache
def random_school(seed: int) -> RandomSchool:
    return RandomSchool(seed, PUPILS)


def expected(oracle: Figures, key: FigureKey, day: date) -> Measured:
    """What the oracle measures, and the lessons behind it."""
    if key.indicator == COUNTING_DAYS:
        return sum(each.counts for each in oracle.window(key.days, day)), []
    if key.indicator == COVERAGE:
        window = oracle.window(key.days, day)
        scheduled = sum(len(each.scheduled) for each in window)
        counting = sum(len(each.lessons) for each in window)
        return (Fraction(counting, scheduled) if scheduled else None), []
    named = {"indicator": key.indicator, "days": key.days or None}
    return oracle.measure(named | {"kind": key.kind or None, "share": key.share}, day)


def some(seed: int, many: int) -> list[tuple[int, date]]:
    """Pupils' days, some of them twice, in no order; the pupils by slot."""
    random = Random(seed)
    return [(random.randrange(PUPILS), random.choice(DAYS)) for _ in range(many)]


def columns(made: RandomSchool, asked: Sequence[tuple[int, date]]) -> Strips:
    """A strip for each pupil's day, as they are measured when days are judged anew."""
    enrolled = made.enrolled.tolist()
    wanted = [Column(made.school.book, slot, enrolled[slot], day) for slot, day in asked]
    return of_columns(wanted, CALENDAR)


# ---- Random pupils -------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_the_figures_of_a_whole_school_are_the_oracles(seed: int) -> None:
    made, keys = random_school(seed), (*KEYS, *ASKED_BY_NEEDS)

    for day in DAYS[seed::9]:
        figures = measure(of_all([(made.school.book, made.enrolled)], CALENDAR, day), keys)
        for key in keys:
            for slot, oracle in enumerate(made.figures):
                assert figure_of(figures[key], slot) == expected(oracle, key, day)[0], (key, day)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_figures_of_some_days_of_some_pupils_are_the_oracles(seed: int) -> None:
    made, asked, keys = random_school(seed), some(seed, 80), (*KEYS, *ASKED_BY_NEEDS)

    figures = measure(columns(made, asked), keys)

    for key in keys:
        for column, (slot, day) in enumerate(asked):
            wanted, _ = expected(made.figures[slot], key, day)
            assert figure_of(figures[key], column) == wanted, (key, day)


@cache
def schools() -> tuple[RandomSchool, ...]:
    return random_school(0), RandomSchool(seed=9, pupils=3)


def test_schools_have_the_figures_together_that_they_have_alone() -> None:
    parts = [(made.school.book, made.enrolled) for made in schools()]

    for day in DAYS[2::19]:
        together = measure(of_all(parts, CALENDAR, day), KEYS)
        alone = [measure(of_all([part], CALENDAR, day), KEYS) for part in parts]
        for key in KEYS:
            assert values(together[key]) == [
                each for figures in alone for each in values(figures[key])
            ], (key, day)


def test_pupils_days_have_the_figures_together_that_they_have_alone() -> None:
    random, asked = Random(0), list[Column]()
    for _ in range(40):
        made = random.choice(schools())
        slot, day = random.randrange(len(made.pupils)), random.choice(DAYS)
        asked.append(Column(made.school.book, slot, int(made.enrolled[slot]), day))

    together = measure(of_columns(asked, CALENDAR), KEYS)
    alone = [measure(of_columns([column], CALENDAR), KEYS) for column in asked]

    for key in KEYS:
        assert values(together[key]) == [each for one in alone for each in values(one[key])], key


def values(found: OfAll) -> list[Fraction | None]:
    """A figure of every column."""
    return [figure_of(found, column) for column in range(len(found.over))]


# ---- What is kept --------------------------------------------------------------------------


def assert_the_oracles(
    school: School,
    oracles: Sequence[Figures],
    calendar: SchoolCalendar,
    days: Sequence[date],
    first: int = 0,
) -> None:
    """Every figure of every pupil, from slot `first` on, is what the oracle measures."""
    enrolled = np.array([pupil.enrolled for pupil in school.pupils.values()], np.int64)
    for day in days:
        figures = measure(of_all([(school.book, enrolled)], calendar, day), KEYS)
        for key in KEYS:
            for slot, oracle in enumerate(oracles, first):
                assert figure_of(figures[key], slot) == expected(oracle, key, day)[0], (key, day)


def test_another_bus_makes_other_lates() -> None:
    made = RandomSchool(seed=5, pupils=12)
    for name, pupil in made.school.pupils.items():
        enrolled = date.fromordinal(pupil.enrolled) if pupil.enrolled else None
        made.school.enrol(pupil, record(name, enrolled, "" if pupil.bus == "811" else "811"))
    made.school.settle()

    assert_the_oracles(made.school, made.told(OTHER_CALENDAR), CALENDAR, DAYS[10:80:23])


def test_another_calendar_makes_other_days() -> None:
    made = RandomSchool(seed=6, pupils=12)
    first, second = CALENDAR_CONTENT["school_years"]
    content = {
        **CALENDAR_CONTENT,
        "bus_delays": [{"date": "2025-08-29", "before": "08:30"}],
        "school_years": [
            {**first, "days_off": [{"first": "2025-09-23", "last": "2025-09-24"}]},
            {"terms": [second["terms"][0], {"first": "2025-12-04", "last": "2025-12-23"}]},
        ],
    }
    calendar = SchoolCalendar.model_validate(content)
    made.school.turn(calendar, None)
    made.school.settle()

    assert_the_oracles(
        made.school, made.told(Calendar(content)), calendar, calendar.school_days[4::23]
    )


KEPT, KEPT_WHOLE = DAYS[58].toordinal(), DAYS[66].toordinal()


def test_days_of_which_the_lessons_are_gone_are_measured_as_before() -> None:
    made = RandomSchool(seed=7, pupils=12)
    school, oracles = made.school, made.figures
    school.forget(KEPT_WHOLE, KEPT)

    assert_the_oracles(school, oracles, CALENDAR, DAYS[58::5])
    school.book.drop_before(KEPT - 3)
    assert school.book.first == KEPT
    assert all(known.day >= KEPT for each in made.pupils for known in each.lessons.values())

    # Others came before them in the book that they are put back into.
    again = School("alvik", CALENDAR, None)
    again.register(again.pupil("new"), lesson(DAYS[70], "t", subject="Aaa"))
    again.settle()
    for name in school.pupils:
        again.add(name, school.record(name))
    again.settle()
    assert_the_oracles(again, oracles, CALENDAR, DAYS[58::5], first=1)


def test_what_is_forgotten_of_a_pupil_depends_on_nobody_else() -> None:
    many, alone = RandomSchool(seed=7, pupils=12), School("alvik", CALENDAR, None)
    name = "p5"
    pupil = many.school.pupils[name]
    alone.add(name, msgspec.structs.replace(pupil, lessons=dict(pupil.lessons)))
    alone.settle()

    until = DAYS[70].toordinal()
    assert alone.book.old_days(0, until) == many.school.book.old_days(5, until)


def test_old_days_go_from_the_first_lesson_to_the_last_and_into_an_empty_book() -> None:
    made, book = RandomSchool(seed=8, pupils=6), Daybook()
    span = [DAYS[0] + timedelta(days=n) for n in range((DAYS[-1] - DAYS[0]).days + 1)]

    for slot, oracle in enumerate(made.figures):
        old = made.school.book.old_days(slot, span[-1].toordinal() + 1)
        book.put_back(slot, old)
        days = [day.toordinal() for day in span if oracle.day(day).scheduled]
        rows = len(zstandard.decompress(old.sums)) // (4 * FIELDS)
        assert (old.first, rows) == (days[0], days[-1] - days[0] + 1)

    for day in DAYS[9::30]:
        put_back = measure(of_all([(book, made.enrolled)], CALENDAR, day), KEYS)
        known = measure(of_all([(made.school.book, made.enrolled)], CALENDAR, day), KEYS)
        for key, (over, under) in known.items():
            assert (put_back[key].over == over).all(), key
            assert (put_back[key].under == under).all(), key


def test_old_days_may_end_the_day_after_the_room() -> None:
    school, book, monday = School("alvik", CALENDAR, None), Daybook(), DAYS[MONDAY].toordinal()
    for event in days_of("u tp"):
        school.register(school.pupil("p"), event)
    school.settle()
    book.make_room((1, 1), 1)
    rows = len(book.sums)
    book = Daybook()
    book.make_room((monday + 1 - rows, monday + 1 - rows), 1)

    old = school.book.old_days(0, monday + 2)
    book.put_back(0, old)

    assert book.old_days(0, monday + 2) == old


def test_nothing_is_kept_of_days_without_lessons() -> None:
    school = School("alvik", CALENDAR, None)
    school.register(school.pupil("p"), lesson(DAYS[20], "u"))
    school.register(school.pupil("another"), lesson(DAYS[3], "u"))
    school.settle()

    old = school.book.old_days(0, DAYS[20].toordinal())

    assert (old.first, old.until) == (DAYS[20].toordinal(), DAYS[20].toordinal())
    assert old.subjects == ()
    assert zstandard.decompress(old.sums) == b""


@pytest.mark.parametrize("before", [0, 1, 2, 5])
def test_there_are_no_old_days_where_none_is_older(before: int) -> None:
    school = School("alvik", CALENDAR, None)
    for event in days_of("u tp e"):
        school.register(school.pupil("p"), event)
    school.settle()
    until = school.book.first - before

    old = school.book.old_days(0, until)

    assert (old.first, old.until, zstandard.decompress(old.sums)) == (until, until, b"")


def test_how_many_lessons_a_day_has_is_known_of_every_day_and_pupil() -> None:
    book = Daybook()
    for what in ("u", "?", "p"):
        note(book, 0, lesson(DAYS[20], what))
    book.add_up(1)
    rows, slots = len(book.sums), book.sums.shape[2]
    first, last = book.first, book.first + rows - 1
    note(book, slots - 1, lesson(date.fromordinal(last)))
    book.add_up(slots)
    assert (len(book.sums), book.sums.shape[2]) == (rows, slots), "there was room for it"

    assert book.lessons(first, 0) == (3, 2)
    assert book.lessons(last, slots - 1) == (1, 1)
    outside = [(first - 1, slots - 1), (last + 1, slots - 1), (last, slots), (last + 1, slots)]
    assert {book.lessons(*each) for each in outside} == {(0, 0)}


def note(book: Daybook, slot: int, event: AttendanceEvent) -> None:
    book.note(slot, registration_of(event, CALENDAR.moment(event.starts_at)), 1)


@pytest.mark.parametrize(("seed", "more"), [(0, 0), (1, 40)])
def test_who_was_away_on_a_day_is_who_the_oracle_says(seed: int, more: int) -> None:
    """Of as many pupils as are asked for, also if the book has room for fewer."""
    made = random_school(seed)
    first, last = DAYS[0] - timedelta(days=60), DAYS[-1] + timedelta(days=90)

    for number in range((last - first).days):
        day = first + timedelta(days=number)
        absent, counting = made.school.book.attendance(day.toordinal(), PUPILS + more)
        inside = DAYS[0] <= day <= DAYS[-1]
        known = [inside and oracle.day(day).absent for oracle in made.figures]
        assert absent.tolist() == known + [False] * more
        known = [inside and oracle.day(day).counts for oracle in made.figures]
        assert counting.tolist() == known + [False] * more


# ---- Examples at the edges -----------------------------------------------------------------

MONDAY = 3
"""The place among the school days of the first Monday, and of a week without anything off."""
SECOND_TERM = DAYS.index(date(2025, 10, 15))
SECOND_YEAR = DAYS.index(date(2025, 11, 17))

_LESSON = {
    "p": (Status.PRESENT, 0),
    "t": (Status.LATE, 5),
    "e": (Status.EXCUSED, 60),
    "l": (Status.LEAVE, 60),
    "u": (Status.UNEXCUSED, 60),
    "?": (Status.UNREPORTED, 0),
    "h": (Status.OTHER, 30),
    "n": (Status.OTHER, 29),
    "q": (Status.OTHER, 15),
    "r": (Status.OTHER, 14),
}
"""Lessons of 60 minutes: h and q miss half and a quarter of it, n and r a minute less."""


def lesson(day: date, what: str = "p", place: int = 0, **more: Any) -> AttendanceEvent:
    status, absent = _LESSON[what]
    event = AttendanceEvent(
        school="alvik",
        pupil="p",
        lesson=f"{day}-{place}",
        starts_at=datetime.combine(day, time(6 + place), UTC),
        minutes=60,
        subject="ma",
        status=status,
        absent_minutes=absent,
        recorded_at=datetime(2025, 7, 1, tzinfo=UTC),
    )
    return event.model_copy(update=more)


def record(name: str, enrolled: date | None, bus: str = "") -> PupilRecord:
    return PupilRecord(
        school="alvik",
        pupil=name,
        bus=bus,
        enrolled=enrolled,
        valid_from=DAYS[0],
        recorded_at=datetime(2025, 7, 2, tzinfo=UTC),
    )


def days_of(days: str, first: int = MONDAY) -> list[AttendanceEvent]:
    """Words of letters, each a school day, each letter a lesson; a dot is a day without any."""
    return [
        lesson(day, what, place)
        for day, lessons in zip(DAYS[first:], days.split(), strict=False)
        for place, what in enumerate(lessons.replace(".", ""))
    ]


def value(
    events: Sequence[AttendanceEvent],
    last: int,
    indicator: str,
    days: Span = 0,
    *,
    enrolled: date | None = None,
    share: str | None = None,
    kind: str = "",
) -> Fraction | int | None:
    """A pupil's figure as of the school day at a place; in both kinds of strips."""
    school = School("alvik", CALENDAR, None)
    pupil = school.pupil("p")
    school.enrol(pupil, record("p", enrolled))
    for event in events:
        school.register(pupil, event)
    school.settle()
    kind = kind or (*INDICATORS[indicator].kinds, "")[0]
    key = FigureKey(indicator, days, kind, None if share is None else Decimal(share))
    whole = of_all([(school.book, np.array([pupil.enrolled], np.int64))], CALENDAR, DAYS[last])
    alone = of_columns([Column(school.book, 0, pupil.enrolled, DAYS[last])], CALENDAR)
    found = {figure_of(measure(strips, [key])[key], 0) for strips in (whole, alone)}
    assert len(found) == 1
    return found.pop()


def of_word(word: str, indicator: str, days: Span = 0, **more: Any) -> Fraction | int | None:
    """The figure as of the last of some days from Monday on, one lesson each."""
    return value(days_of(" ".join(word)), MONDAY + len(word) - 1, indicator, days, **more)


@pytest.mark.parametrize(
    ("word", "indicator", "days", "wanted"),
    [
        # The window's first day counts, the one before does not.
        ("euppp", "absence_share", 5, Fraction(2, 5)),
        ("euppp", "absence_share", 4, Fraction(1, 4)),
        ("euppp", "absence_share", 3, 0),
        ("uuppp", "unexcused_days", 4, 1),
        ("tppt", "lates", 3, 1),
        ("lpppl", "leave_days", 5, 2),
        ("eepee", "spells", 4, 1),
        ("eepee", "spells", 5, 2),
        ("eepee", "spell_days", 5, 4),
        ("eepee", "spell_days", 4, 2),
        # Half and a quarter of the minutes; a minute less is less.
        ("hnqrp", "weekday_hits", 5, 1),
        ("hnqrp", "quarter_days", 5, 3),
        # Short spells have three days, with days of nothing between them.
        ("eeep", "bradford", 4, 3),
        ("eeeep", "bradford", 5, 0),
        ("ee.?ep", "bradford", 6, 3),
        ("ee.?eep", "bradford", 7, 0),
        ("eeepu", "bradford", 5, 4 * 4),
        # The longest excused spell is left out, and nothing else.
        ("eepelu", "scattered_share", 6, Fraction(3, 6)),
        ("ee.el", "scattered_share", 5, 0),
        ("eeuee", "scattered_share", 5, Fraction(3, 5)),
        (".", "scattered_share", 1, None),
        # A run ends with the last counting day.
        ("peel.?", "absent_run", 0, 3),
        ("peep", "absent_run", 0, 0),
        ("eep", "return", 0, 2),
        ("eepp", "return", 0, 0),
        ("pp", "return", 0, 0),
        ("ee.p", "return", 0, 2),
        ("eep.", "return", 0, 0),
        ("eepe", "return", 0, 0),
        # The newest N days against the 2N before.
        ("eppee", "rise", 2, Fraction(1) - Fraction(1, 3)),
        ("eeppuepe", "rise", 2, Fraction(1, 2) - Fraction(2, 4)),
        ("eeppuepe", "rise_ratio", 2, 1),
        ("pppe", "rise_ratio", 1, 1000),
        ("pppp", "rise_ratio", 1, None),
        ("eeep", "rise_ratio", 1, 0),
        ("e", "rise", 1, None),
        ("e..", "rise", 1, None),
        # Two of two half-missed days on two of six: a third, squared; one of three days once.
        ("hpppph", "weekday_tail", 6, Fraction(111111111112, 10**12)),
        ("hpp", "weekday_tail", 3, Fraction(333333333334, 10**12)),
        ("ppp", "weekday_tail", 3, None),
        ("ppp", "weekday_share", 3, None),
        ("hhhhhph", "weekday_share", 7, Fraction(2, 6)),
    ],
)
def test_a_figure_of_a_few_days(
    word: str, indicator: str, days: Span, wanted: Fraction | int | None
) -> None:
    assert of_word(word, indicator, days) == wanted


def test_of_equal_weekdays_the_worst_has_the_fewest_days_and_is_the_earliest() -> None:
    # Monday and Tuesday once each; of two Mondays and one Tuesday Tuesday is the worst.
    assert of_word("hh..." + "p....", "weekday_tail", 10) == tail(1, 2, 1, 3)
    assert of_word("hh..." + ".p...", "weekday_tail", 10) == tail(1, 2, 1, 3)
    # More days half missed weigh more than any number of days.
    assert of_word("hh..." + "h...." + "p....", "weekday_tail", 20) == tail(2, 3, 3, 4)


def tail(hits: int, all_hits: int, days: int, all_days: int) -> Fraction:
    likely = Fraction(days, all_days)
    exact = sum(
        comb(all_hits, n) * likely**n * (1 - likely) ** (all_hits - n)
        for n in range(hits, all_hits + 1)
    )
    return Fraction(ceil(exact * 10**12), 10**12)


def test_edge_days_are_beside_days_without_school() -> None:
    # Monday to Friday: the ends are edges.
    assert of_word("hpppp" + "pppph", "edge_hits", 4) == 2
    assert of_word("hpppp" + "pppph", "edge_hits", 3) == 1
    # Of four edge days two were half missed, of six others one. Of the last two edge days one,
    # of the three days between them none.
    assert of_word("hphpp" + "pppph", "edge_ratio", 4) == 3
    assert of_word("hphpp" + "pppph", "edge_ratio", 2) == 1000
    assert of_word("hphpp" + "pppph", "edge_ratio", 1) is None


def test_a_term_and_a_year_begin_on_their_first_school_day() -> None:
    before = days_of("u u", SECOND_TERM - 2)
    after = days_of("u p u", SECOND_TERM)

    assert value([*before, *after], SECOND_TERM + 2, "unexcused_lessons", "term") == 2
    assert value([*before, *after], SECOND_TERM + 2, "unexcused_lessons", "year") == 4
    assert value([*before, *after], SECOND_TERM + 2, "term_start_days", 3) == 2
    assert value([*before, *after], SECOND_TERM + 2, "term_start_days", 2) == 0
    assert value([*before, *after], SECOND_TERM - 1, "unexcused_lessons", "term") == 2

    last_year, this_year = days_of("u u", SECOND_YEAR - 2), days_of("u u", SECOND_YEAR)
    assert value([*last_year, *this_year], SECOND_YEAR + 1, "absent_run") == 2
    assert value([*last_year, *this_year], SECOND_YEAR + 1, "unexcused_lessons", "year") == 2
    assert value([*last_year, *this_year], SECOND_YEAR + 1, "unexcused_lessons", 10) == 2
    assert value([*last_year, *this_year], SECOND_YEAR, "spell_days", 10) == 1
    assert value([*last_year, *this_year], SECOND_YEAR - 1, "absent_run") == 2


def test_an_enrolment_cuts_every_window_on_its_day() -> None:
    def enrolled(at: int, indicator: str, days: Span, word: str = "uuuu") -> object:
        return of_word(word, indicator, days, enrolled=DAYS[MONDAY + at])

    assert enrolled(1, "unexcused_lessons", 10) == 3
    assert enrolled(1, "spell_days", "year") == 3
    assert enrolled(1, "absent_run", 0) == 3
    assert enrolled(1, "unexcused_days", "term") == 3
    assert enrolled(4, "unexcused_lessons", 10) == 0
    assert enrolled(1, "persistent_blocks", 2) == 1
    assert enrolled(0, "persistent_blocks", 2) == 2
    assert enrolled(2, "rise", 1) == 0
    assert enrolled(3, "rise", 1) is None
    assert enrolled(1, "return", 0, "eep") == 1


def test_blocks_are_whole_and_at_the_share() -> None:
    assert of_word("ep" * 3, "persistent_blocks", 2, share="0.5") == 3
    assert of_word("ep" * 3, "persistent_blocks", 2, share="0.51") == 0
    assert of_word("ep" * 3, "persistent_blocks", 2) == 3
    # The year had begun three days before; from the enrolment on the third block is not whole.
    assert of_word("e" + "pe" * 2, "persistent_blocks", 2, share="0.5") == 3
    enrolled = DAYS[MONDAY]
    assert of_word("e" + "pe" * 2, "persistent_blocks", 2, share="0.5", enrolled=enrolled) == 2
    assert of_word("ee..ee", "persistent_blocks", 2, share="0") == 1
    minute = lesson(DAYS[MONDAY], "e", minutes=1, absent_minutes=1)
    assert value([minute], MONDAY, "persistent_blocks", 1, share="1") == 1


@pytest.mark.parametrize(
    ("day", "first", "last", "internal"),
    [
        ("upp", 1, 0, 0),
        ("tpp", 1, 0, 0),
        ("ppl", 0, 1, 0),
        ("ppt", 0, 1, 0),
        ("pup", 0, 0, 1),
        ("pep", 0, 0, 0),
        ("puep", 0, 0, 1),
        ("puu", 0, 1, 0),
        ("uup", 1, 0, 0),
        ("tut", 1, 1, 1),
        ("u", 1, 1, 0),
        ("uu", 1, 1, 0),
        ("?up?", 1, 0, 0),
        ("?pup?", 0, 0, 1),
        ("?", 0, 0, 0),
    ],
)
def test_a_day_has_an_order(day: str, first: int, last: int, internal: int) -> None:
    events = days_of(day)

    assert value(events, MONDAY, "first_last_misses", 1) == first
    assert value(events, MONDAY, "first_last_misses", 1, kind="last") == last
    assert value(events, MONDAY, "internal_truancy_days", 1) == internal


def test_no_order_is_asked_of_days_that_were_missed_as_a_whole_or_not_at_all() -> None:
    book = Daybook()
    for event in days_of("up pp uu ?? tp"):
        book.note(0, registration_of(event, CALENDAR.moment(event.starts_at)), 1)

    asked = book.add_up(1)

    assert asked == [Place(DAYS[MONDAY + number].toordinal(), 0) for number in (0, 4)]


def test_lessons_of_equal_start_stand_in_the_order_of_their_ids() -> None:
    day = DAYS[MONDAY]
    start = datetime.combine(day, time(7), UTC)
    events = [
        lesson(day, what, starts_at=start, lesson=name)
        for name, what in (("b", "p"), ("a", "u"), ("c", "u"))
    ]

    assert value(events, MONDAY, "first_last_misses", 1) == 1
    assert value(events, MONDAY, "first_last_misses", 1, kind="last") == 1
    assert value(events[:2], MONDAY, "first_last_misses", 1, kind="last") == 0


def test_the_worst_subject_is_missed_beyond_what_the_others_are() -> None:
    def subjects(**words: str) -> list[AttendanceEvent]:
        return [
            lesson(DAYS[MONDAY], what, place, lesson=f"{name}-{place}", subject=name)
            for name, word in words.items()
            for place, what in enumerate(word)
        ]

    def measured(events: list[AttendanceEvent]) -> list[object]:
        names = ("subject_missed", "subject_share", "subject_ratio")
        return [value(events, MONDAY, name, 1) for name in names]

    assert measured(subjects(ma="uup", sv="pppp")) == [2, Fraction(2, 3), 1000]
    assert measured(subjects(ma="up", sv="uppp")) == [1, Fraction(1, 2), 2]
    # Equals: the first by code point, where capitals come before å.
    assert measured(subjects(sv="up", ma="upp", Bi="up")) == [1, Fraction(1, 2), Fraction(5, 4)]
    assert measured(subjects(ma="uup")) == [None, None, None]
    assert measured([*subjects(ma="uup"), lesson(DAYS[MONDAY], subject="")]) == [None] * 3
    assert measured([lesson(DAYS[MONDAY], "u", subject="")]) == [None] * 3
    assert measured(subjects(ma="pp", sv="pp")) == [0, 0, None]


def test_a_ratio_ends_at_a_thousand() -> None:
    over = np.array([999, 1000, 1001, 1, 0, 0, 3], np.int64)
    under = np.array([1, 1, 1, 0, 0, 1, 2], np.int64)

    found = ratio(over, under)

    assert [figure_of(found, n) for n in range(7)] == [
        *(999, 1000, 1000, 1000, None, 0, Fraction(3, 2)),
    ]


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(("noted", "asked", "wanted"), [(3, 57, 1), (57, 3, 0), (3, 3, 1)])
def test_the_book_has_room_for_days_that_nothing_was_noted_of(
    noted: int, asked: int, wanted: int, whole: bool
) -> None:
    school = School("alvik", CALENDAR, None)
    school.register(school.pupil("p"), lesson(DAYS[noted], "u"))
    school.settle()
    key = FigureKey("unexcused_lessons", "year")

    if whole:
        strips = of_all([(school.book, np.zeros(1, np.int64))], CALENDAR, DAYS[asked])
    else:
        strips = of_columns([Column(school.book, 0, 0, DAYS[asked])], CALENDAR)

    assert figure_of(measure(strips, [key])[key], 0) == wanted
    assert school.book.first == DAYS[0].toordinal()


def test_the_book_makes_room_once_and_for_some_more() -> None:
    book = Daybook()
    book.make_room((9, 20), 5)
    days, _, slots = book.sums.shape
    assert days > 12
    assert slots > 5

    book.make_room((9, 9 + days - 1), slots)
    assert book.sums.shape[::2] == (days, slots)
    book.make_room((9 + days, 9 + days), slots + 1)
    assert len(book.sums) > days + 1
    assert book.sums.shape[2] > slots + 1


def test_the_book_has_room_for_who_has_no_lessons() -> None:
    school = School("alvik", CALENDAR, None)
    school.register(school.pupil("p"), lesson(DAYS[3], "u"))
    school.settle()
    key, width = FigureKey("unexcused_lessons", "year"), school.book.sums.shape[2]

    # Of days in two years: the shorter column begins with rows of no day.
    asked = [Column(school.book, width, 0, DAYS[SECOND_YEAR]), Column(school.book, 0, 0, DAYS[5])]
    strips = of_columns(asked, CALENDAR)

    assert measure(strips, [key])[key].over.tolist() == [0, 1]
    assert school.book.first == DAYS[0].toordinal()
    width = school.book.sums.shape[2]
    whole = of_all([(school.book, np.zeros(width + 1, np.int64))], CALENDAR, DAYS[5])
    assert measure(whole, [key])[key].over.tolist() == [1] + [0] * width
    width = school.book.sums.shape[2]
    school.book.recount(Place(DAYS[3].toordinal(), width), ())
    assert school.book.sums.shape[2] > width


def test_the_book_has_room_for_subjects_that_come_one_by_one() -> None:
    school, day = School("alvik", CALENDAR, None), DAYS[3]
    pupil = school.pupil("p")
    for number in range(40):
        school.register(pupil, lesson(day, lesson=str(number), subject=f"s{number:02}"))
        school.settle()
        strips = of_all([(school.book, np.zeros(1, np.int64))], CALENDAR, day)
        assert strips.by_subject(1)[:, 0, 0].tolist() == [1] * (number + 1)


def test_before_the_first_school_year_there_is_nothing() -> None:
    made = random_school(0)
    day = DAYS[0] - timedelta(days=1)
    enrolled = made.enrolled

    whole = measure(of_all([(made.school.book, enrolled)], CALENDAR, day), KEYS)
    alone = measure(of_columns([Column(made.school.book, 0, 0, day)], CALENDAR), KEYS)

    for key in KEYS:
        assert figure_of(whole[key], PUPILS - 1) in (None, 0)
        assert figure_of(alone[key], 0) in (None, 0)


def test_a_school_of_nobody_has_no_figures() -> None:
    book = Daybook()

    for strips in (
        of_all([(book, np.zeros(0, np.int64))], CALENDAR, DAYS[9]),
        of_columns([], CALENDAR),
    ):
        assert {len(figures.over) for figures in measure(strips, KEYS).values()} == {0}
