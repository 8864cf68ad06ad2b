"""An explanation says what the fold has: figures beside limits, what is open, and since when."""

import json
import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from services.rules.example import EXAMPLE_CALENDAR, facts
from services.rules.explain import ExplainError, explain
from services.rules.explain_text import Asked, show
from services.rules.explanation import Day, Explanation, RuleSeen
from services.rules.partition import Partition
from services.rules.replay import Replay
from shared.config import read_config
from shared.events import (
    AttendanceBatch,
    AttendanceEvent,
    CalendarChanged,
    CaseAnswer,
    CaseStep,
    CaseTold,
    DayClosed,
    Fact,
    PupilRecord,
    RulebookChanged,
    Status,
    StepKind,
)
from shared.rulebook import Condition, Example, Rulebook
from tests.streams import CALENDAR_CONTENT, random_stream

SHIPPED = read_config(Path("deploy/config/rulebook.yaml"), Rulebook).model_dump(mode="json")
"""Every pattern's rule."""

DAYS = EXAMPLE_CALENDAR.school_days
"""From Monday 18 August 2025 on, without any day off."""

RULEBOOK: dict[str, Any] = {
    "clear_after": 10,
    "cool_down": 5,
    "handover": {"days": 40, "factor": 0.6},
    "rules": [
        {
            "id": "unbroken",
            "title": {"sv": "Sammanhängande frånvaro", "en": "Unbroken absence"},
            "levels": {
                1: {"indicator": "absent_run", "at_least": 3},
                2: {"indicator": "absent_run", "at_least": 5},
            },
        },
        {
            "id": "high",
            "title": {"sv": "Hög total frånvaro", "en": "High total absence"},
            "levels": {
                1: {"indicator": "absence_share", "days": 20, "at_least": "0.10"},
                3: {"indicator": "absence_share", "days": 20, "at_least": "0.50"},
            },
        },
        {
            "id": "unexcused",
            "title": {"sv": "Ogiltig frånvaro", "en": "Unexcused absence"},
            "evaluate": "on_event",
            "levels": {
                2: {
                    "all": [
                        {"indicator": "unexcused_lessons", "days": 10, "at_least": 3},
                        {"indicator": "unexcused_days", "days": 10, "at_least": 2},
                    ]
                }
            },
        },
        {
            "id": "unanswered",
            "title": {"sv": "Obesvarad signal", "en": "Unanswered finding"},
            "clear_after": 1,
            "levels": {
                1: {"indicator": "unanswered", "at_least": 3},
                2: {"indicator": "unanswered", "at_least": 5},
            },
            "audience": {1: ["contact_teacher"], 2: ["eht"]},
        },
    ],
}


def in_force(rulebook: dict[str, Any], calendar: dict[str, Any]) -> list[Fact]:
    return [
        CalendarChanged(version="kalender-1", content=calendar),
        RulebookChanged(version="regelbok-1", content=rulebook),
    ]


def replay(
    stream: Iterable[Fact],
    *,
    known_on: date | None = None,
    rulebook: dict[str, Any] = RULEBOOK,
    whom: tuple[str, str] = ("example", "example"),
) -> Replay:
    """One pupil's part of a stream, with the examples' calendar in force."""
    told = Replay(*whom, known_on)
    calendar = EXAMPLE_CALENDAR.model_dump(mode="json")
    for number, fact in enumerate([*in_force(rulebook, calendar), *stream], 1):
        told.fold((number, 0), fact)
    return told


def strip(days: str, **more: Any) -> list[Fact]:
    return facts(Example(strip=days, level=0, **more))


def seen(days: str, *more: Fact, as_of: date | None = None, **how: Any) -> Explanation:
    return explain(replay([*strip(days), *more], **how), as_of)


def rule_of(explanation: Explanation, name: str) -> RuleSeen:
    (found,) = (rule for rule in explanation.rules if rule.rule == name)
    return found


def limits(explanation: Explanation, name: str) -> list[tuple[int, bool, Any, Any, Any, bool]]:
    """Level, does it hold, value, limit, eased limit, is it reached."""
    return [
        (
            level.level,
            level.holds,
            each.value,
            each.at_least,
            each.eased_at_least,
            each.reached,
        )
        for level in rule_of(explanation, name).levels
        for each in level.thresholds
    ]


