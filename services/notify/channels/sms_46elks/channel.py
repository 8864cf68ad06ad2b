"""SMS through one account, of which the gateway is asked to keep no text."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from services.notify.channels import Doubt
from services.notify.channels.http import Gateway, outcome_of
from services.notify.channels.sms_46elks.reports import report_url
from services.notify.channels.sms_46elks.settings import ElksSettings
from services.notify.delivery import SENT, Outcome
from services.notify.message import Composed, NotOneSegmentError, one_segment
from shared import metrics

_LISTED = 100
"""Messages that the gateway lists at once, at most; the newest first."""

_CLOCKS = timedelta(seconds=3)
"""How far two clocks may be apart when each has told its time."""

_PREPARING = timedelta(seconds=30)
"""How long a try may take before it speaks to the gateway."""


class ElksChannel:
    """Sends through one account at 46elks."""

    def __init__(self, settings: ElksSettings, clock: Callable[[], float]) -> None:
        """`clock` tells Unix seconds."""
        self._settings = settings
        self._clock = clock
        self._key = settings.elks_password.get_secret_value().encode()
        login = (settings.elks_username, settings.elks_password.get_secret_value())
        self._gateway = Gateway(settings.elks_timeout, login)

    async def send(self, address: str, message: Composed) -> Outcome:
        settings = self._settings
        try:
            text = one_segment(message.sms)
        except NotOneSegmentError as error:
            return Outcome("permanent", str(error))
        form = {"from": settings.sms_from, "to": address, "message": text, "dontlog": "message"}
        if settings.sms_reports_url:
            form["whendelivered"] = report_url(settings.sms_reports_url, message.id, self._key)
        answer = await self._gateway.call("POST", settings.elks_url, data=form)
        if isinstance(answer, Outcome):
            return answer
        outcome = outcome_of(answer)
        return self._taken(_json(answer)) if outcome.kind == "sent" else outcome

    async def was_sent(self, address: str, message: Composed, doubt: Doubt) -> Outcome | None:
        """Is more listed than other messages can account for? See `Remembering`.

        46elks keeps no text of an SMS and knows no id of ours. So what counts is the number, the
        time, and that what is listed is known to be of no message. Each try leaves at most one;
        when more are left than there are tries of others in doubt, one must be this message's.
        The caller sends to one number one after the other.
        """
        query = {"to": address, "limit": str(_LISTED)}
        answer = await self._gateway.call("GET", self._settings.elks_url, params=query)
        if isinstance(answer, Outcome) or outcome_of(answer).kind != "sent":
            return None
        listed = _json(answer).get("data")
        if not isinstance(listed, list):
            return None
        ahead = self._ahead(answer)
        begin = doubt.first + ahead - _CLOCKS
        end = doubt.last + ahead + _CLOCKS
        end += _PREPARING + timedelta(seconds=self._settings.elks_timeout)
        try:
            near = [
                str(each["id"])
                for each in listed
                if self._may_be(each, address, message) and begin <= _time(each["created"]) <= end
            ]
        except (KeyError, TypeError, ValueError):
            return None
        claimed = await doubt.claimed(near)
        free = [name for name in near if name not in claimed]
        return replace(SENT, reference=free[-1], found=True) if len(free) > doubt.others else None

    async def aclose(self) -> None:
        await self._gateway.aclose()

    def _taken(self, answer: Mapping[str, Any]) -> Outcome:
        name, cost = answer.get("id"), answer.get("cost")
        if isinstance(cost, int) and cost >= 0:
            metrics.SMS_COST.inc(cost / 10_000)
        return replace(SENT, reference=name) if isinstance(name, str) else SENT

    def _may_be(self, listed: Mapping[str, Any], address: str, message: Composed) -> bool:
        """Is what the gateway lists perhaps this message?"""
        if listed["direction"] != "outgoing" or listed["to"] != address:
            return False
        if listed.get("from", self._settings.sms_from) != self._settings.sms_from:
            return False
        if listed.get("message", message.sms) != message.sms:
            return False
        asked = parse_qs(urlsplit(str(listed.get("whendelivered", ""))).query).get("message")
        return asked is None or asked == [message.id]

    def _ahead(self, answer: httpx.Response) -> timedelta:
        """How far the gateway's clock is ahead of ours."""
        try:
            theirs = parsedate_to_datetime(answer.headers["Date"])
        except (KeyError, TypeError, ValueError):
            return timedelta()
        return theirs - datetime.fromtimestamp(self._clock(), UTC)


def _json(answer: httpx.Response) -> Mapping[str, Any]:
    """The object that was answered; empty when it is none."""
    try:
        content = answer.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _time(text: str) -> datetime:
    """The gateway's times are UTC, with or without saying so."""
    time_ = datetime.fromisoformat(text)
    return time_ if time_.tzinfo else time_.replace(tzinfo=UTC)
