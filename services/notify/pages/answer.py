"""Answers over HTTP: `POST /m/{token}/answers`, by whoever has a message's link.

A form or JSON: `pupil` (the place on the page, from 1), `answer`, `until`, `note`, `for_eht`. What
comes back is JSON. GET and HEAD change nothing anywhere.
"""

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from services.notify.answers import (
    AnswerRefusedError,
    Form,
    NotNowError,
    Taken,
    UnknownLinkError,
)
from services.notify.pages.forms import LONGEST, body_of, filled
from shared.events import AnswerKind

Give = Callable[[str, Form], Awaitable[Taken]]

_HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


class Filled(BaseModel):
    """An answer as it was filled in, in a form or as JSON."""

    model_config = ConfigDict(extra="forbid")

    pupil: int = Field(ge=1, le=10_000)
    answer: AnswerKind
    until: date | None = None
    note: Annotated[str, Field(max_length=4000)] = ""
    for_eht: bool = False


def answer_routes(give: Give) -> list[BaseRoute]:
    """`/m/{token}/answers`."""

    async def take(request: Request) -> Response:
        body = await body_of(request)
        if body is None:
            return _said(413, f"met a longer body; wanted at most {LONGEST} bytes")
        try:
            given = _read(request, body)
        except ValidationError as error:
            return _said(422, "; ".join(sorted({_what(each) for each in error.errors()})))
        try:
            taken = await give(request.path_params["token"], Form(**given.model_dump()))
        except UnknownLinkError:
            return _said(404, "unknown link")
        except AnswerRefusedError as error:
            return _said(409, str(error))
        except NotNowError:
            return _said(503, "not now; ask again", {"Retry-After": "5"})
        again = taken.again_on.isoformat() if taken.again_on else None
        return JSONResponse({"answered": given.answer, "again_on": again}, headers=_HEADERS)

    return [Route("/m/{token}/answers", take, methods=["POST"])]


def _read(request: Request, body: bytes) -> Filled:
    if request.headers.get("content-type", "").startswith("application/json"):
        return Filled.model_validate_json(body)
    return Filled.model_validate(filled(body))


def _what(error: Any) -> str:
    """Which field is wrong and how; never what was met, which may be a note."""
    return f"{'.'.join(map(str, error['loc'])) or 'body'}: {error['msg']}"


def _said(status: int, why: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": why}, status, headers={**_HEADERS, **(headers or {})})
