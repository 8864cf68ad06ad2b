"""The account at 46elks, and who the SMS come from."""

from pathlib import Path

from pydantic import Field, SecretStr

from services.notify.secret_settings import SecretSettings


class ElksSettings(SecretSettings):
    """The account at 46elks; without a user name there is no SMS channel."""

    elks_url: str = "https://api.46elks.com/a1/sms"
    elks_username: str = ""
    elks_password: SecretStr = SecretStr("")
    elks_password_file: Path | None = None
    sms_from: str = Field(
        default="NarVara",
        pattern=r"^([A-Za-z][A-Za-z0-9]{2,10}|\+[1-9][0-9]{6,14})$",
        description="3 to 11 letters and digits that begin with a letter, or a number of your own.",
    )
    sms_reports_url: str = Field(
        default="",
        pattern=r"^(https?://\S+)?$",
        description="Where 46elks can reach this service with delivery reports; empty: it is "
        "asked for none.",
    )
    elks_timeout: float = Field(default=20, gt=0, description="Seconds to wait for an answer.")