def open_levels(explanation: Explanation) -> dict[str, int]:
    return {each.rule: each.level for each in explanation.open}


def correction(day: int, status: Status, lessons: int = 5, days_later: int = 1) -> Fact:
    """All lessons of a day of a strip, registered anew some days later."""
    start = datetime.combine(DAYS[day], datetime.min.time(), EXAMPLE_CALENDAR.zone)
    return AttendanceBatch(
        source="rättad",
        events=[
            AttendanceEvent(
                school="example",
                pupil="example",
                lesson=f"{DAYS[day]}-{number}",
                starts_at=start + timedelta(hours=7 + number),
                minutes=60,
                subject=f"subject-{number}",
                status=status,
                absent_minutes=0 if status is Status.PRESENT else 60,
                recorded_at=start + timedelta(days=days_later, hours=12),
            )
            for number in range(1, lessons + 1)
        ],
    )


def close(day: int) -> DayClosed:
    return DayClosed(school="example", date=DAYS[day])


def page(explanation: Explanation, width: int = 80, code: str = "sv", **asked: date) -> str:
    """What a pipe or a terminal without colours gets."""
    console = Console(width=width, color_system=None, highlight=False)
    with console.capture() as capture:
        show(explanation, console, code, Asked(**asked))
    return capture.get()


def words(text: str) -> str:
    """Without line breaks."""
    return " ".join(text.split())


# -- figures and limits


def test_each_level_stands_beside_its_limit_the_value_and_where_a_day_is_quiet() -> None:
    found = seen("ppppp*6 eeeee*4")

    assert limits(found, "unbroken") == [(1, True, 4, 3, 2.4, True), (2, False, 4, 5, 4, False)]
    assert rule_of(found, "unbroken").holds == 1
    assert not rule_of(found, "unbroken").quiet
    assert limits(found, "high") == [
        (1, True, 0.4, 0.1, 0.08, True),
        (3, False, 0.4, 0.5, 0.4, False),
    ]


def test_all_of_a_level_must_hold_and_what_joins_its_limits_is_said() -> None:
    found = seen("ppppp*6 uuupp")

    (level,) = rule_of(found, "unexcused").levels
    assert [(each.join, each.value, each.reached) for each in level.thresholds] == [
        ("", 3, True),
        ("and", 1, False),
    ]
    assert not level.holds
    assert rule_of(found, "unexcused").holds == 0


def test_a_rule_without_enough_data_says_what_it_needs_and_what_there_is() -> None:
    found = seen("ppppp*7 eeeee eeee-")

    high = rule_of(found, "high")
    assert high.holds is None
    assert not high.quiet
    (need,) = high.needs
    assert (need.counting_days, need.least_days, need.met) == (9, 10, False)
    assert need.coverage == pytest.approx(44 / 45)
    assert "9 dagar med lektioner (minst 10 behövs), 97,8 % registrerat" in words(page(found))


def test_one_day_is_told_as_one() -> None:
    found = seen("eeeee")

    assert "1 dag med lektioner (minst 10 behövs)" in words(page(found))
    assert "1 day with lessons (at least 10 needed)" in words(page(found, code="en"))


def test_open_rules_come_first_then_those_that_hold() -> None:
    found = seen("ppppp*20 uuuuu*5 ppppp")

    assert [(rule.rule, rule.open_level, rule.holds) for rule in found.rules] == [
        ("unexcused", 2, 2),
        ("unbroken", 2, 0),
        ("high", 1, 1),
        ("unanswered", 0, 0),
    ]


def test_a_sensitive_pupil_has_lower_limits_for_a_while() -> None:
    new = [*strip("ppppp*6 eeeee*2 ppppp*2", need=True)]

    found = explain(replay(new), DAYS[7])

    assert (found.who.sensitive, found.who.sensitive_until) == (True, DAYS[39])
    assert limits(found, "unbroken")[0] == (1, True, 2, 1.8, 1.44, True)
    assert "lägre gränser till och med fre 10 okt (60 % av de vanliga)" in words(page(found))
    assert not seen("ppppp*8").who.sensitive


