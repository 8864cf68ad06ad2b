"""`narvara rules`: the service as a process."""

import sys

import click

from services.rules.app import create_app
from services.rules.settings import Settings
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
