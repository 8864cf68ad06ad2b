"""No name of a pupil leaves the roster: not into a log, a metric, a stream or a message."""

import csv
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from redis import Redis

from services.ingest.config_files import read_calendar
from shared import streams
from tests.suite.processes import Service, Suite, wait_until

NAMES = ("Hemligsson", "Zacharias")


def test_no_name_of_a_pupil_is_in_a_log_a_metric_a_stream_or_a_message(
    suite: Suite, client: Redis, school: Path
) -> None:
    running, told = a_school_goes_live(suite, school)

    seen = {
        **{f"log of {service.name}": service.log.read_text("utf-8") for service in running},
        **{f"metrics of {service.name}": service.page("/metrics")[1] for service in running},
        **{f"message {file.name}": file.read_text("utf-8") for file in messages(suite)},
        **dict(entries(client, suite)),
        "commands": told,
        "steps": suite.run("steps").stdout,
    }

    assert [what for what, text in seen.items() if any(name in text for name in NAMES)] == []
    roster: Any = client.hget("roster:{notify}", "skola-1")
    assert all(name in roster.decode() for name in NAMES)
    assert all(seen.values())
    assert {what.split()[0] for what in seen} > {"log", "metrics", "message"}


def test_history_is_told_to_nobody_before_the_school_goes_live(
    suite: Suite, client: Redis, school: Path
) -> None:
    suite.environment["NARVARA_CLOCK"] = "simulated"
    suite.start("ingest", "rules", "notify")
    for command in coming_to_go_live(suite, school):
        assert suite.call(*command).exit_code == 0
    suite.wait_until_folded()
    wait_until(lambda: has_read_all(client, suite), "notify has read all")

    early = list(messages(suite))
    suite.call("golive", "skola-1")
    suite.call("clock", TOLD)

    assert early == []
    assert client.hlen("findings:{notify}") > 0
    wait_until(lambda: bool(list(messages(suite))), "what is still open is told")


LIVE = datetime.fromisoformat("2025-10-20T07:00:00+02:00")
"""Some days after the history ends, so that a digest's slots pass before the school is live."""

TOLD = LIVE + timedelta(days=4, hours=3)
"""A slot later, in the morning of a school day: in quiet hours nothing is sent."""


def a_school_goes_live(suite: Suite, school: Path) -> tuple[list[Service], str]:
    """History, then the clock: until messages are out. Returns the services and what was said."""
    suite.environment["NARVARA_CLOCK"] = "simulated"
    bad = suite.folder / "bad.csv"
    rows = school.read_text("utf-8").splitlines()[:2]
    bad.write_text(f"{rows[0]}\n{rows[1]}\n{rows[1].replace(',p0', f',{NAMES[1]} ')}\n", "utf-8")
    running = suite.start("ingest", "rules", "notify")
    done = [
        *(suite.run(*command) for command in coming_to_go_live(suite, school)),
        suite.run("golive", "skola-1"),
        suite.run("clock", TOLD),
        suite.run("import", bad, "--wait"),
    ]
    assert [each.returncode for each in done] == [0] * 6 + [1]
    wait_until(lambda: bool(list(messages(suite))), "a message is sent")
    return running, "".join(each.stdout + each.stderr for each in done)


def coming_to_go_live(suite: Suite, school: Path) -> list[tuple[object, ...]]:
    """The commands that bring a school's past in, and the clock to just before it goes live."""
    named(school.parent, suite.folder)
    first = read_calendar(suite.config).school_days[0]
    return [
        ("clock", f"{first}T06:00:00+02:00"),
        ("roster", suite.folder),
        ("import", school, "--history", "--wait"),
        ("clock", LIVE - timedelta(minutes=5)),
    ]


def has_read_all(client: Redis, suite: Suite) -> bool:
    """Has notify read every case step?"""
    for partition in suite.partitions:
        newest: Any = client.xinfo_stream(streams.case_steps(partition))
        if client.get(f"position:{{notify}}:{partition}") != newest["last-generated-id"]:
            return False
    return True


def named(source: Path, folder: Path) -> None:
    """The school's roster, with pupils whose names are easily found."""
    (folder / "staff.csv").write_text((source / "staff.csv").read_text("utf-8"), "utf-8")
    with (
        (source / "pupils.csv").open(encoding="utf-8", newline="") as known,
        (folder / "pupils.csv").open("w", encoding="utf-8", newline="") as out,
    ):
        rows = csv.DictReader(known)
        writer = csv.DictWriter(out, rows.fieldnames or ())
        writer.writeheader()
        writer.writerows({**row, "name": " ".join(reversed(NAMES))} for row in rows)


def messages(suite: Suite) -> Iterator[Path]:
    return Path(suite.environment["NARVARA_DATA_DIR"], "messages").glob("[!.]*")


def entries(client: Redis, suite: Suite) -> Iterator[tuple[str, str]]:
    """Every entry of every stream."""
    for key in (streams.attendance, streams.case_steps):
        for partition in suite.partitions:
            found: Any = client.xrange(key(partition))
            bodies = [body for _, fields in found for body in fields.values()]
            yield key(partition), b"\n".join(bodies).decode()
