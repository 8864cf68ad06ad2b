"""How well lessons are registered: by the date on which they came due, and by teaching group.

A lesson comes due at the first day-close hour at least 24 hours after its end. Guardians must
hear of absence the same day (7 kap. 17 § skollagen), which the school's own system can only do
when lessons are registered; NärVara watches that they are (P19).
"""

from datetime import date, datetime, time

from services.rules.window import Registration, instant_of, microseconds_of
from shared.calendar import SchoolCalendar
from shared.events import Status

_MINUTE = 60 * 1_000_000
_DAY = 24 * 60 * _MINUTE
"""In microseconds."""
_NEVER = -(10**18)
"""Before any lesson."""


class Registers:
    """Counts of one school's lessons in one partition."""

    def __init__(self, calendar: SchoolCalendar) -> None:
        self.counts: dict[tuple[int, str], list[int]] = {}
        """By due date (ordinal) and group: lessons, and of them unreported."""
        self.changed: set[tuple[int, str]] = set()
        """Since whoever asked last emptied it."""
        self._calendar = calendar
        self._closes: dict[int, int] = {}
        """By date (ordinal), when its last lesson ends that surely comes due on the next date."""

    def note(self, known: Registration, sign: int) -> None:
        """A lesson is as `known` now (1), or no longer (-1)."""
        status = known.status
        if status is Status.WITHDRAWN:
            return
        ends, day = known.starts_at + known.minutes * _MINUTE, known.day
        due = day + 1
        if ends > (self._closes.get(day) or self._closes_at(day)):
            due = self._calendar.due_on(instant_of(ends)).toordinal()
        key = (due, known.group)
        count = self.counts.get(key)
        if count is None:
            count = self.counts[key] = [0, 0]
        count[0] += sign
        if status is Status.UNREPORTED:
            count[1] += sign
        self.changed.add(key)

    def drop_before(self, day: int) -> None:
        """Forget what came due before a date."""
        self.counts = {key: count for key, count in self.counts.items() if key[0] >= day}
        self._closes.clear()

    def _closes_at(self, day: int) -> int:
        """A day before the next date's close hour; never, when the clocks change meanwhile."""
        today, due, after = (date.fromordinal(day + later) for later in range(3))
        zone, closes = self._calendar.zone, self._calendar.day_close
        midnights = (datetime.combine(each, time.min, zone) for each in (today, after))
        even = len({midnight.utcoffset() for midnight in midnights}) == 1
        found = microseconds_of(datetime.combine(due, closes, zone)) - _DAY if even else _NEVER
        self._closes[day] = found
        return found
