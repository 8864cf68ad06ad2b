"""Who is told, how, and why they."""

from datetime import date, timedelta
from typing import Any

import pytest

from services.notify.routing import Routing
from services.notify.rows import Case, Recipient
from services.notify.stages.route import Decision, route, ways
from shared.config import parse_config
from shared.roster import Roster, RosterPupil
from tests.notify.examples import (
    EHT,
    FRIDAY,
    OTHER_TEACHER,
    PUPIL,
    SCHOOL,
    TEACHER,
    THURSDAY,
    UNKNOWN_PUPIL,
    WEDNESDAY,
    away,
    member,
    pupil,
    roster,
    step,
    unit_step,
)

ROUTING = Routing()
MONDAY = date(2025, 9, 8)


def told(decisions: list[Decision]) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(str(each.recipient), each.send, each.channels) for each in decisions]


def test_level_1_is_shown_and_sent_to_nobody() -> None:
    decisions = route(step(level=1), roster(), ROUTING, WEDNESDAY)

    assert [each.send for each in decisions] == ["shown"]


def test_level_2_waits_for_the_contact_teachers_digest() -> None:
    decisions = route(step(level=2), roster(), ROUTING, WEDNESDAY)

    assert told(decisions) == [(f"{SCHOOL}/{TEACHER}", "digest", ("email", "sms"))]


def test_level_3_goes_to_eht_at_once_by_sms_first() -> None:
    decisions = route(step(level=3), roster(), ROUTING, WEDNESDAY)

    assert told(decisions) == [(f"{SCHOOL}/{EHT}", "immediate", ("sms", "email"))]


def test_eht_has_its_level_2_signals_in_a_digest_too() -> None:
    decisions = route(
        step(level=2, audience=("contact_teacher", "eht")), roster(), ROUTING, WEDNESDAY
    )

    assert [(str(each.recipient), each.send) for each in decisions] == [
        (f"{SCHOOL}/{TEACHER}", "digest"),
        (f"{SCHOOL}/{EHT}", "digest"),
    ]


def test_the_first_route_that_matches_decides() -> None:
    routing = parse_config(
        """
routes:
  - {levels: [2], rules: [late-arrivals], send: shown}
  - {levels: [2], schools: [skola-9], send: immediate}
  - {send: digest, channels: [sms]}
""",
        Routing,
        "routing.yaml",
    )

    late = route(step(rule="late-arrivals"), roster(), routing, WEDNESDAY)
    absent = route(step(), roster(), routing, WEDNESDAY)

    assert [each.send for each in late] == ["shown"]
    assert told(absent) == [(f"{SCHOOL}/{TEACHER}", "digest", ("sms",))]


def test_a_step_that_no_route_matches_is_told_all_the_same() -> None:
    routing = Routing(routes=())

    decisions = route(step(level=4), roster(), routing, WEDNESDAY)

    assert [each.send for each in decisions] == ["digest"]


def test_both_contact_teachers_are_told() -> None:
    rows = roster(
        member(TEACHER, "contact_teacher"),
        member(OTHER_TEACHER, "contact_teacher"),
        pupil(PUPIL, TEACHER, OTHER_TEACHER),
    )

    decisions = route(step(), rows, ROUTING, WEDNESDAY)

    assert [each.recipient.staff for each in decisions] == [TEACHER, OTHER_TEACHER]


def test_the_contact_teacher_is_the_one_of_that_day() -> None:
    rows = roster(
        member(TEACHER, "contact_teacher"),
        member(OTHER_TEACHER, "contact_teacher"),
        pupil(PUPIL, TEACHER),
        pupil(PUPIL, OTHER_TEACHER, valid_from=THURSDAY),
    )

    before = route(step(), rows, ROUTING, WEDNESDAY)
    after = route(step(), rows, ROUTING, THURSDAY)

    assert [each.recipient.staff for each in before] == [TEACHER]
    assert [each.recipient.staff for each in after] == [OTHER_TEACHER]


@pytest.mark.parametrize(
    ("rows", "subject", "why"),
    [
        (
            roster(member(EHT, "eht"), pupil(PUPIL, "kt-gone")),
            PUPIL,
            "the pupil has none",
        ),
        (
            roster(
                member(TEACHER, "contact_teacher", email="", mobile=""), member(EHT, "eht"), pupil()
            ),
            PUPIL,
            "none of them has an address",
        ),
        (roster(), UNKNOWN_PUPIL, "no roster names the pupil"),
    ],
)
def test_whoever_has_no_reachable_contact_teacher_is_told_to_eht(
    rows: Roster, subject: str, why: str
) -> None:
    decisions = route(step(pupil=subject), rows, ROUTING, WEDNESDAY)

    assert [(each.recipient.staff, each.fallback) for each in decisions] == [(EHT, True)]
    assert why in decisions[0].reason


