"""What is told of a file's rows that can't be read, by whichever command reads the file."""

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import Result

from services.ingest.imports import SHOWN_REFUSALS
from tests.suite.processes import Suite, json_lines

READS: dict[str, tuple[str, ...]] = {
    "backtest": ("backtest", "{events}"),
    "explain": ("explain", "skola-1/p0001", "--events", "{events}"),
    "rehearse": ("routes", "rehearse", "{events}", "--roster", "{folder}"),
    "import": ("import", "{events}", "--dry-run"),
}
"""Commands that read a file of events."""


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    """Commands on files alone."""
    return Suite("", tmp_path_factory.mktemp("offline"))


@pytest.fixture
def events(school: Path) -> list[str]:
    """The lines of a simulated school's file, its header first."""
    return school.read_text("utf-8").splitlines(keepends=True)


def run(suite: Suite, command: str, events: Path, school: Path) -> Result:
    """A command in this process: an error that isn't told escapes."""
    places = {"events": events, "folder": school.parent}
    return suite.call(*(part.format_map(places) for part in READS[command]))


def spoilt(events: list[str], *lines: int) -> str:
    """The file with another status, an invented one, on some lines."""
    rows = dict(enumerate(events, 1))
    for line in lines:
        cells = rows[line].split(",")
        rows[line] = ",".join([*cells[:6], "Hemlig", *cells[7:]])
    return "".join(rows.values())


@pytest.mark.parametrize("command", READS)
def test_a_refused_row_is_told_and_the_rest_is_read(
    offline: Suite, command: str, school: Path, events: list[str], tmp_path: Path
) -> None:
    # A file's name is shown as it stands: in a terminal's markup :100: and [b] would be others.
    file = tmp_path / "export[b]:100:.csv"
    file.write_text(spoilt(events, 7), "utf-8")

    done = run(offline, command, file, school)

    assert done.exit_code == 1
    assert done.stdout
    assert "export[b]:100:.csv:7: status: met " in done.stderr
    assert "Hemlig" not in done.stderr


@pytest.mark.parametrize("command", READS)
def test_more_refusals_than_are_shown_are_counted(
    offline: Suite, command: str, school: Path, events: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "export.csv"
    file.write_text(spoilt(events, *range(2, 2 + SHOWN_REFUSALS + 5)), "utf-8")

    done = run(offline, command, file, school)

    assert done.exit_code == 1
    assert done.stderr.count(": status: met ") == SHOWN_REFUSALS
    assert "… and 5 more refused rows" in done.stderr


@pytest.mark.parametrize("command", READS)
def test_a_file_of_which_most_is_refused_is_no_events(
    offline: Suite, command: str, school: Path, events: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "export.csv"
    file.write_text(spoilt(events, *range(2, 2 + 900)), "utf-8")

    done = run(offline, command, file, school)

    assert done.exit_code == 1
    assert command == "import" or not done.stdout  # an import still counts what it read
    assert "900 of 1000 rows up to line 1001" in done.stderr
    assert "such as line 901: status: met " in done.stderr
    assert "the file or the profile is wrong" in done.stderr


@pytest.mark.parametrize("command", READS)
def test_a_file_with_another_header_is_no_events(
    offline: Suite, command: str, school: Path, events: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "export.csv"
    file.write_text("".join(events[1:]), "utf-8")

    done = run(offline, command, file, school)

    assert done.exit_code == 1
    assert not done.stdout
    assert "header" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_recorded_later_than_tomorrow_is_not_imported(
    offline: Suite, school: Path, events: list[str], tmp_path: Path
) -> None:
    soon, late = (
        datetime.fromtimestamp(time.time() + hours * 3600, UTC).isoformat(timespec="seconds")
        for hours in (20, 30)
    )
    file = tmp_path / "export.csv"
    rows = [_recorded(events[1], soon), _recorded(events[2], late)]
    file.write_text("".join((events[0], *rows)), "utf-8")

    done = offline.call("import", file, "--dry-run", "--format", "jsonl")
    (counts,) = json_lines(done.stdout)

    assert (counts["read"], counts["refused"]) == (2, 1)
    assert f"export.csv:3: recorded_at: met '{late}'; wanted when it was recorded, " in done.stderr


def _recorded(row: str, at: str) -> str:
    cells = row.rstrip("\r\n").split(",")
    return ",".join([*cells[:8], at, *cells[9:]]) + "\n"


@pytest.mark.parametrize("command", ["backtest", "explain", "rehearse"])
def test_what_is_recorded_long_after_the_calendar_is_refused(
    offline: Suite, command: str, school: Path, events: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "export.csv"
    late = _recorded(events[2], "2199-12-31T12:00:00+00:00")
    file.write_text("".join([*events[:2], late, *events[3:200]]), "utf-8")

    done = run(offline, command, file, school)

    assert done.exit_code == 1
    assert "export.csv:3: recorded_at: met '2199-12-31T12:00:00+00:00'; wanted " in done.stderr
