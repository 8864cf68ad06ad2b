"""What makes telling wait, what lets it go, and what is then told."""

from datetime import UTC, date, datetime, timedelta

import pytest

from services.notify.routing import Route, Routing
from services.notify.rows import Case, Finding, Live, Outbreak, Send
from services.notify.stages.mute import Around, why_muted, why_quiet
from services.notify.stages.route import route
from shared.calendar import SchoolCalendar
from shared.events import CaseStep
from shared.roster import Roster
from tests.notify.examples import (
    CALENDAR,
    EHT,
    FRIDAY,
    OTHER_PUPIL,
    PUPIL,
    SCHOOL,
    TEACHER,
    THURSDAY,
    WEDNESDAY,
    Telling,
    at,
    live,
    member,
    pupil,
    reached,
    roster,
    step,
    unit_step,
)

TO_TEACHER, TO_EHT = f"{SCHOOL}/{TEACHER}", f"{SCHOOL}/{EHT}"
KEY = f"{SCHOOL}/{PUPIL} high-absence"
TUESDAY, MONDAY = date(2025, 9, 9), date(2025, 9, 15)
SATURDAY = date(2025, 9, 13)
NEXT_WEDNESDAY, NEXT_THURSDAY = date(2025, 9, 17), date(2025, 9, 18)
SOON = reached(WEDNESDAY, "17:15")
SLOT, NEXT_SLOT = reached(THURSDAY, "15:00"), reached(NEXT_THURSDAY, "15:00")

DAMPS = ("high-absence",)


@pytest.fixture
def telling() -> Telling:
    telling = Telling()
    telling.fold(reached(WEDNESDAY, "16:45"))
    return telling


def nothing_is_told(telling: Telling) -> bool:
    return (telling.outbox, telling.owed) == ([], [])


def kinds(telling: Telling) -> list[str]:
    return [kind for kind, _, _ in telling.outbox]


# Why

OUTBREAK = Outbreak(SCHOOL, "class/8B", "class-outbreak", DAMPS, WEDNESDAY)
A_CASE = Case(SCHOOL, PUPIL)
SILENT = Routing.model_validate(
    {"silences": [{"rules": ["high-absence"], "until": FRIDAY, "reason": "the new timetable"}]}
)


def settling(days: int, send: Send = "immediate") -> Routing:
    """Nobody is told of what has not stood for some school days."""
    return Routing(routes=(Route(send=send, settle_days=days),))


def finding(**fields: object) -> Finding:
    """A finding of the contact teacher's pupil that opened on Tuesday, at level 2."""
    known = Finding(
        SCHOOL,
        PUPIL,
        "",
        "high-absence",
        level=2,
        since=TUESDAY,
        opened="step",
        steps=("step",),
        shows="step",
        as_of=TUESDAY,
        came=at(TUESDAY),
        first=at(TUESDAY),
        audience=("contact_teacher",),
    )
    changed: Finding = known.but(**fields)
    return changed


def why(
    finding: Finding,
    when: datetime,
    routing: Routing | None = None,
    live: Live | None = None,
    case: Case | None = None,
    calendar: SchoolCalendar = CALENDAR,
) -> str:
    """Why the first recipient waits, when an outbreak began in their class on Wednesday."""
    routing = routing or Routing()
    rows = roster()
    (decision, *_) = route(finding, rows, routing, when.date())
    around = Around(when, calendar, routing, rows, live=live, case=case, outbreaks=(OUTBREAK,))
    return why_muted(finding, decision, around, at_once=decision.send == "immediate")


NOON, LATE = at(WEDNESDAY, "12:00"), at(WEDNESDAY, "19:00")


@pytest.mark.parametrize(
    ("fields", "when", "reason"),
    [
        ({}, NOON, ""),
        ({"as_of": WEDNESDAY}, NOON, "held while class-outbreak stood for the pupil's class"),
        ({"held_until": FRIDAY}, at(THURSDAY), "held until 2025-09-12"),
        ({"held_until": FRIDAY}, at(FRIDAY, "00:00"), ""),
        ({"shadow": True}, NOON, "its rule is being tried"),
        ({"as_of": date(2025, 6, 1)}, NOON, "of last school year"),
        ({"history": True}, NOON, "its school is not live"),
        ({"level": 3}, LATE, "quiet hours"),
        ({"level": 3}, at(SATURDAY, "12:00"), "a day off"),
        ({}, LATE, ""),
    ],
)
def test_a_reason_says_why_telling_waits(
    fields: dict[str, object], when: datetime, reason: str
) -> None:
    assert why(finding(**fields), when) == reason


@pytest.mark.parametrize(
    ("days", "send", "when", "reason"),
    [
        (0, "immediate", at(TUESDAY, "08:00"), ""),
        (1, "immediate", at(WEDNESDAY, "16:45"), "held until 2025-09-10"),
        (1, "immediate", at(WEDNESDAY), ""),
        (4, "immediate", at(FRIDAY), "held until 2025-09-15"),
        (4, "immediate", at(MONDAY), ""),
        (1, "digest", at(TUESDAY), "held until 2025-09-10"),
        (1, "digest", at(WEDNESDAY, "08:00"), ""),
    ],
)
def test_what_has_not_stood_for_long_enough_waits(
    days: int, send: Send, when: datetime, reason: str
) -> None:
    assert why(finding(level=3), when, settling(days, send)) == reason


