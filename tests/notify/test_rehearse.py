"""What would have been told, over recorded events: as live, and what its readers would say."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import count
from pathlib import Path

import pytest

from services.ingest.csv_export import write_events
from services.ingest.imports import Report
from services.ingest.roster import write_roster
from services.ingest.simulated import roster as simulated_roster
from services.ingest.simulated import simulate
from services.notify.answers import Given, answer
from services.notify.desk import Desk
from services.notify.routing import Routing
from services.notify.telling import World
from services.recorded import recorded
from services.rehearse import (
    Answered,
    Answering,
    Happened,
    Rehearsal,
    Told,
    Untold,
    turning_points,
    with_time,
)
from services.rehearse import Telling as Rehearsed
from services.routes import rosters_in
from services.told import Summary
from shared.calendar import SchoolCalendar
from shared.config import CALENDAR as CALENDAR_FILE
from shared.config import RULEBOOK, read_config
from shared.events import (
    AnswerKind,
    AttendanceBatch,
    CaseMessage,
    CaseStep,
    DayClosed,
    SchoolLive,
    TimeReached,
)
from shared.roster import Roster
from shared.rulebook import Rulebook
from tests.notify.examples import (
    CALENDAR,
    EHT,
    FRIDAY,
    OTHER_TEACHER,
    PUPIL,
    SCHOOL,
    TEACHER,
    THURSDAY,
    WEDNESDAY,
    ZONE,
    at,
    away,
    member,
    pupil,
    roster,
    step,
)

CONFIG = Path(__file__).parents[2] / "deploy" / "config"
RULES = read_config(CONFIG / RULEBOOK, Rulebook)
SCHOOL_YEAR = read_config(CONFIG / CALENDAR_FILE, SchoolCalendar)
BREAK = (date(2025, 10, 25), date(2025, 11, 2))

DAYS = 53
"""School days: past the autumn break and the night that turns summer time off."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recorded events of a school of 40 pupils, with its roster."""
    folder = tmp_path_factory.mktemp("recorded")
    events = simulate(SCHOOL_YEAR, schools=1, pupils=40, days=DAYS, seed=5)
    with (folder / "events.csv").open("w", encoding="utf-8", newline="") as file:
        write_events(events, file)
    write_roster(simulated_roster(SCHOOL_YEAR, schools=1, pupils=40, seed=5), folder)
    return folder


Run = Callable[..., list[Happened]]


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    def run(share: float | None = None, *, every_quarter: bool = False) -> list[Happened]:
        answering = None if share is None else Answering(share, 1, SCHOOL_YEAR)
        rehearsal = Rehearsal(
            RULES, SCHOOL_YEAR, Routing(), rosters_in(folder), answering, every_quarter
        )
        facts = recorded(folder / "events.csv", SCHOOL_YEAR, folder, Report())
        return list(rehearsal.over(facts))

    return run


@pytest.fixture(scope="module")
def unanswered(run: Run) -> list[Happened]:
    return run()


@pytest.fixture(scope="module")
def answered(run: Run) -> list[Happened]:
    return run(1.0)


def told(happened: list[Happened]) -> list[Told]:
    return [each for each in happened if isinstance(each, Told)]


def rules_told(happened: list[Happened]) -> Counter[str]:
    return Counter(
        each.item.finding.rpartition(" ")[2] for message in told(happened) for each in message.items
    )


# A school's autumn


def test_to_look_only_when_something_may_have_changed_tells_the_same(
    answered: list[Happened], run: Run
) -> None:
    assert run(1.0, every_quarter=True) == answered


def test_nobody_is_told_at_night_or_on_a_day_off(unanswered: list[Happened]) -> None:
    times = [each.at.astimezone(ZONE) for each in told(unanswered)]

    assert times
    assert times == sorted(times)
    assert all(SCHOOL_YEAR.is_school_day(each.date()) for each in times)
    assert all(7 <= each.hour < 18 for each in times)
    assert not any(BREAK[0] <= each.date() <= BREAK[1] for each in times)
    assert any(each.date() > BREAK[1] for each in times)


def test_tellings_reach_the_rules_and_so_do_answers(
    unanswered: list[Happened], answered: list[Happened]
) -> None:
    assert rules_told(unanswered)["unanswered"] > 0
    assert rules_told(answered)["unanswered"] < rules_told(unanswered)["unanswered"]
    assert not any(isinstance(each, Answered) for each in unanswered)
    assert any(isinstance(each, Answered) for each in answered)


