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
        (smtp_outcome(250), "sent"),
        (smtp_outcome(421), "transient"),
        (smtp_outcome(450), "transient"),
        (smtp_outcome(550), "permanent"),
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
    assert not smtp_outcome(450).in_doubt


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
