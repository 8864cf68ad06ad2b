"""Who is owed a word of a finding, and who knows it: each is told once, until something is new."""

from datetime import date

import pytest

from services.notify.routing import Routing
from services.notify.rows import Answer, Case, Item
from services.notify.rows import Telling as Told
from services.notify.stages.dedup import Owed, owed
from services.notify.stages.route import route
from shared.roster import Roster
from tests.notify.examples import (
    EHT,
    FRIDAY,
    OTHER_PUPIL,
    OTHER_TEACHER,
    PUPIL,
    SCHOOL,
    TEACHER,
    THURSDAY,
    WEDNESDAY,
    Telling,
    at,
    away,
    live,
    member,
    pupil,
    reached,
    roster,
    step,
)

TO_TEACHER, TO_OTHER, TO_EHT = (f"{SCHOOL}/{staff}" for staff in (TEACHER, OTHER_TEACHER, EHT))
KEY = f"{SCHOOL}/{PUPIL} high-absence"
SOON = reached(WEDNESDAY, "17:15")
SLOT = reached(THURSDAY, "15:00")
MONDAY, NEXT_WEDNESDAY, NEXT_THURSDAY = date(2025, 9, 15), date(2025, 9, 17), date(2025, 9, 18)
NEXT_SLOT, THIRD_SLOT = reached(NEXT_THURSDAY, "15:00"), reached(date(2025, 9, 25), "15:00")


@pytest.fixture
def telling() -> Telling:
    telling = Telling()
    telling.fold(reached(WEDNESDAY))
    return telling


def two_teachers(other_slot: str = "") -> Roster:
    return roster(
        member(TEACHER, "contact_teacher"),
        member(OTHER_TEACHER, "contact_teacher", slot=other_slot),
        member(EHT, "eht"),
        pupil(PUPIL, TEACHER, OTHER_TEACHER),
    )


def told_by_slots(telling: Telling, *slots: date) -> list[tuple[str, str, list[str]]]:
    """All that is sent in the slots of some days."""
    sent = []
    for day in slots:
        telling.fold(reached(day, "15:00"))
        sent += telling.outbox
        telling.send()
    return sent


def items(telling: Telling) -> list[Item]:
    return [item for message in telling.due() for item in message.items]


# As a decision


def decided(told: dict[str, Told], case: Case | None = None, on: date = FRIDAY) -> list[Owed]:
    """Who is owed a word of a finding of level 2 that came on Wednesday at 17:00."""
    telling = Telling()
    telling.fold(reached(WEDNESDAY), step(audience=("contact_teacher", "eht")))
    finding = telling.desk.findings[KEY].but(told=told)
    return owed(finding, route(finding, roster(), Routing(), on), case, on)


def was_told(level: int = 2, on: date = WEDNESDAY, audience: str = "contact_teacher") -> Told:
    return Told(level, on, audience, ("email",))


ANSWERED = Case(SCHOOL, PUPIL, (Answer("talked", TEACHER, at(WEDNESDAY, "17:30")),))


@pytest.mark.parametrize(
    ("told", "who"),
    [
        ({}, [TEACHER, EHT]),
        ({TO_TEACHER: was_told()}, [EHT]),
        ({TO_TEACHER: was_told(), TO_EHT: was_told(3)}, []),
        ({TO_TEACHER: was_told(1)}, [TEACHER, EHT]),
        ({"skola-2/kt-1": was_told()}, [TEACHER, EHT]),
    ],
)
def test_whoever_was_told_of_less_or_nothing_is_owed_a_word(
    told: dict[str, Told], who: list[str]
) -> None:
    assert [each.decision.recipient.staff for each in decided(told)] == who


def test_why_says_what_is_new_about_it() -> None:
    back = ANSWERED.but(again_on=FRIDAY)
    (again,) = decided({TO_TEACHER: was_told()}, back)
    (handed_over, plain) = decided({TO_OTHER: was_told()})

    assert again.why == "level 2 for contact_teacher; still there after the answer"
    assert plain.why == "level 2 for eht"
    assert handed_over.why == "level 2 for contact_teacher; handed over"


