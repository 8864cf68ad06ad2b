"""How well lessons are registered: by the date on which they came due, and by teaching group.

A lesson comes due at the first day-close hour at least 24 hours after its end. Guardians must
hear of absence the same day (7 kap. 17 § skollagen), which the school's own system can only do
when lessons are registered; NärVara watches that they are (P19).
"""

from datetime import timedelta

from services.rules.window import Registration, instant_of
from shared.calendar import SchoolCalendar
from shared.events import Status

_MOST_REMEMBERED = 100_000


class Registers:
    """Counts of one school's lessons in one partition."""

    def __init__(self, calendar: SchoolCalendar) -> None:
        self.counts: dict[tuple[int, str], list[int]] = {}
        """By due date (ordinal) and group: lessons, and of them unreported."""
        self.changed: set[tuple[int, str]] = set()
        """Since whoever asked last emptied it."""
        self._calendar = calendar
        self._due: dict[tuple[int, int], int] = {}

    def note(self, known: Registration, sign: int) -> None:
        """A lesson is as `known` now (1), or no longer (-1)."""
        status = known.status
        if status is Status.WITHDRAWN:
            return
        when = known[1:3]
        due = self._due.get(when) or self._due_on(when)
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
        self._due.clear()

    def _due_on(self, when: tuple[int, int]) -> int:
        if len(self._due) >= _MOST_REMEMBERED:
            self._due.clear()
        starts_at, minutes = when
        ends_at = instant_of(starts_at) + timedelta(minutes=minutes)
        due = self._due[when] = self._calendar.due_on(ends_at).toordinal()
        return due