def test_without_a_roster_it_is_told_to_ehts_inbox() -> None:
    decisions = route(step(level=3), None, ROUTING, WEDNESDAY)

    assert [(str(each.recipient), each.fallback) for each in decisions] == [(f"{SCHOOL}/", True)]
    assert "the school has no roster" in decisions[0].reason


def test_one_who_is_told_in_two_capacities_is_told_once_and_at_once() -> None:
    rows = roster(member(EHT, "eht", "rektor"), pupil(PUPIL, EHT))
    routing = parse_config(
        "routes: [{audience: [eht], send: digest}, {send: immediate}]", Routing, "routing.yaml"
    )

    decisions = route(step(audience=("eht", "rektor")), rows, routing, WEDNESDAY)

    assert [(each.recipient.staff, each.send) for each in decisions] == [(EHT, "immediate")]


def test_channels_without_an_address_are_passed_over() -> None:
    rows = roster(member(TEACHER, "contact_teacher", email=""))
    teacher = Recipient(school=SCHOOL, staff=TEACHER)

    found = ways(teacher, ("email", "sms"), rows, ROUTING, WEDNESDAY)

    assert found == [("sms", "+46700000001")]


def test_ehts_inbox_stands_in_for_one_without_any_address() -> None:
    routing = Routing(eht_inbox={"default": "eht@kommunen.example", "skola-2": "eht@b.example"})
    inbox = Recipient(school=SCHOOL)

    assert ways(inbox, ("sms",), None, routing, WEDNESDAY) == [("email", "eht@kommunen.example")]
    assert ways(inbox, ("sms",), None, ROUTING, WEDNESDAY) == []


ADMIN = "adm-1"


def a_class(*rows: RosterPupil) -> Roster:
    return roster(
        member(TEACHER, "contact_teacher"),
        member(OTHER_TEACHER, "contact_teacher"),
        member(EHT, "eht"),
        member(ADMIN, "admin"),
        *rows,
    )


def test_a_classs_contact_teachers_are_those_of_its_pupils_on_that_day() -> None:
    rows = a_class(
        pupil("elev-1", TEACHER, school_class="7A"),
        pupil("elev-2", TEACHER, school_class="7A"),
        pupil("elev-3", OTHER_TEACHER, school_class="7A"),
        pupil("elev-3", OTHER_TEACHER, school_class="7B", valid_from=THURSDAY),
        pupil("elev-4", EHT, school_class="7A", left=date(2025, 9, 9)),
    )

    before = route(unit_step("class/7A"), rows, ROUTING, WEDNESDAY)
    after = route(unit_step("class/7A"), rows, ROUTING, THURSDAY)

    assert [each.recipient.staff for each in before] == [TEACHER, OTHER_TEACHER]
    assert [each.recipient.staff for each in after] == [TEACHER]


@pytest.mark.parametrize(
    ("unit", "why"),
    [
        ("class/9C", "no roster names the class"),
        ("class/8B", "the class has none"),
        ("group/7A-MA", "only a pupil or class has one"),
        ("school", "only a pupil or class has one"),
    ],
)
def test_a_unit_without_contact_teachers_is_told_to_eht(unit: str, why: str) -> None:
    rows = a_class(pupil("elev-1", "kt-gone"))

    decisions = route(unit_step(unit), rows, ROUTING, WEDNESDAY)

    assert [(each.recipient.staff, each.fallback) for each in decisions] == [(EHT, True)]
    assert why in decisions[0].reason


def test_a_units_note_goes_to_the_schools_administrator() -> None:
    decisions = route(unit_step("group/7A-MA", audience=("admin",)), a_class(), ROUTING, WEDNESDAY)

    assert told(decisions) == [(f"{SCHOOL}/{ADMIN}", "digest", ("email", "sms"))]


@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_good_news_waits_for_a_digest_at_every_level(level: int) -> None:
    decisions = route(step(level=level, good_news=True), roster(), ROUTING, WEDNESDAY)

    assert [each.send for each in decisions] == ["digest"]


