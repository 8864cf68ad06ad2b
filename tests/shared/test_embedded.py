"""The embedded server: one a folder, found by others, and nothing that was answered is lost."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from redis import Redis

from shared.embedded import EmbeddedServerError, embedded_server
from shared.settings import NoServerError, Settings

HOLD = """
import sys, time
from pathlib import Path
from redis import Redis
from shared.embedded import embedded_server
with embedded_server(Path(sys.argv[1])) as url:
    with Redis.from_url(url) as client:
        client.set("known", "before the kill")
    print(url, flush=True)
    time.sleep(60)
"""


def test_what_was_answered_survives_a_restart(tmp_path: Path) -> None:
    with embedded_server(tmp_path) as url, Redis.from_url(url) as client:
        client.set("known", "yes")

    with embedded_server(tmp_path) as url, Redis.from_url(url) as client:
        assert client.get("known") == b"yes"


def test_every_answered_change_is_on_disk_first(tmp_path: Path) -> None:
    with embedded_server(tmp_path) as url, Redis.from_url(url) as client:
        kept = client.config_get("append*")

    assert (kept["appendonly"], kept["appendfsync"]) == ("yes", "always")


def test_a_second_server_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    with (
        embedded_server(tmp_path) as url,
        Redis.from_url(url) as client,
        pytest.raises(EmbeddedServerError, match="already runs on"),
        embedded_server(tmp_path),
    ):
        pass

    with embedded_server(tmp_path) as url, Redis.from_url(url) as client:
        assert client.ping()


def test_a_server_whose_parent_was_killed_is_ended_and_its_data_stays(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        url = parent.stdout.readline().strip()
        with Redis.from_url(url) as client:
            orphan = client.info()["process_id"]
        parent.send_signal(signal.SIGKILL)

    with embedded_server(tmp_path) as url, Redis.from_url(url) as client:
        assert client.get("known") == b"before the kill"
        assert client.info()["process_id"] != orphan
    assert not is_running(orphan)


def test_only_the_owner_reaches_the_server_and_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "data"

    with embedded_server(folder) as url:
        socket = Path(url.removeprefix("unix://"))
        modes = [path.stat().st_mode & 0o077 for path in (folder, socket, folder / "redis-url")]

    assert modes == [0, 0, 0]


def test_a_folder_whose_path_is_too_long_for_a_socket_does(tmp_path: Path) -> None:
    with embedded_server(tmp_path / ("long" * 30)) as url, Redis.from_url(url) as client:
        assert client.ping()


def test_others_find_the_server_through_the_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NARVARA_REDIS_URL", raising=False)
    settings = Settings(data_dir=tmp_path)

    with embedded_server(tmp_path) as url:
        assert settings.url == url

    with pytest.raises(NoServerError, match="narvara up"):
        _ = settings.url


def is_running(process: int) -> bool:
    """A process that is ended but not yet waited for by anybody doesn't run."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        told = subprocess.run(
            ["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True, check=False
        )
        if not told.stdout.strip() or told.stdout.startswith("Z"):
            return False
        time.sleep(0.05)
    return True
