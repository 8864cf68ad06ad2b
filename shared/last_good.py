"""Config files that are read again when they change, with the last good version as fallback."""

import logging
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel

from shared import metrics
from shared.config import ConfigError, read_config
from shared.telemetry import note

Model = TypeVar("Model", bound=BaseModel)


class LastGood(Generic[Model]):
    """A config file, read again when it changes; one that is wrong leaves the last good in use."""

    def __init__(self, path: Path, model: type[Model]) -> None:
        """Raises `ConfigError` when there is no good content to begin with."""
        self._path = path
        self._model = model
        self._changed = self._mtime()
        self._content = read_config(path, model)
        metrics.CONFIG_RELOAD_OK.labels(path.name).set(1)

    def newest(self) -> Model:
        """The newest good content; looks at the file's time, and reads it when that has changed."""
        changed = self._mtime()
        if changed != self._changed:
            self._changed = changed
            self._reload()
        return self._content

    def _reload(self) -> None:
        try:
            self._content = read_config(self._path, self._model)
        except ConfigError as error:
            metrics.CONFIG_RELOAD_OK.labels(self._path.name).set(0)
            problems = [f"{each.file}:{each.line}: {each.where}" for each in error.problems]
            note(
                "config refused, last good kept",
                level=logging.WARNING,
                file=self._path.name,
                problems=problems,
            )
        else:
            metrics.CONFIG_RELOAD_OK.labels(self._path.name).set(1)
            note("config read again", file=self._path.name)

    def _mtime(self) -> int:
        try:
            return self._path.stat().st_mtime_ns
        except OSError:
            return 0
