"""What a gateway's answer means, and what happens next.

Transient and permanent failures are kept apart: a transient one is tried again later, only a
definite permanent one brings the next channel. Nothing here waits: the caller sleeps.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Literal

LONGEST_PAUSE = 3600.0
"""Seconds between two tries at most, unless the gateway asks for a longer pause."""

LONGEST_ASKED_PAUSE = 86_400.0

MOST_ATTEMPTS = 60
"""With an hour between tries this outlasts a weekend; then the message is a dead letter."""

HANGS_UP = 421
"""The SMTP reply of a server that ends the connection, whatever it was asked."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one try ended. The reason carries no address and nothing that a gateway wrote."""

    kind: Literal["sent", "transient", "permanent"]
    reason: str = ""
    retry_after: float | None = None
    """Seconds that the gateway asked for before the next try."""
    in_doubt: bool = False
    """No answer came: the message may have been taken all the same."""
    gateway_down: bool = False
    """It was the gateway that failed: any other message would have failed too."""
    dead_address: bool = False
    """The gateway says that nobody is there."""
    reference: str = ""
    """The gateway's own name of what it has taken."""
    found: bool = False
    """It was an earlier try that got through: nothing was sent by this one."""


SENT = Outcome("sent")

SmtpStage = Literal["connect", "MAIL", "RCPT", "DATA", "content"]
"""How far a message had come: `content` is its last line, after which the server may have it."""

_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?!\S)")

_NOBODY_THERE = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"})
"""RFC 3463 and 7505: no such mailbox or host, or it has moved. 5.1.7 and 5.1.8 are the sender's."""


def smtp_outcome(code: int, stage: SmtpStage, words: str = "") -> Outcome:
    """An SMTP reply, by its stage: 2xx taken, 5xx refused for good, all else worth another try.

    What comes before the recipient is named (`connect`, `MAIL`) says nothing of the message, nor
    does 421, by which a server hangs up: it is the gateway that fails, for all messages alike.
    """
    if 200 <= code < 300:
        return SENT
    met = _ENHANCED.match(words)
    status = met[0] if met else ""
    reason = f"SMTP {code} {status}".rstrip() + f" at {stage}"
    if stage in {"connect", "MAIL"} or code == HANGS_UP:
        return Outcome("transient", reason, gateway_down=True)
    if 500 <= code < 600:
        return Outcome("permanent", reason, dead_address=status in _NOBODY_THERE)
    return Outcome("transient", reason)


def http_outcome(status: int, retry_after: str | None = None, date: str | None = None) -> Outcome:
    """An HTTP answer: 2xx taken; 408, 429 and 5xx worth another try; all else refused for good.

    `retry_after` and `date` are the headers of these names. A gateway that broke down over the
    message may have taken it; 503 says that it did not begin.
    """
    if 200 <= status < 300:
        return SENT
    if status in {408, 429} or status >= 500:
        return Outcome(
            "transient",
            f"HTTP {status}",
            _asked_pause(retry_after or "", date or ""),
            in_doubt=status >= 500 and status != 503,
            gateway_down=True,
        )
    return Outcome("permanent", f"HTTP {status}")


def no_answer(error: BaseException, *, reached: bool = True) -> Outcome:
    """The connection failed; in doubt unless it did before anything could be taken."""
    return Outcome("transient", type(error).__name__, in_doubt=reached, gateway_down=True)


def _asked_pause(retry_after: str, date: str) -> float | None:
    """Seconds of a Retry-After; one that names a time is counted from the gateway's own clock."""
    if retry_after.isdecimal():
        return float(retry_after)
    try:
        asked = parsedate_to_datetime(retry_after) - parsedate_to_datetime(date)
    except (TypeError, ValueError):
        return None
    return max(asked.total_seconds(), 0.0)


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
