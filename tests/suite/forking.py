"""`narvara notify run`, as often as a test kills it, without a second of loading each time.

Run as a program this loads all that the service needs, then forks for each line that it reads,
a JSON object: the settings, and where the log goes. A child runs the command as it is, and its
death by a signal is a process's death; its parent tells first its id, then how it ended.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from select import select
from typing import IO, Any

COMMAND = (sys.executable, "-m", "tests.suite.forking")


class Forked:
    """One process: the part of `subprocess.Popen` that a killer needs."""

    def __init__(self, pid: int, told: IO[bytes]) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._told = told

    def poll(self) -> int | None:
        if self.returncode is None and select([self._told], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def kill(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        if self.returncode is None:
            self.returncode = int(self._told.readline())
        return self.returncode


class Forks:
    """Starts one process after another: each only when the one before it has ended."""

    def __init__(self, parent: "subprocess.Popen[bytes]") -> None:
        self._parent = parent

    def start(self, settings: Mapping[str, str], log: Path) -> Forked:
        assert self._parent.stdin
        assert self._parent.stdout
        wish = json.dumps({"settings": dict(settings), "log": str(log)})
        self._parent.stdin.write(wish.encode() + b"\n")
        return Forked(int(self._parent.stdout.readline()), self._parent.stdout)


@contextmanager
def forks(*more: str) -> Iterator[Forks]:
    """`more` are words for the program, such as `without-ledger`."""
    with subprocess.Popen(
        [*COMMAND, *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as parent:
        yield Forks(parent)
        assert parent.stdin
        parent.stdin.close()
        assert parent.wait() == 0


def _serve() -> None:
    from services.notify import cli, sender  # noqa: PLC0415 - who only imports this needs none

    if "without-ledger" in sys.argv[1:]:
        setattr(sender, "record", lambda *_: None)  # noqa: B010 - mypy knows what it is
    while line := sys.stdin.readline():
        child = os.fork()
        if not child:
            _become(json.loads(line), cli.notify)
        print(child, flush=True)  # noqa: T201 - this is what is read
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)  # noqa: T201


def _become(wish: dict[str, Any], command: Any) -> None:
    os.environ.update(wish["settings"])
    with Path(wish["log"]).open("ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    command(["run"])


if __name__ == "__main__":
    _serve()
