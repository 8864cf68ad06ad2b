"""Where mail is handed over, and whose it is."""

from email.headerregistry import Address
from pathlib import Path
from typing import Literal

from pydantic import Field, FilePath, SecretStr, model_validator

from services.notify.secret_settings import SecretSettings

_PORTS = {"starttls": 587, "tls": 465, "none": 25}


class SmtpSettings(SecretSettings):
    """The mail server; without a host there is no e-mail channel."""

    smtp_host: str = ""
    smtp_port: int | None = Field(default=None, description="By default 587, 465 or 25, by TLS.")
    smtp_username: str = ""
    smtp_password: SecretStr = SecretStr("")
    smtp_password_file: Path | None = None
    smtp_tls: Literal["starttls", "tls", "none"] = "starttls"
    smtp_ca_file: FilePath | None = Field(
        default=None,
        description="Certificates to trust beside the machine's own, for a mail server that no "
        "public authority has signed.",
    )
    mail_from: str = Field(default="", description="The address that messages come from.")
    mail_reply_to: str = Field(default="", description="Where answers go; empty: to the sender.")
    mail_bounces: str = Field(
        default="", description="Where mail that can't be delivered goes; empty: to the sender."
    )
    smtp_timeout: float = Field(default=20, gt=0, description="Seconds to wait for an answer.")
    smtp_taken_timeout: float = Field(
        default=60,
        gt=0,
        description="Seconds to wait for the answer to a whole message. A server may look through "
        "it first, and who gives up too soon sends it twice.",
    )
    smtp_connections: int = Field(
        default=20, ge=1, le=100, description="At most; Microsoft 365 takes 3."
    )
    smtp_keep_seconds: float = Field(
        default=30, ge=0, description="How long a connection without work is kept."
    )

    @property
    def port(self) -> int:
        return self.smtp_port or _PORTS[self.smtp_tls]

    @property
    def envelope_from(self) -> str:
        return self.mail_bounces or self.mail_from

    @model_validator(mode="after")
    def _can_send(self) -> "SmtpSettings":
        if not self.smtp_host:
            return self
        if not self.mail_from:
            raise ValueError(
                "NARVARA_SMTP_HOST is set and NARVARA_MAIL_FROM names no address; "
                "set the address that messages come from"
            )
        for name in ("mail_from", "mail_reply_to", "mail_bounces"):
            if not _is_address(getattr(self, name) or self.mail_from):
                raise ValueError(f"NARVARA_{name.upper()} is no address; wanted one such as a@b.se")
        if self.smtp_username and self.smtp_tls == "none":
            raise ValueError(
                "NARVARA_SMTP_USERNAME is set and NARVARA_SMTP_TLS is none: the password would "
                "travel in the clear; use starttls or tls"
            )
        return self


def _is_address(text: str) -> bool:
    try:
        Address(addr_spec=text)
    except Exception:  # noqa: BLE001 - the standard library raises many kinds
        return False
    return text.isascii() and "@" in text
