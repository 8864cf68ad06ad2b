"""Who is told, how, and why they."""

from datetime import date
from itertools import product
from pathlib import Path

import pytest

from services.notify.desk import Recipient
from services.notify.routing import Decision, Routing, route, ways
from shared.config import ConfigError, parse_config, read_config
from shared.roster import Roster, RosterPupil
from tests.notify.examples import (
    EHT,
    OTHER_TEACHER,
    PUPIL,
    SCHOOL,
    TEACHER,
    THURSDAY,
    UNKNOWN_PUPIL,
    WEDNESDAY,
    member,
    pupil,
    roster,
    step,
    unit_step,
)

ROUTING = Routing()


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


def test_the_file_that_comes_with_it_says_what_the_defaults_say() -> None:
    file = read_config(Path("deploy/config/routing.yaml"), Routing)

    audiences = (("contact_teacher",), ("eht",), ("rektor",))
    for level, good_news in product((1, 2, 3, 4), (False, True)):
        for audience in audiences:
            one = step(level=level, audience=audience, good_news=good_news)
            assert route(one, roster(), file, date(2025, 9, 10)) == route(
                one, roster(), ROUTING, date(2025, 9, 10)
            )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("routes:\n  - {levels: [2], sent: digest}\n", "routing.yaml:2"),
        ("default_slot: sunday\n", "routing.yaml:1"),
        ("eht_inbox:\n  skola-1: nobody\n", "routing.yaml:2"),
        ("routes:\n  - {levels: [5], send: digest}\n", "routing.yaml:2"),
    ],
)
def test_a_mistake_in_the_file_is_told_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_config(text, Routing, "routing.yaml")

    assert problem in str(refused.value)


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
    routing = Routing(routes=ROUTING.routes[1:])

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
