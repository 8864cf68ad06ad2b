"""The `narvara` command: one name for everything, loaded only as far as it is asked for.

An image holds one service and its libraries; a command is therefore imported when it is called,
and one whose libraries are absent says which part of the distribution has them.
"""

import sys
from importlib import import_module
from typing import Any

import click

COMMANDS = {
    "up": "services.up:up",
    "demo": "services.demo.cli:demo",
    "ingest": "services.ingest.cli:ingest",
    "rules": "services.rules.cli:rules",
    "notify": "services.notify.cli:notify",
    "import": "services.ingest.cli:import_",
    "roster": "services.ingest.cli:roster",
    "golive": "services.ingest.cli:golive",
    "clock": "services.ingest.cli:clock",
    "quarantine": "services.ingest.quarantine:quarantine",
    "simulate": "services.ingest.simulate:simulate",
    "steps": "services.rules.cli:steps",
    "explain": "services.explain:explain",
    "check": "services.workbench:check",
    "backtest": "services.workbench:backtest",
    "routes": "services.routes:routes",
    "dead-letters": "services.notify.cli:dead_letters",
    "purge": "services.notify.cli:purge",
    "staff": "services.notify.cli:staff",
    "channels": "services.notify.cli:channels",
}

MENDABLE = (
    "shared.config:ConfigError",
    "shared.settings:NoServerError",
    "shared.settings:SettingsRefusedError",
    "shared.broker:LayoutError",
    "shared.embedded:EmbeddedServerError",
)
"""Errors that a person can mend."""

NO_ANSWER = ("redis.exceptions:ConnectionError", "redis.exceptions:TimeoutError")
"""What the client of a server raises that is not there, or lets nobody in."""


def _named(target: str) -> Any:
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        target = COMMANDS.get(cmd_name)
        if target is None:
            return None
        try:
            command: click.Command = _named(target)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] in {"services", "shared"}:
                raise
            raise click.ClickException(
                f"`narvara {cmd_name}` needs {error.name}, which is not installed here; "
                "each service has an extra of its own, such as narvara[rules]"
            ) from None
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands by name alone: a help line each would load every service."""
        with formatter.section("Commands"):
            formatter.write_text(", ".join(COMMANDS))


@click.group(cls=_Lazy)
@click.version_option(package_name="narvara")
def narvara() -> None:
    """NärVara: early warning of problematic school absence.

    `narvara COMMAND --help` tells of each.
    """


def main() -> None:
    """The console script: errors that a person can mend are told without a traceback."""
    try:
        narvara()
    except Exception as error:
        # Looked up only now: what a server needs loads for longer than some commands run.
        if isinstance(error, tuple(map(_named, MENDABLE))):
            told = str(error)
        elif isinstance(error, tuple(map(_named, NO_ANSWER))):
            told = (
                f"no server answers ({error}); start one with `narvara up`, or mend "
                "NARVARA_REDIS_URL"
            )
        else:
            raise
        click.echo(f"Error: {told}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
