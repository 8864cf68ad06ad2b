"""Settings that every service and command shares, from the environment as `NARVARA_…`."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

URL_FILE = "redis-url"
"""In the data folder of a running `narvara up`: where its server listens."""


class NoServerError(RuntimeError):
    """No Redis or Valkey is named, and no `narvara up` runs on this data folder."""


class Settings(BaseSettings):
    """What all services need to know. Defaults work on a laptop."""

    model_config = SettingsConfigDict(env_prefix="NARVARA_", frozen=True, extra="ignore")

    data_dir: Path = Field(
        default=Path(".data"),
        description="The embedded server's files and the address under which it is found.",
    )
    config_dir: Path = Field(
        default=Path("deploy/config"),
        description="rulebook.yaml, calendar.yaml, routing.yaml: the files that people edit.",
    )
    redis_url: str | None = Field(
        default=None,
        repr=False,
        description="A Redis or Valkey of your own, instead of the embedded server.",
    )
    partitions: int = Field(
        default=8,
        ge=1,
        le=256,
        description="Attendance partitions: data layout, refused if it differs from the stored.",
    )
    clock: Literal["system", "simulated"] = Field(
        default="system",
        description="simulated: school time is what a simulator sets; the machine's is not read.",
    )
    host: str = Field(
        default="127.0.0.1", description="Where metrics, health and pages are served; 0.0.0.0: all."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    lease_seconds: float = Field(
        default=10,
        ge=1,
        le=300,
        description="A partition's owner that stays silent this long is taken over from.",
    )

    internal_token: SecretStr = Field(
        default=SecretStr(""),
        description="By it notify may look at pupils in the rules service; the same for both. "
        "`narvara up` makes one at each start. Empty: nobody may.",
    )
    internal_token_file: Path | None = Field(
        default=None, description="A file that holds it instead."
    )

    @property
    def internal_secret(self) -> str:
        """The token, from the environment or from its file; raises `OSError`."""
        if self.internal_token_file is not None:
            return self.internal_token_file.read_text(encoding="utf-8").strip()
        return self.internal_token.get_secret_value()

    @property
    def url(self) -> str:
        """The server's address; raises `NoServerError` when there is none to be found."""
        if self.redis_url:
            return self.redis_url
        try:
            return (self.data_dir / URL_FILE).read_text(encoding="utf-8").strip()
        except OSError:
            raise NoServerError(
                f"no NärVara server runs on {self.data_dir}; start one with `narvara up`, "
                "or name your own in NARVARA_REDIS_URL"
            ) from None
