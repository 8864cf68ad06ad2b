"""A gateway that is down is asked by one message at a time."""

from services.notify.breaker import FAILURES, FIRST_PAUSE, LONGEST_PAUSE, Breaker
from services.notify.delivery import SENT, Outcome, smtp_outcome

DOWN = Outcome("transient", "ConnectionRefusedError", gateway_down=True)
GREYLISTED = smtp_outcome(450, "RCPT")
REFUSED = smtp_outcome(550, "RCPT")


def opened(at: float = 0) -> Breaker:
    breaker = Breaker()
    for _ in range(FAILURES):
        breaker = breaker.begun(at).after(DOWN, at)
    return breaker


def test_a_few_failures_in_a_row_open_it() -> None:
    almost = Breaker()
    for _ in range(FAILURES - 1):
        almost = almost.after(DOWN, 0)

    assert almost.lets_through(0)
    assert not almost.after(DOWN, 0).lets_through(0)


def test_a_gateway_that_answers_in_between_is_up() -> None:
    breaker = Breaker()
    for outcome in [DOWN, DOWN, DOWN, DOWN, SENT] * 5:
        breaker = breaker.after(outcome, 0)

    assert breaker == Breaker()


def test_what_is_one_message_s_fault_opens_nothing() -> None:
    breaker = Breaker()
    for outcome in [GREYLISTED, REFUSED] * 20:
        breaker = breaker.after(outcome, 0)

    assert breaker == Breaker()


def test_after_the_pause_one_message_is_tried_and_the_others_wait() -> None:
    breaker = opened(at=100)
    over = 100 + FIRST_PAUSE

    assert not breaker.lets_through(over - 0.1)
    assert breaker.again(over - 0.1) == over
    assert breaker.lets_through(over)

    trial = breaker.begun(over)
    assert not trial.lets_through(over)
    assert over < trial.again(over) <= over + FIRST_PAUSE


def test_a_trial_that_gets_through_closes_it() -> None:
    assert opened().begun(FIRST_PAUSE).after(SENT, FIRST_PAUSE) == Breaker()
    assert opened().begun(FIRST_PAUSE).after(GREYLISTED, FIRST_PAUSE) == Breaker()


def test_each_trial_that_fails_doubles_the_pause_to_some_minutes() -> None:
    breaker, now, pauses = opened(), 0.0, []
    for _ in range(7):
        pauses.append(breaker.until - now)
        now = breaker.until
        breaker = breaker.begun(now).after(DOWN, now)

    assert pauses == [15, 30, 60, 120, 240, 300, 300]
    assert max(pauses) == LONGEST_PAUSE


def test_a_gateway_that_was_up_again_begins_with_a_short_pause() -> None:
    breaker = opened()
    for now in (15.0, 45.0):
        breaker = breaker.begun(now).after(DOWN, now)
    breaker = breaker.begun(105).after(SENT, 105)
    for _ in range(FAILURES):
        breaker = breaker.after(DOWN, 200)

    assert breaker.until == 200 + FIRST_PAUSE


def test_tries_that_began_before_it_opened_lengthen_nothing() -> None:
    breaker = opened()
    for _ in range(30):
        breaker = breaker.after(DOWN, 1)

    assert breaker == opened()


def test_a_trial_without_an_outcome_keeps_it_open_no_longer_than_a_pause() -> None:
    trial = opened().begun(FIRST_PAUSE)

    assert trial.lets_through(2 * FIRST_PAUSE)


def test_those_that_wait_for_a_trial_ask_again_soon() -> None:
    breaker, now = opened(), 0.0
    for _ in range(6):
        now = breaker.until
        breaker = breaker.begun(now).after(DOWN, now)
    trial = breaker.begun(breaker.until)

    assert trial.again(breaker.until) <= breaker.until + 30


def test_a_gateway_that_asks_for_a_longer_pause_gets_it_to_a_day() -> None:
    def asked(seconds: float) -> float:
        outcome = Outcome("transient", "HTTP 429", retry_after=seconds, gateway_down=True)
        breaker = Breaker()
        for _ in range(FAILURES):
            breaker = breaker.after(outcome, 0)
        return breaker.until

    assert [asked(1), asked(900), asked(10**9)] == [FIRST_PAUSE, 900, 86_400]
