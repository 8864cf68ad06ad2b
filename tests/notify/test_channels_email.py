"""E-mail over SMTP: a real server, and every way in which it fails."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword

from services.notify.channels import close_channels
from services.notify.channels.email.channel import EmailChannel
from services.notify.channels.email.settings import SmtpSettings
from services.notify.delivery import SENT
from tests.notify.gateways import CERTIFICATE, MailServer, mail_server
from tests.notify.test_channels import ADDRESS, MESSAGE

SENDER = "narvara@skola.example"


@asynccontextmanager
async def email_channel(port: int, **settings: Any) -> AsyncIterator[EmailChannel]:
    given = {
        "smtp_host": "127.0.0.1",
        "smtp_port": port,
        "smtp_tls": "none",
        "mail_from": SENDER,
        # Long enough for a busy machine: a stall alone is waited for.
        "smtp_timeout": 2,
        "smtp_taken_timeout": 2,
    }
    channel = EmailChannel(SmtpSettings.model_validate({**given, **settings}))
    try:
        yield channel
    finally:
        await close_channels([channel])


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server() as running:
        yield running


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_an_email_arrives_whole(server: MailServer) -> None:
    async with email_channel(server.port) as channel:
        outcome = await channel.send(ADDRESS, MESSAGE)

    assert outcome == SENT
    assert server.recipients == [ADDRESS]
    assert "Hej å ä ö" in server.decoded
    assert server.mails[0]["Message-ID"] == f"<{'0' * 32}@skola.example>"


async def test_a_line_that_begins_with_a_dot_ends_nothing(server: MailServer) -> None:
    message = replace(MESSAGE, text="a\n.\n..b\nc\n")

    async with email_channel(server.port) as channel:
        assert await channel.send(ADDRESS, message) == SENT
        assert await channel.send(ADDRESS, MESSAGE) == SENT

    text = server.mails[0].get_body(("plain",))
    assert text is not None
    assert text.get_content().replace("\r\n", "\n") == "a\n.\n..b\nc\n"


async def test_answers_and_bounces_go_where_the_settings_say(server: MailServer) -> None:
    async with email_channel(
        server.port, mail_reply_to="eht@skola.example", mail_bounces="studs@skola.example"
    ) as channel:
        await channel.send(ADDRESS, MESSAGE)

    assert server.mails[0]["Reply-To"] == "eht@skola.example"
    assert server.mails[0]["From"] == f"NärVara <{SENDER}>"
    assert server.senders == ["studs@skola.example"]


async def test_a_repeat_is_the_same_byte_by_byte(server: MailServer) -> None:
    async with email_channel(server.port) as channel:
        await channel.send(ADDRESS, MESSAGE)
        await channel.send(ADDRESS, MESSAGE)

    first, second = server.raw
    assert first == second


@pytest.mark.parametrize(
    ("stage", "reply", "kind", "reason"),
    [
        ("MAIL", "451 4.3.0 later", "transient", "SMTP 451 4.3.0 at MAIL"),
        ("MAIL", "550 5.7.1 not you", "transient", "SMTP 550 5.7.1 at MAIL"),
        ("RCPT", "450 4.2.0 greylisted", "transient", "SMTP 450 4.2.0 at RCPT"),
        ("RCPT", f"550 5.1.1 <{ADDRESS}> unknown", "permanent", "SMTP 550 5.1.1 at RCPT"),
        ("RCPT", "421 closing", "transient", "SMTP 421 at RCPT"),
        ("DATA", "451 later", "transient", "SMTP 451 at DATA"),
        ("DATA", "554 no", "permanent", "SMTP 554 at DATA"),
        ("DATA", "250 what?", "transient", "SMTP 250 at DATA"),
        ("content", "452 4.3.1 full", "transient", "SMTP 452 4.3.1 at content"),
        ("content", "554 5.7.1 looks like spam", "permanent", "SMTP 554 5.7.1 at content"),
        ("content", "421 closing", "transient", "SMTP 421 at content"),
    ],
)
async def test_a_reply_decides_by_its_stage_and_its_words_are_kept_out(
    server: MailServer, stage: str, reply: str, kind: str, reason: str
) -> None:
    async with email_channel(server.port) as channel:
        server.faults = [(stage, reply)]
        outcome = await channel.send(ADDRESS, MESSAGE)
        again = await channel.send(ADDRESS, MESSAGE)

    assert (outcome.kind, outcome.reason, outcome.in_doubt) == (kind, reason, False)
    assert again == SENT
    assert len(server.raw) == 1


async def test_a_server_that_is_busy_when_it_is_called_leaves_no_doubt(server: MailServer) -> None:
    async with email_channel(server.port) as channel:
        server.faults = [("connect", "554 not today")]
        outcome = await channel.send(ADDRESS, MESSAGE)

    assert (outcome.kind, outcome.reason) == ("transient", "SMTP 554 at connect")
    assert outcome.gateway_down
    assert not outcome.in_doubt


async def test_a_mailbox_that_nobody_has_is_told_apart(server: MailServer) -> None:
    async with email_channel(server.port) as channel:
        server.faults = [("RCPT", "550 5.1.1 unknown"), ("RCPT", "550 5.7.1 not by you")]
        outcomes = [await channel.send(ADDRESS, MESSAGE) for _ in range(2)]

    assert [each.dead_address for each in outcomes] == [True, False]


@pytest.mark.parametrize("fault", ["drop", "stall"])
@pytest.mark.parametrize("stage", ["connect", "EHLO", "MAIL", "RCPT", "DATA"])
async def test_what_breaks_off_before_the_last_line_leaves_no_doubt(
    server: MailServer, stage: str, fault: str
) -> None:
    async with email_channel(server.port) as channel:
        server.faults = [(stage, fault)]
        outcome = await channel.send(ADDRESS, MESSAGE)
        again = await channel.send(ADDRESS, MESSAGE)

    assert (outcome.kind, outcome.in_doubt, outcome.gateway_down) == ("transient", False, True)
    assert again == SENT
    assert len(server.raw) == 1


@pytest.mark.parametrize("fault", ["drop", "stall"])
async def test_only_the_answer_to_the_whole_message_leaves_a_doubt(
    server: MailServer, fault: str
) -> None:
    async with email_channel(server.port) as channel:
        server.faults = [("content", fault)]
        outcome = await channel.send(ADDRESS, MESSAGE)
        again = await channel.send(ADDRESS, MESSAGE)

    assert (outcome.kind, outcome.in_doubt) == ("transient", True)
    assert again == SENT
    assert server.raw[0] == server.raw[1]


async def test_a_server_that_looks_through_a_message_is_waited_for(server: MailServer) -> None:
    server.pause = 0.05

    async with email_channel(server.port, smtp_timeout=5, smtp_taken_timeout=0.01) as channel:
        hasty = await channel.send(ADDRESS, MESSAGE)
    async with email_channel(server.port, smtp_timeout=5, smtp_taken_timeout=5) as channel:
        patient = await channel.send(ADDRESS, MESSAGE)

    assert hasty.in_doubt
    assert patient == SENT


async def test_a_mail_server_that_is_away_leaves_no_doubt() -> None:
    async with email_channel(closed_port()) as channel:
        outcome = await channel.send(ADDRESS, MESSAGE)

    assert (outcome.kind, outcome.reason) == ("transient", "ConnectionRefusedError")
    assert outcome.gateway_down
    assert not outcome.in_doubt


@pytest.mark.parametrize("address", ["no address at all", "å@skola.example", "a@b\r\nRCPT TO:<c>"])
async def test_an_address_that_is_none_is_refused_for_good(address: str) -> None:
    async with email_channel(closed_port()) as channel:
        outcome = await channel.send(address, MESSAGE)

    assert outcome.kind == "permanent"
    assert address not in outcome.reason


async def test_a_hundred_messages_share_a_few_connections(server: MailServer) -> None:
    async with email_channel(server.port, smtp_connections=5, smtp_timeout=10) as channel:
        outcomes = await asyncio.gather(*(channel.send(ADDRESS, MESSAGE) for _ in range(100)))

    assert outcomes == [SENT] * 100
    assert len(server.raw) == 100
    assert server.connections == server.most_open == 5


async def test_a_connection_is_made_only_when_there_is_work_for_it(server: MailServer) -> None:
    async with email_channel(server.port, smtp_connections=5) as channel:
        for _ in range(10):
            await channel.send(ADDRESS, MESSAGE)

    assert server.connections == 1


async def test_a_server_that_hangs_up_now_and_then_costs_no_message(server: MailServer) -> None:
    server.hang_up_after = 10

    async with email_channel(server.port, smtp_connections=5, smtp_timeout=10) as channel:
        outcomes = await asyncio.gather(*(channel.send(ADDRESS, MESSAGE) for _ in range(100)))

    assert outcomes == [SENT] * 100
    assert len(server.raw) == 100
    assert server.connections >= 10


@pytest.mark.parametrize("fault", ["drop", "stall", "421 idle for too long"])
async def test_a_connection_that_died_while_idle_is_no_failure_of_the_message(
    server: MailServer, fault: str
) -> None:
    async with email_channel(server.port) as channel:
        await channel.send(ADDRESS, MESSAGE)
        server.faults = [("MAIL", fault)]
        outcome = await channel.send(ADDRESS, MESSAGE)

    assert outcome == SENT
    assert server.connections == 2


async def test_it_is_connected_anew_once_and_no_more(server: MailServer) -> None:
    async with email_channel(server.port) as channel:
        await channel.send(ADDRESS, MESSAGE)
        server.faults = [("MAIL", "drop"), ("MAIL", "drop")]
        outcome = await channel.send(ADDRESS, MESSAGE)

    assert (outcome.kind, outcome.in_doubt) == ("transient", False)
    assert server.connections == 2


async def test_what_was_refused_is_forgotten_before_the_next_message(server: MailServer) -> None:
    async with email_channel(server.port) as channel:
        server.faults = [("DATA", "554 no")]
        await channel.send("kt-2@skola.example", MESSAGE)
        await channel.send(ADDRESS, MESSAGE)

    assert server.said == ["EHLO", "MAIL", "RCPT", "DATA", "RSET", "MAIL", "RCPT", "DATA"]
    assert server.recipients == [ADDRESS]
    assert server.connections == 1


async def test_a_connection_without_work_is_given_back(server: MailServer) -> None:
    async with email_channel(server.port, smtp_keep_seconds=0.05) as channel:
        await channel.send(ADDRESS, MESSAGE)
        assert server.open == 1
        await until(lambda: server.open == 0)


async def test_at_the_end_nothing_stays_open(server: MailServer) -> None:
    async with email_channel(server.port) as channel:
        await asyncio.gather(*(channel.send(ADDRESS, MESSAGE) for _ in range(5)))
        await channel.aclose()

        await until(lambda: server.open == 0)


async def test_a_message_that_is_cut_off_spoils_no_other(server: MailServer) -> None:
    async with email_channel(server.port, smtp_connections=1) as channel:
        await channel.send(ADDRESS, MESSAGE)
        server.faults = [("RCPT", "stall")]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await channel.send("kt-2@skola.example", MESSAGE)
        outcome = await channel.send(ADDRESS, MESSAGE)

    assert outcome == SENT
    assert server.recipients == [ADDRESS, ADDRESS]


async def test_a_mail_server_that_knows_no_tls_is_not_spoken_to_in_the_clear(
    server: MailServer,
) -> None:
    async with email_channel(server.port, smtp_tls="starttls") as channel:
        outcome = await channel.send(ADDRESS, MESSAGE)

    assert outcome.kind == "transient"
    assert server.said == ["EHLO"]


def certified() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE)
    return context


WIRINGS = [("starttls", "tls_context"), ("tls", "ssl_context")]


@pytest.mark.parametrize(("tls", "wiring"), WIRINGS)
async def test_tls_is_spoken_with_a_server_that_is_trusted(tls: str, wiring: str) -> None:
    with mail_server(**{wiring: certified()}) as server:
        async with email_channel(server.port, smtp_tls=tls, smtp_ca_file=CERTIFICATE) as channel:
            outcomes = [await channel.send(ADDRESS, MESSAGE) for _ in range(2)]

    assert outcomes == [SENT, SENT]


@pytest.mark.parametrize(("tls", "wiring"), WIRINGS)
async def test_a_certificate_that_nobody_vouches_for_is_not_accepted(tls: str, wiring: str) -> None:
    with mail_server(**{wiring: certified()}) as server:
        async with email_channel(server.port, smtp_tls=tls) as channel:
            outcome = await channel.send(ADDRESS, MESSAGE)

    assert (outcome.kind, outcome.reason) == ("transient", "SSLCertVerificationError")
    assert not outcome.in_doubt
    assert server.raw == []


async def test_a_login_that_is_refused_says_nothing_of_the_message() -> None:
    def check(_: Any, __: Any, ___: Any, ____: Any, given: LoginPassword) -> AuthResult:
        return AuthResult(success=given == LoginPassword(b"user", b"ratt"), handled=False)

    wiring = {"tls_context": certified(), "authenticator": check, "auth_required": True}
    with mail_server(**wiring) as server:
        login: dict[str, Any] = {
            "smtp_tls": "starttls",
            "smtp_ca_file": CERTIFICATE,
            "smtp_username": "user",
        }
        login["smtp_timeout"] = 5
        async with email_channel(server.port, **login, smtp_password="fel") as channel:
            refused = await channel.send(ADDRESS, MESSAGE)
        async with email_channel(server.port, **login, smtp_password="ratt") as channel:
            taken = await channel.send(ADDRESS, MESSAGE)

    assert (refused.kind, refused.reason) == ("transient", "SMTP login refused with 535")
    assert refused.gateway_down
    assert taken == SENT


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.01)
