"""Forms that browsers post: read within bounds, and proved to come from our own pages."""

import hmac
from hashlib import sha256
from urllib.parse import parse_qsl

from starlette.requests import Request

LONGEST = 65_536
"""Bytes of a body: a note of 4,000 characters, each of which a form may write as twelve."""


_MOST = 50
"""Fields of a form."""


async def body_of(request: Request, longest: int = LONGEST) -> bytes | None:
    """The body; None: it is longer than that."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > longest:
            return None
    return body


def filled(body: bytes) -> dict[str, str]:
    """The fields of a form that were filled in, of one that comes twice the last; bounded."""
    text = body.decode(errors="replace")
    return dict(parse_qsl(text)) if text.count("&") < _MOST else {}


def proof(secret: str, of: str) -> str:
    """What only our page can have put into a form: made of what only its reader's cookie holds."""
    return hmac.new(secret.encode(), of.encode(), sha256).hexdigest()[:32]


def is_from_here(request: Request) -> bool:
    """Did a browser send this from a page of ours? Very old ones don't tell."""
    return request.headers.get("sec-fetch-site", "same-origin") in {"same-origin", "none"}


def is_ours(request: Request, proved: str, secret: str, of: str) -> bool:
    """Does a posted form come from our own page?"""
    return is_from_here(request) and hmac.compare_digest(
        proved.encode(), proof(secret, of).encode()
    )
