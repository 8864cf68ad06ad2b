"""What a gateway's answer means, and what happens next."""

import pytest

from services.notify.delivery import (
    MOST_ATTEMPTS,
    SENT,
    Dead,
    NextChannel,
    Outcome,
    Retry,
    Sent,
    follows,
    http_outcome,
    no_answer,
    pause,
    smtp_outcome,
)


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (smtp_outcome(250, "content"), "sent"),
        (smtp_outcome(421, "RCPT"), "transient"),
        (smtp_outcome(450, "RCPT"), "transient"),
        (smtp_outcome(550, "RCPT"), "permanent"),
        (smtp_outcome(554, "DATA"), "permanent"),
        (smtp_outcome(554, "content"), "permanent"),
        (smtp_outcome(554, "connect"), "transient"),
        (smtp_outcome(550, "MAIL"), "transient"),
        (http_outcome(200), "sent"),
        (http_outcome(408), "transient"),
        (http_outcome(429), "transient"),
        (http_outcome(503), "transient"),
        (http_outcome(400), "permanent"),
        (http_outcome(403), "permanent"),
        (no_answer(ConnectionResetError()), "transient"),
    ],
)
def test_transient_and_permanent_failures_are_kept_apart(outcome: Outcome, kind: str) -> None:
    assert outcome.kind == kind


def test_only_a_connection_that_was_made_leaves_a_doubt() -> None:
    assert no_answer(TimeoutError()).in_doubt
    assert not no_answer(ConnectionRefusedError(), reached=False).in_doubt
    assert not smtp_outcome(450, "content").in_doubt


def test_a_gateway_that_broke_down_may_have_taken_it_one_that_did_not_begin_has_not() -> None:
    in_doubt = [
        status for status in (408, 429, 500, 502, 503, 504) if http_outcome(status).in_doubt
    ]

    assert in_doubt == [500, 502, 504]


@pytest.mark.parametrize(
    ("outcome", "down"),
    [
        (smtp_outcome(451, "connect"), True),
        (smtp_outcome(550, "MAIL"), True),
        (smtp_outcome(421, "content"), True),
        (smtp_outcome(450, "RCPT"), False),
        (smtp_outcome(452, "content"), False),
        (smtp_outcome(550, "RCPT"), False),
        (http_outcome(429), True),
        (http_outcome(500), True),
        (http_outcome(400), False),
        (no_answer(TimeoutError()), True),
    ],
)
def test_what_all_messages_would_meet_is_told_from_what_one_meets(
    outcome: Outcome, down: bool
) -> None:
    assert outcome.gateway_down is down


@pytest.mark.parametrize(
    ("words", "dead"),
    [
        ("5.1.1 unknown", True),
        ("5.1.10 no such host takes mail", True),
        ("5.1.1", True),
        ("5.1.1x", False),
        ("5.1.8 your host is unknown", False),
        ("5.7.1 not allowed", False),
        ("unknown user 5.1.1", False),
        ("", False),
    ],
)
def test_only_a_status_that_says_so_makes_an_address_dead(words: str, dead: bool) -> None:
    assert smtp_outcome(550, "RCPT", words).dead_address is dead
    assert not smtp_outcome(450, "RCPT", words).dead_address
    assert not smtp_outcome(550, "MAIL", words).dead_address


def test_the_pause_doubles_to_an_hour() -> None:
    pauses = [pause(attempts, 30, jitter=1) for attempts in (1, 2, 3, 8, 60)]

    assert pauses == [30, 60, 120, 3600, 3600]


def test_jitter_spreads_the_tries_over_the_upper_half() -> None:
    assert pause(2, 30, jitter=0) == 30
    assert pause(2, 30, jitter=0.5) == 45


def test_a_gateway_that_asks_for_a_longer_pause_gets_it_to_a_day() -> None:
    assert http_outcome(429, "7200").retry_after == 7200
    assert pause(1, 30, jitter=1, asked=7200) == 7200
    assert pause(1, 30, jitter=1, asked=10**9) == 86_400


def test_an_unreadable_wish_is_no_wish() -> None:
    assert http_outcome(503, "Wed, 21 Oct 2026 07:28:00 GMT").retry_after is None
    assert http_outcome(503, "soon").retry_after is None


def test_a_wish_for_a_time_is_counted_from_the_gateway_s_clock() -> None:
    now, later = "Wed, 21 Oct 2026 07:28:00 GMT", "Wed, 21 Oct 2026 07:30:00 GMT"

    assert http_outcome(503, later, now).retry_after == 120
    assert http_outcome(503, now, later).retry_after == 0


def test_what_is_taken_is_sent() -> None:
    assert follows(SENT, 1, ["sms"], now=0, first=30, jitter=1) == Sent()


def test_a_transient_failure_is_tried_again_on_the_same_channel() -> None:
    step = follows(Outcome("transient", "SMTP 450"), 1, ["sms"], now=1000, first=30, jitter=1)

    assert step == Retry(1030)


def test_a_permanent_failure_brings_the_next_channel() -> None:
    refused = Outcome("permanent", "SMTP 550")

    assert follows(refused, 1, ["sms"], now=0, first=30, jitter=1) == NextChannel()
    assert follows(refused, 1, [], now=0, first=30, jitter=1) == Dead("SMTP 550")


def test_tries_come_to_an_end() -> None:
    step = follows(Outcome("transient", "x"), MOST_ATTEMPTS, ["sms"], now=0, first=30, jitter=1)

    assert isinstance(step, Dead)
