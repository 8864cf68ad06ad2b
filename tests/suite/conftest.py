"""What the tests of the whole suite share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from tests.suite.processes import Step, Suite, by_day, simulated


@pytest.fixture
def suite(redis_url: str, tmp_path: Path) -> Iterator[Suite]:
    """Services and commands on an empty server; what still runs is ended."""
    suite = Suite(redis_url, tmp_path)
    yield suite
    suite.end()


@pytest.fixture
def client(redis_url: str) -> Iterator[Redis]:
    """The same server, to look at it from outside."""
    with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture(scope="session")
def school(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The events of a simulated school of 60 pupils, with its roster beside."""
    return simulated(tmp_path_factory.mktemp("school"), pupils=60, days=40)


@pytest.fixture(scope="session")
def found(school: Path) -> list[Step]:
    """What the back-test finds at that school."""
    return by_day(Suite("", school.parent / "backtest").told("backtest", school))
