"""Delivery reports: which address 46elks is to report to, and what a report says."""

import hmac
from collections.abc import Mapping
from typing import Literal, NamedTuple, cast, get_args
from urllib.parse import urlencode

Status = Literal["sent", "delivered", "failed"]
"""With the carrier, on the phone, or given up."""


class Report(NamedTuple):
    """What became of an SMS that 46elks had taken."""

    message: str
    """Our own id, `Composed.id`."""
    status: Status


def report_url(base: str, message: str, key: bytes) -> str:
    """Where the reports of a message go, with a proof that nobody else can give."""
    return f"{base}?{urlencode({'message': message, 'proof': _proof(message, key)})}"


def read_report(query: Mapping[str, str], form: Mapping[str, str], key: bytes) -> Report | None:
    """What is reported by a POST to `report_url`; None: it is none of ours.

    `query` is of the address, `form` of the body; `key` as for `report_url`.
    """
    message, status = query.get("message", ""), form.get("status", "")
    proof = query.get("proof", "").encode()
    if status not in get_args(Status):
        return None
    if not hmac.compare_digest(proof, _proof(message, key).encode()):
        return None
    return Report(message, cast("Status", status))


def _proof(message: str, key: bytes) -> str:
    return hmac.new(key, b"delivery report " + message.encode(), "sha256").hexdigest()[:32]
