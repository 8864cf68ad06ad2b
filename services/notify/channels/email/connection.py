"""One connection to a mail server, for one message after another.

Only a message's last line leaves a doubt: what breaks off before it has told the server nothing
that it could deliver.
"""

import re
import ssl
from dataclasses import dataclass

from aiosmtplib import SMTP, SMTPAuthenticationError, SMTPHeloError, SMTPResponseException

from services.notify.channels.email.settings import SmtpSettings
from services.notify.delivery import HANGS_UP, Outcome, SmtpStage, no_answer, smtp_outcome

_YES = range(200, 300)

_SEND_IT = range(354, 355)


@dataclass(frozen=True, slots=True)
class Envelope:
    """What is handed over: addresses and message, as bytes; lines end with CRLF."""

    sender: bytes
    to: bytes
    mail: bytes


class GoneError(ConnectionError):
    """The server had hung up before it was told anything of the message."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome


class NoConnectionError(ConnectionError):
    """No connection was made, or the server would not have us."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome


class Connection:
    """A connection that has been greeted, made safe and logged in."""

    def __init__(self, client: SMTP, taken_timeout: float) -> None:
        self._client = client
        self._taken_timeout = taken_timeout

    @property
    def alive(self) -> bool:
        return self._client.is_connected

    async def hand_over(self, envelope: Envelope) -> Outcome:
        """Hand over one message. Raises `GoneError`, and leaves the connection closed or ready."""
        try:
            return await self._hand_over(envelope)
        except GoneError:
            raise
        except BaseException:
            # Cut off in the middle: whatever comes next must not be taken for this one's answer.
            self._client.close()
            raise

    async def _hand_over(self, envelope: Envelope) -> Outcome:
        first = await self._ask("MAIL", b"MAIL", b"FROM:<%b>" % envelope.sender)
        if first is not None:
            if not self.alive:
                raise GoneError(first)
            return await self._refused(first)
        refusal = await self._ask("RCPT", b"RCPT", b"TO:<%b>" % envelope.to)
        refusal = refusal or await self._ask("DATA", b"DATA", wanted=_SEND_IT)
        if refusal is not None:
            return await self._refused(refusal)
        return await self._content(envelope.mail)

    async def _ask(self, stage: SmtpStage, *command: bytes, wanted: range = _YES) -> Outcome | None:
        """None when the server goes along; a connection that broke off is closed."""
        try:
            reply = await self._client.execute_command(*command)
        except Exception as error:  # noqa: BLE001 - whatever breaks off a delivery is told
            self._client.close()
            return no_answer(error, reached=False)
        if reply.code in wanted:
            return None
        if reply.code in _YES:
            # It answers something else than it was asked.
            self._client.close()
            return Outcome("transient", f"SMTP {reply.code} at {stage}", gateway_down=True)
        return smtp_outcome(reply.code, stage, reply.message)

    async def _content(self, mail: bytes) -> Outcome:
        protocol = self._client.protocol
        if protocol is None:
            return no_answer(ConnectionResetError(), reached=False)
        try:
            # A line with nothing but a dot ends the message, so others that begin with one get two.
            protocol.write(re.sub(rb"(?m)^\.", b"..", mail) + b".\r\n")
        except Exception as error:  # noqa: BLE001 - nothing was written
            self._client.close()
            return no_answer(error, reached=False)
        try:
            reply = await protocol.read_response(timeout=self._taken_timeout)
        except Exception as error:  # noqa: BLE001 - the server may have it all the same
            self._client.close()
            return no_answer(error)
        if reply.code == HANGS_UP:
            self._client.close()
        return smtp_outcome(reply.code, "content", reply.message)

    async def _refused(self, outcome: Outcome) -> Outcome:
        """Have the server forget the message that it refused; a taken one needs no such word."""
        if self.alive and await self._ask("MAIL", b"RSET") is not None:
            self._client.close()
        return outcome

    def close(self) -> None:
        """Say goodbye and hang up, without waiting for an answer."""
        if self.alive and self._client.protocol is not None:
            self._client.protocol.write(b"QUIT\r\n")
        self._client.close()


async def connect(
    settings: SmtpSettings, tls: ssl.SSLContext | None, own_name: str | None
) -> tuple[Connection, str | None]:
    """A new connection, and the name by which we introduced ourselves: finding it out is slow.

    Raises `NoConnectionError`.
    """
    client = SMTP(
        hostname=settings.smtp_host,
        port=settings.port,
        username=settings.smtp_username or None,
        password=settings.smtp_password.get_secret_value() or None,
        local_hostname=own_name,
        timeout=settings.smtp_timeout,
        use_tls=settings.smtp_tls == "tls",
        start_tls=settings.smtp_tls == "starttls",
        tls_context=tls,
    )
    try:
        await client.connect()
        if client.is_ehlo_or_helo_needed:
            await _introduce(client)
    except Exception as error:
        client.close()
        raise NoConnectionError(_no_connection(error)) from error
    except BaseException:
        client.close()
        raise
    return Connection(client, settings.smtp_taken_timeout), client.local_hostname


async def _introduce(client: SMTP) -> None:
    try:
        await client.ehlo()
    except SMTPHeloError:
        await client.helo()


def _no_connection(error: Exception) -> Outcome:
    """Nothing of this is the message's fault, be it a login that is refused for good."""
    match error:
        case SMTPAuthenticationError():
            reason = f"SMTP login refused with {error.code}"
            return Outcome("transient", reason, gateway_down=True)
        case SMTPResponseException():
            return smtp_outcome(error.code, "connect", error.message)
    return no_answer(error.__cause__ or error, reached=False)
