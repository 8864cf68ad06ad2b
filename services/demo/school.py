"""The demo's school on disk: a simulated autumn as files, and the week that is to be lived.

The files are those that any school would bring: canonical CSV, two roster files. What was
recorded up to the last evening of the autumn is history; the rest comes live.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path

from services.ingest.csv_export import write_events
from services.ingest.roster import write_roster
from services.ingest.simulated import roster, simulate
from shared.calendar import SchoolCalendar
from shared.events import AttendanceEvent

HISTORY_DAYS = 55
"""School days of the autumn at the least; it ends on a Friday."""

_DONE = "simulated"


@dataclass(frozen=True)
class School:
    """The simulated school's files, and where its history ends."""

    folder: Path
    calendar: SchoolCalendar
    pupils: int
    seed: int

    @property
    def history(self) -> Path:
        return self.folder / "history.csv"

    @property
    def first_live_day(self) -> date:
        """The first Monday after enough of the autumn."""
        days = self.calendar.school_days
        return next(day for day in days[HISTORY_DAYS:] if day.weekday() == 0)

    def week(self, number: int) -> tuple[date, ...]:
        """The school days of the live week `number`, from 0; empty when the calendar has ended."""
        monday = self.first_live_day + timedelta(weeks=number)
        return self.calendar.between(monday, monday + timedelta(days=6))

    @property
    def live_from(self) -> datetime:
        """The instant at which history ends and live begins: midnight before the first week."""
        return datetime.combine(self.first_live_day, time(0), self.calendar.zone)

    def make(self) -> None:
        """Write the files unless they are there; a run that was cut short begins anew."""
        done = self.folder / _DONE
        if done.exists():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.history.open("w", encoding="utf-8", newline="") as out:
            write_events(
                (event for event in self._events() if event.recorded_at < self.live_from), out
            )
        write_roster(
            roster(schools=1, pupils=self.pupils, calendar=self.calendar, seed=self.seed),
            self.folder,
        )
        done.touch()

    def live(self, after: datetime, last: date) -> Iterator[AttendanceEvent]:
        """What is recorded after an instant, up to the end of the day `last`, in order."""
        end = datetime.combine(last + timedelta(days=1), time(0), self.calendar.zone)
        for event in self._events():
            if event.recorded_at >= end:
                return
            if event.recorded_at > after and event.recorded_at >= self.live_from:
                yield event

    def _events(self) -> Iterator[AttendanceEvent]:
        return simulate(
            self.calendar,
            schools=1,
            pupils=self.pupils,
            days=len(self.calendar.school_years[0].school_days),
            seed=self.seed,
        )