@pytest.mark.parametrize(
    ("told_on", "on", "again"),
    [
        (WEDNESDAY, THURSDAY, False),
        (WEDNESDAY, FRIDAY, True),
        (WEDNESDAY, MONDAY, True),
        (FRIDAY, FRIDAY, False),
        (FRIDAY, MONDAY, False),
    ],
)
def test_it_comes_back_from_its_day_on_to_whom_was_told_before_it(
    told_on: date, on: date, *, again: bool
) -> None:
    told = {TO_TEACHER: was_told(on=told_on), TO_EHT: was_told(on=MONDAY)}
    found = decided(told, ANSWERED.but(again_on=FRIDAY), on)

    assert [each.again for each in found] == ([True] if again else [])


# Good news

IMPROVED = step(level=1, rule="improvement", good_news=True)


def improved(telling: Telling) -> list[str]:
    """Who is told that a pupil's absence has fallen, in what goes out now."""
    return [
        message.recipient.staff
        for message in telling.send()
        if any(item.finding.endswith(" improvement") for item in message.items)
    ]


def test_that_it_is_better_is_told_to_whoever_was_told_that_it_was_worse(telling: Telling) -> None:
    telling.fold(step(), SLOT)
    assert improved(telling) == []

    telling.fold(IMPROVED, NEXT_SLOT)

    assert improved(telling) == [TEACHER]


def test_that_it_is_better_says_nothing_to_whoever_was_told_nothing(telling: Telling) -> None:
    """A level 1 is shown, and told to nobody."""
    telling.fold(step(level=1), IMPROVED, SLOT)
    assert improved(telling) == []

    telling.fold(NEXT_SLOT)

    assert improved(telling) == []


def test_that_it_is_better_follows_that_it_was_worse_and_never_comes_with_it(
    telling: Telling,
) -> None:
    telling.fold(step(), IMPROVED, SLOT)
    assert improved(telling) == []

    telling.fold(NEXT_SLOT)

    assert improved(telling) == [TEACHER]


# Several


def test_several_contact_teachers_are_each_told_once(telling: Telling) -> None:
    telling.rosters = {SCHOOL: two_teachers()}
    telling.fold(step())

    assert told_by_slots(telling, THURSDAY, NEXT_THURSDAY) == [
        ("digest", TO_TEACHER, [PUPIL]),
        ("digest", TO_OTHER, [PUPIL]),
    ]


def test_each_has_it_in_their_own_slot(telling: Telling) -> None:
    telling.rosters = {SCHOOL: two_teachers("fri 09:00")}
    telling.fold(step(), SLOT)
    first = telling.outbox
    telling.send()
    telling.fold(reached(FRIDAY, "09:00"))

    assert first == [("digest", TO_TEACHER, [PUPIL])]
    assert telling.outbox == [("digest", TO_OTHER, [PUPIL])]


def test_that_one_is_in_doubt_is_nothing_to_the_other(telling: Telling) -> None:
    telling.rosters = {SCHOOL: two_teachers()}
    telling.fold(step(level=3, audience=("contact_teacher",)), SOON)
    doubtful, other = telling.try_all()
    telling.refuse(other)

    assert telling.outbox == [
        ("immediate", str(doubtful.recipient), [PUPIL]),
        ("immediate", str(other.recipient), [PUPIL]),
    ]


# Those who take turns

OTHER_EHT = "eht-2"
IN_TURN = Routing.model_validate(
    {"rotations": {SCHOOL: {"eht": {"staff": [EHT, OTHER_EHT], "since": "2025-09-08"}}}}
)


@pytest.fixture
def team() -> Telling:
    """On Wednesday of the first one's week."""
    rows = roster(
        member(TEACHER, "contact_teacher"), member(EHT, "eht"), member(OTHER_EHT, "eht"), pupil()
    )
    telling = Telling(routing=IN_TURN, rosters={SCHOOL: rows})
    telling.fold(reached(WEDNESDAY))
    return telling


