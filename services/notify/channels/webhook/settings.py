"""Where a gateway of your own is called, and the secret that you share with it."""

import base64
import binascii
from pathlib import Path

from pydantic import Field, SecretStr, model_validator

from services.notify.secret_settings import SecretSettings

_LEAST_BYTES = 24


class WebhookSettings(SecretSettings):
    """The gateway; without an address there is no such channel."""

    webhook_url: str = Field(
        default="",
        pattern=r"^(https://\S+|http://(localhost|127\.0\.0\.1)[:/]\S*)?$",
        description="https, since the message carries a link that opens by itself.",
    )
    webhook_secret: SecretStr = Field(
        default=SecretStr(""),
        description="At least 24 random bytes in base64, such as `openssl rand -base64 32` prints.",
    )
    webhook_secret_file: Path | None = None
    webhook_timeout: float = Field(default=20, gt=0, description="Seconds to wait for an answer.")

    @property
    def key(self) -> bytes:
        text = self.webhook_secret.get_secret_value().removeprefix("whsec_")
        return base64.b64decode(text, validate=True)

    @model_validator(mode="after")
    def _signs(self) -> "WebhookSettings":
        if not self.webhook_url:
            return self
        try:
            length = len(self.key)
        except binascii.Error:
            length = 0
        if length < _LEAST_BYTES:
            raise ValueError(
                f"NARVARA_WEBHOOK_SECRET must be at least {_LEAST_BYTES} bytes in base64; "
                "make one by `openssl rand -base64 32`"
            )
        return self
