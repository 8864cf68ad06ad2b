"""How many SMS a person may get in a day and a school in a month; what is more goes by mail.

An SMS costs, and a phone that buzzes all day is not looked at. Pure: rows are counted on the desk.
"""

from datetime import date, timedelta
from typing import Literal

from services.notify.desk import Desk
from services.notify.routing import SmsLimits
from services.notify.rows import Key, Recipient, Spent

SMS = "sms"
"""The channel that is counted."""

Limit = Literal["person_day", "school_month"]

_KEPT = timedelta(days=62)
"""Counts are of no use after the month that they are of."""


def reached(desk: Desk, limits: SmsLimits, recipient: Recipient, on: date) -> Limit | None:
    """The limit that one more SMS on a date would break; None: it breaks none."""
    if _spent(desk, _day(recipient, on)) >= limits.person_day:
        return "person_day"
    if _spent(desk, _month(recipient, on)) >= limits.school_month:
        return "school_month"
    return None


def count(desk: Desk, recipient: Recipient, on: date) -> None:
    """One more SMS to a recipient on a date."""
    for name in [name for name, each in desk.spent.items() if each.on < on - _KEPT]:
        desk.drop("spent", name)
    for name in (_day(recipient, on), _month(recipient, on)):
        desk.put("spent", name, Spent(_spent(desk, name) + 1, on))


def _spent(desk: Desk, name: Key) -> int:
    known = desk.spent.get(name)
    return known.sms if known else 0


def _day(recipient: Recipient, on: date) -> Key:
    return f"{recipient} {on}"


def _month(recipient: Recipient, on: date) -> Key:
    return f"{recipient.school} {on:%Y-%m}"