def test_what_is_owed_at_the_end_is_told_of_with_why_it_waits(unanswered: list[Happened]) -> None:
    last = [each for each in unanswered if isinstance(each, Untold)]

    assert last == unanswered[-len(last) :]
    assert all(each.finding.told.get(each.recipient) is None for each in last)


def test_the_summary_counts_what_was_told(unanswered: list[Happened]) -> None:
    summary = Summary(SCHOOL_YEAR)
    for each in unanswered:
        summary.note(each)
    found, messages = summary.as_json, told(unanswered)

    assert found["messages"] == len(messages)
    assert sum(each["messages"] for each in found["by_recipient"].values()) == len(messages)
    assert sum(found["kinds"].values()) == len(messages)
    assert found["busiest"][0]["messages"] == max(
        each["busiest"] for each in found["by_recipient"].values()
    )
    assert found["nobody_reached"] == 0


# School time


def test_registrations_closes_and_quarter_hours_come_in_the_order_of_their_time(
    folder: Path,
) -> None:
    facts = recorded(folder / "events.csv", SCHOOL_YEAR, folder, Report())
    reached = closed = datetime.fromtimestamp(0, ZONE)
    days, quarters, live = [], Counter[date](), 0
    for fact in with_time(facts, SCHOOL_YEAR):
        match fact:
            case TimeReached(at=when):
                assert when > reached
                reached = when
                quarters[when.astimezone(ZONE).date()] += 1
            case DayClosed():
                closed = SCHOOL_YEAR.closes_at(fact.date)
                assert not fact.history
                assert reached < closed
                days.append(fact.date)
            case SchoolLive():
                live += 1
            case AttendanceBatch():
                assert not fact.history
                known = [each.recorded_at for each in fact.events]
                first, last = (datetime.fromisoformat(str(known[n])) for n in (0, -1))
                assert max(reached, closed) < first or not days
                assert first <= last
    assert days == list(SCHOOL_YEAR.school_days[:DAYS])
    assert live == 1
    assert quarters[date(2025, 10, 25)] == 96
    assert quarters[date(2025, 10, 26)] == 100


def test_any_hour_may_matter_when_the_clock_is_changed_and_few_do_else() -> None:
    turns = turning_points(CALENDAR, Routing(), [roster()])

    assert turns(at(date(2025, 10, 26), "03:30"))
    assert not turns(at(THURSDAY, "03:30"))
    assert all(turns(at(THURSDAY, clock)) for clock in ("00:00", "07:00", "15:00", "17:00"))
    assert turning_points(CALENDAR, Routing(default_slot="thu 15:05"), [])(at(FRIDAY, "15:15"))


# One desk


@dataclass
class Lived:
    """A rehearsed desk that steps are folded into by hand."""

    rehearsed: Rehearsed

    def at(self, day: date, clock: str, *messages: CaseMessage) -> list[Told]:
        for message in messages:
            self.rehearsed.fold(message)
        return self.rehearsed.reach(at(day, clock))

    @property
    def desk(self) -> Desk:
        return self.rehearsed.desk

    def set_roster(self, known: Roster) -> None:
        self.rehearsed.world = replace(self.rehearsed.world, rosters={SCHOOL: known})


def lived(known: Roster | None = None, routing: Routing | None = None) -> Lived:
    numbers = count(1)
    rosters = {SCHOOL: known or roster()}
    world = World(routing or Routing(), CALENDAR, rosters, 1, lambda: f"{next(numbers)}")
    begun = Lived(Rehearsed(world))
    begun.at(WEDNESDAY, "08:00")
    return begun


def who(messages: list[Told]) -> list[tuple[str, str]]:
    return [(each.message.kind, each.message.recipient.staff) for each in messages]


def test_what_waited_says_why() -> None:
    school = lived()

    assert school.at(WEDNESDAY, "19:00", step(level=3)) == []
    (message,) = school.at(THURSDAY, "07:00")

    assert who([message]) == [("immediate", EHT)]
    assert message.channel == "sms"
    assert message.items[0].waited == ("quiet hours",)


def test_a_list_in_quiet_hours_leaves_when_they_are_over() -> None:
    school = lived(routing=Routing(default_slot="wed 19:00"))

    assert school.at(WEDNESDAY, "19:00", step()) == []
    (message,) = school.at(THURSDAY, "07:00")

    assert who([message]) == [("digest", TEACHER)]
    assert message.items[0].waited == ("quiet hours",)