def test_the_longer_wait_counts() -> None:
    cooling = finding(level=3, held_until=THURSDAY)

    assert why(cooling, at(WEDNESDAY), settling(1)) == "held until 2025-09-11"
    assert why(cooling, at(THURSDAY), settling(3)) == "held until 2025-09-12"


def test_a_held_start_list_says_so() -> None:
    hold = Routing(start_list="hold")
    first = Live(at(TUESDAY, "08:00"))
    released = first.but(released=at(WEDNESDAY, "08:00"))

    assert why(finding(history=True), NOON, hold, first) == "part of the start list, which waits"
    assert why(finding(history=True), NOON, hold, released) == ""
    assert why(finding(history=True), NOON, live=first) == ""


def test_a_known_cause_a_silence_and_a_taken_case_say_so() -> None:
    known = A_CASE.but(known_until=FRIDAY)
    taken = A_CASE.but(taken=True)

    assert why(finding(), NOON, case=known) == "its cause is known until 2025-09-12"
    assert why(finding(), NOON, SILENT) == "silenced until 2025-09-12: the new timetable"
    assert why(finding(), NOON, case=taken) == "EHT has taken the case"


def test_what_was_held_says_why_when_it_is_told(telling: Telling) -> None:
    telling.fold(step(held_until=FRIDAY), reached(FRIDAY), NEXT_SLOT)

    (message,) = telling.due()
    (item,) = message.items
    assert item.reason == "level 2 for contact_teacher; held until 2025-09-12"


def test_a_start_list_says_so_when_it_is_told(telling: Telling) -> None:
    telling.fold(step(history=True), live(), SLOT)

    (message,) = telling.due()
    (item,) = message.items
    assert item.reason == "level 2 for contact_teacher; start list"


# Units


def test_a_pupil_who_is_called_like_a_unit_is_not_taken_for_it(telling: Telling) -> None:
    telling.fold(step(pupil="school", rule="same"), unit_step("school", rule="same"))

    assert len(telling.desk.findings) == 2
    assert len(telling.owed) == 2


def test_a_units_signal_comes_in_the_digest_with_the_pupils(telling: Telling) -> None:
    telling.fold(step(level=3, audience=("contact_teacher",)), reached(WEDNESDAY))
    telling.send()
    telling.fold(unit_step(), step(pupil=OTHER_PUPIL), SLOT)

    (message,) = telling.outbox
    assert message[:2] == ("digest", TO_TEACHER)
    # The unit's id follows a slash where the pupil's would stand.
    assert sorted(message[2]) == ["/class/8B", OTHER_PUPIL]


def test_what_is_retracted_of_one_unit_stands_for_another(telling: Telling) -> None:
    telling.fold(unit_step("class/8B"), unit_step("class/8C", audience=("eht",)))
    telling.fold(unit_step("class/8C", "retracted", remaining=0), SLOT)

    assert telling.outbox == [("digest", TO_TEACHER, ["/class/8B"])]


# A rule that is being tried


def test_what_a_rule_in_trial_finds_is_told_to_nobody(telling: Telling) -> None:
    telling.fold(step(level=4, shadow=True), step("raised", level=4, shadow=True), SLOT, NEXT_SLOT)

    assert nothing_is_told(telling)
    assert telling.desk.take_routed() == []


def test_what_a_rule_in_trial_found_in_history_is_in_no_start_list(telling: Telling) -> None:
    telling.fold(step(shadow=True, history=True), live(), SLOT, live(FRIDAY), NEXT_SLOT)

    assert nothing_is_told(telling)


def test_a_rule_that_goes_on_trial_tells_no_more_but_corrects_what_it_told(
    telling: Telling,
) -> None:
    telling.fold(step(level=3), reached(WEDNESDAY))
    telling.send()
    telling.fold(step("raised", level=4, shadow=True), SLOT)
    raised = telling.outbox
    telling.fold(step("retracted", level=4, remaining=0, shadow=True), reached(THURSDAY, "15:15"))

    assert raised == []
    assert telling.outbox == [("correction", TO_EHT, [PUPIL])]


def test_a_rule_that_goes_on_trial_takes_back_what_is_unsent(telling: Telling) -> None:
    telling.fold(step(), SLOT, step("raised", level=2, shadow=True), NEXT_SLOT)

    assert nothing_is_told(telling)


def test_once_its_trial_is_over_a_rule_tells_what_it_finds_from_then_on(telling: Telling) -> None:
    raised = step("raised", level=3)
    telling.fold(step(shadow=True), raised, reached(WEDNESDAY))

    (message,) = telling.due()
    assert [item.steps for item in message.items] == [(raised.step_id,)]


def test_a_rule_in_trial_damps_nothing(telling: Telling) -> None:
    telling.fold(unit_step(damps=DAMPS, shadow=True), step(), SLOT)

    assert telling.outbox == [("digest", TO_TEACHER, [PUPIL])]


# Until a day


def test_a_held_signal_is_in_no_digest_before_its_day(telling: Telling) -> None:
    telling.fold(step(held_until=FRIDAY), SLOT, reached(FRIDAY))
    before = telling.outbox
    telling.fold(NEXT_SLOT)
    told = telling.send()
    telling.fold(reached(date(2025, 9, 25), "15:00"))

    assert before == []
    assert len(told) == 1
    assert telling.outbox == []
    assert telling.desk.findings[KEY].told.keys() == {TO_TEACHER}
    assert telling.desk.take_routed() == ["digest"]


