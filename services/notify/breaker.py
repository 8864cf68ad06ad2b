"""A gateway that is down is asked by one message at a time, not by all of them.

A breaker is closed while its gateway answers. Some failures of the gateway in a row open it: then
nothing is tried until a pause is over, and after that one message alone. A pause that ended in
one more failure doubles, to some minutes. A message that meets an open breaker waits: that is no
attempt of its own, and no reason to take another channel.
"""

from dataclasses import dataclass, replace
from typing import Literal

from services.notify.delivery import LONGEST_ASKED_PAUSE, Outcome

FAILURES = 5
"""Failures in a row that open a breaker."""

FIRST_PAUSE = 15.0
"""Seconds."""

LONGEST_PAUSE = 300.0
"""Seconds, unless the gateway asks for a longer pause."""

_TRIAL = 30.0
"""Seconds after which those that wait for the outcome of a trial ask again."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """What is known of one gateway. Times are Unix seconds."""

    state: Literal["closed", "open", "half-open"] = "closed"
    failures: int = 0
    """In a row, while closed."""
    pause: float = FIRST_PAUSE
    """Seconds that the present pause takes, or the next one."""
    until: float = 0.0
    """While open: when it is over. While half-open: when a trial without an outcome is given up."""

    def lets_through(self, now: float) -> bool:
        """May a message be tried now?"""
        return self.state == "closed" or now >= self.until

    def again(self, now: float) -> float:
        """When a message that was not let through asks again."""
        return min(self.until, now + _TRIAL) if self.state == "half-open" else self.until

    def begun(self, now: float) -> "Breaker":
        """A message that was let through is tried: after a pause it is the only one."""
        if self.state == "closed":
            return self
        # A trial whose outcome never comes, as in a crash, must not keep the breaker open for good.
        return replace(self, state="half-open", until=now + self.pause)

    def after(self, outcome: Outcome, now: float) -> "Breaker":
        """A try has ended; a gateway that answers sensibly, be it by a refusal, is up."""
        if not outcome.gateway_down:
            return Breaker()
        if self.state == "open":
            # It began before the breaker opened, and tells nothing new.
            return self
        if self.state == "half-open":
            return self._opened(min(self.pause * 2, LONGEST_PAUSE), outcome, now)
        if self.failures + 1 < FAILURES:
            return replace(self, failures=self.failures + 1)
        return self._opened(FIRST_PAUSE, outcome, now)

    def _opened(self, pause: float, outcome: Outcome, now: float) -> "Breaker":
        asked = min(outcome.retry_after or 0.0, LONGEST_ASKED_PAUSE)
        return Breaker("open", pause=pause, until=now + max(pause, asked))
