"""The config files that the streams carry: read, checked, and sent when they changed."""

from pathlib import Path

from services.ingest.publish import Publisher
from services.ingest.store import IngestStore
from shared.calendar import SchoolCalendar
from shared.config import CALENDAR, RULEBOOK, plain, read_config, version_of
from shared.events import CalendarChanged, RulebookChanged
from shared.rulebook import Rulebook
from shared.telemetry import note


def read_calendar(config_dir: Path) -> SchoolCalendar:
    """The calendar file; raises `ConfigError`."""
    return read_config(config_dir / CALENDAR, SchoolCalendar)


def read_rulebook(config_dir: Path) -> Rulebook:
    """The rulebook file; raises `ConfigError`."""
    return read_config(config_dir / RULEBOOK, Rulebook)


async def send_config(
    store: IngestStore, publisher: Publisher, calendar: SchoolCalendar, rulebook: Rulebook
) -> None:
    """Put calendar and rulebook into every partition unless their newest versions are there."""
    sent = await store.config_versions()
    changed: list[tuple[str, CalendarChanged | RulebookChanged]] = []
    version = version_of(calendar)
    if sent.get(CALENDAR) != version:
        changed.append((CALENDAR, CalendarChanged(version=version, content=plain(calendar))))
    version = version_of(rulebook)
    if sent.get(RULEBOOK) != version:
        changed.append((RULEBOOK, RulebookChanged(version=version, content=plain(rulebook))))
    for file, message in changed:
        await publisher.send(message)
        await publisher.flush()
        await store.config_sent(file, message.version)
        note("config sent", file=file, version=message.version)