@pytest.mark.parametrize("clock", ["00:00", "15:00", "17:00"])
def test_a_held_signal_is_in_the_digest_of_its_day_however_time_comes(
    telling: Telling, clock: str
) -> None:
    telling.fold(step(held_until=THURSDAY), reached(THURSDAY, clock), reached(THURSDAY, "17:15"))

    assert telling.outbox == [("digest", TO_TEACHER, [PUPIL])]
    (message,) = telling.due()
    assert message.made == at(THURSDAY, "15:00")


def test_a_slot_that_passed_before_the_day_is_not_held_again_for_it(telling: Telling) -> None:
    telling.fold(step(held_until=FRIDAY), step(pupil=OTHER_PUPIL), SLOT)
    telling.send()
    telling.fold(reached(FRIDAY))
    between = telling.outbox
    telling.fold(NEXT_SLOT)

    assert between == []
    assert telling.outbox == [("digest", TO_TEACHER, [PUPIL])]


def test_what_goes_at_once_is_held_until_the_close_of_its_day(telling: Telling) -> None:
    telling.fold(step(level=3, held_until=FRIDAY), reached(THURSDAY))
    before = telling.outbox
    telling.fold(reached(FRIDAY, "16:45"))
    before += telling.outbox
    telling.fold(step(level=3, pupil="elev-9", as_of=FRIDAY), reached(FRIDAY))

    assert before == []
    assert telling.outbox == [("immediate", TO_EHT, [PUPIL, "elev-9"])]
    (message,) = telling.due()
    assert message.made == at(FRIDAY)


def test_what_is_to_stand_first_is_told_at_once_after_its_days(telling: Telling) -> None:
    telling.routing = settling(3)
    telling.fold(step(level=3), reached(THURSDAY), reached(FRIDAY), reached(MONDAY, "16:45"))
    before = telling.outbox
    telling.fold(reached(MONDAY))

    (message,) = telling.due()
    assert before == []
    assert (message.kind, message.made) == ("immediate", at(MONDAY))
    assert message.items[0].reason == "level 3 for eht; held until 2025-09-15"


def test_what_is_corrected_before_its_days_are_over_is_told_to_nobody(telling: Telling) -> None:
    telling.routing = settling(1)
    telling.fold(step(level=3), reached(THURSDAY, "09:00"), step("retracted", 3, remaining=0))
    telling.fold(reached(THURSDAY), reached(FRIDAY), NEXT_SLOT)

    assert nothing_is_told(telling)


def test_a_raise_is_to_stand_for_its_own_days(telling: Telling) -> None:
    telling.routing = settling(1)
    telling.fold(step(level=3), reached(THURSDAY))
    first = telling.send()
    telling.fold(step("raised", level=4, as_of=THURSDAY), reached(FRIDAY, "16:45"))
    between = telling.outbox
    telling.fold(reached(FRIDAY))

    assert [item.level for message in first for item in message.items] == [3]
    assert between == []
    assert [item.level for message in telling.due() for item in message.items] == [4]


@pytest.mark.parametrize("kind", ["retracted", "cleared"])
@pytest.mark.parametrize("day", [THURSDAY, FRIDAY])
def test_what_ends_while_it_is_held_is_never_told(telling: Telling, kind: str, day: date) -> None:
    end = step("retracted", level=3, remaining=0) if kind == "retracted" else step("cleared")

    telling.fold(step(level=3, held_until=FRIDAY), reached(day, "16:45"), end)
    telling.fold(reached(FRIDAY), NEXT_SLOT)

    assert nothing_is_told(telling)
    assert telling.desk.findings == {}


def test_the_newest_step_says_whether_it_is_held(telling: Telling) -> None:
    opened, raised = step(held_until=FRIDAY), step("raised", level=3)
    telling.fold(opened, raised, reached(WEDNESDAY))
    at_once = telling.outbox
    telling.send()
    telling.fold(reached(FRIDAY), NEXT_SLOT)

    assert at_once == [("immediate", TO_EHT, [PUPIL])]
    assert telling.outbox == [("digest", TO_TEACHER, [PUPIL])]


def test_raised_on_the_day_itself_it_is_told_at_once_and_once(telling: Telling) -> None:
    opened, raised = step(level=3, held_until=FRIDAY), step("raised", level=4, as_of=THURSDAY)
    telling.fold(opened, reached(FRIDAY, "08:00"), raised, reached(FRIDAY, "08:15"))

    (message,) = telling.send()
    telling.fold(reached(FRIDAY), NEXT_SLOT)
    assert message.made == at(FRIDAY, "08:15")
    assert [item.steps for item in message.items] == [(opened.step_id, raised.step_id)]
    assert nothing_is_told(telling)


def test_a_raise_that_is_held_holds_what_is_unsent_too(telling: Telling) -> None:
    opened, raised = step(level=1, audience=("eht",)), step("raised", held_until=MONDAY)
    telling.routing = Routing.model_validate({"routes": [{"send": "digest"}]})
    telling.fold(opened, raised, SLOT)
    before = telling.outbox
    telling.fold(NEXT_SLOT)

    assert before == []
    assert {each.items[0].steps for each in telling.due()} == {(opened.step_id, raised.step_id)}


def test_a_raise_that_is_held_takes_its_finding_out_of_an_unsent_message(
    telling: Telling,
) -> None:
    telling.fold(step(level=3), reached(WEDNESDAY), step("raised", level=4, held_until=MONDAY))

    assert telling.send() == []