def test_nobody_who_can_be_reached_is_a_message_that_reached_nobody() -> None:
    rows = roster(member(TEACHER, "contact_teacher", email="", mobile=""), pupil(PUPIL))
    (message,) = lived(rows).at(THURSDAY, "15:00", step())

    assert message.channel == ""


def test_what_the_brake_holds_is_let_go_at_the_next_quarter_hour() -> None:
    teachers = [f"kt-{n}" for n in range(1, 26)]
    rows = roster(
        *(member(each, "contact_teacher") for each in teachers),
        member("sam", "coordinator"),
        *(pupil(f"elev-{n}", each) for n, each in enumerate(teachers)),
    )

    def everybody(rule: str) -> list[CaseMessage]:
        of = range(len(teachers))
        kt = ("contact_teacher",)
        return [step(level=3, pupil=f"elev-{n}", rule=rule, audience=kt) for n in of]

    school = lived(rows)
    first = school.at(WEDNESDAY, "12:00", *everybody("one"))
    held = school.at(WEDNESDAY, "12:15", *everybody("two"))
    let_go = school.at(WEDNESDAY, "12:30")

    assert len(first) == len(teachers)
    assert who(held) == [("storm", "sam")]
    assert len(let_go) == len(teachers)


# What a reader would complain of


def better() -> CaseStep:
    return step(level=1, rule="improvement", good_news=True)


def answer_of(school: Lived, kind: AnswerKind, day: date) -> None:
    given = Given(SCHOOL, PUPIL, kind, TEACHER, at(day, "16:00"))
    answer(school.desk, given, Routing(), CALENDAR)


def test_good_news_is_told_once_whatever_is_answered() -> None:
    school = lived()
    assert who(school.at(THURSDAY, "15:00", step(), better())) == [("digest", TEACHER)]
    answer_of(school, "talked", THURSDAY)

    again = [
        item.item
        for day in (date(2025, 9, 18), date(2025, 9, 25), date(2025, 10, 2))
        for message in school.at(day, "15:00")
        for item in message.items
    ]

    assert [(item.good_news, item.again) for item in again] == [(True, False), (False, True)]


def test_good_news_is_not_lifted_to_eht() -> None:
    school = lived()
    school.at(THURSDAY, "15:00", step(), better())
    answer_of(school, "lift", THURSDAY)

    told = {
        message.message.recipient.staff: [item.item.good_news for item in message.items]
        for message in school.at(date(2025, 9, 18), "15:00")
    }

    assert told == {TEACHER: [True], EHT: [False]}


def test_an_answer_holds_no_good_news() -> None:
    school = lived()
    school.at(THURSDAY, "15:00", step())
    school.at(THURSDAY, "15:45", better())
    answer_of(school, "talked", THURSDAY)

    (message,) = school.at(date(2025, 9, 18), "15:00")

    assert [item.item.good_news for item in message.items] == [True]


def test_who_takes_over_is_handed_concerns_and_not_yesterdays_good_news() -> None:
    rows = roster(
        member(TEACHER, "contact_teacher"),
        member(OTHER_TEACHER, "contact_teacher"),
        member(EHT, "eht"),
        pupil(PUPIL),
    )
    school = lived(rows)
    school.at(THURSDAY, "15:00", step(), better())
    leave = (date(2025, 9, 15), date(2025, 9, 26))
    school.set_roster(away(rows, TEACHER, OTHER_TEACHER, first=leave[0], last=leave[1]))

    (message,) = school.at(date(2025, 9, 18), "15:00")

    assert message.message.recipient.staff == OTHER_TEACHER
    assert [(item.item.good_news, item.item.handed_over) for item in message.items] == [
        (False, True)
    ]


def test_what_rose_the_day_before_the_follow_up_is_not_sent_again_the_next_morning() -> None:
    school = lived()
    school.at(THURSDAY, "15:00", step())
    answer_of(school, "talked", THURSDAY)
    eve, follow_up = date(2025, 9, 24), date(2025, 9, 25)
    raised = step("raised", level=3, as_of=eve)
    school.at(eve, "16:45")

    assert who(school.at(eve, "17:00", raised)) == [("immediate", EHT)]
    assert school.at(follow_up, "07:00") == []
    assert who(school.at(follow_up, "15:00")) == [("digest", TEACHER)]
