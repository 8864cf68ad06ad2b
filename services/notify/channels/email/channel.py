"""Mail, over connections that are kept for the next message."""

import asyncio
import ssl

from services.notify.channels.email.connection import (
    Connection,
    Envelope,
    GoneError,
    NoConnectionError,
    connect,
)
from services.notify.channels.email.settings import SmtpSettings
from services.notify.delivery import Outcome
from services.notify.message import Composed
from services.notify.message import email as as_email


class EmailChannel:
    """Sends through one mail server, over a few connections at the same time."""

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings
        self._tls = _tls_context(settings)
        self._places = asyncio.Semaphore(settings.smtp_connections)
        self._idle: list[tuple[float, Connection]] = []
        """Without work since then, by the loop's clock; the newest last."""
        self._own_name: str | None = None
        self._clearing: asyncio.TimerHandle | None = None

    async def send(self, address: str, message: Composed) -> Outcome:
        try:
            envelope = self._envelope(address, message)
        except Exception as error:  # noqa: BLE001 - the standard library raises many kinds
            return Outcome("permanent", f"no valid address: {type(error).__name__}")
        async with self._places:
            kept = self._take()
            if kept is not None:
                try:
                    return await self._hand_over(kept, envelope)
                except GoneError:
                    # It died while it was idle, which is no failure of this message.
                    pass
            try:
                return await self._hand_over(await self._connect(), envelope)
            except (GoneError, NoConnectionError) as error:
                return error.outcome

    async def aclose(self) -> None:
        """Hang up. What is sent later connects anew."""
        if self._clearing is not None:
            self._clearing.cancel()
            self._clearing = None
        while self._idle:
            self._idle.pop()[1].close()
        # The transports close in the loop's next round.
        await asyncio.sleep(0)

    def _envelope(self, address: str, message: Composed) -> Envelope:
        settings = self._settings
        mail = as_email(message, settings.mail_from, address, settings.mail_reply_to)
        return Envelope(settings.envelope_from.encode("ascii"), address.encode("ascii"), mail)

    async def _connect(self) -> Connection:
        connection, self._own_name = await connect(self._settings, self._tls, self._own_name)
        return connection

    async def _hand_over(self, connection: Connection, envelope: Envelope) -> Outcome:
        outcome = await connection.hand_over(envelope)
        if connection.alive:
            self._keep(connection)
        return outcome

    def _take(self) -> Connection | None:
        """The connection that was used last: when there is less to do, the others time out."""
        while self._idle:
            _, connection = self._idle.pop()
            if connection.alive:
                return connection
        return None

    def _keep(self, connection: Connection) -> None:
        self._idle.append((asyncio.get_running_loop().time(), connection))
        self._clear_later()

    def _clear_later(self) -> None:
        if self._clearing is None and self._idle:
            when = self._idle[0][0] + self._settings.smtp_keep_seconds
            self._clearing = asyncio.get_running_loop().call_at(when, self._clear)

    def _clear(self) -> None:
        """Hang up what has had no work for long enough."""
        self._clearing = None
        since = asyncio.get_running_loop().time() - self._settings.smtp_keep_seconds
        while self._idle and self._idle[0][0] <= since:
            self._idle.pop(0)[1].close()
        self._clear_later()


def _tls_context(settings: SmtpSettings) -> ssl.SSLContext | None:
    """What is trusted; read once, since reading it takes longer than a message."""
    if not settings.smtp_host or settings.smtp_tls == "none":
        return None
    context = ssl.create_default_context()
    if settings.smtp_ca_file is not None:
        context.load_verify_locations(settings.smtp_ca_file)
    return context