def test_a_held_raise_that_is_retracted_is_corrected_to_nobody(telling: Telling) -> None:
    telling.fold(step(), SLOT)
    telling.send()
    telling.fold(step("raised", level=3, audience=("contact_teacher",), held_until=MONDAY))
    telling.fold(step("retracted", level=3, remaining=2, audience=("contact_teacher",)))
    telling.fold(reached(MONDAY), NEXT_SLOT)

    assert nothing_is_told(telling)


def test_what_is_left_of_a_held_signal_is_told_on_its_day(telling: Telling) -> None:
    telling.fold(
        step(level=3, held_until=FRIDAY),
        step("retracted", level=3, remaining=2, audience=("contact_teacher",)),
        SLOT,
    )
    before = telling.outbox
    telling.fold(reached(FRIDAY), NEXT_SLOT)

    assert before == []
    assert telling.outbox == [("digest", TO_TEACHER, [PUPIL])]


def test_what_was_held_is_told_by_the_roster_of_its_day() -> None:
    rows = roster(
        member(TEACHER, "contact_teacher"),
        member("kt-2", "contact_teacher"),
        pupil(PUPIL, TEACHER),
        pupil(PUPIL, "kt-2", valid_from=FRIDAY),
    )
    telling = Telling(rosters={SCHOOL: rows})
    telling.fold(reached(WEDNESDAY), step(held_until=FRIDAY), reached(FRIDAY))

    assert telling.owed == [(f"{SCHOOL}/kt-2", PUPIL)]


def test_a_held_signal_waits_for_every_partition_to_reach_its_day() -> None:
    telling = Telling(partitions=2)
    telling.fold_all(reached(WEDNESDAY))
    telling.fold(step(held_until=FRIDAY), reached(FRIDAY), partition=0)
    before = telling.owed
    telling.fold(reached(FRIDAY), partition=1)

    assert before == []
    assert telling.owed == [(TO_TEACHER, PUPIL)]


def test_a_start_list_leaves_out_what_is_held_and_has_it_in_a_later_digest(
    telling: Telling,
) -> None:
    telling.fold(
        step(level=4, history=True, held_until=FRIDAY, audience=("contact_teacher",)),
        live(),
        SLOT,
    )
    before = telling.outbox
    telling.fold(reached(FRIDAY))
    at_once = telling.outbox
    telling.fold(NEXT_SLOT)

    assert (before, at_once) == ([], [])
    assert telling.outbox == [("digest", TO_TEACHER, [PUPIL])]


def test_a_start_list_has_what_is_held_until_the_day_of_its_slot(telling: Telling) -> None:
    telling.fold(
        step(level=4, history=True, held_until=THURSDAY, audience=("contact_teacher",)),
        live(),
        SLOT,
    )

    assert telling.outbox == [("digest", TO_TEACHER, [PUPIL])]


# While a class has an outbreak


def test_signals_of_a_classs_outbreak_are_held_until_it_ends(telling: Telling) -> None:
    telling.fold(unit_step(damps=DAMPS, audience=("eht",)), step(level=3), step(pupil=OTHER_PUPIL))
    telling.fold(SLOT)
    telling.send()
    during = telling.owed
    telling.fold(reached(FRIDAY, "16:45"), unit_step(kind="cleared", as_of=FRIDAY))
    telling.fold(reached(FRIDAY))
    at_once = telling.outbox
    telling.send()
    telling.fold(NEXT_SLOT)

    assert during == []
    assert at_once == [("immediate", TO_EHT, [PUPIL])]
    assert telling.outbox == [("digest", TO_TEACHER, [OTHER_PUPIL])]
    assert telling.desk.outbreaks == {}
    assert telling.desk.take_routed() == ["digest", "immediate", "digest"]


def test_what_an_outbreak_held_for_more_than_two_school_days_comes_in_the_digest(
    telling: Telling,
) -> None:
    telling.fold(unit_step(damps=DAMPS, level=1), step(level=3), reached(MONDAY, "16:45"))
    telling.fold(unit_step(kind="cleared", level=1, as_of=MONDAY), reached(MONDAY))
    at_once = telling.outbox
    telling.fold(NEXT_SLOT)

    assert at_once == []
    assert telling.outbox == [("digest", TO_EHT, [PUPIL])]


def test_a_units_step_that_comes_last_holds_what_is_unsent(telling: Telling) -> None:
    urgent, mild = step(level=3), step(pupil=OTHER_PUPIL)
    telling.fold(urgent, mild, reached(WEDNESDAY), unit_step(damps=DAMPS, audience=("eht",)))
    urgent_now = telling.send()
    telling.fold(SLOT)
    (of_the_class,) = telling.send()
    telling.fold(unit_step(kind="retracted", remaining=0), reached(THURSDAY, "15:15"), NEXT_SLOT)

    assert urgent_now == []
    assert [item.about for item in of_the_class.items] == [f"{SCHOOL}//class/8B"]
    told = {item.about.partition("/")[2]: item.steps for each in telling.due()
            for item in each.items if not item.correction}  # fmt: skip
    assert told == {PUPIL: (urgent.step_id,), OTHER_PUPIL: (mild.step_id,)}


def test_what_was_sent_before_the_units_step_came_is_not_taken_back(telling: Telling) -> None:
    telling.fold(step(level=3), reached(WEDNESDAY))
    telling.send()
    telling.fold(unit_step(damps=DAMPS), SOON, unit_step(kind="cleared"))
    telling.fold(reached(WEDNESDAY, "17:30"))

    assert telling.outbox == []


