"""A fresh link to what a message told, in place of one that has expired or never came.

The same words, whatever it opens. Pure.
"""

from datetime import datetime

from services.notify.desk import Desk
from services.notify.outbox import page_key
from services.notify.rows import Key, Outgoing, Page


def send_fresh(
    desk: Desk, page: Page, of: Key, token: str, at: datetime, *, channels: tuple[str, ...]
) -> None:
    """Put a message into the outbox whose link opens the same; once for each `of` and day.

    `of` is the key of the page; `token` the fresh link's secret.
    """
    name = f"{page.recipient} {of} {at.date()} link"
    message = Outgoing(name, "link", page.recipient, channels, (), token, at, break_quiet=True)
    desk.put("messages", page_key(token), page.but(made=at, renewed=None))
    desk.put("outbox", message.id, message)


def failed(desk: Desk, texted: str, page: Page, token: str, at: datetime) -> bool:
    """An SMS has failed: its recipient is sent a link by mail; False: nothing of it stands.

    `texted` names the SMS, as `identity` does.
    """
    row = desk.texted.get(texted)
    if row is None:
        return False
    desk.drop("texted", texted)
    opened = {item.opened for item in page.items}
    if not any(each.opened in opened for each in desk.findings.values()):
        return False
    send_fresh(desk, page, row.page, token, at, channels=("email",))
    return True
