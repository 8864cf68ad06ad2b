"""`narvara demo`: a simulated school, live, in one go."""

import asyncio
import signal
import socket
import sys
from contextlib import ExitStack
from datetime import datetime

import click
from rich.console import Console

from services.demo.inbox import Received, inbox
from services.demo.school import School
from services.demo.story import Story, week_progress
from services.ingest.config_files import read_calendar
from services.ingest.settings import Settings
from services.up import everything
from shared.broker import make_client
from shared.settings import Settings as SharedSettings

PREFERRED_PORTS = {"inbox": 8025, "smtp": 8026, "ingest": 8001, "rules": 8002, "notify": 8003}


@click.command()
@click.option("--once", is_flag=True, help="End after the week, with a summary.")
@click.option("--speed", default=1.0, show_default=True, help="School hours a second; 0: fastest.")
@click.option("--pupils", default=400, show_default=True, type=click.IntRange(10, 5000))
@click.option("--seed", default=1, show_default=True, help="Another seed is another school.")
def demo(*, once: bool, speed: float, pupils: int, seed: int) -> None:
    """Simulate one school: its autumn as history, then a week live, told as it happens.

    A second start carries on from the data on disk with the week that is next.
    """
    for each in (signal.SIGTERM, signal.SIGHUP):  # a closed terminal must not leave services behind
        signal.signal(each, _interrupt)
    console = Console(highlight=False)
    settings = SharedSettings()
    folder = settings.data_dir / "demo"
    school = School(folder, read_calendar(settings.config_dir), pupils, seed)
    ports = {name: _free_port(preferred) for name, preferred in PREFERRED_PORTS.items()}
    told = _Told()
    try:
        with ExitStack() as stack:
            stack.enter_context(
                inbox(folder / "inbox", told.now, told.received, ports["inbox"], ports["smtp"])
            )
            folder.mkdir(parents=True, exist_ok=True)
            environment = _environment(settings, ports)
            log = folder / "services.log"
            stack.enter_context(everything(settings, environment, console.print, log))
            console.print(
                f"[bold]NärVara[/] – inkorgen visas på [bold]http://127.0.0.1:{ports['inbox']}/[/]"
                f"  [dim]the inbox; the services' log is {log}; Ctrl-C stops everything[/]\n"
            )
            asyncio.run(_tell(school, console, told, speed=speed, once=once))
    except KeyboardInterrupt:
        console.print("\nAllt är stoppat. [dim]Everything has stopped; start again to carry on.[/]")
    sys.exit(0)


class _Told:
    """Between the inbox's threads and the story, which begins after the inbox is there."""

    story: Story | None = None

    def now(self) -> datetime | None:
        return self.story.now if self.story else None

    def received(self, message: Received) -> None:
        if self.story:
            self.story.received(message)


async def _tell(school: School, console: Console, told: _Told, *, speed: float, once: bool) -> None:
    settings = Settings()
    client = make_client(settings.url)
    story = told.story = Story(school, settings, client, console, speed)
    try:
        with week_progress(console) as progress:
            await story.prepare(progress)
            lived = await story.live(progress)
        story.summary()
        if not once:
            console.print(
                "Veckan är slut; inkorg och sidor finns kvar tills du trycker Ctrl-C. "
                "[dim]The week is over; inbox and pages stay until Ctrl-C."
                f"{' Start again for the next week.' if lived else ''}[/]"
            )
            await asyncio.Event().wait()
    finally:
        await client.aclose()


def _environment(settings: SharedSettings, ports: dict[str, int]) -> dict[str, str]:
    """What makes the services use the demo's clock, inbox and ports."""
    inbox_url = f"http://127.0.0.1:{ports['inbox']}"
    return {
        "NARVARA_CLOCK": "simulated",
        "NARVARA_DATA_DIR": str(settings.data_dir),
        "NARVARA_INGEST_PORT": str(ports["ingest"]),
        "NARVARA_RULES_PORT": str(ports["rules"]),
        "NARVARA_RULES_URLS": f"http://127.0.0.1:{ports['rules']}",
        "NARVARA_NOTIFY_PORT": str(ports["notify"]),
        "NARVARA_PUBLIC_URL": f"http://127.0.0.1:{ports['notify']}",
        "NARVARA_SMTP_HOST": "127.0.0.1",
        "NARVARA_SMTP_PORT": str(ports["smtp"]),
        "NARVARA_SMTP_TLS": "none",
        "NARVARA_MAIL_FROM": "narvara@skola.example",
        "NARVARA_ELKS_URL": f"{inbox_url}/a1/sms",
        "NARVARA_ELKS_USERNAME": "demo",
        "NARVARA_ELKS_PASSWORD": "demo",
        "NARVARA_SMS_FROM": "NarVara",
    }


def _free_port(preferred: int) -> int:
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free port on 127.0.0.1")


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
