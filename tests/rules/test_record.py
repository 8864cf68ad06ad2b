"""What is kept of a pupil: all that counts, and little of it."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from random import Random

from services.rules.partition import Partition
from services.rules.record import pack, unpack
from shared.calendar import SchoolCalendar
from shared.config import plain, read_config
from shared.events import (
    WHOLLY_ABSENT,
    AttendanceBatch,
    AttendanceEvent,
    CalendarChanged,
    DayClosed,
    Fact,
    RulebookChanged,
    Status,
)
from shared.rulebook import Rulebook
from tests.suite.processes import CONFIG

CALENDAR = read_config(CONFIG / "calendar.yaml", SchoolCalendar)
RULEBOOK = read_config(CONFIG / "rulebook.yaml", Rulebook)
YEAR = CALENDAR.school_years[0].school_days
SUBJECTS = ("MA", "SV", "EN", "NO", "SO", "IDH", "M2", "SL")


def a_year(away: float, lessons: int) -> Iterator[Fact]:
    """A school year of one pupil who misses a share of the days, some lessons and some minutes."""
    random = Random(7)
    yield CalendarChanged(version="calendar", content=plain(CALENDAR))
    yield RulebookChanged(version="rulebook", content=plain(RULEBOOK))
    for number, day in enumerate(YEAR[:-1]):
        a_day = lessons * (number + 1) // len(YEAR) - lessons * number // len(YEAR)
        home = random.random() < away
        events = []
        for place in range(a_day):
            status = Status.PRESENT
            if home:
                status = Status.EXCUSED
            elif random.random() < 0.05:
                status = random.choice((Status.LATE, Status.UNEXCUSED))
            starts = datetime.combine(day, time(8 + place), UTC)
            events.append(
                AttendanceEvent(
                    school="alvik",
                    pupil="p1",
                    lesson=f"8A-{day:%Y%m%d}-{place}",
                    starts_at=starts,
                    minutes=40 + 5 * (place + day.weekday()) % 30,
                    subject=SUBJECTS[(5 * day.weekday() + place) % 8],
                    status=status,
                    absent_minutes=0,
                    recorded_at=starts + timedelta(seconds=random.randint(60, 2400)),
                    group=f"8A-{SUBJECTS[(5 * day.weekday() + place) % 8]}",
                )
            )
        whole = [each for each in events if each.status in WHOLLY_ABSENT]
        for each in whole:
            events[events.index(each)] = each.model_copy(update={"absent_minutes": each.minutes})
        yield AttendanceBatch(source="test", history=True, events=events)
        yield DayClosed(school="alvik", date=day, history=True)


def folded(facts: Iterator[Fact]) -> Partition:
    partition = Partition()
    for number, fact in enumerate(facts, 1):
        partition.fold((number, 0), fact)
    return partition


def test_after_a_year_of_1300_lessons_a_record_takes_at_most_16_kb() -> None:
    for away in (0.06, 0.2, 0.3):
        pupil = folded(a_year(away, 1300)).schools["alvik"].pupils["p1"]

        assert len(pack(pupil)) <= 16_384


def test_a_record_gives_the_pupil_back() -> None:
    pupil = folded(a_year(0.2, 900)).schools["alvik"].pupils["p1"]

    again = unpack(pack(pupil))

    for name in ("folded", "lessons", "old", "enrolment", "findings", "ended", "corrected"):
        assert getattr(again, name) == getattr(pupil, name)