def test_a_message_in_doubt_is_left_to_its_outcome_and_told_once(telling: Telling) -> None:
    telling.fold(step(level=3, audience=("eht", "contact_teacher")), reached(WEDNESDAY))
    doubtful, other = telling.try_all()
    telling.refuse(other)
    telling.fold(unit_step(damps=DAMPS), SOON)
    during = telling.outbox
    telling.try_all()
    telling.fold(unit_step(kind="cleared"), reached(WEDNESDAY, "17:30"))

    assert during == [("immediate", str(doubtful.recipient), [PUPIL])]
    assert sorted(each[1] for each in telling.outbox) == sorted(
        [str(doubtful.recipient), str(other.recipient)]
    )


@pytest.mark.parametrize(
    "other",
    [
        step(as_of=TUESDAY, since=TUESDAY),
        step(rule="late-arrivals"),
        step(pupil="elev-in-8C"),
        step(pupil="elev-99"),
        step(school="skola-2"),
        unit_step("class/8B", rule="high-absence"),
        unit_step("school", rule="high-absence"),
    ],
    ids=[
        "a day before it",
        "another rule",
        "another class",
        "a pupil that no roster names",
        "another school",
        "the class itself",
        "the school",
    ],
)
def test_what_the_outbreak_is_no_reason_for_is_told(other: CaseStep) -> None:
    rows = roster(
        member(TEACHER, "contact_teacher"), pupil(), pupil("elev-in-8C", school_class="8C")
    )
    telling = Telling(rosters={SCHOOL: rows, "skola-2": Roster(school="skola-2")})
    telling.fold(reached(WEDNESDAY), unit_step(damps=DAMPS, level=1), other)

    assert len(telling.owed) == 1


def test_a_pupils_class_is_that_of_the_steps_day() -> None:
    rows = roster(
        member(TEACHER, "contact_teacher"),
        pupil(PUPIL, school_class="8C"),
        pupil(PUPIL, school_class="8B", valid_from=THURSDAY),
    )
    telling = Telling(rosters={SCHOOL: rows})
    telling.fold(reached(WEDNESDAY), unit_step(damps=DAMPS, level=1), reached(THURSDAY))

    telling.fold(step(as_of=WEDNESDAY))
    before = telling.owed
    telling.fold(step("raised", as_of=THURSDAY))

    assert before == [(TO_TEACHER, PUPIL)]
    assert telling.owed == []


def test_an_outbreak_that_began_later_lets_go_of_the_days_before(telling: Telling) -> None:
    telling.fold(unit_step(damps=DAMPS, level=3, audience=("nobody",)), step(), SLOT)
    telling.send()
    held = telling.owed
    telling.fold(
        unit_step(kind="retracted", level=3, remaining=1, as_of=THURSDAY, since=THURSDAY),
        step(pupil=OTHER_PUPIL, as_of=THURSDAY),
    )

    assert held == []
    of_pupils = [each for each in telling.owed if each[1] != "/class/8B"]
    assert of_pupils == [(TO_TEACHER, PUPIL)]


def test_what_ends_during_an_outbreak_is_never_told(telling: Telling) -> None:
    telling.fold(
        unit_step(damps=DAMPS, level=1),
        step(),
        step(pupil=OTHER_PUPIL),
        step("cleared"),
        step("retracted", pupil=OTHER_PUPIL, remaining=0),
        unit_step(kind="cleared", level=1),
        NEXT_SLOT,
    )

    assert nothing_is_told(telling)


def test_held_by_outbreak_and_cool_down_it_waits_for_both(telling: Telling) -> None:
    telling.fold(
        unit_step(damps=DAMPS, level=1),
        step(held_until=FRIDAY),
        step(pupil=OTHER_PUPIL, held_until=THURSDAY),
    )
    telling.fold(reached(THURSDAY))
    the_day_alone = telling.owed
    telling.fold(unit_step(kind="cleared", level=1))
    the_end = telling.owed
    telling.fold(reached(FRIDAY))

    assert the_day_alone == []
    assert the_end == [(TO_TEACHER, OTHER_PUPIL)]
    assert sorted(telling.owed) == [(TO_TEACHER, PUPIL), (TO_TEACHER, OTHER_PUPIL)]


def test_of_two_outbreaks_in_a_class_the_last_lets_go(telling: Telling) -> None:
    telling.fold(
        unit_step(damps=DAMPS, level=1),
        unit_step(damps=DAMPS, level=1, rule="other-outbreak"),
        step(),
        unit_step(kind="cleared", level=1),
    )
    held = telling.owed
    telling.fold(unit_step(kind="cleared", level=1, rule="other-outbreak"))

    assert held == []
    assert telling.owed == [(TO_TEACHER, PUPIL)]


def test_an_outbreak_from_history_damps_what_comes_live(telling: Telling) -> None:
    telling.fold(unit_step(damps=DAMPS, history=True), live(), step(), SLOT)

    assert telling.outbox == [("digest", TO_TEACHER, ["/class/8B"])]
    assert telling.owed == []


# Good news


def test_good_news_goes_in_the_digest_whatever_its_level(telling: Telling) -> None:
    telling.fold(step(level=3, good_news=True), reached(WEDNESDAY))
    at_once = telling.outbox
    telling.fold(SLOT)

    assert at_once == []
    assert telling.outbox == [("digest", TO_EHT, [PUPIL])]


