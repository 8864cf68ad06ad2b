"""The three services as child processes: started, watched, started again, stopped in order.

A service that dies is started again and says so; one that dies again and again waits longer
each time. Each stands in a session of its own, so that Ctrl-C in the terminal reaches only the
parent, which then stops them itself: services first, server last.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO

SERVICES = ("ingest", "rules", "notify")

_STOP_SECONDS = 20
_LONGEST_WAIT = 30.0
_QUICK_DEATH = 10.0
"""A service that lived longer than this starts again at once."""

Say = Callable[[str], None]


class Child:
    """One service's process; started again for as long as nobody stops it."""

    def __init__(self, name: str, environment: Mapping[str, str], log: IO[bytes] | None) -> None:
        self.name = name
        self._environment = {**os.environ, **environment}
        self._log = log
        self._deaths = 0
        self._again_at = 0.0
        self.start()

    def start(self) -> None:
        self._started = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "services.cli", self.name, "run"],
            env=self._environment,
            stderr=self._log,
            start_new_session=True,
        )

    def watch(self, say: Say) -> None:
        """Start it again when it has died, after a wait that grows with each quick death."""
        code, now = self.process.poll(), time.monotonic()
        if code is None:
            return
        if not self._again_at:
            quick = now - self._started < _QUICK_DEATH
            self._deaths = self._deaths + 1 if quick else 0
            wait = min(_LONGEST_WAIT, 0.5 * 2**self._deaths) if quick else 0.0
            self._again_at = now + wait
            say(f"{self.name} ended ({_cause(code)}) and is started again in {wait:g} s")
        elif now >= self._again_at:
            self._again_at = 0.0
            self.start()

    def stop(self) -> None:
        """Ask it to stop; a service that does not is ended."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@contextmanager
def services(
    environment: Mapping[str, str], say: Say, log: IO[bytes] | None = None
) -> Iterator[list[Child]]:
    """Run the three services until left; `say` is told what a person should know."""
    children = [Child(name, environment, log) for name in SERVICES]
    stopping = threading.Event()

    def watch() -> None:
        while not stopping.wait(0.2):
            for child in children:
                child.watch(say)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield children
    finally:
        stopping.set()
        watcher.join()
        # Those who write last stop last: notify reads what rules writes, rules what ingest does.
        for child in children:
            child.stop()


def _cause(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {-code}"
