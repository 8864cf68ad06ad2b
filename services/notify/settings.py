"""Settings of the notify service, and the files that it reads again when they change."""

from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, Field

from shared import metrics
from shared.config import ConfigError, read_config
from shared.settings import Settings as SharedSettings
from shared.telemetry import note

Model = TypeVar("Model", bound=BaseModel)


class Settings(SharedSettings):
    """What notify needs to know beside what all services do."""

    notify_port: int = Field(default=8003, ge=0, le=65535, description="Pages, metrics and health.")
    public_url: str = Field(
        default="",
        description="Under which staff reach this service, as the links in messages name it; "
        "empty: http://127.0.0.1 and the port.",
    )
    retry_seconds: float = Field(
        default=30, gt=0, le=3600, description="Before the first new try; then doubling to an hour."
    )

    @property
    def base_url(self) -> str:
        return self.public_url.rstrip("/") or f"http://127.0.0.1:{self.notify_port}"


class Watched(Generic[Model]):
    """A config file, read again when it changes; one that is wrong leaves the last good in use."""

    def __init__(self, path: Path, model: type[Model]) -> None:
        """Raises `ConfigError` when there is no good content to begin with."""
        self._path = path
        self._model = model
        self._changed = self._mtime()
        self._content = read_config(path, model)
        metrics.CONFIG_RELOAD_OK.labels(path.name).set(1)

    def now(self) -> Model:
        """The newest good content."""
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
            note("config refused, last good kept", file=self._path.name, problems=problems)
        else:
            metrics.CONFIG_RELOAD_OK.labels(self._path.name).set(1)
            note("config read again", file=self._path.name)

    def _mtime(self) -> int:
        try:
            return self._path.stat().st_mtime_ns
        except OSError:
            return 0