# Quiet hours


@pytest.mark.parametrize(
    ("clock", "reason"),
    [
        ("00:00", "quiet hours"),
        ("06:45", "quiet hours"),
        ("07:00", ""),
        ("17:45", ""),
        ("18:00", "quiet hours"),
        ("23:45", "quiet hours"),
    ],
)
def test_it_is_quiet_from_18_to_7(clock: str, reason: str) -> None:
    assert why_quiet(at(WEDNESDAY, clock), Routing().quiet_hours, CALENDAR) == reason


@pytest.mark.parametrize(
    "day",
    [SATURDAY, date(2025, 10, 29), date(2025, 12, 24), date(2026, 7, 1)],
    ids=["a Saturday", "in the autumn break", "Christmas", "in summer"],
)
def test_days_off_are_quiet_as_a_whole_unless_the_file_says_no(day: date) -> None:
    working = Routing.model_validate({"quiet_hours": {"days_off": False}})

    assert why_quiet(at(day, "12:00"), Routing().quiet_hours, CALENDAR) == "a day off"
    assert why_quiet(at(day, "12:00"), working.quiet_hours, CALENDAR) == ""


def test_quiet_hours_may_lie_within_a_day() -> None:
    lunch = Routing.model_validate({"quiet_hours": {"from": "11:00", "to": "12:00"}}).quiet_hours

    found = [
        bool(why_quiet(at(WEDNESDAY, clock), lunch, CALENDAR))
        for clock in ("10:45", "11:00", "11:45", "12:00", "00:00")
    ]
    assert found == [False, True, True, False, False]


@pytest.mark.parametrize(
    "sunday", [date(2025, 10, 26), date(2026, 3, 29)], ids=["to winter time", "to summer time"]
)
def test_quiet_hours_keep_to_the_local_clock_when_it_changes(sunday: date) -> None:
    quiet = Routing.model_validate({"quiet_hours": {"days_off": False}}).quiet_hours
    midnight = datetime.combine(sunday, datetime.min.time(), UTC) - timedelta(hours=3)
    quarters = [midnight + timedelta(minutes=15 * n) for n in range(4 * 30)]

    for instant in quarters:
        local = instant.astimezone(CALENDAR.zone)
        expected = local.hour >= 18 or local.hour < 7
        assert bool(why_quiet(instant, quiet, CALENDAR)) == expected
    night = [each for each in quarters if each.astimezone(CALENDAR.zone).date() == sunday
             and each.astimezone(CALENDAR.zone).hour < 7]  # fmt: skip
    assert len(night) == 4 * (8 if sunday.month == 10 else 6)


@pytest.mark.parametrize(
    ("friday", "seven_on_monday"),
    [
        (date(2025, 10, 24), datetime(2025, 11, 3, 6, tzinfo=UTC)),
        (date(2026, 3, 27), datetime(2026, 3, 30, 5, tzinfo=UTC)),
    ],
    ids=["over the autumn break to winter time", "to summer time"],
)
def test_after_a_weekend_that_changes_the_clock_it_is_told_at_seven(
    friday: date, seven_on_monday: datetime
) -> None:
    telling = Telling()
    telling.fold(reached(friday, "18:00"), step(level=3, as_of=friday))
    clock = telling.now.astimezone(UTC)
    while not telling.waiting:
        clock += timedelta(minutes=15)
        telling.fold(reached(friday).model_copy(update={"at": clock}))

    assert clock == seven_on_monday
    assert telling.outbox == [("immediate", TO_EHT, [PUPIL])]


def test_what_comes_in_quiet_hours_is_told_in_the_morning_in_one_message(
    telling: Telling,
) -> None:
    telling.fold(reached(WEDNESDAY, "18:00"), step(level=3), reached(WEDNESDAY, "18:15"))
    telling.fold(step(level=4, pupil=OTHER_PUPIL), reached(THURSDAY, "06:45"))
    before = (telling.outbox, telling.owed)
    telling.fold(reached(THURSDAY, "07:00"))

    assert before == ([], [])
    assert telling.outbox == [("immediate", TO_EHT, [OTHER_PUPIL, PUPIL])]


def test_what_is_gone_by_the_morning_is_never_told(telling: Telling) -> None:
    telling.fold(reached(WEDNESDAY, "18:00"), step(level=3), reached(WEDNESDAY, "18:15"))
    telling.fold(step("retracted", level=3, remaining=0), reached(THURSDAY, "07:00"))

    assert nothing_is_told(telling)


def test_a_message_that_is_late_into_quiet_hours_goes_in_the_morning(telling: Telling) -> None:
    telling.fold(step(level=3), reached(WEDNESDAY, "17:45"), reached(WEDNESDAY, "18:00"))
    at_night = telling.send()
    telling.fold(reached(THURSDAY, "07:00"))

    assert at_night == []
    assert telling.outbox == [("immediate", TO_EHT, [PUPIL])]


def test_only_a_route_that_breaks_it_goes_through_quiet_hours(telling: Telling) -> None:
    telling.routing = Routing.model_validate(
        {"routes": [{"levels": [4], "send": "immediate", "break_quiet": True},
                    {"send": "immediate"}]}
    )  # fmt: skip
    telling.fold(reached(WEDNESDAY, "20:00"), step(level=4), step(level=3, pupil=OTHER_PUPIL))
    telling.fold(reached(WEDNESDAY, "20:15"))
    at_night = telling.outbox
    telling.send()
    telling.fold(reached(THURSDAY, "07:00"))

    assert at_night == [("immediate", TO_EHT, [PUPIL])]
    assert telling.outbox == [("immediate", TO_EHT, [OTHER_PUPIL])]


