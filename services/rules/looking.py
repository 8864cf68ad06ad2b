"""`POST /pupil`: pupils as this process has them, for notify's pages; internal, by token."""

import hmac
from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from shared.picture import MOST, PATH, Looked, Wanted

Look = Callable[[Wanted], Awaitable[Looked]]

_LONGEST = 65_536
"""Bytes of a body."""

_WANTED = msgspec.json.Decoder(Wanted)


def look_routes(secret: str, look: Look) -> list[BaseRoute]:
    """The route, for whoever has the token; without one there is no such route."""

    async def answer(request: Request) -> Response:
        given = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(given, f"Bearer {secret}".encode()):
            return JSONResponse({"error": "met another token"}, 401)
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > _LONGEST:
                return JSONResponse({"error": f"wanted at most {_LONGEST} bytes"}, 413)
        try:
            wanted = _WANTED.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return JSONResponse({"error": f"wanted school, pupils and brief: {error}"}, 422)
        if len(wanted.pupils) > MOST:
            return JSONResponse({"error": f"wanted at most {MOST} pupils at once"}, 422)
        found = msgspec.json.encode(await look(wanted))
        return Response(found, media_type="application/json")

    return [Route(PATH, answer, methods=["POST"])] if secret else []
