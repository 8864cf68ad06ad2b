"""What the commands promise of an import: it can be repeated, and what it refuses is kept."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from redis import Redis

from shared import streams
from tests.suite.processes import Step, Suite, behind, json_lines, wait_until

HEADER = "school,pupil,lesson,starts_at,minutes,subject,status,absent_minutes,recorded_at"
GOOD = "alvik,p1,l{0},2025-08-18T0{0}:00:00+02:00,50,ma,present,,2025-08-18T0{0}:30:00+02:00"
BAD = {
    3: "alvik,p2,l1,2025-08-18T08:00:00+02:00,50,ma,Närvarande,,2025-08-18T08:30:00+02:00",
    5: "alvik,Åke Hemlig,l2,2025-08-18T08:00:00+02:00,50,ma,late,5,2025-08-18T08:30:00+02:00",
    6: "alvik,p2,l3,2025-08-18T08:00:00+02:00,50,ma,late,51,2025-08-18T08:30:00+02:00",
    7: "alvik,p2,l3,2025-08-18T08:00:00+02:00,50,ma,late,51,2025-08-18T08:30:00+02:00",
}
"""Rows that can't be registrations, by line; the same one twice is refused twice."""


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """An export of three registrations and four rows that can't be any."""
    rows = {1: HEADER, 2: GOOD.format(7), 4: GOOD.format(8), 8: GOOD.format(9), **BAD}
    file = tmp_path / "export.csv"
    file.write_text("".join(f"{rows[line]}\n" for line in sorted(rows)), encoding="utf-8")
    return file


def kept(suite: Suite) -> list[Step]:
    return json_lines(suite.call("quarantine", "list", "--format", "jsonl").stdout)


def test_the_same_history_twice_changes_nothing(
    suite: Suite, school: Path, found: list[Step]
) -> None:
    suite.start("rules")

    (first,) = suite.told("import", school, "--history", "--wait")
    (second,) = suite.told("import", school, "--history", "--wait")

    assert first["accepted"] == first["sent"] == second["sent"]
    assert second["accepted"] == second["expired"] == 0
    assert second["duplicate"] + second["superseded"] == second["sent"]
    assert suite.steps() == found


def test_the_same_file_twice_in_daily_work_changes_nothing(suite: Suite, export: Path) -> None:
    suite.start("rules")

    (first, second) = (
        json.loads(suite.call("import", export, "--wait", "--format", "jsonl").stdout)
        for _ in range(2)
    )

    assert (first["accepted"], first["duplicate"]) == (3, 0)
    assert (second["accepted"], second["duplicate"]) == (0, 3)
    assert len(kept(suite)) == 4


def test_another_history_of_a_school_whose_days_are_closed_is_refused(
    suite: Suite, school: Path, tmp_path: Path
) -> None:
    suite.call("import", school, "--history")
    shorter = tmp_path / "shorter.csv"
    shorter.write_text("".join(school.read_text("utf-8").splitlines(keepends=True)[:500]), "utf-8")

    refused = suite.run("import", shorter, "--history")

    assert refused.returncode == 1
    assert "days are closed here already" in refused.stderr


@pytest.mark.parametrize(("how", "closes"), [((), 0), (("--history",), 1)])
def test_refused_rows_are_told_with_line_and_reason_and_the_exit_code_agrees(
    suite: Suite, export: Path, how: tuple[str, ...], closes: int
) -> None:
    suite.start("rules")

    done = suite.run("import", export, *how, "--wait", "--format", "jsonl")
    (counts,) = json_lines(done.stdout)

    assert done.returncode == 1
    assert counts == {
        "read": 7,
        "sent": 3,
        "refused": 4,
        "closes": closes,
        "accepted": 3,
        "duplicate": 0,
        "superseded": 0,
        "expired": 0,
    }
    told = dict(line.split(": ", 1) for line in done.stderr.splitlines())
    assert list(told) == [f"export.csv:{line}" for line in BAD]
    assert "wanted one of present, late" in told["export.csv:3"]
    assert "pupil: met a space" in told["export.csv:5"]
    assert "51 absent minutes of 50 offered" in told["export.csv:6"]
    assert "Hemlig" not in done.stderr + done.stdout
    assert len(kept(suite)) == counts["refused"]


def test_the_quarantine_holds_as_many_as_were_refused_and_a_repeat_adds_none(
    suite: Suite, export: Path
) -> None:
    for _ in range(2):
        suite.call("import", export)

    items = kept(suite)
    text = suite.call("quarantine", "list").stdout

    assert [(item["file"], item["line"]) for item in items] == [("export.csv", n) for n in BAD]
    assert [item["raw"] for item in items] == list(BAD.values())
    assert text.splitlines()[-1] == "4 in quarantine"
    assert "Hemlig" not in text


def test_what_is_still_to_come_is_kept_back_unless_the_clock_is_simulated(
    suite: Suite, tmp_path: Path
) -> None:
    in_two_days = datetime.fromtimestamp(time.time() + 2 * 86_400, UTC)
    row = GOOD.format(8).rpartition(",")[0] + f",{in_two_days.isoformat(timespec='seconds')}"
    file = tmp_path / "export.csv"
    file.write_text(f"{HEADER}\n{row}\n", encoding="utf-8")

    refused = suite.run("import", file)
    (item,) = kept(suite)
    again = suite.run("quarantine", "replay")

    assert refused.returncode == 1
    assert "recorded_at: met " in item["reason"]
    assert (again.returncode, again.stdout) == (1, "0 sent, 1 still in quarantine\n")
    simulated = suite.run("quarantine", "replay", clock="simulated")
    assert (simulated.returncode, simulated.stdout) == (0, "1 sent, 0 still in quarantine\n")


