"""What the notify service can be told, from the environment as `NARVARA_…`."""

from typing import Literal

from pydantic import Field

from shared.settings import Settings as SharedSettings


class Settings(SharedSettings):
    """What notify needs to know beside what all services do."""

    notify_port: int = Field(default=8003, ge=0, le=65535, description="Pages, metrics and health.")
    public_url: str = Field(
        default="",
        description="Under which staff reach this service, as the links in messages name it; "
        "empty: http://127.0.0.1 and the port.",
    )
    contact: str = Field(
        default="",
        description="Whom staff may ask about the pages: an address, a number or words.",
    )
    codes: Literal["sms", "sms-or-mail", "off"] = Field(
        default="sms",
        description="How a one-time code for signing on is sent; sms-or-mail: by mail to those who "
        "have no mobile in the roster.",
    )
    rules_urls: str = Field(
        default="http://127.0.0.1:8002",
        description="Where the rules service is asked for what pages show of a pupil; where "
        "several processes own partitions, all of them, with commas between.",
    )
    retry_seconds: float = Field(
        default=30, gt=0, le=3600, description="Before the first new try; then doubling to an hour."
    )

    @property
    def base_url(self) -> str:
        return self.public_url.rstrip("/") or f"http://127.0.0.1:{self.notify_port}"
