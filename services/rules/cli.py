"""`narvara rules`: the service as a process; `narvara steps`: what it has found."""

import asyncio
import sys

import click

from services.rules.app import create_app
from services.rules.report import show_steps
from services.rules.settings import Settings
from services.rules.store import each_step
from shared.broker import connected
from shared.events import CaseStep
from shared.telemetry import serve, set_up_logging


@click.group()
def rules() -> None:
    """Judge attendance: the rules service."""


@rules.command()
def run() -> None:
    """Run the service until it is stopped."""
    settings = Settings()
    set_up_logging(settings.log_level)
    sys.exit(serve(create_app(settings), settings.host, settings.rules_port))


@click.command()
@click.option("--format", "form", default="text", type=click.Choice(["text", "jsonl"]))
def steps(form: str) -> None:
    """Print every case step so far, by day, school and pupil."""
    settings = Settings()
    told = asyncio.run(_all_steps(settings))
    told.sort(key=lambda step: (step.as_of, step.school, step.pupil))
    show_steps(told, form)


async def _all_steps(settings: Settings) -> list[CaseStep]:
    async with connected(settings.url, settings.partitions) as client:
        return [step async for step in each_step(client, settings.partitions)]