def test_an_import_without_a_refused_row_exits_zero(suite: Suite, tmp_path: Path) -> None:
    file = tmp_path / "good.csv"
    file.write_text(f"{HEADER}\n{GOOD.format(8)}\n", encoding="utf-8")

    done = suite.run("import", file)

    assert (done.returncode, done.stderr) == (0, "")
    assert kept(suite) == []


def test_a_dry_run_tells_the_same_and_writes_nothing(
    suite: Suite, client: Redis, export: Path
) -> None:
    done = suite.run("import", export, "--dry-run", "--format", "jsonl")
    (counts,) = json_lines(done.stdout)

    assert done.returncode == 1
    assert (counts["read"], counts["sent"], counts["refused"]) == (7, 0, 4)
    assert len(done.stderr.splitlines()) == 4
    assert client.dbsize() == 0


def test_a_file_with_another_header_is_refused_whole(
    suite: Suite, client: Redis, tmp_path: Path
) -> None:
    file = tmp_path / "other.csv"
    file.write_text(f"{HEADER.replace('absent_minutes', 'absent')}\n{GOOD.format(8)}\n", "utf-8")

    done = suite.run("import", file)

    assert done.returncode == 1
    assert "met school,pupil," in done.stderr
    assert f"wanted the header {HEADER}" in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr
    assert suite.call("quarantine", "list").stdout == "0 in quarantine\n"


def test_a_file_that_is_mostly_wrong_stops_instead_of_filling_the_quarantine(
    suite: Suite, tmp_path: Path
) -> None:
    file = tmp_path / "wrong.csv"
    file.write_text(f"{HEADER}\n" + f"{BAD[3]}\n" * 5000, encoding="utf-8")

    done = suite.run("import", file)

    assert done.returncode == 1
    assert "the file or the profile is wrong" in done.stderr
    assert len(kept(suite)) <= 1000


def test_replay_sends_what_can_be_read_now_and_keeps_the_rest(
    suite: Suite, client: Redis, export: Path
) -> None:
    (rules,) = suite.start("rules")
    suite.call("import", export)
    (mended, *_) = kept(suite)
    # As if this version read what an older one refused.
    item = {**mended, "raw": GOOD.format(6)}
    digest = item.pop("digest")
    for partition in suite.partitions:
        if client.hexists(streams.quarantine(partition), digest):
            client.hset(streams.quarantine(partition), digest, json.dumps(item))

    done = suite.run("quarantine", "replay")
    again = suite.run("quarantine", "replay")
    suite.wait_until_folded()

    assert (done.returncode, done.stdout) == (1, "1 sent, 3 still in quarantine\n")
    assert (again.returncode, again.stdout) == (1, "0 sent, 3 still in quarantine\n")
    assert [item["line"] for item in kept(suite)] == [5, 6, 7]
    assert rules.metric("narvara_registrations_total", outcome="accepted") == 4


def test_wait_returns_when_rules_has_folded_all_and_not_before(
    suite: Suite, client: Redis, school: Path
) -> None:
    importing = suite.open("import", school, "--history", "--wait", "--format", "jsonl")
    wait_until(lambda: client.hexists("closed:{ingest}", "skola-1"), "all is sent")
    waits = importing.poll() is None and len(behind(client, suite.partitions)) == 4
    suite.start("rules")

    out, _ = importing.communicate(timeout=60)

    assert waits
    assert json.loads(out)["accepted"] == json.loads(out)["sent"]
    assert behind(client, suite.partitions) == {}


def test_an_entry_that_cannot_be_read_is_kept_and_the_rest_is_folded(
    suite: Suite, client: Redis, school: Path, found: list[Step]
) -> None:
    (rules,) = suite.start("rules")
    unreadable = ("no json", '{"type": "attendance"}', '{"type": "day_closed", "school": "a b"}')
    for partition in suite.partitions:
        for body in unreadable * 2:
            client.xadd(streams.attendance(partition), {streams.BODY: body})
        client.xadd(streams.attendance(partition), {"other": "field"})

    suite.told("import", school, "--history", "--wait")
    items = kept(suite)

    assert suite.steps() == found
    assert len(items) == 4 * len(suite.partitions)
    assert {item["raw"] for item in items} == {*unreadable, ""}
    assert all(item["where"] == "stream" and item["reason"] for item in items)
    assert rules.metric("narvara_quarantined_total", where="stream") == 7 * len(suite.partitions)


def test_a_stream_of_which_most_cannot_be_read_stops_the_service_loudly(
    suite: Suite, client: Redis
) -> None:
    (rules,) = suite.start("rules")

    for number in range(600):
        client.xadd(streams.attendance(0), {streams.BODY: f"no json {number}"})

    assert rules.end() == 1
    assert any("narvara quarantine list" in line.get("error", "") for line in rules.lines())


def test_a_pupil_whom_the_roster_does_not_name_is_judged_all_the_same(
    suite: Suite, school: Path, found: list[Step]
) -> None:
    suite.start("rules")
    rows = (school.parent / "pupils.csv").read_text("utf-8").splitlines(keepends=True)
    (suite.folder / "pupils.csv").write_text("".join(rows[:30]), encoding="utf-8")
    (suite.folder / "staff.csv").write_text((school.parent / "staff.csv").read_text("utf-8"))
    named = {row.split(",")[1] for row in rows[1:30]}

    suite.call("roster", suite.folder)
    suite.told("import", school, "--history", "--wait")
    unnamed = [step for step in suite.steps() if step["pupil"] not in named]

    assert unnamed == [step for step in found if step["pupil"] not in named] != []
