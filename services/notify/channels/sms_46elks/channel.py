"""SMS through one account, of which the gateway is asked to keep no text."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from services.notify.channels.http import Gateway, outcome_of
from services.notify.channels.sms_46elks.reports import report_url
from services.notify.channels.sms_46elks.settings import ElksSettings
from services.notify.delivery import Outcome
from services.notify.message import Composed, NotOneSegmentError, one_segment
from shared import metrics

_LISTED = 100
"""Messages that the gateway lists at once, at most; the newest first."""

_CLOCKS = timedelta(seconds=3)
"""How far two clocks may be apart when each has told its time."""

_PREPARING = timedelta(seconds=30)
"""How long a try may take before it speaks to the gateway."""

_REMEMBERED = 10_000
"""Ids of the gateway that are known to be of other messages."""


class ElksChannel:
    """Sends through one account at 46elks."""

    def __init__(self, settings: ElksSettings, clock: Callable[[], float]) -> None:
        """`clock` tells Unix seconds."""
        self._settings = settings
        self._clock = clock
        self._key = settings.elks_password.get_secret_value().encode()
        login = (settings.elks_username, settings.elks_password.get_secret_value())
        self._gateway = Gateway(settings.elks_timeout, login)
        self._known: dict[str, str] = {}
        """Our id by the gateway's, of what it has taken from this process."""

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
        if outcome.kind == "sent":
            self._taken(message, _json(answer))
        return outcome

    async def was_sent(self, address: str, message: Composed, since: datetime) -> bool | None:
        """Is an SMS listed that only this one can be? See `Remembering`.

        46elks keeps no text of it and knows no id of ours, so what counts is the number, the time,
        and that no other message is known to be the listed one. Two to the same number within a
        few seconds can't be told apart after a crash: the caller keeps them 10 seconds apart.
        """
        query = {"to": address, "limit": str(_LISTED)}
        answer = await self._gateway.call("GET", self._settings.elks_url, params=query)
        if isinstance(answer, Outcome) or outcome_of(answer).kind != "sent":
            return None
        page = _json(answer)
        listed = page.get("data")
        if not isinstance(listed, list):
            return None
        begin = since + self._ahead(answer)
        end = begin + _PREPARING + timedelta(seconds=self._settings.elks_timeout)
        try:
            times = {each["id"]: _time(each["created"]) for each in listed}
            found = [
                each["id"]
                for each in listed
                if self._may_be(each, address, message)
                and begin - _CLOCKS <= times[each["id"]] <= end + _CLOCKS
            ]
        except (KeyError, TypeError, ValueError):
            return None
        if len(found) == 1:
            self._remember(found[0], message.id)
            return True
        if found or (page.get("next") and min(times.values(), default=begin) > begin):
            return None
        return False

    async def aclose(self) -> None:
        await self._gateway.aclose()

    def _taken(self, message: Composed, answer: Mapping[str, Any]) -> None:
        name, cost = answer.get("id"), answer.get("cost")
        if isinstance(name, str):
            self._remember(name, message.id)
        if isinstance(cost, int) and cost >= 0:
            metrics.SMS_COST.inc(cost / 10_000)

    def _remember(self, name: str, message: str) -> None:
        self._known[name] = message
        while len(self._known) > _REMEMBERED:
            del self._known[next(iter(self._known))]

    def _may_be(self, listed: Mapping[str, Any], address: str, message: Composed) -> bool:
        """Is what the gateway lists perhaps this message?"""
        if listed["direction"] != "outgoing" or listed["to"] != address:
            return False
        if listed.get("from", self._settings.sms_from) != self._settings.sms_from:
            return False
        if listed.get("message", message.sms) != message.sms:
            return False
        asked = parse_qs(urlsplit(str(listed.get("whendelivered", ""))).query).get("message")
        if asked is not None and asked != [message.id]:
            return False
        return self._known.get(listed["id"], message.id) == message.id

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
