"""What a gateway's answer means, and what happens next.

Transient and permanent failures are kept apart: a transient one is tried again later, only a
definite permanent one brings the next channel. Nothing here waits: the caller sleeps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

LONGEST_PAUSE = 3600.0
"""Seconds between two tries at most, unless the gateway asks for a longer pause."""

LONGEST_ASKED_PAUSE = 86_400.0

MOST_ATTEMPTS = 60
"""With an hour between tries this outlasts a weekend; then the message is a dead letter."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one try ended. The reason carries no address and nothing that a gateway wrote."""

    kind: Literal["sent", "transient", "permanent"]
    reason: str = ""
    retry_after: float | None = None
    in_doubt: bool = False
    """No answer came: the message may have been taken all the same."""


SENT = Outcome("sent")


def smtp_outcome(code: int) -> Outcome:
    """An SMTP reply: 2xx taken, 5xx refused for good, all else worth another try."""
    if 200 <= code < 300:
        return SENT
    return Outcome("permanent" if 500 <= code < 600 else "transient", f"SMTP {code}")


def http_outcome(status: int, retry_after: str | None = None) -> Outcome:
    """An HTTP answer: 2xx taken; 408, 429 and 5xx worth another try; all else refused for good."""
    if 200 <= status < 300:
        return SENT
    if status in {408, 429} or status >= 500:
        pause = float(retry_after) if retry_after and retry_after.isdecimal() else None
        return Outcome("transient", f"HTTP {status}", pause)
    return Outcome("permanent", f"HTTP {status}")


def no_answer(error: BaseException, *, reached: bool = True) -> Outcome:
    """The connection failed; when it was never made (`reached` false), nothing is in doubt."""
    return Outcome("transient", type(error).__name__, in_doubt=reached)


def pause(attempts: int, first: float, jitter: float, asked: float | None = None) -> float:
    """Seconds until the next try, after `attempts` of them: doubling from `first`, to an hour.

    `jitter` from 0 to 1 spreads the tries over the upper half of the pause. A gateway that
    asked for a longer pause gets it, to a day.
    """
    longest = min(LONGEST_PAUSE, first * 2.0 ** min(attempts - 1, 20))
    return max(longest * (1 + jitter) / 2, min(asked or 0.0, LONGEST_ASKED_PAUSE))


@dataclass(frozen=True, slots=True)
class Sent:
    """The gateway has taken it."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Try the same channel again."""

    at: float
    """Unix seconds."""


@dataclass(frozen=True, slots=True)
class NextChannel:
    """This channel has refused for good, and there is another."""


@dataclass(frozen=True, slots=True)
class Dead:
    """Given up, and why."""

    reason: str


def follows(
    outcome: Outcome,
    attempts: int,
    others: Sequence[str],
    *,
    now: float,
    first: float,
    jitter: float,
) -> Sent | Retry | NextChannel | Dead:
    """What happens after a try: `attempts` counts it, `others` are the channels still left."""
    if outcome.kind == "sent":
        return Sent()
    if outcome.kind == "permanent":
        return NextChannel() if others else Dead(outcome.reason)
    if attempts >= MOST_ATTEMPTS:
        return Dead(f"given up after {attempts} tries; the last ended with {outcome.reason}")
    return Retry(now + pause(attempts, first, jitter, outcome.retry_after))