@pytest.mark.parametrize("seed", range(2))
def test_reached_limits_and_holding_levels_agree_with_what_judges(seed: int) -> None:
    """What is compared to be shown, put together as the level is, is what the engine says."""
    stream = random_stream(seed, pupils=4, days=70, rulebooks={"shipped": SHIPPED})
    rules = {rule.id: rule for rule in Rulebook.model_validate(SHIPPED).rules}
    held = 0
    for told in replays(stream, SHIPPED):
        found = explain(told)
        for rule in found.rules:
            for level in rule.levels:
                condition = rules[rule.rule].levels[level.level]
                if holds(condition, iter([each.reached for each in level.thresholds])):
                    held += 1
                    assert rule.holds is None or rule.holds >= level.level
                else:
                    assert not level.holds
    assert held


def holds(condition: Condition, reached: Any) -> bool:
    if condition.indicator is not None:
        return bool(next(reached))
    parts = [holds(part, reached) for part in condition.all or condition.any or ()]
    return all(parts) if condition.all else any(parts)


# -- as of a day, known on a day


def test_what_was_known_on_a_day_is_without_the_corrections_since() -> None:
    stream = [*strip("ppppp*10 eeeee*3"), correction(11, Status.PRESENT), close(13)]

    then = explain(replay(stream, known_on=DAYS[12]))
    now = explain(replay(stream), DAYS[12])

    assert (then.as_of, now.as_of) == (DAYS[12], DAYS[12])
    assert limits(then, "unbroken")[0][2] == 3
    assert limits(now, "unbroken")[0][2] == 1
    assert open_levels(then) == {"unbroken": 1, "high": 1}
    assert open_levels(now) == {"high": 1}
    assert letters(then)[DAYS[11]] == "GGGGG"
    assert letters(now)[DAYS[11]] == "·····"
    assert (then.known_on, then.complete) == (DAYS[12], False)
    assert (now.known_on, now.complete) == (DAYS[13], True)


def test_what_a_correction_took_away_is_told_among_what_ended() -> None:
    stream = [*strip("ppppp*10 eeeee*3"), correction(11, Status.PRESENT), close(13)]

    (over,) = explain(replay(stream)).ended

    assert (over.rule, over.since, over.on, over.cleared) == (
        "unbroken",
        DAYS[12],
        DAYS[13],
        False,
    )
    shown = words(page(explain(replay(stream))))
    assert "nivå 1 (bevaka), sedan ons 3 sep, borttagen tor 4 sep genom rättade" in shown


def test_a_day_looked_back_at_shows_what_was_open_then() -> None:
    stream = strip("ppppp*6 eeeee*5 ppppp*20")

    back = explain(replay(stream), DAYS[9])
    (finding,) = (each for each in back.open if each.rule == "unbroken")

    assert (finding.level, finding.since, finding.quiet_days) == (1, DAYS[8], None)
    assert open_levels(explain(replay(stream), DAYS[10]))["unbroken"] == 2
    assert "unbroken" not in open_levels(explain(replay(stream)))
    assert "unbroken" in {each.rule for each in explain(replay(stream)).ended}


def test_a_weekend_stands_for_the_friday_before_and_says_so() -> None:
    saturday = DAYS[4] + timedelta(days=1)

    found = seen("ppppp*8", as_of=saturday)

    assert found.as_of == DAYS[4]
    shown = words(page(found, as_of=saturday))
    assert f"{saturday} är ingen skoldag; därför visas skoldagen före." in shown
    assert explain(replay(strip("ppppp*8"), known_on=saturday)).known_on == DAYS[4]


def test_the_open_day_may_be_asked_for_and_no_later_one() -> None:
    found = seen("ppppp*6 eeeee*4", as_of=DAYS[10])

    assert (found.as_of, found.closed) == (DAYS[10], False)
    assert "en dag som inte har stängts ännu" in words(page(found))
    with pytest.raises(ExplainError, match=f"yet to come.*{DAYS[10]}"):
        seen("ppppp*6 eeeee*4", as_of=DAYS[11])


