"""Stage 5, brake: far more messages than usual in an hour are held until someone has looked.

Most often what is wrong then is the import, not four hundred pupils. One message to each adult
is never a storm: so many leave on the first day of an installation, and on every Thursday.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta

from services.notify.desk import Desk
from services.notify.rows import IT, Brake, Outgoing, Recipient, Volume
from shared.roster import Roster

DAYS = 20
"""Days whose busiest hour is what is usual."""

TIMES = 3
"""So many times what is usual is a storm."""

LEAST = 20
"""Fewer messages in an hour are never one."""


def most(desk: Desk, adults: int, at: datetime) -> int:
    """How many messages may leave in the hour of a local time, where there are so many adults."""
    today = at.date()
    busiest = max(
        (
            count
            for day, volume in desk.volume.items()
            for hour, count in volume.hours.items()
            if date.fromisoformat(day) < today or hour < f"{at.hour:02}"
            if date.fromisoformat(day) >= today - timedelta(days=DAYS)
        ),
        default=0,
    )
    return max(LEAST, TIMES * busiest, adults)


def is_storm(desk: Desk, messages: Sequence[Outgoing], adults: int, at: datetime) -> bool:
    """Would these be more than may leave in the hour, with those that have left?"""
    volume = desk.volume.get(at.date().isoformat())
    left = volume.hours.get(f"{at.hour:02}", 0) if volume else 0
    return bool(messages) and left + len(messages) > most(desk, adults, at)


def count(desk: Desk, messages: Sequence[Outgoing], at: datetime) -> None:
    """Remember how many left in the hour of a local time."""
    if not messages:
        return
    today, hour = at.date().isoformat(), f"{at.hour:02}"
    hours = dict(desk.volume[today].hours) if today in desk.volume else {}
    hours[hour] = hours.get(hour, 0) + len(messages)
    desk.put("volume", today, Volume(hours))
    oldest = (at.date() - timedelta(days=DAYS)).isoformat()
    for day in [day for day in desk.volume if day < oldest]:
        desk.drop("volume", day)


def hold(desk: Desk, since: datetime | None, at: datetime, held: int) -> None:
    """From here on nothing leaves; slots after `since` are made up for at the release."""
    desk.put("brake", BRAKE, Brake(at, since, held))


BRAKE = "brake"
"""The only row of its table."""


def adults(rosters: Iterable[Roster]) -> int:
    """How many adults there are to be told."""
    return sum(len({row.staff for row in roster.staff}) for roster in rosters)


def who_is_told(rosters: Mapping[str, Roster], on: date, *, it: bool) -> list[Recipient]:
    """Whom a brake is told to: coordinators, and IT where it has an address."""
    coordinators = [
        Recipient(school, member.staff)
        for school, roster in sorted(rosters.items())
        for member in roster.with_role("coordinator", on)
    ]
    return [*coordinators, *([Recipient("narvara", IT)] if it else [])]
