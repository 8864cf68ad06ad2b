"""Delivery reports of SMS over HTTP: `POST /sms/reports`, by the gateway alone."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from services.notify.answers import NotNowError
from services.notify.channels.sms_46elks.reports import Report, read_report
from services.notify.pages.forms import body_of, filled
from shared import metrics
from shared.telemetry import note

_LONGEST = 4096
"""Bytes of a body."""


Take = Callable[[Report], Awaitable[None]]


def report_routes(key: bytes, take_in: Take) -> list[BaseRoute]:
    """`/sms/reports`; `key` proves that a report is of a message of ours. Empty: there is none.

    A report that can't be taken in now (`NotNowError`) is asked for again by a 503.
    """

    async def take(request: Request) -> Response:
        body = await body_of(request, _LONGEST)
        if body is None:
            return Response(status_code=413)
        report = read_report(request.query_params, filled(body), key)
        if report is None:
            return Response(status_code=404)
        try:
            await take_in(report)
        except NotNowError:
            return Response(status_code=503)
        metrics.SMS_REPORTS.labels(report.status).inc()
        note("sms reported", message=report.message, status=report.status)
        return Response(status_code=204)

    return [Route("/sms/reports", take, methods=["POST"])] if key else []
