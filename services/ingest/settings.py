"""What the ingest service can be told, from the environment as `NARVARA_…`."""

from pydantic import Field

from shared.settings import Settings as SharedSettings


class Settings(SharedSettings):
    """The ingest service's settings."""

    ingest_port: int = Field(default=8001, ge=0, le=65535, description="Metrics and health.")