def test_what_one_of_the_team_knows_the_next_is_not_told(team: Telling) -> None:
    team.fold(step(level=3), SOON)
    first = team.outbox
    team.send()
    team.fold(reached(NEXT_WEDNESDAY))

    assert first == [("immediate", TO_EHT, [PUPIL])]
    assert (team.outbox, team.owed) == ([], [])


def test_a_raise_is_told_to_the_one_whose_week_it_is(team: Telling) -> None:
    team.fold(step(level=3), SOON)
    team.send()
    team.fold(reached(NEXT_WEDNESDAY, "16:45"), step("raised", level=4, as_of=NEXT_WEDNESDAY))
    team.fold(reached(NEXT_WEDNESDAY))

    assert team.outbox == [("immediate", f"{SCHOOL}/{OTHER_EHT}", [PUPIL])]


def test_its_correction_goes_to_the_one_who_was_told(team: Telling) -> None:
    team.fold(step(level=3), SOON)
    team.send()
    team.fold(reached(NEXT_WEDNESDAY), step("retracted", level=3, remaining=0))
    team.fold(reached(NEXT_WEDNESDAY, "17:15"))

    assert team.outbox == [("correction", TO_EHT, [PUPIL])]


def test_what_could_not_be_sent_in_one_week_goes_to_the_next_whose_week_it_is(
    team: Telling,
) -> None:
    team.fold(reached(FRIDAY, "16:45"), step(level=3, as_of=FRIDAY), reached(FRIDAY))
    (message,) = team.try_all()
    team.refuse(message)
    team.fold(reached(MONDAY, "07:00"))
    sent = team.outbox
    team.send()

    assert str(message.recipient) == TO_EHT
    assert sent == [("immediate", f"{SCHOOL}/{OTHER_EHT}", [PUPIL])]
    assert team.waiting == {}


def test_what_may_have_reached_one_is_not_told_to_the_next(team: Telling) -> None:
    team.fold(reached(FRIDAY, "16:45"), step(level=3, as_of=FRIDAY), reached(FRIDAY))
    team.try_all()
    team.fold(reached(MONDAY, "07:00"))

    assert team.outbox == [("immediate", TO_EHT, [PUPIL])]


def test_the_team_is_told_what_a_contact_teacher_knew_who_is_away(team: Telling) -> None:
    team.fold(step(), SLOT)
    team.send()
    gone = away(team.rosters[SCHOOL], TEACHER, first=FRIDAY, last=NEXT_THURSDAY)
    team.rosters = {SCHOOL: gone}

    assert told_by_slots(team, NEXT_THURSDAY) == [("digest", f"{SCHOOL}/{OTHER_EHT}", [PUPIL])]


# Answers


def test_one_answer_withdraws_what_is_unsent_to_others(telling: Telling) -> None:
    telling.rosters = {SCHOOL: two_teachers()}
    telling.fold(step(), SLOT)
    (first, second) = telling.try_all()
    telling.take(first)
    telling.refuse(second)
    telling.answered("talked", at(THURSDAY, "15:05"))

    assert telling.send() == []
    assert telling.waiting == {}
    assert told_by_slots(telling, NEXT_THURSDAY) == []


def test_one_answer_spares_those_whose_slot_is_still_to_come(telling: Telling) -> None:
    telling.rosters = {SCHOOL: two_teachers("fri 15:00")}
    telling.fold(step(), SLOT)
    telling.send()
    telling.answered("talked", at(THURSDAY, "15:05"))

    assert told_by_slots(telling, FRIDAY, NEXT_THURSDAY, date(2025, 9, 19)) == []


def test_a_raise_after_the_answer_is_told_to_all(telling: Telling) -> None:
    telling.rosters = {SCHOOL: two_teachers()}
    telling.fold(step(), SLOT)
    telling.send()
    telling.answered("talked", at(THURSDAY, "15:05"))
    telling.fold(reached(THURSDAY, "16:45"))
    telling.fold(step("raised", level=3, as_of=THURSDAY, audience=("contact_teacher",)))
    telling.fold(reached(THURSDAY))

    assert telling.outbox == [
        ("immediate", TO_TEACHER, [PUPIL]),
        ("immediate", TO_OTHER, [PUPIL]),
    ]


