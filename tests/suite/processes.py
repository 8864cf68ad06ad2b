"""Services and commands as real processes, on one server, with a config folder of their own.

What the suite promises is about processes: signals, exit codes, ports and logs. Nothing here is
a stand-in for a service.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from click.testing import CliRunner, Result
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis

from services.cli import narvara
from shared import streams

CONFIG = Path(__file__).parents[2] / "deploy" / "config"

SECONDS = 60.0
"""How long anything here may take before its test fails."""

Step = dict[str, Any]

COMMAND = (sys.executable, "-m", "services.cli")


@dataclass
class Service:
    """One service's process, its page of metrics and health, and its log."""

    name: str
    port: int
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def page(self, path: str) -> tuple[int, str]:
        """Status and body of a page; 0 while nothing listens."""
        try:
            with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except (URLError, OSError):
            return 0, ""

    @property
    def ready(self) -> bool:
        return self.page("/readyz")[0] == 200

    def metric(self, name: str, **labels: str) -> float:
        """A metric's value, summed over the labels that are not given."""
        return sum(
            sample.value
            for family in text_string_to_metric_families(self.page("/metrics")[1])
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def wait_until_ready(self) -> "Service":
        wait_until(lambda: self.ready or not self.alive, f"{self.name} is ready")
        assert self.alive, f"{self.name} ended: {self.log.read_text(encoding='utf-8')[-2000:]}"
        return self

    def tell(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> int:
        """Its exit code, once it has ended by itself or by a signal."""
        return self.process.wait(timeout=SECONDS)

    def stop(self) -> int:
        """Ask it to stop; returns its exit code."""
        self.tell(signal.SIGTERM)
        return self.end()

    def kill(self) -> int:
        """Kill -9, at whatever it is doing."""
        self.tell(signal.SIGKILL)
        return self.end()

    def lines(self) -> list[dict[str, Any]]:
        """Its log: one JSON object a line."""
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]


@dataclass
class Suite:
    """Starts services and runs commands with the same settings; ends what still runs."""

    url: str
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    services: list[Service] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.config = self.folder / "config"
        shutil.copytree(CONFIG, self.config)
        self.environment = {
            "NARVARA_REDIS_URL": self.url,
            "NARVARA_CONFIG_DIR": str(self.config),
            "NARVARA_DATA_DIR": str(self.folder / "data"),
            "NARVARA_PARTITIONS": "4",
            "NARVARA_CHECKPOINT_IDLE_SECONDS": "0.2",
            **self.environment,
        }

    @property
    def partitions(self) -> range:
        return range(int(self.environment["NARVARA_PARTITIONS"]))

    def begin(self, name: str, **settings: object) -> Service:
        """Start a service without waiting for it; settings as `partitions=4`."""
        port = _free_port()
        environment = self._with(settings | {f"{name}_port": port})
        log = self.folder / f"{name}-{len(self.services)}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [*COMMAND, name, "run"], env=environment, stdout=out, stderr=out
            )
        service = Service(name, port, log, process)
        self.services.append(service)
        return service

    def start(self, *names: str, **settings: object) -> list[Service]:
        """Start services and wait until each does its work."""
        begun = [self.begin(name, **settings) for name in names]
        return [service.wait_until_ready() for service in begun]

    def open(self, *arguments: object) -> subprocess.Popen[str]:
        """A `narvara` command as a process that goes on."""
        return subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            env=self._with({}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def run(self, *arguments: object, **settings: object) -> subprocess.CompletedProcess[str]:
        """A `narvara` command as a process, to its end."""
        return subprocess.run(
            [*COMMAND, *map(str, arguments)],
            env=self._with(settings),
            capture_output=True,
            encoding="utf-8",
            timeout=2 * SECONDS,
            check=False,
        )

    def call(self, *arguments: object) -> Result:
        """The same within this process, for commands that a test gives by the dozen."""
        runner = CliRunner(env=self.environment)
        return runner.invoke(narvara, [*map(str, arguments)], catch_exceptions=False)

    def told(self, *arguments: object) -> list[dict[str, Any]]:
        """What a command that must succeed prints as JSON lines."""
        done = self.run(*arguments, "--format", "jsonl")
        assert done.returncode == 0, done.stderr
        return json_lines(done.stdout)

    def steps(self) -> list[Step]:
        return self.told("steps")

    def wait_until_folded(self) -> None:
        """Wait until every checkpoint has passed the newest entry of its stream.

        Twice, since the partitions count their school's units for one another at a close.
        """
        with Redis.from_url(self.url) as client:
            for _ in range(2):
                wait_until(lambda: not behind(client, self.partitions), "all is folded")

    def end(self) -> None:
        for service in self.services:
            if service.alive:
                service.kill()

    def _with(self, settings: dict[str, object]) -> dict[str, str]:
        told = {f"NARVARA_{name.upper()}": str(value) for name, value in settings.items()}
        return {**os.environ, **self.environment, **told}


def simulated(folder: Path, *, pupils: int, days: int) -> Path:
    """A simulated school's events, in a new folder, with its roster beside."""
    suite = Suite("", folder)
    events = folder / "events.csv"
    size = ("--pupils", pupils, "--days", days, "--seed", 5)
    done = suite.run("simulate", *size, "--out", events)
    assert done.returncode == 0, done.stderr
    return events


def json_lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def by_day(steps: Sequence[Step]) -> list[Step]:
    """Steps in the order in which `narvara steps` prints them; a pupil's own order stays."""
    return sorted(steps, key=lambda step: (step["as_of"], step["school"], step["pupil"]))


def newest(client: Redis, partition: int) -> str:
    """The id of the newest entry ever of an attendance stream."""
    if not client.exists(streams.attendance(partition)):
        return "0-0"
    info: Any = client.xinfo_stream(streams.attendance(partition))
    return str(info["last-generated-id"].decode())


def checkpoint(client: Redis, partition: int) -> str:
    found: Any = client.hget(streams.checkpoint(partition), "id")
    return found.decode() if found else "0-0"


def behind(client: Redis, partitions: Sequence[int]) -> dict[int, str]:
    """Partitions whose checkpoint lags behind their stream, with the entry it lags behind."""
    lagging = {}
    for partition in partitions:
        entry = newest(client, partition)
        if streams.entry_order(checkpoint(client, partition)) < streams.entry_order(entry):
            lagging[partition] = entry
    return lagging


def wait_until(true: Callable[[], bool], what: str, seconds: float = SECONDS) -> None:
    """Ask again and again; fails the test when it takes too long."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain until {what}"
        time.sleep(0.01)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
