"""SMS by 46elks: one HTTPS call a message."""

import httpx
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.notify.delivery import Outcome, http_outcome, no_answer
from services.notify.message import Composed


class ElksSettings(BaseSettings):
    """The account at 46elks; without a user name there is no SMS channel."""

    model_config = SettingsConfigDict(env_prefix="NARVARA_", frozen=True, extra="ignore")

    elks_url: str = "https://api.46elks.com/a1/sms"
    elks_username: str = ""
    elks_password: SecretStr = SecretStr("")
    sms_from: str = Field(
        default="NarVara",
        pattern=r"^([A-Za-z][A-Za-z0-9]{0,10}|\+[1-9][0-9]{6,14})$",
        description="Up to 11 letters and digits, or a number of your own.",
    )
    elks_timeout: float = Field(default=20, gt=0, description="Seconds to wait for an answer.")


class ElksChannel:
    """Sends through one account, and asks the gateway to keep no copy of the text."""

    def __init__(self, settings: ElksSettings) -> None:
        self._settings = settings

    async def send(self, address: str, message: Composed) -> Outcome:
        settings = self._settings
        form = {
            "from": settings.sms_from,
            "to": address,
            "message": message.sms,
            "dontlog": "message",
        }
        login = (settings.elks_username, settings.elks_password.get_secret_value())
        try:
            async with httpx.AsyncClient(timeout=settings.elks_timeout, auth=login) as client:
                answer = await client.post(settings.elks_url, data=form)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            return no_answer(error, reached=False)
        except Exception as error:  # noqa: BLE001  # whatever breaks off a delivery is worth a retry
            return no_answer(error)
        return http_outcome(answer.status_code, answer.headers.get("Retry-After"))
