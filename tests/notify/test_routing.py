"""The routing file: what it may say, and what is said when it says something else."""

from datetime import date, time
from pathlib import Path

import pytest

from services.notify.routing import Routing
from shared.config import ConfigError, parse_config, read_config

EXAMPLE = """
default_slot: "wed 08:00"
quiet_hours: {from: "19:00", to: "06:30", days_off: false}
cap: 3
rotations:
  skola-1:
    eht: {staff: [eht-1, eht-2], since: 2025-09-08}
silences:
  - {rules: [late-arrivals], until: 2025-09-22, reason: the buses are rerouted}
routes:
  - {levels: [2], send: digest, digest: daily, channels: [email]}
  - {send: immediate, break_quiet: true}
"""


def test_a_file_says_who_is_told_how_and_when_and_what_waits() -> None:
    routing = parse_config(EXAMPLE, Routing, "routing.yaml")

    assert routing.quiet_hours.times == (time(19), time(6, 30))
    assert not routing.quiet_hours.days_off
    assert routing.cap == 3
    assert routing.rotations["skola-1"]["eht"].staff == ("eht-1", "eht-2")
    assert routing.silences[0].until == date(2025, 9, 22)
    assert [(each.digest, each.channels, each.break_quiet) for each in routing.routes] == [
        ("daily", ("email",), False),
        ("weekly", ("email", "sms"), True),
    ]


def test_left_out_it_is_quiet_from_18_to_7_and_on_days_off() -> None:
    assert Routing().quiet_hours.times == (time(18), time(7))
    assert Routing().quiet_hours.days_off


def test_the_file_that_comes_with_it_says_what_the_defaults_say() -> None:
    assert read_config(Path("deploy/config/routing.yaml"), Routing) == Routing()


def test_the_inbox_of_a_school_goes_before_that_of_all() -> None:
    routing = Routing(eht_inbox={"default": "eht@kommunen.example", "skola-2": "eht@b.example"})

    assert routing.inbox("skola-1") == "eht@kommunen.example"
    assert routing.inbox("skola-2") == "eht@b.example"
    assert Routing().inbox("skola-1") == ""


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("routes:\n  - {levels: [2], sent: digest}\n", "routing.yaml:2"),
        ("default_slot: sunday\n", "routing.yaml:1"),
        ("eht_inbox:\n  skola-1: nobody\n", "routing.yaml:2"),
        ("routes:\n  - {levels: [5], send: digest}\n", "routing.yaml:2"),
        ("routes:\n  - {send: digest, digest: monthly}\n", "routing.yaml:2"),
        ("routes:\n  - {send: digest, channels: []}\n", "routing.yaml:2"),
        ("silences:\n  - {until: 2025-09-22}\n", "routing.yaml:2"),
        ("silences:\n  - {reason: the fair}\n", "routing.yaml:2"),
        ('silences:\n  - {until: 2025-09-22, reason: ""}\n', "routing.yaml:2"),
        ("silences:\n  - {pupil: elev-1, until: 2025-09-22, reason: x}\n", "routing.yaml:2"),
        ("quiet_hours:\n  from: '25:00'\n", "routing.yaml:2"),
        ("rotations:\n  skola-1:\n    eht: {staff: [], since: 2025-09-08}\n", "routing.yaml:3"),
        ("rotations:\n  skola-1:\n    cook: {staff: [a], since: 2025-09-08}\n", "routing.yaml:3"),
        ("cap: 0\n", "routing.yaml:1"),
    ],
)
def test_a_mistake_in_the_file_is_told_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_config(text, Routing, "routing.yaml")

    assert problem in str(refused.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("default_slot: thu 25:00", "default_slot: met 'thu 25:00'; wanted text such as thu 15:00"),
        ("it_inbox: it", "it_inbox: met 'it'; wanted text such as eht@skola.example"),
        ("quiet_hours: {to: '7'}", "quiet_hours.to: met '7'; wanted text such as 17:00"),
        (
            "protected_handlers: {skola/1: anna}",
            "protected_handlers.skola/1: met 'skola/1'; wanted text such as skola-1",
        ),
        ("eht_inbox: {a b: a@b.se}", "eht_inbox.a b: met 'a b'; wanted text such as skola-1"),
        (
            "rotations: {'': {eht: {staff: [a], since: 2025-09-08}}}",
            "rotations.: met ''; wanted at least 1 character",
        ),
        (
            "rotations: {skola-1: {eht: {staff: [a b], since: 2025-09-08}}}",
            "rotations.skola-1.eht.staff.0: met 'a b'; wanted text such as skola-1",
        ),
        (
            "rotations: {skola-1: {eht: {staff: [], since: 2025-09-08}}}",
            "rotations.skola-1.eht.staff: met []; wanted at least 1 in it",
        ),
    ],
)
def test_what_is_of_another_form_is_told_once_with_an_example(text: str, told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_config(text, Routing, "routing.yaml")

    assert str(refused.value) == f"routing.yaml:1: {told}"
