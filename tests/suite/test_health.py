"""How each service is seen from outside: alive, ready, measured, and a log that programs read."""

import pytest
from redis import Redis

from shared import streams
from tests.suite.processes import Suite, wait_until


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("ingest", "narvara_config_last_reload_successful"),
        ("rules", "narvara_partitions_owned"),
        ("notify", "narvara_outbox_messages"),
    ],
)
def test_each_service_says_that_it_lives_is_ready_and_what_it_has_done(
    suite: Suite, name: str, metric: str
) -> None:
    (service,) = suite.start(name)

    assert service.page("/healthz") == (200, "ok\n")
    assert service.page("/readyz")[0] == 200
    assert f"# HELP {metric} " in service.page("/metrics")[1]
    assert service.stop() == 0
    assert all({"at", "level", "event"} <= line.keys() for line in service.lines())


@pytest.mark.parametrize("name", ["rules", "notify"])
def test_a_service_that_waits_for_its_lease_lives_but_is_not_ready(
    suite: Suite, client: Redis, name: str
) -> None:
    for lease in (*map(streams.lease, suite.partitions), "lease:{notify}"):
        client.set(lease, "another owner's")
    service = suite.begin(name)

    wait_until(lambda: service.page("/healthz")[0] == 200, f"{name} is up")

    assert service.page("/readyz")[0] == 503
    assert service.stop() == 0
