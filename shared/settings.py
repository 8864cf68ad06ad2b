"""Settings that every service and command shares, from the environment as `NARVARA_…`."""

from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.config import wanted

PREFIX = "NARVARA_"

URL_FILE = "redis-url"
"""In the data folder of a running `narvara up`: where its server listens."""


_SCHEMES = ("redis", "rediss", "unix")


class NoServerError(RuntimeError):
    """No Redis or Valkey is named, and no `narvara up` runs on this data folder."""


class SettingsRefusedError(ValueError):
    """Settings that can't be; says which, and what was wanted."""


class FromEnvironment(BaseSettings):
    """Settings from the environment as `NARVARA_…`; raises `SettingsRefusedError`.

    What is wrong is told by the setting's name: what was met may be a password.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True
    )

    def __init__(self, **given: Any) -> None:
        try:
            super().__init__(**given)
        except ValidationError as error:
            raise SettingsRefusedError("; ".join(map(_told, error.errors()))) from None


def _told(error: ErrorDetails) -> str:
    variables = [f"{PREFIX}{part}".upper() for part in error["loc"][:1]]
    return ": ".join([*variables, wanted([error])])


class Settings(FromEnvironment):
    """What all services need to know. Defaults work on a laptop."""

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

    @field_validator("redis_url")
    @classmethod
    def _is_a_server(cls, url: str | None) -> str | None:
        """Nothing of it is told: it may hold a password."""
        try:
            named = not url or (urlsplit(url).scheme in _SCHEMES and urlsplit(url).port != 0)
        except ValueError:  # no port, or half of an IPv6 address
            named = False
        if not named:
            raise ValueError("wanted redis://HOST:PORT/DATABASE, or rediss:// or unix://PATH")
        return url

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
