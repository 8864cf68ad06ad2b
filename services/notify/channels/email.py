"""E-mail by SMTP, to the school's own mail server."""

from email.message import EmailMessage
from typing import Literal

import aiosmtplib
from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.notify.delivery import SENT, Outcome, no_answer, smtp_outcome
from services.notify.message import Composed
from services.notify.message import email as as_email

_PORTS = {"starttls": 587, "tls": 465, "none": 25}


class SmtpSettings(BaseSettings):
    """Where mail is handed over; without a host there is no e-mail channel."""

    model_config = SettingsConfigDict(env_prefix="NARVARA_", frozen=True, extra="ignore")

    smtp_host: str = ""
    smtp_port: int | None = Field(default=None, description="By default 587, 465 or 25, by TLS.")
    smtp_username: str = ""
    smtp_password: SecretStr = SecretStr("")
    smtp_tls: Literal["starttls", "tls", "none"] = "starttls"
    mail_from: str = Field(default="", description="The address that messages come from.")
    smtp_timeout: float = Field(default=20, gt=0, description="Seconds to wait for an answer.")

    @model_validator(mode="after")
    def _has_sender(self) -> "SmtpSettings":
        if self.smtp_host and "@" not in self.mail_from:
            raise ValueError(
                "NARVARA_SMTP_HOST is set and NARVARA_MAIL_FROM names no address; "
                "set the address that messages come from"
            )
        return self


class EmailChannel:
    """Sends through one SMTP server."""

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings

    async def send(self, address: str, message: Composed) -> Outcome:
        try:
            mail = as_email(message, self._settings.mail_from, address)
        except Exception as error:  # noqa: BLE001 - the standard library raises many kinds
            return Outcome("permanent", f"no valid address: {type(error).__name__}")
        try:
            await self._hand_over(mail)
        except Exception as error:  # noqa: BLE001 - whatever breaks off a delivery is told
            return _outcome(error)
        return SENT

    async def _hand_over(self, mail: EmailMessage) -> None:
        settings = self._settings
        await aiosmtplib.send(
            mail,
            hostname=settings.smtp_host,
            port=settings.smtp_port or _PORTS[settings.smtp_tls],
            username=settings.smtp_username or None,
            password=settings.smtp_password.get_secret_value() or None,
            use_tls=settings.smtp_tls == "tls",
            start_tls=settings.smtp_tls == "starttls",
            timeout=settings.smtp_timeout,
        )


def _outcome(error: Exception) -> Outcome:
    """A reply decides; but a login that is refused says nothing of the message: try it again."""
    match error:
        case aiosmtplib.SMTPAuthenticationError():
            return Outcome("transient", f"SMTP login refused with {error.code}")
        case aiosmtplib.SMTPRecipientsRefused():
            return smtp_outcome(error.recipients[0].code)
        case aiosmtplib.SMTPResponseException():
            return smtp_outcome(error.code)
        case aiosmtplib.SMTPConnectError():
            return no_answer(error, reached=False)
    return no_answer(error)