def test_a_raise_of_what_was_only_shown_and_answered_is_told(telling: Telling) -> None:
    telling.fold(step(level=1), SOON)
    telling.answered("not_relevant", at(WEDNESDAY, "17:20"))
    telling.fold(reached(THURSDAY, "12:00"), step("raised", level=2, as_of=THURSDAY))

    assert told_by_slots(telling, THURSDAY) == [("digest", TO_TEACHER, [PUPIL])]


def test_another_finding_of_the_pupil_after_the_answer_is_told(telling: Telling) -> None:
    telling.fold(step(), SLOT)
    telling.send()
    telling.answered("talked", at(THURSDAY, "15:05"))
    telling.fold(reached(THURSDAY, "16:45"), step(rule="late-arrivals", as_of=THURSDAY))

    assert told_by_slots(telling, NEXT_THURSDAY) == [("digest", TO_TEACHER, [PUPIL])]


def test_an_answer_is_of_one_pupil(telling: Telling) -> None:
    telling.fold(step(), step(pupil=OTHER_PUPIL), SLOT)
    telling.send()
    telling.answered("talked", at(THURSDAY, "15:05"), again_on=MONDAY)

    assert told_by_slots(telling, NEXT_THURSDAY) == [("digest", TO_TEACHER, [PUPIL])]


def test_an_answer_answers_nothing_that_nobody_had_been_told_of(telling: Telling) -> None:
    telling.fold(step(), SLOT)
    telling.send()
    telling.fold(step(rule="late-arrivals", as_of=THURSDAY), reached(FRIDAY, "08:00"))
    telling.answered("talked", at(FRIDAY, "08:05"))

    assert told_by_slots(telling, NEXT_THURSDAY) == [("digest", TO_TEACHER, [PUPIL])]


def test_what_is_corrected_after_an_answer_is_corrected_to_those_who_were_told(
    telling: Telling,
) -> None:
    telling.fold(step(), SLOT)
    telling.send()
    telling.answered("wrongly_registered", at(THURSDAY, "15:05"))
    telling.fold(step("retracted", remaining=0))

    assert told_by_slots(telling, NEXT_THURSDAY) == [("correction", TO_TEACHER, [PUPIL])]
    assert telling.desk.cases == {}


# What comes back


def test_what_still_stands_on_the_day_comes_back_once(telling: Telling) -> None:
    telling.fold(step(), SLOT)
    telling.send()
    telling.answered("talked", at(THURSDAY, "15:05"), again_on=NEXT_WEDNESDAY)
    telling.fold(reached(date(2025, 9, 16)))
    before = telling.owed
    telling.fold(NEXT_SLOT)
    again = items(telling)
    telling.send()
    telling.fold(THIRD_SLOT)

    assert before == []
    assert [(item.about, item.again) for item in again] == [(f"{SCHOOL}/{PUPIL}", True)]
    assert telling.outbox == []


def test_what_has_ended_by_the_day_does_not_come_back(telling: Telling) -> None:
    telling.fold(step(), SLOT)
    telling.send()
    telling.answered("talked", at(THURSDAY, "15:05"), again_on=NEXT_WEDNESDAY)
    telling.fold(reached(MONDAY), step("cleared"))

    assert told_by_slots(telling, NEXT_THURSDAY) == []
    assert telling.desk.cases == {}


def test_what_went_at_once_comes_back_in_the_digest(telling: Telling) -> None:
    telling.fold(step(level=3), SOON)
    telling.send()
    telling.answered("talked", at(WEDNESDAY, "17:30"), by=EHT, again_on=NEXT_WEDNESDAY)
    telling.fold(SLOT, reached(NEXT_WEDNESDAY))
    at_once = telling.outbox

    assert at_once == []
    assert told_by_slots(telling, NEXT_THURSDAY) == [("digest", TO_EHT, [PUPIL])]


