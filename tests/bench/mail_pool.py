"""How many mails a second leave over kept connections, to a server that answers in 20 ms.

The server is a process of its own that does no more than answer; the messages are real digests.
Wanted: 10,000 within 60 s, so that the digests of a municipality leave while they are fresh.
"""

import asyncio
import multiprocessing
import time
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

from services.notify.channels import close_channels
from services.notify.channels.email.channel import EmailChannel
from services.notify.channels.email.settings import SmtpSettings
from services.notify.message import Composed, load_texts

MESSAGES = 2000
PAUSE = 0.02
"""Seconds before each of the server's answers."""

AT_ONCE = 32
"""As the sender does it: so many begin together, and all end before the next do."""

TEMPLATES = Path("services/notify/templates")


async def answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, taken: list[int]
) -> None:
    """As much SMTP as it takes, so that what is measured is the client."""

    async def say(reply: bytes) -> None:
        await asyncio.sleep(PAUSE)
        writer.write(reply + b"\r\n")

    await say(b"220 ready")
    while line := await reader.readline():
        if line.startswith(b"DATA"):
            await say(b"354 go on")
            await reader.readuntil(b"\r\n.\r\n")
            taken[0] += 1
        await say(b"250 yes")
    writer.close()


async def listen(told: Connection) -> None:
    taken, connections = [0], 0

    async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await answer(reader, writer, taken)

    server = await asyncio.start_server(met, "127.0.0.1", 0)
    told.send(server.sockets[0].getsockname()[1])
    await asyncio.to_thread(told.recv)
    # The last goodbyes are still being answered.
    await asyncio.sleep(10 * PAUSE)
    told.send((taken[0], connections))


def serve(told: Connection) -> None:
    asyncio.run(listen(told))


def composed() -> list[Composed]:
    texts = load_texts(TEMPLATES)
    fields = {
        "link": "https://narvara.example/m/" + "t" * 22,
        "reference": "0a1b2c3d",
        "school": "s",
    }
    made = datetime(2026, 1, 1, tzinfo=UTC)
    return [texts.compose("digest", str(number), made, fields) for number in range(MESSAGES)]


async def send(messages: list[Composed], port: int, connections: int, at_once: int) -> int:
    settings = SmtpSettings(
        smtp_host="127.0.0.1",
        smtp_port=port,
        smtp_tls="none",
        smtp_connections=connections,
        mail_from="narvara@skola.example",
    )
    channel = EmailChannel(settings)
    sent = 0
    for first in range(0, len(messages), at_once):
        batch = messages[first : first + at_once]
        outcomes = await asyncio.gather(*(channel.send("kt@skola.example", m) for m in batch))
        sent += sum(outcome.kind == "sent" for outcome in outcomes)
    await close_channels([channel])
    return sent


def main() -> None:
    messages = composed()
    for connections, at_once in [(20, AT_ONCE), (32, AT_ONCE), (20, MESSAGES)]:
        ours, theirs = multiprocessing.Pipe()
        server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,))
        server.start()
        port = ours.recv()
        wall, cpu = time.perf_counter(), time.process_time()
        sent = asyncio.run(send(messages, port, connections, at_once))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        ours.send("end")
        taken, made = ours.recv()
        server.join()
        print(
            f"{connections} connections, {at_once} at once: {sent} sent, {taken} taken over {made} "
            f"connections; {sent / wall:.0f} a second, "
            f"{1000 * cpu / sent:.2f} ms of CPU each; 10,000 in {10_000 * wall / sent:.0f} s"
        )


if __name__ == "__main__":
    main()
