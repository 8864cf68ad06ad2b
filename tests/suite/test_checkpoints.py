"""When pupils are written: seldom while a backlog is folded, and often enough for a crash."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.suite.processes import Suite, simulated


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The events of most of a school year."""
    return simulated(tmp_path_factory.mktemp("school"), pupils=45, days=120)


@pytest.fixture
def lone(redis_url: str, tmp_path: Path) -> Iterator[Suite]:
    """A suite of one partition."""
    suite = Suite(redis_url, tmp_path, {"NARVARA_PARTITIONS": "1"})
    yield suite
    suite.end()


def checkpoints(suite: Suite, events: int) -> float:
    """How many are made of what waits, with so many registrations between two at the most.

    Steady work is to be written ten times a second; no silence is as long as a fold.
    """
    (rules,) = suite.start(
        "rules", checkpoint_events=events, checkpoint_seconds=0.01, checkpoint_idle_seconds=2
    )
    suite.wait_until_folded()
    return rules.metric("narvara_checkpoint_seconds_count")


def test_while_it_catches_up_no_checkpoint_comes_by_the_clock(lone: Suite, school: Path) -> None:
    (imported,) = lone.told("import", school, "--history")

    # Where the backlog ends, and after what came of it.
    assert checkpoints(lone, 10 * imported["sent"]) <= 2


def test_while_it_catches_up_a_crash_reads_no_more_again_than_is_set(
    lone: Suite, school: Path
) -> None:
    (imported,) = lone.told("import", school, "--history")

    assert checkpoints(lone, imported["sent"] // 4) >= 3
