"""Beside the stages: an address at which nobody is, told to the school's admins."""

from collections.abc import Callable
from datetime import datetime

from services.notify.rows import Outgoing, Recipient
from shared.roster import StaffMember


def warnings(
    whose: Recipient,
    address: str,
    admins: tuple[StaffMember, ...],
    at: datetime,
    token: Callable[[], str],
) -> list[Outgoing]:
    """A message to each of the others who mend the roster, or to EHT's inbox; once an address.

    `address` is its digest (`address_key`). Of the inbox of EHT itself nobody is told.
    """
    others = [each.staff for each in admins if each.staff != whose.staff] or [""]
    recipients = [Recipient(whose.school, staff) for staff in others] if whose.staff else []
    return [
        Outgoing(
            f"{recipient} {address[:16]} address",
            *("address", recipient, ("email",), (), token(), at),
            whose=whose.staff,
        )
        for recipient in recipients
    ]
