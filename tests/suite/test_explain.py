"""`narvara explain` on a real server says what the rules service has, and needs no service."""

from pathlib import Path
from typing import Any

from redis import Redis

from services.rules.record import unpack
from shared import streams
from tests.suite.processes import Step, Suite, json_lines

JSON = ("--format", "jsonl")

LAST = "2025-10-10"
"""The last of the 40 school days."""


def standing(steps: list[Step], pupil: str) -> dict[str, int]:
    """The level of each finding that stands after a pupil's steps."""
    levels: dict[str, int] = {}
    for step in steps:
        if step["pupil"] == pupil:
            stands = step["level"] if step["kind"] in ("opened", "raised") else 0
            levels[step["rule"]] = step["remaining"] or stands
    return {rule: level for rule, level in levels.items() if level}


def some_found(steps: list[Step]) -> str:
    """The pupil about whom most was found."""
    pupils: list[str] = [step["pupil"] for step in steps if step["pupil"]]
    return max(sorted(set(pupils)), key=pupils.count)


def levels(explained: dict[str, Any]) -> dict[str, int]:
    return {each["rule"]: each["level"] for each in explained["open"]}


def test_what_the_server_holds_is_explained_as_its_owner_has_it(
    suite: Suite, client: Redis, school: Path
) -> None:
    ingest, rules = suite.start("ingest", "rules")
    suite.run("roster", school.parent)
    suite.told("import", school, "--history", "--wait")
    suite.wait_until_folded()
    steps = suite.steps()
    ingest.stop()
    rules.stop()
    pupil = some_found(steps)
    held = client.dbsize()

    (found,) = suite.told("explain", f"skola-1/{pupil}")

    partition = streams.partition_of("skola-1", pupil, len(suite.partitions))
    kept: Any = client.hget(streams.pupils(partition), f"skola-1/{pupil}")
    record = unpack(kept)
    assert found["as_of"] == found["known_on"] == LAST
    assert levels(found) == standing(steps, pupil)
    assert levels(found) == {rule: each.level for rule, each in record.findings.items()}
    assert {each["rule"]: each["quiet_days"] for each in found["open"]} == {
        rule: each.quiet for rule, each in record.findings.items()
    }
    assert client.dbsize() == held

    files = ("--events", school, "--roster", school.parent)
    filed = suite.call("explain", f"skola-1/{pupil}", *files, *JSON)
    assert json_lines(filed.stdout) == [found]
    shown = suite.run("explain", f"skola-1/{pupil}", "--as-of", "2025-09-28")
    assert shown.returncode == 0
    assert shown.stdout.startswith(f"skola-1/{pupil} · klass ")
    assert "2025-09-28 är ingen skoldag; därför visas skoldagen före." in shown.stdout
    for title in ("Remsan", "Öppna signaler", "Avslutat nyligen", "Alla mått och gränser"):
        assert title in shown.stdout
    assert "\x1b" not in shown.stdout


def test_what_was_known_on_an_earlier_day_is_what_was_told_until_then(
    suite: Suite, school: Path, found: list[Step]
) -> None:
    pupil, day = some_found(found), "2025-09-26"

    def told(*dates: str) -> dict[str, Any]:
        done = suite.call("explain", f"skola-1/{pupil}", *dates, "--events", school, *JSON)
        (explained,) = json_lines(done.stdout)
        return explained

    then, now = told("--known-on", "2025-09-28"), told("--as-of", "2025-09-28")

    assert then["as_of"] == then["known_on"] == now["as_of"] == day
    assert levels(then) == standing([each for each in found if each["as_of"] <= day], pupil)
    assert now["known_on"] == LAST


def test_what_cannot_be_explained_is_refused_and_said_why(suite: Suite, school: Path) -> None:
    def refused(*arguments: object) -> tuple[int, str]:
        done = suite.call("explain", *arguments, "--events", school)
        assert not done.stdout
        return done.exit_code, done.stderr

    code, error = refused("skola-1/nobody")
    assert (code, "nothing is known of a pupil skola-1/nobody" in error) == (1, True)
    code, error = refused("skola-1/p0001", "--as-of", "2025-10-01", "--known-on", "2025-09-30")
    assert (code, "is later than --known-on 2025-09-30" in error) == (2, True)
    code, error = refused("p0001")
    assert (code, "wanted a school and a pupil" in error) == (2, True)
    code, error = refused("skola-1/p0001", "--as-of", "2025-12-01")
    assert (code, "yet to come" in error) == (1, True)
