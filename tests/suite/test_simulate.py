"""`narvara simulate` writes where it was told to, or says why it can't."""

from pathlib import Path

import pytest

from tests.suite.processes import Suite

SMALL = ("--pupils", 10, "--days", 3)


@pytest.fixture
def offline(tmp_path: Path) -> Suite:
    return Suite("", tmp_path)


def test_events_roster_and_truth_stand_beside_one_another(offline: Suite, tmp_path: Path) -> None:
    done = offline.call("simulate", *SMALL, "--out", tmp_path / "new" / "school" / "events.csv")

    assert done.exit_code == 0
    assert sorted(file.name for file in (tmp_path / "new" / "school").iterdir()) == [
        "events.csv",
        "events.truth.csv",
        "pupils.csv",
        "staff.csv",
    ]


@pytest.mark.parametrize("name", ["pupils.csv", "staff.csv", "absences.csv"])
def test_events_are_not_written_where_the_roster_goes(
    offline: Suite, tmp_path: Path, name: str
) -> None:
    done = offline.call("simulate", *SMALL, "--out", tmp_path / "school" / name)

    assert done.exit_code == 2
    assert f"met {name}, where the roster goes" in done.stderr
    assert not (tmp_path / "school").exists()


def test_a_place_below_a_file_is_told(offline: Suite, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")

    done = offline.call("simulate", *SMALL, "--out", tmp_path / "file" / "events.csv")

    assert done.exit_code == 1
    assert done.stderr == f"Error: {tmp_path / 'file'} can't be written: File exists\n"
