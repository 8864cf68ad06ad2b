"""Simulated schools look like schools, and are the same for the same seed."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import date, time, timedelta
from decimal import Decimal
from io import StringIO
from itertools import islice, pairwise, takewhile
from pathlib import Path

import pytest

from services.ingest.csv_rows import HeaderError
from services.ingest.roster import read_roster, write_roster
from services.ingest.simulated import Truth, read_truth, roster, simulate, truth, write_truth
from services.ingest.simulated_pupil import Kind
from shared.calendar import SchoolCalendar
from shared.events import AttendanceEvent, Status
from shared.roster import RosterPupil

CALENDAR = SchoolCalendar.model_validate(
    {
        "school_years": [
            {
                "terms": [
                    {"first": date(2025, 8, 18), "last": date(2025, 12, 19)},
                    {"first": date(2026, 1, 8), "last": date(2026, 6, 12)},
                ],
                "days_off": [{"first": date(2025, 10, 27), "last": date(2025, 10, 31)}],
            }
        ]
    }
)
YEAR = len(CALENDAR.school_days)
AWAY = {Status.EXCUSED, Status.LEAVE, Status.UNEXCUSED}

Lessons = dict[tuple[str, str, str], list[AttendanceEvent]]


def by_lesson(events: list[AttendanceEvent]) -> Lessons:
    lessons: Lessons = defaultdict(list)
    for event in events:
        lessons[event.school, event.pupil, event.lesson].append(event)
    return lessons


@pytest.fixture(scope="module")
def year() -> list[AttendanceEvent]:
    """A school year of 150 ordinary pupils."""
    return list(simulate(CALENDAR, schools=1, pupils=150, days=YEAR, seed=11, slides=0))


@pytest.fixture(scope="module")
def sliding() -> tuple[list[AttendanceEvent], list[Truth]]:
    """90 school days of 210 pupils who all slide."""
    events = simulate(CALENDAR, schools=1, pupils=210, days=90, seed=11, slides=1)
    kinds = truth(CALENDAR, schools=1, pupils=210, days=90, seed=11, slides=1)
    return list(events), list(kinds)


def share(events: list[AttendanceEvent], holds: Callable[[AttendanceEvent], bool]) -> float:
    return sum(map(holds, events)) / len(events)


def known_in_the_end(events: list[AttendanceEvent]) -> list[AttendanceEvent]:
    return [known[-1] for known in by_lesson(events).values()]


def test_the_same_seed_gives_the_same_school_and_another_another() -> None:
    one = list(simulate(CALENDAR, schools=2, pupils=20, days=5, seed=3))

    assert one == list(simulate(CALENDAR, schools=2, pupils=20, days=5, seed=3))
    assert one != list(simulate(CALENDAR, schools=2, pupils=20, days=5, seed=4))


def test_more_pupils_and_schools_change_nothing_for_those_there_were() -> None:
    few = list(simulate(CALENDAR, schools=1, pupils=40, days=30, seed=3))
    more = simulate(CALENDAR, schools=2, pupils=75, days=30, seed=3)

    kept = [event for event in more if event.school == "skola-1" and event.pupil <= "p0040"]

    assert kept == few


def test_registrations_come_in_the_order_in_which_they_are_recorded() -> None:
    events = list(simulate(CALENDAR, schools=3, pupils=30, days=20, seed=5))

    assert all(earlier.recorded_at <= later.recorded_at for earlier, later in pairwise(events))
    assert {event.school for event in events[:100]} == {"skola-1", "skola-2", "skola-3"}


def test_days_are_made_as_they_are_asked_for() -> None:
    events = simulate(CALENDAR, schools=1, pupils=10, days=YEAR, seed=5)

    assert len(list(islice(events, 5))) == 5


def test_lessons_lie_on_the_school_days_asked_for() -> None:
    first = date(2025, 10, 20)

    events = simulate(CALENDAR, schools=1, pupils=34, days=8, seed=5, first=first)

    days = sorted({event.starts_at.date() for event in events})
    assert days == [first + timedelta(days=n) for n in (0, 1, 2, 3, 4, 14, 15, 16)]


def test_more_days_than_the_calendar_has_are_refused() -> None:
    with pytest.raises(ValueError, match=f"met 500 days; wanted 0 to {YEAR}"):
        next(simulate(CALENDAR, schools=1, pupils=1, days=500, seed=5))


def test_a_day_has_four_to_six_lessons_between_ten_past_eight_and_half_past_three(
    year: list[AttendanceEvent],
) -> None:
    lessons = known_in_the_end(year)

    a_day = Counter((event.pupil, event.starts_at.date()) for event in lessons)
    assert set(a_day.values()) == {4, 5, 6}
    assert all(40 <= event.minutes <= 80 for event in lessons)
    assert min(event.starts_at.time() for event in lessons) == time(8, 10)
    ends = (event.starts_at + timedelta(minutes=event.minutes) for event in lessons)
    assert max(end.time() for end in ends) <= time(15, 30)
    assert 8 <= len({event.subject for event in lessons}) <= 12


def test_a_class_has_the_same_week_all_year(year: list[AttendanceEvent]) -> None:
    weeks = defaultdict(set)
    for event in year:
        if event.pupil == "p0001":
            week = event.starts_at.isocalendar().week
            place = (event.starts_at.weekday(), event.starts_at.time(), event.subject)
            weeks[week].add(place)

    whole = Counter(len(places) for places in weeks.values()).most_common(1)[0][0]
    assert len({frozenset(places) for places in weeks.values() if len(places) == whole}) == 1
    assert max(map(len, weeks.values())) == whole


def test_ordinary_pupils_are_away_about_six_per_cent_of_the_time_and_more_in_winter(
    year: list[AttendanceEvent],
) -> None:
    lessons = known_in_the_end(year)

    winter = [event for event in lessons if event.starts_at.month in {11, 12, 1, 2, 3}]
    lighter = [event for event in lessons if event.starts_at.month not in {11, 12, 1, 2, 3}]

    def away(event: AttendanceEvent) -> bool:
        return event.status in {Status.EXCUSED, Status.LEAVE}

    assert 0.05 < share(lessons, away) < 0.07
    assert share(winter, away) > 1.2 * share(lighter, away)
    assert share(lessons, lambda event: event.status is Status.EXCUSED) > 0.8 * share(lessons, away)


def test_ordinary_pupils_are_late_now_and_then_and_rarely_skip(year: list[AttendanceEvent]) -> None:
    lessons = known_in_the_end(year)

    assert 0.005 < share(lessons, lambda event: event.status is Status.LATE) < 0.025
    assert 0 < share(lessons, lambda event: event.status is Status.UNEXCUSED) < 0.005


def test_ordinary_illness_comes_in_spells_of_one_to_five_days() -> None:
    events = simulate(CALENDAR, schools=1, pupils=60, days=60, seed=2, slides=0)
    days: dict[str, dict[date, bool]] = defaultdict(dict)
    for event in known_in_the_end(list(events)):
        away = event.status in {Status.EXCUSED, Status.LEAVE, Status.UNREPORTED}
        day = event.starts_at.date()
        days[event.pupil][day] = days[event.pupil].get(day, True) and away

    spells: Counter[int] = Counter()
    for pupil in days.values():
        run = 0
        for day in sorted(pupil):
            if not pupil[day] and run:
                spells[run] += 1
            run = run + 1 if pupil[day] else 0
    assert sum(spells[n] for n in range(1, 6)) >= 0.95 * spells.total()
    assert spells[1] > spells[3] > 0


def test_about_three_per_cent_are_corrected_and_within_three_days() -> None:
    events = list(simulate(CALENDAR, schools=1, pupils=400, days=60, seed=11))
    lessons = by_lesson(events)
    corrected = [known for known in lessons.values() if len(known) > 1]

    assert 0.02 < len(corrected) / len(lessons) < 0.04
    assert all(len(known) == 2 for known in corrected)
    for before, after in corrected:
        assert after.recorded_at > before.recorded_at
        assert after.recorded_at - after.starts_at <= timedelta(days=3)
        assert (after.starts_at, after.minutes) == (before.starts_at, before.minutes)
        assert (after.status, after.absent_minutes) != (before.status, before.absent_minutes)
    kinds = Counter((before.status, after.status) for before, after in corrected)
    assert kinds[Status.UNEXCUSED, Status.EXCUSED] > 0
    assert kinds[Status.PRESENT, Status.LATE] > 0


def test_teachers_register_soon_or_by_the_end_of_the_day_and_forget_one_in_a_hundred(
    year: list[AttendanceEvent],
) -> None:
    firsts = [known[0] for known in by_lesson(year).values()]
    forgotten = [event for event in firsts if event.status is Status.UNREPORTED]
    registered = [event for event in firsts if event.status is not Status.UNREPORTED]

    assert 0.005 < len(forgotten) / len(firsts) < 0.015
    assert {event.recorded_at.time() for event in forgotten} == {time(16, 45)}
    assert all(event.recorded_at > event.starts_at for event in firsts)
    assert max(event.recorded_at.time() for event in registered) < time(16, 30)
    soon = timedelta(minutes=20)
    assert share(registered, lambda event: event.recorded_at - event.starts_at < soon) > 0.6


def test_most_pupils_are_ordinary_and_every_slide_begins_after_the_calm_days() -> None:
    kinds = list(truth(CALENDAR, schools=2, pupils=400, days=120, seed=7))

    count = Counter(row.kind for row in kinds)
    assert len(kinds) == 800
    assert 0.8 < count[Kind.ORDINARY] / 800 < 0.9
    assert all(count[kind] for kind in Kind)
    assert all((row.onset is None) == (row.kind is Kind.ORDINARY) for row in kinds)
    onsets = {row.onset for row in kinds if row.onset}
    assert min(onsets) >= CALENDAR.school_days[15]
    assert max(onsets) <= CALENDAR.school_days[119]
    assert len(onsets) > 50


def test_nobody_slides_in_a_period_that_is_over_before_a_slide_may_begin() -> None:
    kinds = truth(CALENDAR, schools=1, pupils=50, days=15, seed=7, slides=1)

    assert {row.kind for row in kinds} == {Kind.ORDINARY}


def absence_of(
    kind: Kind, sliding: tuple[list[AttendanceEvent], list[Truth]], after: int = 20
) -> tuple[list[AttendanceEvent], list[AttendanceEvent]]:
    """The lessons of those pupils before their onset, and from `after` school days later on."""
    events, kinds = sliding
    onsets = {row.pupil: row.onset for row in kinds if row.kind is kind and row.onset}
    before, later = [], []
    for event in known_in_the_end(events):
        onset = onsets.get(event.pupil)
        if onset and event.starts_at.date() < onset:
            before.append(event)
        elif onset and CALENDAR.distance(onset, event.starts_at.date()) >= after:
            later.append(event)
    return before, later


def seen_for_weeks(events: list[AttendanceEvent]) -> list[AttendanceEvent]:
    """The events of those pupils whose slide began early enough for its shape to show."""
    lessons = Counter(event.pupil for event in events)
    return [event for event in events if lessons[event.pupil] >= 100]


def away(event: AttendanceEvent) -> bool:
    return event.status in AWAY


def unexcused(event: AttendanceEvent) -> bool:
    return event.status is Status.UNEXCUSED


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.ORDINARY])
def test_before_their_onset_all_pupils_are_ordinary(
    kind: Kind, sliding: tuple[list[AttendanceEvent], list[Truth]]
) -> None:
    before, _ = absence_of(kind, sliding)

    assert share(before, away) < 0.1
    assert share(before, unexcused) < 0.01


def test_truancy_is_lessons_without_a_reason_and_more_in_the_afternoon(
    sliding: tuple[list[AttendanceEvent], list[Truth]],
) -> None:
    _, later = absence_of(Kind.TRUANCY, sliding)

    afternoon = [event for event in later if event.starts_at.time() >= time(12, 30)]
    assert share(later, unexcused) > 0.2
    assert share(afternoon, unexcused) > share(later, unexcused)


def test_refusal_is_whole_days_mostly_excused(
    sliding: tuple[list[AttendanceEvent], list[Truth]],
) -> None:
    _, later = absence_of(Kind.REFUSAL, sliding)

    assert share(later, away) > 0.5
    assert share([event for event in later if away(event)], unexcused) < 0.3


def test_one_subject_is_missed_far_more_than_the_others(
    sliding: tuple[list[AttendanceEvent], list[Truth]],
) -> None:
    later = seen_for_weeks(absence_of(Kind.SUBJECT, sliding)[1])
    missed = Counter((event.pupil, event.subject) for event in later if away(event))
    held = Counter((event.pupil, event.subject) for event in later)

    worst: dict[str, float] = defaultdict(float)
    for (pupil, subject), lessons in held.items():
        worst[pupil] = max(worst[pupil], missed[pupil, subject] / lessons)

    assert len(worst) > 5
    assert min(worst.values()) > 0.4
    assert share(later, away) < 0.35


def test_mornings_are_missed_or_come_late_to(
    sliding: tuple[list[AttendanceEvent], list[Truth]],
) -> None:
    _, later = absence_of(Kind.MORNINGS, sliding)
    firsts = [event for event in later if event.lesson.endswith("-1")]
    others = [event for event in later if event.lesson[-1] not in "12"]

    def not_in_time(event: AttendanceEvent) -> bool:
        return away(event) or event.status is Status.LATE

    assert share(firsts, not_in_time) > 0.6
    assert share(others, not_in_time) < 0.15


def test_one_weekday_is_missed_far_more_than_the_others(
    sliding: tuple[list[AttendanceEvent], list[Truth]],
) -> None:
    later = seen_for_weeks(absence_of(Kind.WEEKDAY, sliding)[1])
    missed = Counter((event.pupil, event.starts_at.weekday()) for event in later if away(event))
    held = Counter((event.pupil, event.starts_at.weekday()) for event in later)

    pupils = {pupil for pupil, _ in held}
    shares = [sorted(missed[pupil, day] / held[pupil, day] for day in range(5)) for pupil in pupils]
    assert len(shares) > 5
    assert all(worst > 0.4 for *_, worst in shares)
    # Illness may by chance fall on another weekday twice in a few weeks.
    assert sum(worst > 2 * next_worst for *_, next_worst, worst in shares) >= 0.9 * len(shares)
    assert share(later, away) < 0.35


def test_those_who_recover_are_away_for_weeks_and_then_back(
    sliding: tuple[list[AttendanceEvent], list[Truth]],
) -> None:
    _, from_the_peak = absence_of(Kind.RECOVERS, sliding, after=10)
    _, recovered = absence_of(Kind.RECOVERS, sliding, after=40)

    assert share(from_the_peak, away) > 2 * share(recovered, away)
    assert share(recovered, away) < 0.12


SIDECAR = "school,pupil,kind,onset\nskola-1,p0001,ordinary,\nskola-1,p0002,refusal,2025-09-12\n"
WHO = [
    Truth("skola-1", "p0001", Kind.ORDINARY, None),
    Truth("skola-1", "p0002", Kind.REFUSAL, date(2025, 9, 12)),
]


def test_the_sidecar_says_who_is_of_which_kind_from_which_day() -> None:
    out = StringIO(newline="")

    write_truth(WHO, out)

    assert out.getvalue() == SIDECAR
    assert list(read_truth(StringIO(SIDECAR))) == WHO


@pytest.mark.parametrize(
    "row", ["skola-1,p3,odd,2025-09-12", "skola-1,p3,refusal,", "skola-1,p3,refusal,i går", "p3"]
)
def test_a_row_that_no_sidecar_has_is_told_with_its_line(row: str) -> None:
    with pytest.raises(ValueError, match="line 4: wanted school,pupil,kind,onset"):
        list(read_truth(StringIO(f"{SIDECAR}{row}\n")))


def test_another_file_is_no_sidecar() -> None:
    with pytest.raises(HeaderError, match="wanted the header school,pupil,kind,onset"):
        list(read_truth(StringIO("school,pupil\n")))


def test_every_lesson_is_of_the_group_that_registers_it(year: list[AttendanceEvent]) -> None:
    assert all(event.group == f"{event.lesson.split('-')[0]}-{event.subject}" for event in year)
    assert "7A-MA" in {event.group for event in year}


def often_forgotten(events: list[AttendanceEvent]) -> set[str]:
    """The groups of which a quarter of the lessons are first found unregistered."""
    lessons: dict[str, dict[str, bool]] = defaultdict(dict)
    for event in events:
        unreported = event.status is Status.UNREPORTED
        lessons[event.group].setdefault(event.lesson, unreported)
    return {group for group, each in lessons.items() if sum(each.values()) >= len(each) / 4}


def test_some_groups_often_forget_where_that_is_asked_for() -> None:
    before = simulate(CALENDAR, schools=1, pupils=408, days=40, seed=3)
    after = simulate(CALENDAR, schools=1, pupils=408, days=40, seed=3, forgetful=True)

    assert not often_forgotten(list(before))
    assert 2 <= len(often_forgotten(list(after))) <= 15


def newly_absent(events: list[AttendanceEvent]) -> dict[tuple[str, date], float]:
    """By class and day the share of pupils who are away all day and were not the day before."""
    whole: dict[str, dict[date, dict[str, bool]]] = defaultdict(lambda: defaultdict(dict))
    for event in known_in_the_end(events):
        pupils = whole[event.group.split("-")[0]][event.starts_at.date()]
        pupils[event.pupil] = pupils.get(event.pupil, True) and event.status in AWAY
    return {
        (room, day): sum(now and not days[before][pupil] for pupil, now in days[day].items())
        / len(days[day])
        for room, days in whole.items()
        for before, day in pairwise(sorted(days))
    }


def test_in_winter_a_quarter_of_a_class_may_fall_ill_at_once_where_that_is_asked_for() -> None:
    before = simulate(CALENDAR, schools=1, pupils=204, days=80, seed=1, slides=0)
    after = simulate(CALENDAR, schools=1, pupils=204, days=80, seed=1, slides=0, outbreaks=True)

    outbreaks = {key: share for key, share in newly_absent(list(after)).items() if share >= 0.2}
    assert max(newly_absent(list(before)).values()) < 0.2
    assert 2 <= len(outbreaks) <= 6
    assert max(outbreaks.values()) <= 0.45
    assert {day.month for _, day in outbreaks} <= {11, 12, 1, 2, 3}
    assert len({room for room, _ in outbreaks}) == len(outbreaks)


def test_an_outbreak_changes_no_day_before_the_winter() -> None:
    def autumn(events: Iterator[AttendanceEvent]) -> list[AttendanceEvent]:
        return list(takewhile(lambda event: event.recorded_at.date() < date(2025, 11, 1), events))

    before = simulate(CALENDAR, schools=1, pupils=34, days=80, seed=1)
    after = simulate(CALENDAR, schools=1, pupils=34, days=80, seed=1, outbreaks=True)

    assert autumn(before) == autumn(after)


def test_the_simulated_roster_is_one_that_is_accepted(tmp_path: Path) -> None:
    made = roster(CALENDAR, schools=2, pupils=400, seed=7)

    write_roster(made, tmp_path)

    assert read_roster(tmp_path) == made
    assert len(made.pupils) == 800


def test_contact_teachers_have_about_twenty_pupils_and_their_slots_are_spread() -> None:
    made = roster(CALENDAR, schools=1, pupils=408, seed=7)

    load = Counter(teacher for pupil in made.pupils for teacher in pupil.contact_teachers)
    slots = Counter(member.slot for member in made.staff if member.slot)
    assert {pupil.school_class for pupil in made.pupils} == {
        f"{year}{letter}" for year in "789" for letter in "ABCD"
    }
    assert len(load) == 24
    assert set(load.values()) == {17}
    assert max(slots.values()) == 1
    assert 0.4 < sum(pupil.bus != "" for pupil in made.pupils) / 408 < 0.6


def test_new_pupils_are_handed_over_and_a_little_more_is_said_of_those_who_will_slide() -> None:
    made = roster(CALENDAR, schools=4, pupils=400, seed=7)
    sliding = {
        (row.school, row.pupil)
        for row in truth(CALENDAR, schools=4, pupils=400, days=90, seed=7)
        if row.onset
    }
    seven = [pupil for pupil in made.pupils if pupil.school_class.startswith("7")]
    new = [pupil for pupil in seven if pupil.feeder_school]
    told = [pupil for pupil in new if pupil.need or (pupil.last_year_share or 0) >= Decimal("0.1")]

    def is_sliding(pupil: RosterPupil) -> bool:
        return (pupil.school, pupil.pupil) in sliding

    assert {pupil.school_class[0] for pupil in made.pupils if pupil.feeder_school} == {"7"}
    assert 0.8 < len(new) / len(seven) < 0.97
    assert 0.03 < sum(pupil.need for pupil in new) / len(new) < 0.12
    assert 0.7 < sum(pupil.last_year_share is not None for pupil in new) / len(new) < 0.9
    assert 0.05 < len(told) / len(new) < 0.25
    assert sum(map(is_sliding, told)) / len(told) > 1.5 * sum(map(is_sliding, new)) / len(new)


def test_every_simulated_school_has_its_roles_and_reaches_nobody_real() -> None:
    made = roster(CALENDAR, schools=2, pupils=20, seed=7)

    for school in ("skola-1", "skola-2"):
        roles = Counter(
            role for member in made.staff if member.school == school for role in member.roles
        )
        assert roles == {
            "contact_teacher": 2,
            "eht": 2,
            "rektor": 1,
            "admin": 1,
            "coordinator": 1,
        }
    assert all(member.email.endswith(f"@{member.school}.example") for member in made.staff)
    assert all("+46701740605" <= member.mobile <= "+46701740699" for member in made.staff)


def test_names_stand_in_the_roster_only() -> None:
    made = roster(CALENDAR, schools=1, pupils=20, seed=7)
    events = list(simulate(CALENDAR, schools=1, pupils=20, days=3, seed=7))

    assert {event.pupil for event in events} == {pupil.pupil for pupil in made.pupils}
    written = "".join(event.model_dump_json() for event in events)
    assert not [pupil for pupil in made.pupils if pupil.name in written]