def test_it_comes_back_to_whoever_answered_and_to_nobody_else(telling: Telling) -> None:
    telling.rosters = {SCHOOL: two_teachers("fri 15:00")}
    telling.fold(step(), SLOT)
    telling.send()
    telling.answered("talked", at(THURSDAY, "15:05"), again_on=MONDAY)

    sent = told_by_slots(telling, FRIDAY, NEXT_THURSDAY, date(2025, 9, 19), date(2025, 9, 26))

    assert sent == [("digest", TO_TEACHER, [PUPIL])]


def test_answered_again_it_comes_back_again(telling: Telling) -> None:
    telling.fold(step(), SLOT)
    telling.send()
    telling.answered("talked", at(THURSDAY, "15:05"), again_on=NEXT_WEDNESDAY)
    first = told_by_slots(telling, NEXT_THURSDAY)
    telling.answered("booked", at(NEXT_THURSDAY, "15:05"), again_on=date(2025, 9, 22))
    second = told_by_slots(telling, date(2025, 9, 25), date(2025, 10, 2))

    assert first == second == [("digest", TO_TEACHER, [PUPIL])]


def test_what_comes_back_may_be_refused_or_in_doubt_and_is_told_once(telling: Telling) -> None:
    telling.fold(step(), SLOT)
    telling.send()
    telling.answered("talked", at(THURSDAY, "15:05"), again_on=NEXT_WEDNESDAY)
    telling.fold(NEXT_SLOT)
    (message,) = telling.try_all()
    telling.refuse(message)
    (repeated,) = telling.try_all()
    telling.fold(reached(NEXT_THURSDAY))
    (doubtful,) = telling.try_all()
    telling.take(doubtful)

    assert [item.again for item in repeated.items] == [True]
    assert doubtful.items == repeated.items
    assert told_by_slots(telling, date(2025, 9, 25)) == []


# Lifted to EHT


def test_a_lifted_case_is_told_to_eht_though_it_was_answered(telling: Telling) -> None:
    telling.fold(step(), SLOT)
    telling.send()
    telling.answered("lift", at(THURSDAY, "15:05"), lifted=True)

    assert told_by_slots(telling, NEXT_THURSDAY, date(2025, 9, 25)) == [("digest", TO_EHT, [PUPIL])]


def test_a_lifted_case_is_looked_at_on_the_same_day(telling: Telling) -> None:
    telling.fold(step(level=3, audience=("contact_teacher",)), SOON)
    telling.send()
    telling.fold(reached(WEDNESDAY, "17:30"))
    telling.answered("lift", at(WEDNESDAY, "17:35"), lifted=True)
    telling.fold(reached(WEDNESDAY, "17:45"))

    assert telling.outbox == [("immediate", TO_EHT, [PUPIL])]


def test_a_case_that_was_lifted_is_not_told_to_other_teachers(telling: Telling) -> None:
    telling.rosters = {SCHOOL: two_teachers("fri 15:00")}
    telling.fold(step(), SLOT)
    telling.send()
    telling.answered("lift", at(THURSDAY, "15:05"), lifted=True)

    assert told_by_slots(telling, FRIDAY, NEXT_THURSDAY) == [("digest", TO_EHT, [PUPIL])]


# Handed over


def moved(on: date = FRIDAY) -> Roster:
    """From a day on the pupil has another contact teacher."""
    return roster(
        member(TEACHER, "contact_teacher"),
        member(OTHER_TEACHER, "contact_teacher"),
        member(EHT, "eht"),
        pupil(PUPIL, TEACHER),
        pupil(PUPIL, OTHER_TEACHER, valid_from=on),
    )


def test_what_stands_is_handed_over_to_a_new_contact_teacher_in_their_next_digest(
    telling: Telling,
) -> None:
    telling.rosters = {SCHOOL: moved()}
    telling.fold(step(), SLOT)
    telling.send()
    telling.fold(NEXT_SLOT)
    handed_over = items(telling)
    recipients = [str(message.recipient) for message in telling.send()]

    assert recipients == [TO_OTHER]
    assert [item.handed_over for item in handed_over] == [True]
    assert told_by_slots(telling, date(2025, 9, 25)) == []


