"""Rows that were refused, shown to whoever named the file: line and reason, and no more."""

from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console

from services.ingest.csv_rows import HeaderError
from services.ingest.imports import ImportRefusedError, Report

# A file's name and a line number are no markup, and `:100:` no emoji.
_shown = Console(stderr=True, highlight=False, markup=False, emoji=False)


def show_refused(report: Report) -> None:
    """The first refusals, and how many more there are, on standard error."""
    for file, row in report.reasons:
        _shown.print(f"{file.name}:{row.line}: {row.reason}", style="yellow", soft_wrap=True)
    if report.refused > len(report.reasons):
        _shown.print(f"… and {report.refused - len(report.reasons)} more refused rows")


@contextmanager
def refusals_told(report: Report) -> Iterator[None]:
    """Around a command that reads a file: at its end what was refused is told, with exit code 1.

    A file that can't be used as a whole is a `ClickException`.
    """
    try:
        yield
    except (HeaderError, ImportRefusedError) as error:
        show_refused(report)
        raise click.ClickException(str(error)) from None
    except click.ClickException:
        show_refused(report)  # it may be why nothing was found
        raise
    show_refused(report)
    if report.refused:
        _shown.print(f"{report.refused} of {report.read} rows were refused")
        raise SystemExit(1)
