"""Owners that are stopped, paused, or one too many, and servers that are not what they were."""

import signal
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from redis import Redis

from shared import streams
from shared.embedded import embedded_server
from shared.events import DayClosed, RulebookChanged
from tests.suite.processes import (
    Service,
    Step,
    Suite,
    behind,
    checkpoint,
    json_lines,
    newest,
    wait_until,
)

UNHURRIED = {"checkpoint_idle_seconds": 600, "checkpoint_seconds": 600}
"""No checkpoint comes by itself: what a stop or a loss leaves behind is the test's own doing."""


def test_a_clean_stop_leaves_nothing_undone_and_no_lease(
    suite: Suite, client: Redis, school: Path
) -> None:
    (rules,) = suite.start("rules", **UNHURRIED)
    (imported,) = suite.told("import", school, "--history")
    wait_until_folded(rules, imported["closes"], suite)
    unwritten = behind(client, suite.partitions)

    code = rules.stop()

    assert code == 0
    assert set(unwritten) == set(suite.partitions)
    for partition in suite.partitions:
        assert checkpoint(client, partition) == newest(client, partition)
    assert not client.exists(*map(streams.lease, suite.partitions))


def test_of_two_owners_by_mistake_one_waits_and_nothing_is_written_twice(
    suite: Suite, school: Path, found: list[Step]
) -> None:
    (owner,) = suite.start("rules")
    second = suite.begin("rules")
    wait_until(lambda: second.page("/healthz")[0] == 200, "the second is up")

    (imported,) = suite.told("import", school, "--history", "--wait")
    waited = not second.ready
    owner.stop()
    second.wait_until_ready()
    (again,) = suite.told("import", school, "--history", "--wait")

    assert waited
    assert suite.steps() == found
    assert imported["accepted"] == imported["sent"]
    assert (again["accepted"], again["duplicate"] + again["superseded"]) == (0, again["sent"])
    assert second.metric("narvara_partitions_owned") == len(suite.partitions)


def test_an_owner_that_was_paused_and_taken_over_from_writes_nothing_when_it_comes_back(
    suite: Suite, school: Path, found: list[Step]
) -> None:
    (paused,) = suite.start("rules", lease_seconds=3, **UNHURRIED)
    (imported,) = suite.told("import", school, "--history")
    wait_until_folded(paused, imported["closes"], suite)
    paused.tell(signal.SIGSTOP)
    (owner,) = suite.start("rules", lease_seconds=3)
    suite.wait_until_folded()
    before = suite.steps()

    paused.tell(signal.SIGCONT)

    assert paused.end() == 1
    # Paused within a call, it finds that the answer is late before it finds who holds the lease.
    reasons = "".join(line["error"] for line in paused.lines() if line["level"] == "critical")
    assert "held by another owner" in reasons or "Timeout reading" in reasons
    assert before == suite.steps() == found
    assert owner.ready


def lose_everything(client: Redis, suite: Suite) -> None:
    client.flushdb()


def lose_registrations(client: Redis, suite: Suite) -> None:
    client.delete(*map(streams.attendance, suite.partitions))


def lose_checkpoints(client: Redis, suite: Suite) -> None:
    client.delete(*map(streams.checkpoint, suite.partitions))


@pytest.mark.parametrize("lose", [lose_everything, lose_registrations, lose_checkpoints])
def test_a_server_that_has_lost_writes_ends_the_service_non_zero(
    suite: Suite, client: Redis, school: Path, lose: Callable[[Redis, Suite], None]
) -> None:
    (rules,) = suite.start("rules", lease_seconds=3)
    suite.told("import", school, "--history", "--wait")

    lose(client, suite)

    assert rules.end() == 1
    assert any(line["level"] == "critical" for line in rules.lines())


def test_a_rulebook_that_is_none_is_kept_aside_and_the_one_before_stays_in_force(
    suite: Suite, client: Redis, school: Path
) -> None:
    (rules,) = suite.start("rules")
    suite.told("import", school, "--history", "--wait")
    none = RulebookChanged(version="none", content={"rules": [{"id": "no-levels"}]})
    monday = DayClosed(school="skola-1", date=date(2025, 10, 13), history=True)

    for partition in suite.partitions:
        for fact in (none, monday):
            client.xadd(streams.attendance(partition), {streams.BODY: fact.model_dump_json()})
    suite.wait_until_folded()

    kept = json_lines(suite.call("quarantine", "list", "--format", "jsonl").stdout)
    assert [each["reason"] for each in kept] == [
        "rules.0.title: Field required" for _ in suite.partitions
    ]
    assert rules.ready
    assert rules.metric("narvara_day_closes_total", outcome="judged") > 0


def test_a_server_that_is_gone_ends_every_service_non_zero(tmp_path: Path) -> None:
    with embedded_server(tmp_path / "server") as url:
        suite = Suite(url, tmp_path / "suite")
        running = suite.start("ingest", "rules", "notify", lease_seconds=1)

    assert [service.end() for service in running] == [1, 1, 1]


def test_another_number_of_partitions_than_the_stored_is_refused(
    suite: Suite, school: Path
) -> None:
    suite.start("rules")

    begun = [suite.begin(name, partitions=3) for name in ("ingest", "rules", "notify")]
    imported = suite.run("import", school, partitions=3)

    words = "lies in 4 partitions, NARVARA_PARTITIONS says 3"
    for service in begun:
        assert service.end() != 0
        assert words in service.log.read_text(encoding="utf-8")
    assert imported.returncode == 2
    assert words in imported.stderr


def wait_until_folded(rules: Service, closes: int, suite: Suite) -> None:
    """Wait until a process has folded a history in memory, whether or not it is written."""
    judged = closes * len(suite.partitions)
    wait_until(
        lambda: rules.metric("narvara_day_closes_total", outcome="judged") >= judged,
        "the last day is closed",
    )