def test_a_finding_that_did_not_wait_for_the_close_is_open_already() -> None:
    found = seen("ppppp*6 uuppp", correction(7, Status.UNEXCUSED, days_later=0))

    (finding,) = found.open
    assert (finding.rule, finding.level, finding.since) == ("unexcused", 2, DAYS[7])
    assert found.as_of == DAYS[6]


def test_who_is_not_known_and_days_that_cannot_be_judged_are_refused() -> None:
    with pytest.raises(ExplainError, match="nothing is known of a pupil example/nobody"):
        explain(replay(strip("ppppp*3"), whom=("example", "nobody")))
    with pytest.raises(ExplainError, match=f"up to the close of {DAYS[0] - timedelta(days=9)}"):
        explain(replay([close(0), *strip("ppppp")], known_on=DAYS[0] - timedelta(days=9)))
    with pytest.raises(ExplainError, match="no day of example has been closed"):
        explain(replay(strip("ppppp")[:-1]))
    with pytest.raises(ExplainError, match="no school day lies on or before"):
        seen("ppppp*3", as_of=DAYS[0] - timedelta(days=1))


def test_a_long_replay_still_shows_the_lessons_that_the_fold_forgot() -> None:
    stream = strip("ppppp*5 eeeee*3 ppppp*120")

    back = explain(replay(stream), DAYS[9])

    assert letters(back)[DAYS[0]] == "·····"
    assert letters(back)[DAYS[6]] == "GGGGG"


# -- who


def told_on(day: int) -> CaseTold:
    return CaseTold(school="example", pupil="example", recipient="lärare-1", on=DAYS[day])


def answer(what: Any, day: int, **more: Any) -> CaseAnswer:
    return CaseAnswer(
        school="example", pupil="example", answer=what, by="lärare-1", on=DAYS[day], **more
    )


def test_without_an_open_finding_nobody_need_act() -> None:
    found = seen("ppppp*12")

    assert (found.who.responsible, found.who.why) == ([], "nothing_open")
    assert found.open == []
    assert "ingen signal är öppen" in words(page(found))


def test_the_audience_of_what_is_open_is_responsible_and_a_deadline_waits() -> None:
    found = seen("ppppp*6 eeeee*3", told_on(8), *(close(day) for day in (9, 10)))

    assert found.who.responsible == ["contact_teacher"]
    assert found.who.waiting_since == DAYS[8]
    deadline = found.who.deadline
    assert deadline is not None
    assert (deadline.on, deadline.after_days, deadline.level) == (DAYS[11], 3, 1)
    later = seen("ppppp*6 eeeee*3", told_on(8), *(close(day) for day in range(9, 13)))
    assert later.who.deadline is not None
    assert (later.who.deadline.on, later.who.deadline.audience) == (DAYS[13], ["eht"])
    shown = words(page(later))
    assert "Avisering: tor 28 aug till lärare-1." in shown
    assert "Utan svar går det vidare till EHT tor 4 sep (5 skoldagar)." in shown


def test_an_answer_ends_the_waiting_and_a_lift_or_take_over_leads_to_eht() -> None:
    until = DAYS[15]

    talked = seen("ppppp*6 eeeee*3", told_on(8), answer("known_cause", 8, until=until))
    lifted = seen("ppppp*6 eeeee*3", told_on(8), answer("lift", 8))
    taken = seen("ppppp*6 eeeee*3", answer("lift", 8), answer("takes_over", 8))
    before = seen("ppppp*3 eeeee*3", answer("lift", 0))

    assert (talked.who.why, talked.who.waiting_since) == ("audience", None)
    assert "known_cause" in {each.answer for each in talked.who.answers}
    assert "känd orsak till mån 8 sep" in words(page(talked))
    assert (lifted.who.responsible, lifted.who.why) == (["eht"], "lifted")
    assert (taken.who.responsible, taken.who.why) == (["eht"], "taken_over")
    assert before.who.why == "audience"


# -- what is open


