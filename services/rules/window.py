"""What is known of one pupil's lessons: the latest registration of each.

Teachers correct registrations for weeks. Nothing therefore adds up as it goes in a way that
could not be taken back: every lesson can leave its day again and return as it is known now.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Literal, Protocol

import msgspec

from shared.calendar import Moment
from shared.events import Status

Outcome = Literal["accepted", "duplicate", "superseded", "expired"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

EXCUSED = frozenset({Status.EXCUSED, Status.LEAVE})
ABSENT = EXCUSED | {Status.UNEXCUSED}
_UNEXCUSED_MINUTES = frozenset({Status.UNEXCUSED, Status.LATE})
_UNCOUNTED = frozenset({Status.UNREPORTED, Status.WITHDRAWN})


# There are millions, and none holds what could hold it again: the collector need not look at them.
class Registration(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is known of one lesson. Instants are microseconds since 1970, UTC."""

    day: int
    """The local date's ordinal."""
    starts_at: int
    minutes: int
    absent: int
    status: Status
    revision: int
    subject: str
    group: str

    @property
    def counts(self) -> bool:
        """Reported and not withdrawn."""
        return self.status not in _UNCOUNTED

    @property
    def excused(self) -> bool:
        return self.status in EXCUSED

    @property
    def unexcused_minutes(self) -> int:
        return self.absent if self.status in _UNEXCUSED_MINUTES else 0

    @property
    def wholly_missed(self) -> bool:
        return self.status in ABSENT and self.absent == self.minutes

    @property
    def plain(self) -> bool:
        """Nothing that evidence would ever list."""
        return not self.absent and self.status is not Status.LATE and self.status not in ABSENT


class Registered(Protocol):
    """A registration as the fold takes it in: an `AttendanceEvent`, or one read quickly."""

    @property
    def school(self) -> str: ...
    @property
    def pupil(self) -> str: ...
    @property
    def lesson(self) -> str: ...
    @property
    def starts_at(self) -> datetime | str: ...
    @property
    def recorded_at(self) -> datetime | str: ...
    @property
    def minutes(self) -> int: ...
    @property
    def subject(self) -> str: ...
    @property
    def status(self) -> Status: ...
    @property
    def absent_minutes(self) -> int: ...
    @property
    def group(self) -> str: ...


Lessons = dict[str, Registration]
"""A pupil's lessons by id."""


def registration_of(event: Registered, start: Moment) -> Registration:
    """What `event` says of its lesson, which begins at `start`."""
    return Registration(
        start.ordinal,
        start.microseconds,
        event.minutes,
        event.absent_minutes,
        event.status,
        microseconds_of(event.recorded_at),
        event.subject,
        event.group,
    )


def outcome_of(
    event: Registered, known: Registration, held: Registration | None
) -> Literal["accepted", "duplicate", "superseded"]:
    """What becomes of a registration beside the one held: the highest revision wins."""
    if held is None or known.revision > held.revision:
        return "accepted"
    if known.revision < held.revision:
        return "superseded"
    if known == held:
        return "duplicate"
    return "accepted" if _canonical(known, event) > _canonical(held, event) else "superseded"


def lessons_on(lessons: Lessons, days: Iterable[int]) -> list[tuple[str, Registration]]:
    """The lessons of some dates, given as ordinals, with their ids: by day, start and id."""
    wanted = frozenset(days)
    found = [
        (known.day, known.starts_at, lesson, known)
        for lesson, known in lessons.items()
        if known.day in wanted
    ]
    found.sort()  # no two have the same id
    return [(lesson, known) for _, _, lesson, known in found]


def counting_on(lessons: Lessons, days: Iterable[int], count: int) -> list[Registration]:
    """The `count` lessons of some dates that count, by day, start and id; ordinals.

    They are mostly the newest that have come, and are looked for from there: a year of lessons is
    not gone through for those of a day.
    """
    wanted = frozenset(days)
    found: list[tuple[int, int, str, Registration]] = []
    for lesson, known in reversed(lessons.items()):
        if len(found) == count:
            break
        if known.day in wanted and known.counts:
            found.append((known.day, known.starts_at, lesson, known))
    found.sort()
    return [known for *_, known in found]


def microseconds_of(at: datetime | str) -> int:
    """An instant, as such or as ISO text, as whole microseconds since 1970, UTC."""
    return _microseconds(at) if isinstance(at, str) else round(at.timestamp() * 1_000_000)


@lru_cache(maxsize=1 << 16)
def _microseconds(text: str) -> int:
    return microseconds_of(datetime.fromisoformat(text))


def instant_of(microseconds: int) -> datetime:
    """The instant that a registration holds as microseconds."""
    return _EPOCH + timedelta(microseconds=microseconds)


def _canonical(known: Registration, event: Registered) -> str:
    """The registration as canonical JSON, to settle equal revisions alike in any order."""
    content = {
        "school": event.school,
        "pupil": event.pupil,
        "lesson": event.lesson,
        "starts_at": instant_of(known.starts_at).isoformat(),
        "minutes": known.minutes,
        "subject": known.subject,
        "status": known.status,
        "absent_minutes": known.absent,
        "recorded_at": instant_of(known.revision).isoformat(),
    }
    if known.group:
        content["group"] = known.group
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
