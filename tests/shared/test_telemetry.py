"""A log line is one object, an event and its fields."""

import json
import logging
from collections.abc import Iterator

import pytest

from shared.telemetry import log, note, set_up_logging


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """`set_up_logging` is for a process of its own; here its handlers go again."""
    root = logging.getLogger()
    handlers, level, own = root.handlers[:], root.level, log.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    log.setLevel(own)


def test_an_event_is_one_json_object_with_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("INFO")

    note("day closed", school="alvik", date="2025-09-01")

    line = json.loads(capsys.readouterr().err)
    assert line.pop("at")
    assert line == {
        "level": "info",
        "event": "day closed",
        "school": "alvik",
        "date": "2025-09-01",
    }


def test_an_error_stands_in_the_same_line(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("INFO")

    log.critical("service ends", exc_info=ValueError("met a\nwanted b"))

    (line,) = capsys.readouterr().err.splitlines()
    assert "ValueError: met a\nwanted b" in json.loads(line)["error"]


def test_what_is_below_the_level_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("WARNING")

    note("day closed")

    assert capsys.readouterr().err == ""
