"""Errors that a person can mend are told in one line; any other keeps its traceback."""

import sys
from socket import socket

import click
import pytest
from redis import Redis

from services import cli
from shared.broker import LayoutError
from shared.config import ConfigError, Problem
from shared.embedded import EmbeddedServerError
from shared.settings import NoServerError, SettingsRefusedError

MENDABLE = [
    ConfigError([Problem("calendar.yaml", 3, "terms", "met a day that is none")]),
    NoServerError("no server is known"),
    SettingsRefusedError("NARVARA_PARTITIONS: wanted a whole number"),
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


@pytest.mark.parametrize("port", ["nothing listens", "a server that wants a password"])
def test_a_server_that_lets_nobody_in_is_told_without_its_password(
    port: str, redis_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket() as taken, Redis.from_url(redis_url) as client:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets it
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        if port != "nothing listens":
            address = redis_url.removeprefix("redis://")
            client.config_set("requirepass", "annat")
        monkeypatch.setenv("NARVARA_REDIS_URL", f"redis://:hemligt@{address}")
        monkeypatch.setattr(sys, "argv", ["narvara", "steps"])
        try:
            with pytest.raises(SystemExit) as ended:
                cli.main()
        finally:
            if port != "nothing listens":
                client.config_set("requirepass", "")

    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert told.startswith("Error: no server answers (")
    assert told.endswith("start one with `narvara up`, or mend NARVARA_REDIS_URL\n")
    assert "hemligt" not in told
    assert "Traceback" not in told


def test_any_other_error_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError, match="a fault"):
        main_with(RuntimeError("a fault"), monkeypatch)
