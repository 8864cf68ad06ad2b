"""Delivery reports of SMS over HTTP: `POST /sms/reports`, by the gateway alone."""

from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from services.notify.channels.sms_46elks.reports import read_report
from shared import metrics
from shared.telemetry import note

_LONGEST = 4096
"""Bytes of a body."""


def report_routes(key: bytes) -> list[BaseRoute]:
    """`/sms/reports`; `key` proves that a report is of a message of ours. Empty: there is none."""

    async def take(request: Request) -> Response:
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > _LONGEST:
                return Response(status_code=413)
        form = dict(parse_qsl(body.decode(errors="replace")))
        report = read_report(request.query_params, form, key)
        if report is None:
            return Response(status_code=404)
        metrics.SMS_REPORTS.labels(report.status).inc()
        note("sms reported", message=report.message, status=report.status)
        return Response(status_code=204)

    return [Route("/sms/reports", take, methods=["POST"])] if key else []
