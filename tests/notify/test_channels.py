"""Which ways out there are, that their secrets stay secret, and messages as files."""

import time
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from services.notify.channels.configured import configured_channels
from services.notify.channels.email.settings import SmtpSettings
from services.notify.channels.file.channel import FileChannel
from services.notify.channels.sms_46elks.settings import ElksSettings
from services.notify.channels.webhook.settings import WebhookSettings
from services.notify.delivery import SENT
from services.notify.message import Composed
from services.notify.secret_settings import SecretSettings
from shared.settings import SettingsRefusedError
from tests.notify.examples import THURSDAY, at

MESSAGE = Composed("0" * 32, at(THURSDAY), "Hej å ä ö\n", "<p>Hej å ä ö</p>", "Hej å ä ö")
ADDRESS, NUMBER = "kt-1@skola.example", "+46700000001"
WEBHOOK_SECRET = "bmFydmFyYS1uYXJ2YXJhLW5hcnZhcmEtMQ=="

SECRETS: list[tuple[type[SecretSettings], str]] = [
    (SmtpSettings, "smtp_password"),
    (ElksSettings, "elks_password"),
    (WebhookSettings, "webhook_secret"),
]


async def test_a_repeat_writes_the_same_file_again(tmp_path: Path) -> None:
    channel = FileChannel(tmp_path / "messages", "email")

    outcomes = [await channel.send(ADDRESS, MESSAGE) for _ in range(2)]

    assert outcomes == [SENT, SENT]
    (file,) = (tmp_path / "messages").iterdir()
    assert file.stat().st_mode & 0o077 == 0


async def test_a_folder_that_cannot_be_written_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "messages").write_text("in the way", encoding="utf-8")

    outcome = await FileChannel(tmp_path / "messages", "sms").send(NUMBER, MESSAGE)

    assert outcome.kind == "transient"


def test_one_gateway_alone_leaves_no_file_that_counts_as_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = set(configured_channels(tmp_path, time.time))
    monkeypatch.setenv("NARVARA_SMTP_HOST", "smtp.skola.example")
    monkeypatch.setenv("NARVARA_MAIL_FROM", "narvara@skola.example")
    with_mail = set(configured_channels(tmp_path, time.time))

    assert without == {"email", "sms"}
    assert with_mail == {"email"}


def test_every_gateway_that_the_environment_names_is_a_channel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NARVARA_SMTP_HOST", "smtp.skola.example")
    monkeypatch.setenv("NARVARA_MAIL_FROM", "narvara@skola.example")
    monkeypatch.setenv("NARVARA_ELKS_USERNAME", "user")
    monkeypatch.setenv("NARVARA_WEBHOOK_URL", "https://gateway.example/narvara")
    monkeypatch.setenv("NARVARA_WEBHOOK_SECRET", WEBHOOK_SECRET)

    assert set(configured_channels(tmp_path, time.time)) == {"email", "sms", "webhook"}


@pytest.mark.parametrize(("model", "secret"), SECRETS)
def test_secrets_are_never_printed(model: type[SecretSettings], secret: str) -> None:
    settings = model.model_validate({secret: "hemligt"})

    assert "hemligt" not in f"{settings!r} {settings} {settings.model_dump_json()}"


@pytest.mark.parametrize(("model", "secret"), SECRETS)
def test_a_secret_may_stand_in_a_file(
    model: type[SecretSettings], secret: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "secret"
    file.write_text("hemligt å\n", encoding="utf-8")
    monkeypatch.setenv(f"NARVARA_{secret.upper()}_FILE", str(file))

    value = getattr(model(), secret)

    assert isinstance(value, SecretStr)
    assert value.get_secret_value() == "hemligt å"


def test_a_secret_stands_in_one_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secret"
    file.write_text("hemligt", encoding="utf-8")
    monkeypatch.setenv("NARVARA_SMTP_PASSWORD", "hemligt")
    monkeypatch.setenv("NARVARA_SMTP_PASSWORD_FILE", str(file))

    both = "NARVARA_SMTP_PASSWORD_FILE are both set"
    with pytest.raises(SettingsRefusedError, match=both) as refused:
        SmtpSettings()

    assert "hemligt" not in str(refused.value)


def test_a_file_of_a_secret_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NARVARA_ELKS_PASSWORD_FILE", "/nowhere/secret")

    named = "NARVARA_ELKS_PASSWORD_FILE names /nowhere/secret"
    with pytest.raises(SettingsRefusedError, match=named):
        ElksSettings()


def test_what_is_wrong_with_other_settings_tells_no_secret() -> None:
    wrong = {"smtp_host": "smtp.skola.example", "smtp_password": "hemligt"}

    with pytest.raises(ValidationError, match="NARVARA_MAIL_FROM") as refused:
        SmtpSettings.model_validate(wrong)

    assert "hemligt" not in str(refused.value)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"mail_from": "", "smtp_host": "a"}, "NARVARA_MAIL_FROM"),
        ({"mail_bounces": "nobody"}, "NARVARA_MAIL_BOUNCES is no address"),
        ({"mail_reply_to": "a@b.se\nBcc: c@d.se"}, "NARVARA_MAIL_REPLY_TO is no address"),
        ({"smtp_username": "user", "smtp_tls": "none"}, "in the clear"),
    ],
)
def test_a_mail_server_needs_a_sender_and_safe_ways(wrong: dict[str, str], told: str) -> None:
    right = {"smtp_host": "smtp.skola.example", "mail_from": "narvara@skola.example"}

    with pytest.raises(ValidationError, match=told):
        SmtpSettings.model_validate({**right, **wrong})


@pytest.mark.parametrize("sender", ["NV", "1Narvara", "Närvara", "Narvara Skola", "NarvaraSkolan"])
def test_an_sms_comes_from_3_to_11_letters_and_digits(sender: str) -> None:
    with pytest.raises(ValidationError):
        ElksSettings.model_validate({"sms_from": sender})

    assert ElksSettings.model_validate({"sms_from": "Skola1"}).sms_from == "Skola1"
    assert ElksSettings.model_validate({"sms_from": "+46700000000"}).sms_from == "+46700000000"


@pytest.mark.parametrize(
    "wrong",
    [
        {"webhook_url": "http://gateway.example/"},
        {"webhook_secret": ""},
        {"webhook_secret": "c2hvcnQ="},
        {"webhook_secret": "no base64"},
    ],
)
def test_a_webhook_is_called_over_https_and_signed(wrong: dict[str, str]) -> None:
    right = {"webhook_url": "https://gateway.example/", "webhook_secret": WEBHOOK_SECRET}
    assert WebhookSettings.model_validate(right).key.startswith(b"narvara")

    with pytest.raises(ValidationError):
        WebhookSettings.model_validate({**right, **wrong})
