"""`narvara simulate`: invented schools as files, and who slides from when."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import click

from services.ingest.csv_export import write_events
from services.ingest.progress import progress_bar
from services.ingest.roster import ROSTER_FILES, write_roster
from services.ingest.settings import Settings
from services.ingest.simulated import roster as simulated_roster
from services.ingest.simulated import simulate as simulated
from services.ingest.simulated import truth, write_truth
from shared.calendar import SchoolCalendar
from shared.config import CALENDAR, read_config
from shared.events import AttendanceEvent


@click.command()
@click.option("--schools", default=1, show_default=True, type=click.IntRange(1, 1000))
@click.option("--pupils", default=400, show_default=True, type=click.IntRange(1, 9999))
@click.option("--days", default=90, show_default=True, type=click.IntRange(1, 400))
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same files.")
@click.option("--calendar", type=click.Path(path_type=Path), help="Default: the config folder's.")
@click.option("--forgetful", is_flag=True, help="Some teachers often forget to register.")
@click.option("--outbreaks", is_flag=True, help="In winter a bug goes round in some classes.")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path))
def simulate(
    *,
    schools: int,
    pupils: int,
    days: int,
    seed: int,
    calendar: Path | None,
    forgetful: bool,
    outbreaks: bool,
    out: Path,
) -> None:
    """Write simulated schools: events to OUT; pupils.csv, staff.csv and a truth file beside it.

    PUPILS is per school. Days are school days from the calendar's first on.
    """
    settings = Settings()
    school_days = read_config(calendar or settings.config_dir / CALENDAR, SchoolCalendar)
    if out.name in ROSTER_FILES:
        raise click.BadParameter(f"met {out.name}, where the roster goes; wanted another name")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        events = simulated(
            school_days,
            schools=schools,
            pupils=pupils,
            days=days,
            seed=seed,
            forgetful=forgetful,
            outbreaks=outbreaks,
        )
        with out.open("w", encoding="utf-8", newline="") as file, progress_bar("rows") as progress:
            count = write_events(_told(events, progress), file)
        who = truth(school_days, schools=schools, pupils=pupils, days=days, seed=seed)
        sidecar = out.with_suffix(".truth.csv")
        with sidecar.open("w", encoding="utf-8", newline="") as file:
            write_truth(who, file)
        staff = simulated_roster(school_days, schools=schools, pupils=pupils, seed=seed)
        write_roster(staff, out.parent)
    except OSError as error:
        where = error.filename or out  # a full disk names no file
        raise click.ClickException(f"{where} can't be written: {error.strerror}") from None
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{count} registrations in {out}; who slides from when: {sidecar}")


def _told(
    events: Iterable[AttendanceEvent], progress: Callable[[int], None]
) -> Iterator[AttendanceEvent]:
    for number, event in enumerate(events, 1):
        if number % 5000 == 0:
            progress(number)
        yield event