def test_a_message_that_breaks_quiet_takes_nothing_else_into_the_night(telling: Telling) -> None:
    telling.routing = Routing.model_validate(
        {"routes": [{"levels": [4], "send": "immediate", "break_quiet": True},
                    {"send": "immediate"}]}
    )  # fmt: skip
    telling.fold(step(level=4), step(level=3, pupil=OTHER_PUPIL), reached(WEDNESDAY, "17:45"))
    telling.fold(reached(WEDNESDAY, "18:00"))
    at_night = telling.outbox
    telling.send()
    telling.fold(reached(THURSDAY, "07:00"))

    assert at_night == [("immediate", TO_EHT, [PUPIL])]
    assert telling.outbox == [("immediate", TO_EHT, [OTHER_PUPIL])]


def test_a_correction_goes_through_quiet_hours(telling: Telling) -> None:
    telling.fold(step(level=3), reached(WEDNESDAY))
    telling.send()
    telling.fold(reached(WEDNESDAY, "22:00"), step("retracted", level=3, remaining=0))
    telling.fold(reached(WEDNESDAY, "22:15"))

    assert telling.outbox == [("correction", TO_EHT, [PUPIL])]


# Silences


def silenced(**fields: object) -> Routing:
    line = {"until": FRIDAY, "reason": "the new timetable", **fields}
    return Routing.model_validate({"silences": [line]})


def test_a_silence_ends_on_its_date_by_itself(telling: Telling) -> None:
    telling.routing = silenced()
    telling.fold(step(level=3), reached(WEDNESDAY), reached(THURSDAY, "23:45"))
    during = telling.outbox
    telling.fold(reached(FRIDAY, "07:00"))

    assert during == []
    assert telling.outbox == [("immediate", TO_EHT, [PUPIL])]


def test_what_was_silenced_in_its_slot_waits_for_the_next(telling: Telling) -> None:
    telling.routing = silenced()
    telling.fold(step(), SLOT, reached(FRIDAY))
    before = telling.outbox
    telling.fold(NEXT_SLOT)

    assert before == []
    assert telling.outbox == [("digest", TO_TEACHER, [PUPIL])]


def test_a_silence_takes_what_is_unsent_out_and_lets_it_go_when_it_is_lifted(
    telling: Telling,
) -> None:
    telling.fold(step(level=3), reached(WEDNESDAY))
    telling.routing = silenced()
    during = telling.send()
    telling.routing = Routing()
    telling.fold(SOON)

    assert during == []
    assert telling.outbox == [("immediate", TO_EHT, [PUPIL])]


def test_a_correction_goes_through_a_silence(telling: Telling) -> None:
    telling.fold(step(level=3), reached(WEDNESDAY))
    telling.send()
    telling.routing = silenced()
    telling.fold(step("retracted", level=3, remaining=0), SOON)

    assert telling.outbox == [("correction", TO_EHT, [PUPIL])]


@pytest.mark.parametrize(
    ("matcher", "silent"),
    [
        ({}, True),
        ({"rules": ["high-absence"]}, True),
        ({"rules": ["late-arrivals"]}, False),
        ({"levels": [2, 3]}, True),
        ({"levels": [1, 2]}, False),
        ({"schools": [SCHOOL]}, True),
        ({"schools": ["skola-2"]}, False),
        ({"audience": ["eht"]}, True),
        ({"audience": ["contact_teacher"]}, False),
        ({"good_news": False}, True),
        ({"good_news": True}, False),
        ({"rules": ["high-absence"], "levels": [4]}, False),
    ],
)
def test_a_silence_is_of_what_matches_all_that_it_names(
    telling: Telling, matcher: dict[str, object], *, silent: bool
) -> None:
    telling.routing = silenced(**matcher)
    telling.fold(step(level=3), reached(WEDNESDAY))

    assert (telling.outbox == []) == silent


def test_a_silence_of_one_audience_leaves_the_other(telling: Telling) -> None:
    telling.routing = silenced(audience=["contact_teacher"])
    telling.fold(step(audience=("contact_teacher", "eht")), SLOT)

    assert telling.outbox == [("digest", TO_EHT, [PUPIL])]


# What is known of a case


@pytest.mark.parametrize("level", [1, 2])
def test_a_known_cause_holds_levels_1_and_2_to_its_last_day(telling: Telling, level: int) -> None:
    telling.routing = Routing.model_validate({"routes": [{"send": "immediate"}]})
    telling.answered("known_cause", at(WEDNESDAY, "16:30"), known_until=THURSDAY)
    telling.fold(step(level=level), reached(WEDNESDAY), reached(THURSDAY))
    during = telling.outbox
    telling.fold(reached(FRIDAY, "07:00"))

    assert during == []
    assert telling.outbox == [("immediate", TO_TEACHER, [PUPIL])]


def test_a_known_cause_holds_nothing_of_level_3(telling: Telling) -> None:
    telling.answered("known_cause", at(WEDNESDAY, "16:30"), known_until=FRIDAY)
    telling.fold(step(level=3), reached(WEDNESDAY))

    assert telling.outbox == [("immediate", TO_EHT, [PUPIL])]


