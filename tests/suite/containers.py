"""NärVara in containers: the compose file as it is, with the smoke test's own file over it."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]
_FILES = ("docker-compose.yml", "deploy/compose.smoke.yml")


class Containers:
    """One compose project of its own, apart from any that runs on the machine."""

    def __init__(self, project: str, environment: Mapping[str, str]) -> None:
        files = [part for file in _FILES for part in ("--file", file)]
        # What is set for the machine's own installation is not for this one.
        rest = {name: each for name, each in os.environ.items() if not name.startswith("NARVARA_")}
        self._environment = {**rest, **environment}
        apart = ("--project-name", project, "--env-file", os.devnull)
        self._compose = ["docker", "compose", *apart, *files]

    def __call__(self, *arguments: str) -> str:
        """Run `docker compose …`; return what it printed, or raise with what it said."""
        done = self._run(*arguments)
        if done.returncode:
            raise AssertionError(f"docker compose {arguments[0]}: {done.stdout}{done.stderr}")
        return done.stdout

    def warnings(self) -> str:
        """What compose complains of in the files."""
        return self._run("config", "--quiet").stderr

    def logs(self) -> str:
        """What the services have said last, for somebody who must find out why."""
        return self._run("logs", "--no-color", "--tail", "100").stdout

    def narvara(self, service: str, *arguments: str, folder: Path | None = None) -> str:
        """Run a command in a new container of a service; `folder` is there as /import."""
        mount = ["--volume", f"{folder}:/import:ro"] if folder else []
        return self("run", "--rm", "--no-TTY", *mount, service, *arguments)

    def states(self) -> dict[str, dict[str, Any]]:
        """What the engine knows of each service's container."""
        lines = self("ps", "--all", "--format", "json").splitlines()
        return {each["Service"]: each for each in map(json.loads, lines)}

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self._compose, *arguments],
            cwd=_ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )


@contextmanager
def containers(project: str, environment: Mapping[str, str]) -> Iterator[Containers]:
    """Build and run everything until all is healthy; on leaving, nothing of it is left."""
    compose = Containers(project, environment)
    try:
        compose("up", "--build", "--detach", "--wait", "--quiet-pull")
        yield compose
    except BaseException:
        print(compose.logs())  # noqa: T201 - pytest shows it
        raise
    finally:
        compose("down", "--volumes", "--timeout", "30")