def test_an_open_finding_tells_why_how_quiet_and_what_would_clear_it() -> None:
    found = seen("ppppp*10 eeeee*4 ppppp*3")

    finding = next(each for each in found.open if each.rule == "unbroken")
    assert (finding.level, finding.since, finding.quiet_days) == (1, DAYS[12], 3)
    assert "3 hela frånvarodagar i rad (gränsen är 3)" in finding.words["sv"]
    shown = words(page(found))
    assert "► Sammanhängande frånvaro, nivå 1 (bevaka), sedan ons 3 sep" in shown
    assert "Lugna dagar i rad hittills: 3 av 10." in shown
    assert "antalet hela frånvarodagar i rad är högst 2" in shown


def test_a_finding_within_the_cool_down_says_until_when_telling_waits() -> None:
    rulebook = {**RULEBOOK, "clear_after": 1, "cool_down": 10}

    found = seen("ppppp*10 eeeee*3 ppppp eeeee*3", rulebook=rulebook)

    finding = next(each for each in found.open if each.rule == "unbroken")
    assert finding.held_until == DAYS[23]
    assert "Aviseringen väntar till tor 18 sep." in words(page(found))


def test_rulebook_and_calendar_are_named_with_since_when() -> None:
    changed = RulebookChanged(version="regelbok-2", content=RULEBOOK)
    stream = [*strip("ppppp*6"), changed, close(6), close(7)]

    now, before = explain(replay(stream)), explain(replay(stream), DAYS[4])

    assert (now.rulebook, now.rulebook_since) == ("regelbok-2", DAYS[6])
    assert (before.rulebook, before.rulebook_since) == ("regelbok-1", DAYS[0])
    assert (now.calendar, now.calendar_since) == ("kalender-1", DAYS[0])


# -- the strip


def letters(explanation: Explanation) -> dict[date, str]:
    """What the page shows of each day."""
    dates = [day.date for day in explanation.strip]
    rows = [line for line in page(explanation, 100).splitlines() if line.startswith("v. ")]
    assert len(dates) == 5 * len(rows)
    found: dict[date, str] = {}
    for week, row in enumerate(rows):
        cells = [each.strip("[]") for each in row.replace("[", " ").replace("]", " ").split()]
        shown = [each for each in cells if re.fullmatch(r"[·SGLOABsglo?-]{2,}", each)]
        days = [day for day in explanation.strip[5 * week : 5 * week + 5] if day.lessons]
        found |= {day.date: text for day, text in zip(days, shown, strict=True)}
    return found


def test_the_strip_is_the_last_eight_school_weeks_with_a_letter_a_lesson() -> None:
    found = seen("ppppp*48 pleu- vvopp")

    assert len(found.strip) == 8 * 5
    assert (found.strip[0].date, found.strip[-1].date) == (DAYS[10], DAYS[49])
    assert sum(day.counts for day in found.strip) == 40
    assert letters(found)[DAYS[48]] == "·SGO-"
    assert letters(found)[DAYS[49]] == "LLA··"
    assert "[LLA··]" in page(found)


def test_part_of_a_lesson_has_a_small_letter_and_the_open_day_a_question_mark() -> None:
    stream = strip("ppppp*6 eeeee")
    batch = next(fact for fact in stream[::-1] if isinstance(fact, AttendanceBatch))
    part = batch.events[0].model_copy(
        update={
            "absent_minutes": 20,
            "recorded_at": batch.events[0].recorded_at + timedelta(minutes=1),
        }
    )
    coming = correction(7, Status.PRESENT, lessons=2, days_later=0)

    found = seen(
        "ppppp*6 eeeee", batch.model_copy(update={"events": [part]}), coming, as_of=DAYS[7]
    )

    assert letters(found)[DAYS[6]] == "gGGGG"
    assert "[··?]" in page(found)


