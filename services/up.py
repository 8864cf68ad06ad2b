"""`narvara up`: the embedded server and the three services in one go, until Ctrl-C."""

import contextlib
import os
import secrets
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click

from services.supervisor import Child, Say, services
from services.workbench import problems_in
from shared.config import ConfigError
from shared.embedded import embedded_server
from shared.settings import Settings


@contextmanager
def everything(
    settings: Settings, environment: Mapping[str, str], say: Say, log: Path | None = None
) -> Iterator[list[Child]]:
    """Server and services, running; a server of your own (`NARVARA_REDIS_URL`) is used as it is.

    Raises `ConfigError` when a config file is wrong: services that start without it would only
    die of it, one by one.
    """
    if problems := problems_in(settings.config_dir):
        raise ConfigError(problems)
    with contextlib.ExitStack() as stack:
        if settings.redis_url is None:
            url = stack.enter_context(embedded_server(settings.data_dir))
        else:
            url = settings.redis_url
        stderr = stack.enter_context(log.open("ab")) if log else None
        rules = f"http://127.0.0.1:{os.environ.get('NARVARA_RULES_PORT') or 8002}"
        urls = os.environ.get("NARVARA_RULES_URLS") or rules
        told = {"NARVARA_REDIS_URL": url, "NARVARA_RULES_URLS": urls, **environment}
        if not settings.internal_secret:
            told["NARVARA_INTERNAL_TOKEN"] = secrets.token_urlsafe(24)
        yield stack.enter_context(services(told, say, stderr))


def wait_for_stop() -> threading.Event:
    """An event that Ctrl-C, SIGTERM and a closed terminal set."""
    stopped = threading.Event()
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, lambda *_: stopped.set())
    return stopped


@click.command()
def up() -> None:
    """Run the embedded server and the three services until Ctrl-C.

    Channels and all else are set in the environment as NARVARA_…; other commands find what runs
    here through the data folder.
    """
    settings = Settings()
    stopped = wait_for_stop()
    with everything(settings, {}, lambda line: click.echo(line, err=True)):
        click.echo(f"NärVara runs on {settings.data_dir}; Ctrl-C stops it.")
        while not stopped.wait(1):
            pass
        click.echo("Stopping …")
