"""The ways out: real servers, and every way in which they fail."""

import socket
from pathlib import Path

import pytest
from pydantic import ValidationError

from services.notify.channels.configured import configured_channels
from services.notify.channels.email import EmailChannel, SmtpSettings
from services.notify.channels.file import FileChannel
from services.notify.channels.sms_46elks import ElksChannel, ElksSettings
from services.notify.delivery import SENT
from services.notify.message import Composed
from tests.notify.examples import THURSDAY, at
from tests.notify.gateways import mail_server, sms_gateway

MESSAGE = Composed("0" * 32, at(THURSDAY), "Hej å ä ö\n", "<p>Hej å ä ö</p>", "Hej å ä ö")
ADDRESS, NUMBER = "kt-1@skola.example", "+46700000001"


def email_channel(port: int) -> EmailChannel:
    return EmailChannel(
        SmtpSettings(
            smtp_host="127.0.0.1",
            smtp_port=port,
            smtp_tls="none",
            mail_from="narvara@skola.example",
            smtp_timeout=2,
        )
    )


def sms_channel(url: str) -> ElksChannel:
    return ElksChannel(ElksSettings(elks_url=url, elks_username="user", elks_timeout=2))


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_an_email_arrives_whole() -> None:
    with mail_server() as server:
        outcome = await email_channel(server.port).send(ADDRESS, MESSAGE)

    assert outcome == SENT
    assert server.recipients == [ADDRESS]
    assert "Hej å ä ö" in server.decoded
    assert server.mails[0]["Message-ID"] == f"<{'0' * 32}@skola.example>"


@pytest.mark.parametrize(
    ("reply", "kind", "reason"),
    [
        ("450 try later", "transient", "SMTP 450"),
        (f"550 <{ADDRESS}> unknown", "permanent", "SMTP 550"),
    ],
)
async def test_a_reply_decides_and_its_words_are_kept_out(
    reply: str, kind: str, reason: str
) -> None:
    with mail_server() as server:
        server.replies = [reply]
        outcome = await email_channel(server.port).send(ADDRESS, MESSAGE)

    assert (outcome.kind, outcome.reason) == (kind, reason)


async def test_a_mail_server_that_is_away_leaves_no_doubt() -> None:
    outcome = await email_channel(closed_port()).send(ADDRESS, MESSAGE)

    assert outcome.kind == "transient"
    assert not outcome.in_doubt


async def test_an_address_that_is_none_is_refused_for_good() -> None:
    outcome = await email_channel(closed_port()).send("no address at all", MESSAGE)

    assert outcome.kind == "permanent"


async def test_a_mail_server_that_knows_no_tls_is_not_spoken_to_in_the_clear() -> None:
    with mail_server() as server:
        settings = SmtpSettings(
            smtp_host="127.0.0.1", smtp_port=server.port, mail_from="narvara@skola.example"
        )
        outcome = await EmailChannel(settings).send(ADDRESS, MESSAGE)

    assert outcome.kind == "transient"
    assert server.raw == []


async def test_an_sms_arrives_and_the_gateway_is_asked_to_keep_no_copy() -> None:
    with sms_gateway() as gateway:
        outcome = await sms_channel(gateway.url).send(NUMBER, MESSAGE)

    assert outcome == SENT
    assert gateway.forms == [
        {"from": "NarVara", "to": NUMBER, "message": "Hej å ä ö", "dontlog": "message"}
    ]


async def test_a_gateway_that_asks_for_a_pause_is_heard() -> None:
    with sms_gateway() as gateway:
        gateway.answers = [(429, {"Retry-After": "120"})]
        outcome = await sms_channel(gateway.url).send(NUMBER, MESSAGE)

    assert (outcome.kind, outcome.retry_after) == ("transient", 120)


async def test_a_gateway_that_is_away_leaves_no_doubt() -> None:
    outcome = await sms_channel(f"http://127.0.0.1:{closed_port()}").send(NUMBER, MESSAGE)

    assert outcome.kind == "transient"
    assert not outcome.in_doubt


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
    without = set(configured_channels(tmp_path))
    monkeypatch.setenv("NARVARA_SMTP_HOST", "smtp.skola.example")
    monkeypatch.setenv("NARVARA_MAIL_FROM", "narvara@skola.example")
    with_mail = set(configured_channels(tmp_path))

    assert without == {"email", "sms"}
    assert with_mail == {"email"}


def test_a_mail_server_needs_a_sender() -> None:
    with pytest.raises(ValidationError, match="NARVARA_MAIL_FROM"):
        SmtpSettings(smtp_host="smtp.skola.example")


def test_secrets_are_never_printed() -> None:
    smtp = SmtpSettings.model_validate({"smtp_password": "hemligt"})
    elks = ElksSettings.model_validate({"elks_password": "hemligt"})

    assert "hemligt" not in f"{smtp!r} {smtp} {elks!r} {elks}"
    assert "hemligt" not in smtp.model_dump_json() + elks.model_dump_json()
