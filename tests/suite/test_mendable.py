"""Errors that a person can mend are told in one line; any other keeps its traceback."""

import sys

import click
import pytest

from services import cli
from shared.broker import LayoutError
from shared.config import ConfigError, Problem
from shared.embedded import EmbeddedServerError
from shared.settings import NoServerError

MENDABLE = [
    ConfigError([Problem("calendar.yaml", 3, "terms", "met a day that is none")]),
    NoServerError("no server is known"),
    LayoutError("lies in 8 partitions"),
    EmbeddedServerError("another one runs"),
]


def main_with(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def failing() -> None:
        raise error

    monkeypatch.setattr(cli, "narvara", failing)
    monkeypatch.setattr(sys, "argv", ["narvara"])
    cli.main()


@pytest.mark.parametrize("error", MENDABLE, ids=lambda error: type(error).__name__)
def test_an_error_that_a_person_can_mend_is_told_without_a_traceback(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main_with(error, monkeypatch)

    assert ended.value.code == 2
    assert capsys.readouterr().err == f"Error: {error}\n"


def test_any_other_error_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError, match="a fault"):
        main_with(RuntimeError("a fault"), monkeypatch)
