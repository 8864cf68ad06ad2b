"""Kill -9 of the rules process, at random moments: nothing is lost and nothing is told twice."""

import json
import signal
import subprocess
import time
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
from redis import Redis

from shared.streams import entry_order
from tests.suite.processes import SECONDS, Service, Suite, behind, checkpoint, simulated

ENOUGH = 8
"""Kills that counted, after which the process is left alone: on a slow machine one that is killed
as soon as it is up would never come to an end."""


@dataclass
class Kills:
    """Kill -9 at random moments; `counted` are those that hit a live process which lagged."""

    client: Redis
    suite: Suite
    random: Random
    counted: int = 0

    def while_running(self, command: subprocess.Popen[str], settings: dict[str, Any]) -> None:
        """Kill the rules process and start it again until `command` ends."""
        rules = self.suite.begin("rules", **settings)
        deadline = time.monotonic() + 4 * SECONDS
        while command.poll() is None:
            assert time.monotonic() < deadline, f"no end in sight after {self.counted} kills"
            if not rules.alive:  # as a supervisor would, whatever ended it
                rules = self.suite.begin("rules", **settings)
            lagging = behind(self.client, self.suite.partitions)
            if lagging and self.counted < ENOUGH:
                self._kill(rules, lagging)
            time.sleep(self.random.uniform(0, 0.1))

    def _kill(self, rules: Service, lagging: dict[int, str]) -> None:
        """A kill counts where the checkpoint, read after the death, lags behind the entry that
        stood in the stream before it."""
        if not rules.ready:
            return
        time.sleep(self.random.uniform(0, 0.5))
        lagging |= behind(self.client, self.suite.partitions)
        alive = rules.alive
        code = rules.kill()
        still = any(
            entry_order(checkpoint(self.client, partition)) < entry_order(entry)
            for partition, entry in lagging.items()
        )
        self.counted += alive and code == -signal.SIGKILL and still


def test_killed_again_and_again_during_an_import_rules_finds_the_same_steps(
    suite: Suite, client: Redis
) -> None:
    assert_survives(suite, client, seed=20)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(8))
def test_killed_at_many_other_moments_rules_finds_the_same_steps(
    suite: Suite, client: Redis, seed: int
) -> None:
    assert_survives(suite, client, seed=seed)


def assert_survives(suite: Suite, client: Redis, seed: int) -> None:
    events = simulated(suite.folder / "school", pupils=250, days=80)
    settings = {"checkpoint_events": 1000, "checkpoint_seconds": 0.5}
    suite.start("ingest")
    rules = suite.begin("rules", **settings)
    (undisturbed,) = suite.told("import", events, "--history", "--wait")
    wanted = suite.steps()
    rules.stop()
    client.flushdb()
    kills = Kills(client, suite, Random(seed))

    importing = suite.open("import", events, "--history", "--wait", "--format", "jsonl")
    kills.while_running(importing, settings | {"lease_seconds": 2})
    out, error = importing.communicate(timeout=SECONDS)
    steps = suite.steps()

    assert kills.counted >= 2, "too few kills hit a process that lagged; nothing was tried"
    assert (importing.returncode, error) == (0, "")
    assert json.loads(out) == undisturbed
    assert steps == wanted
    assert len({step["step_id"] for step in steps}) == len(steps) > 100