def test_a_known_cause_is_of_one_pupil(telling: Telling) -> None:
    telling.answered("known_cause", at(WEDNESDAY, "16:30"), known_until=FRIDAY)
    telling.fold(step(), step(pupil=OTHER_PUPIL), SLOT)

    assert telling.outbox == [("digest", TO_TEACHER, [OTHER_PUPIL])]


def test_a_case_that_eht_has_taken_quiets_the_contact_teachers_rules(telling: Telling) -> None:
    telling.answered("takes_over", at(WEDNESDAY, "16:30"), by=EHT, taken=True)
    telling.fold(step(), step(rule="late-arrivals"), step(level=3, rule="repeated"))
    telling.fold(step(pupil=OTHER_PUPIL), reached(WEDNESDAY))
    at_once = telling.outbox
    telling.send()
    telling.fold(SLOT)

    assert at_once == [("immediate", TO_EHT, [PUPIL])]
    assert sorted(telling.outbox) == [
        ("digest", TO_EHT, [PUPIL, PUPIL]),
        ("digest", TO_TEACHER, [OTHER_PUPIL]),
    ]


def test_what_is_new_in_a_case_that_eht_has_taken_is_told_to_eht() -> None:
    telling = Telling(rosters={SCHOOL: roster(member(EHT, "eht"), pupil())})
    telling.fold(reached(WEDNESDAY))
    telling.answered("takes_over", at(WEDNESDAY, "16:30"), by=EHT, taken=True)
    telling.fold(step(), SLOT)

    assert telling.outbox == [("digest", TO_EHT, [PUPIL])]


def test_merely_telling_eht_quiets_nobody(telling: Telling) -> None:
    telling.fold(step(level=3, rule="repeated"), reached(WEDNESDAY))
    telling.send()
    telling.fold(step(), SLOT)

    assert telling.outbox == [("digest", TO_TEACHER, [PUPIL])]


def test_what_eht_gives_back_is_told_once(telling: Telling) -> None:
    telling.answered("takes_over", at(WEDNESDAY, "16:30"), by=EHT, taken=True)
    telling.fold(step(), SLOT)
    telling.answered("talked", at(WEDNESDAY, "16:31"), by=EHT, taken=False)
    telling.fold(NEXT_SLOT)
    told = telling.outbox
    telling.send()
    telling.fold(reached(date(2025, 9, 25), "15:00"))

    assert told == [("digest", TO_TEACHER, [PUPIL])]
    assert nothing_is_told(telling)


def test_eht_who_is_the_contact_teacher_too_is_told_of_a_taken_case() -> None:
    rows = roster(member(EHT, "eht", "contact_teacher"), pupil(PUPIL, EHT))
    telling = Telling(rosters={SCHOOL: rows})
    telling.fold(reached(WEDNESDAY, "16:45"))
    telling.answered("takes_over", at(WEDNESDAY, "16:30"), by=EHT, taken=True)
    telling.fold(step(level=4, audience=("contact_teacher", "eht")), reached(WEDNESDAY))

    assert telling.outbox == [("immediate", TO_EHT, [PUPIL])]


# A new school year

TWO_YEARS = SchoolCalendar.model_validate(
    {
        "school_years": [
            {"terms": [{"first": date(2025, 8, 18), "last": date(2026, 6, 12)}]},
            {"terms": [{"first": date(2026, 8, 17), "last": date(2027, 6, 11)}]},
        ]
    }
)
LAST_DAY, FIRST_DAY = date(2026, 6, 12), date(2026, 8, 17)


@pytest.fixture
def june() -> Telling:
    telling = Telling(calendar=TWO_YEARS)
    telling.fold(reached(date(2026, 6, 11), "12:00"))
    return telling


def test_nothing_of_last_school_year_goes_out_in_august(june: Telling) -> None:
    june.fold(reached(LAST_DAY, "16:45"), step(as_of=LAST_DAY), reached(LAST_DAY, "18:00"))
    june.fold(step(level=3, pupil=OTHER_PUPIL, as_of=LAST_DAY))
    june.fold(reached(FIRST_DAY, "08:00"), reached(date(2026, 8, 20), "15:00"))

    assert nothing_is_told(june)


def test_an_unsent_message_of_june_is_withdrawn_in_august(june: Telling) -> None:
    june.fold(reached(LAST_DAY, "16:45"), step(level=3, as_of=LAST_DAY), reached(LAST_DAY))
    june.fold(reached(FIRST_DAY, "08:00"))

    assert june.send() == []
    assert june.waiting == {}


def test_a_correction_of_june_is_not_told_in_august(june: Telling) -> None:
    june.fold(step(as_of=date(2026, 6, 10)), reached(date(2026, 6, 11), "15:00"))
    told = june.send()
    june.fold(reached(LAST_DAY), step("retracted", remaining=0))
    june.fold(reached(FIRST_DAY, "08:00"), reached(date(2026, 8, 20), "15:00"))

    assert len(told) == 1
    assert june.outbox == []
    assert june.desk.corrections == {}


def test_what_stands_over_the_summer_and_rises_in_august_is_told(june: Telling) -> None:
    june.fold(reached(LAST_DAY, "16:45"), step(as_of=LAST_DAY), reached(FIRST_DAY, "16:45"))
    june.fold(step("raised", level=3, as_of=FIRST_DAY), reached(FIRST_DAY))

    assert june.outbox == [("immediate", TO_EHT, [PUPIL])]