def test_what_is_handed_over_waits_for_the_digest_though_it_is_serious_and_new(
    telling: Telling,
) -> None:
    telling.rosters = {SCHOOL: moved(THURSDAY)}
    telling.fold(step(level=3, audience=("contact_teacher",)), SOON)
    telling.send()
    telling.fold(reached(THURSDAY, "08:00"))
    at_once = telling.outbox

    assert at_once == []
    assert told_by_slots(telling, THURSDAY) == [("digest", TO_OTHER, [PUPIL])]


def test_what_the_old_teacher_was_never_told_is_no_handing_over(telling: Telling) -> None:
    telling.rosters = {SCHOOL: moved(THURSDAY)}
    telling.fold(step(), SLOT)

    assert [(item.about, item.handed_over) for item in items(telling)] == [
        (f"{SCHOOL}/{PUPIL}", False)
    ]


def test_what_rises_after_a_handing_over_is_told_to_the_new_teacher_alone(
    telling: Telling,
) -> None:
    telling.rosters = {SCHOOL: moved()}
    telling.fold(step(), SLOT)
    telling.send()
    telling.fold(NEXT_SLOT)
    telling.send()
    telling.fold(step("raised", level=3, as_of=NEXT_THURSDAY, audience=("contact_teacher",)))
    telling.fold(reached(NEXT_THURSDAY))

    assert telling.outbox == [("immediate", TO_OTHER, [PUPIL])]


def test_both_teachers_are_told_that_it_was_wrong(telling: Telling) -> None:
    telling.rosters = {SCHOOL: moved()}
    telling.fold(step(), SLOT)
    telling.send()
    telling.fold(NEXT_SLOT)
    telling.send()
    telling.fold(step("retracted", remaining=0))

    assert told_by_slots(telling, date(2025, 9, 25)) == [
        ("correction", TO_TEACHER, [PUPIL]),
        ("correction", TO_OTHER, [PUPIL]),
    ]


def test_a_substitute_has_what_stands_and_the_teacher_on_return_what_came_since(
    telling: Telling,
) -> None:
    rows = roster(
        member(TEACHER, "contact_teacher"), member(OTHER_TEACHER, "contact_teacher"), pupil()
    )
    gone = away(rows, TEACHER, OTHER_TEACHER, first=FRIDAY, last=date(2025, 9, 19))
    telling.rosters = {SCHOOL: gone}
    telling.fold(step())
    before = told_by_slots(telling, THURSDAY)
    telling.fold(step(rule="late-arrivals", as_of=THURSDAY))
    meanwhile = told_by_slots(telling, NEXT_THURSDAY)
    back = told_by_slots(telling, date(2025, 9, 25), date(2025, 10, 2))

    assert before == [("digest", TO_TEACHER, [PUPIL])]
    assert meanwhile == [("digest", TO_OTHER, [PUPIL, PUPIL])]
    assert back == [("digest", TO_TEACHER, [PUPIL])]


def test_a_start_list_is_handed_over_to_nobody(telling: Telling) -> None:
    telling.rosters = {SCHOOL: moved()}
    telling.fold(step(history=True), live(FRIDAY))

    telling.fold(NEXT_SLOT)

    assert [item.handed_over for item in items(telling)] == [False]


# A message that tells of one finding twice


def test_a_finding_that_leaves_a_digest_is_owed_again_though_its_correction_stays(
    telling: Telling,
) -> None:
    loud = Routing.model_validate({"routes": [{"send": "digest"}]})
    silence = {"until": "2025-09-19", "reason": "the fair"}
    telling.routing = loud
    audience = ("contact_teacher",)
    telling.fold(step(level=3, audience=audience), SLOT)
    telling.send()
    telling.fold(
        step("retracted", level=3, remaining=2, audience=audience),
        step("raised", level=3, audience=audience),
        NEXT_SLOT,
    )
    both = items(telling)
    telling.routing = Routing.model_validate(
        {"routes": [{"send": "digest"}], "silences": [silence]}
    )
    (message,) = telling.send()
    telling.routing = loud

    assert sorted(item.correction for item in both) == [False, True]
    assert [item.correction for item in message.items] == [True]
    assert told_by_slots(telling, date(2025, 9, 25)) == [("digest", TO_TEACHER, [PUPIL])]
