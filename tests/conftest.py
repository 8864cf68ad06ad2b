"""The one place where tests get a server from.

`NARVARA_TEST_REDIS_URL` names one; else testcontainers runs one where a Docker engine answers;
else the embedded server does. `NARVARA_TEST_SERVER=embedded` takes the embedded one in any case.
Tests that ask for it carry the marker `server`.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from hypothesis import HealthCheck, settings
from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from shared.embedded import embedded_server

# Its reaper is an image of its own, which a machine without a registry can't fetch; the fixture
# ends what it starts. testcontainers reads this when it is imported.
os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")

# How busy the machine is says nothing of a promise.
settings.register_profile("narvara", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("narvara")

_IMAGE = "redis:7-bookworm"
_COMMAND = "redis-server --bind 0.0.0.0 --protected-mode no --appendonly yes --appendfsync always"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses the server, before `-m` chooses."""
    for item in items:
        if "redis_url" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.server)


@pytest.fixture
def redis_url(_server: str) -> Iterator[str]:
    """The address of an empty server; what the test leaves there is deleted."""
    yield _server
    with Redis.from_url(_server) as client:
        client.flushdb()


@pytest.fixture(scope="session")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if url := os.environ.get("NARVARA_TEST_REDIS_URL"):
        _refuse_keys(url)
        yield url
    elif os.environ.get("NARVARA_TEST_SERVER") != "embedded" and _engine_answers():
        with _container() as url:
            yield url
    else:
        with embedded_server(tmp_path_factory.mktemp("server")) as url:
            yield url


def _refuse_keys(url: str) -> None:
    """Tests delete all keys: a server with data was named by mistake."""
    with Redis.from_url(url) as client:
        if keys := client.dbsize():
            pytest.exit(
                f"the database of NARVARA_TEST_REDIS_URL holds {keys} keys; wanted an empty one, "
                "since tests delete all; name another, such as one that ends in /9",
                returncode=2,
            )


def _engine_answers() -> bool:
    """Asked by the command, since docker's Python client leaves a socket open when none does."""
    with suppress(FileNotFoundError):
        asked = subprocess.run(["docker", "info"], capture_output=True, check=False)
        return asked.returncode == 0
    return False


@contextmanager
def _container() -> Iterator[str]:
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - slow

    with DockerContainer(_IMAGE, command=_COMMAND).with_exposed_ports(6379) as container:
        url = f"redis://{container.get_container_host_ip()}:{container.get_exposed_port(6379)}/0"
        _wait_for(url)
        yield url


def _wait_for(url: str) -> None:
    retry = Retry(ConstantBackoff(0.1), 300, supported_errors=(RedisConnectionError,))
    with Redis.from_url(url, retry=retry) as client:
        client.ping()