def test_days_off_say_so_and_days_before_the_enrolment_do_not_count() -> None:
    calendar = EXAMPLE_CALENDAR.model_dump(mode="json")
    calendar["school_years"][0]["days_off"] = [
        {"first": "2025-08-25", "last": "2025-08-26", "why": "studiedagar"}
    ]
    stream = [
        CalendarChanged(version="kalender-2", content=calendar),
        *strip("ppppp*12"),
        PupilRecord(
            school="example",
            pupil="example",
            enrolled=DAYS[2],
            valid_from=DAYS[0],
            recorded_at=datetime(2025, 9, 9, tzinfo=EXAMPLE_CALENDAR.zone),
            bus="811",
            **{"class": "7A"},
        ),
        close(12),
    ]

    found = explain(replay(stream))

    days: dict[date, Day] = {day.date: day for day in found.strip}
    assert [days[DAYS[place]].counts for place in (0, 2, 4)] == [False, True, True]
    assert (days[DAYS[5]].school_day, days[DAYS[5]].why) == (False, "studiedagar")
    shown = page(found)
    assert "lov" in shown
    assert "studiedagar" in shown
    assert "klass 7A · inskriven 2025-08-20" in shown


@pytest.fixture(scope="module")
def explanations() -> list[Explanation]:
    stream = random_stream(3, pupils=4, days=70, rulebooks={"shipped": SHIPPED})
    return [explain(told) for told in replays(stream, SHIPPED)]


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("code", ["sv", "en"])
def test_a_page_keeps_within_the_width_and_without_colours(
    explanations: list[Explanation], width: int, code: str
) -> None:
    for each in explanations:
        text = page(each, width, code)
        assert max(map(len, text.splitlines())) <= width
        assert "\x1b" not in text
        assert "None" not in text


# -- the same as the owner has


def replays(stream: Sequence[Fact], rulebook: dict[str, Any]) -> list[Replay]:
    """Everybody's part of a stream, with its own calendar in force."""
    entries = [*in_force(rulebook, CALENDAR_CONTENT), *stream]
    people = {
        (event.school, event.pupil)
        for fact in stream
        if isinstance(fact, AttendanceBatch)
        for event in fact.events
    }
    found = []
    for whom in sorted(people):
        told = Replay(*whom)
        for number, fact in enumerate(entries, 1):
            told.fold((number, 0), fact)
        found.append(told)
    return found


@pytest.mark.parametrize("seed", range(2))
def test_a_pupil_replayed_alone_has_the_record_and_steps_that_the_owner_has(seed: int) -> None:
    stream = random_stream(seed)
    rulebook = SHIPPED
    owner = Partition()
    steps: list[CaseStep] = []
    for number, fact in enumerate([*in_force(rulebook, CALENDAR_CONTENT), *stream], 1):
        messages = owner.fold((number, 0), fact).messages
        steps += [each for each in messages if isinstance(each, CaseStep)]

    for told in replays(stream, rulebook):
        pupil = owner.schools[told.school].pupils[told.name]
        assert told.pupil is not None
        assert record(told.pupil) == record(pupil)
        mine = [each for each in steps if (each.school, each.pupil) == (told.school, told.name)]
        assert told.steps == mine
        assert open_levels(explain(told)) == standing(mine)
    assert steps


def record(pupil: Any) -> dict[str, Any]:
    """Without what is of the partition: place, entry, tallies, and what is found again."""
    known = msgspec.structs.asdict(pupil)
    return {
        name: value
        for name, value in known.items()
        if name not in ("slot", "folded", "tally", "base", "old")
    }


def standing(steps: Iterable[CaseStep]) -> dict[str, int]:
    levels: dict[str, int] = {}
    for step in steps:
        level = step.level if step.kind in (StepKind.OPENED, StepKind.RAISED) else 0
        levels[step.rule] = step.remaining or level
    return {rule: level for rule, level in levels.items() if level}


def test_the_json_holds_all_of_it_under_keys_that_stay() -> None:
    told = json.loads(seen("ppppp*10 eeeee*3").as_json)

    assert list(told) == [
        *("school", "pupil", "as_of", "closed", "known_on", "complete"),
        *("rulebook", "rulebook_since", "calendar", "calendar_since"),
        *("who", "strip", "rules", "open", "ended"),
    ]
    assert told["as_of"] == "2025-09-03"
    assert told["strip"][0]["lessons"][0]["status"] == "present"
    assert told["strip"][0]["lessons"][0]["starts_at"] == "2025-08-18T08:00:00+02:00"
    assert told["open"][0]["since"] <= "2025-09-03"