@pytest.mark.parametrize(("level", "send"), [(1, "shown"), (2, "digest"), (3, "digest")])
def test_good_news_without_a_route_of_its_own_is_sent_as_others_but_never_at_once(
    level: int, send: str
) -> None:
    others = (
        each for each in ROUTING.routes if not each.good_news and "improvement" not in each.rules
    )
    routing = Routing(routes=tuple(others))

    decisions = route(step(level=level, good_news=True), roster(), routing, WEDNESDAY)

    assert [each.send for each in decisions] == [send]


@pytest.mark.parametrize(
    ("matcher", "sent"),
    [
        ("good_news: true", {"concern": "digest", "good news": "shown"}),
        ("good_news: false", {"concern": "shown", "good news": "digest"}),
        ("levels: [2]", {"concern": "shown", "good news": "shown"}),
    ],
)
def test_a_route_may_be_for_good_news_alone_for_all_else_or_for_both(
    matcher: str, sent: dict[str, str]
) -> None:
    text = f"routes: [{{{matcher}, send: shown}}, {{send: digest}}]"
    routing = parse_config(text, Routing, "routing.yaml")

    for word, good_news in (("concern", False), ("good news", True)):
        decisions = route(step(level=2, good_news=good_news), roster(), routing, WEDNESDAY)
        assert [each.send for each in decisions] == [sent[word]]


# Those who are away


def absent(rows: Roster, staff: str, substitute: str = "", last: date = WEDNESDAY) -> Roster:
    """A roster in which someone is away on Wednesday, or from then on."""
    return away(rows, staff, substitute, first=WEDNESDAY, last=last)


def who(rows: Roster, on: date = WEDNESDAY, routing: Routing = ROUTING, **fields: Any) -> list[str]:
    """The staff who are told of a step."""
    decisions = route(step(**fields), rows, routing, on)
    return [decision.recipient.staff for decision in decisions]


def test_a_substitute_is_told_from_the_first_to_the_last_day() -> None:
    rows = absent(a_class(pupil()), TEACHER, OTHER_TEACHER, last=THURSDAY)

    told_on = [who(rows, day) for day in (WEDNESDAY - timedelta(1), WEDNESDAY, THURSDAY, FRIDAY)]

    assert told_on == [[TEACHER], [OTHER_TEACHER], [OTHER_TEACHER], [TEACHER]]


def test_who_is_away_without_a_substitute_is_told_by_way_of_eht() -> None:
    decisions = route(step(), absent(a_class(pupil()), TEACHER), ROUTING, WEDNESDAY)

    assert [(each.recipient.staff, each.fallback) for each in decisions] == [(EHT, True)]
    assert decisions[0].reason == "level 2 for contact_teacher: away, and nobody stands in; to EHT"


def test_a_substitute_who_is_away_has_a_substitute_too() -> None:
    rows = absent(absent(a_class(pupil()), TEACHER, OTHER_TEACHER), OTHER_TEACHER, ADMIN)

    assert who(rows) == [ADMIN]


def test_two_who_stand_in_for_each_other_are_both_absent() -> None:
    rows = absent(absent(a_class(pupil()), TEACHER, OTHER_TEACHER), OTHER_TEACHER, TEACHER)

    assert who(rows) == [EHT]


def test_one_of_two_contact_teachers_who_is_away_leaves_the_other() -> None:
    rows = absent(a_class(pupil(PUPIL, TEACHER, OTHER_TEACHER)), TEACHER)

    assert who(rows) == [OTHER_TEACHER]


def test_a_colleague_who_stands_in_is_told_once() -> None:
    rows = absent(a_class(pupil(PUPIL, TEACHER, OTHER_TEACHER)), TEACHER, OTHER_TEACHER)

    assert who(rows) == [OTHER_TEACHER]


def test_a_substitute_whom_the_roster_does_not_know_stands_in_for_nobody() -> None:
    assert who(absent(a_class(pupil()), TEACHER, "kt-unknown")) == [EHT]


def test_with_eht_away_too_it_is_told_to_ehts_inbox() -> None:
    rows = absent(absent(a_class(pupil()), TEACHER), EHT)

    (decision,) = route(step(), rows, ROUTING, WEDNESDAY)

    assert (str(decision.recipient), decision.fallback) == (f"{SCHOOL}/", True)


# Those who take turns

OTHER_EHT, THIRD_EHT = "eht-2", "eht-3"
IN_TURN = Routing.model_validate(
    {
        "rotations": {
            SCHOOL: {"eht": {"staff": [EHT, OTHER_EHT, THIRD_EHT], "since": date(2025, 9, 10)}}
        }
    }
)


def team(*rows: RosterPupil) -> Roster:
    return roster(
        member(TEACHER, "contact_teacher"),
        member(THIRD_EHT, "eht"),
        member(EHT, "eht"),
        member(OTHER_EHT, "eht"),
        *(rows or (pupil(),)),
    )


def test_one_of_the_team_is_told_a_week_each_from_monday_to_sunday() -> None:
    weeks = [[MONDAY + timedelta(weeks=n, days=day) for day in (0, 2, 6)] for n in range(4)]

    turns = [[who(team(), day, IN_TURN, level=3) for day in week] for week in weeks]

    assert turns == [[[EHT]] * 3, [[OTHER_EHT]] * 3, [[THIRD_EHT]] * 3, [[EHT]] * 3]


def test_turns_go_back_before_the_week_in_which_they_were_written_down() -> None:
    assert who(team(), MONDAY - timedelta(days=1), IN_TURN, level=3) == [THIRD_EHT]


def test_whoever_is_away_in_their_week_leaves_it_to_the_next() -> None:
    assert who(absent(team(), EHT), WEDNESDAY, IN_TURN, level=3) == [OTHER_EHT]
    assert who(absent(absent(team(), EHT), OTHER_EHT), WEDNESDAY, IN_TURN, level=3) == [THIRD_EHT]


def test_whoever_has_no_address_leaves_their_week_to_the_next() -> None:
    rows = roster(member(EHT, "eht", email="", mobile=""), member(OTHER_EHT, "eht"), pupil())

    assert who(rows, WEDNESDAY, IN_TURN, level=3) == [OTHER_EHT]


def test_when_nobody_whose_turn_it_can_be_is_there_the_others_are_told() -> None:
    rows = roster(member("eht-9", "eht"), member("eht-8", "eht"), pupil())

    decisions = route(step(level=3), rows, IN_TURN, WEDNESDAY)

    assert [(each.recipient.staff, each.in_turn) for each in decisions] == [
        ("eht-9", ()),
        ("eht-8", ()),
    ]


def test_the_team_takes_turns_too_when_it_stands_in_for_a_contact_teacher() -> None:
    rows = team(pupil(PUPIL, "kt-gone"))

    (decision,) = route(step(), rows, IN_TURN, WEDNESDAY)

    assert (decision.recipient.staff, decision.fallback) == (EHT, True)
    assert decision.in_turn == (f"{SCHOOL}/{EHT}", f"{SCHOOL}/{OTHER_EHT}", f"{SCHOOL}/{THIRD_EHT}")


def test_other_schools_and_audiences_take_no_turns() -> None:
    everybody = [THIRD_EHT, EHT, OTHER_EHT]
    elsewhere = Routing.model_validate({"rotations": {"skola-2": IN_TURN.rotations[SCHOOL]}})
    of_teachers = Routing.model_validate(
        {"rotations": {SCHOOL: {"rektor": IN_TURN.rotations[SCHOOL]["eht"]}}}
    )

    assert who(team(), routing=elsewhere, level=3) == everybody
    assert who(team(), routing=of_teachers, level=3) == everybody


# A case that is lifted


def test_a_lifted_case_is_told_to_eht_beside_the_audience() -> None:
    decisions = route(step(), roster(), ROUTING, WEDNESDAY, case=Case(SCHOOL, PUPIL, lifted=True))

    assert [(each.recipient.staff, each.audience) for each in decisions] == [
        (TEACHER, "contact_teacher"),
        (EHT, "eht"),
    ]


def test_a_lifted_case_whose_audience_is_eht_is_told_to_them_once() -> None:
    decisions = route(
        step(level=3), roster(), ROUTING, WEDNESDAY, case=Case(SCHOOL, PUPIL, lifted=True)
    )

    assert [each.recipient.staff for each in decisions] == [EHT]


# Reminders


def test_a_reminder_of_an_unanswered_case_goes_at_once_by_mail_though_it_is_of_level_1() -> None:
    (decision,) = route(step(level=1, rule="unanswered"), roster(), ROUTING, WEDNESDAY)

    assert (decision.recipient.staff, decision.send, decision.channels) == (
        TEACHER,
        "immediate",
        ("email",),
    )
