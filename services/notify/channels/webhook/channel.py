"""A POST as the Standard Webhooks specification has it, so that its libraries can verify it.

A repeat carries the same `webhook-id`: the gateway is to send what it has sent before no more.
"""

import base64
import hmac
import json
from collections.abc import Callable

from services.notify.channels.http import Gateway, outcome_of
from services.notify.channels.webhook.settings import WebhookSettings
from services.notify.delivery import Outcome
from services.notify.message import Composed


class WebhookChannel:
    """Calls one gateway, which has words of its own for each kind of message."""

    def __init__(self, settings: WebhookSettings, clock: Callable[[], float]) -> None:
        """`clock` tells Unix seconds."""
        self._settings = settings
        self._clock = clock
        self._gateway = Gateway(settings.webhook_timeout)

    async def send(self, address: str, message: Composed) -> Outcome:
        settings = self._settings
        body = as_json(address, message)
        headers = {
            "Content-Type": "application/json",
            **signature(message.id, int(self._clock()), body, settings.key),
        }
        answer = await self._gateway.call(
            "POST", settings.webhook_url, content=body, headers=headers
        )
        return answer if isinstance(answer, Outcome) else outcome_of(answer)

    async def aclose(self) -> None:
        await self._gateway.aclose()


def as_json(address: str, message: Composed) -> bytes:
    """What the gateway is told; `to` only when there is an address."""
    told = {
        "id": message.id,
        "kind": message.kind,
        "link": message.link,
        "reference": message.reference,
        "school": message.school,
        **({"to": address} if address else {}),
    }
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def signature(message: str, at: int, body: bytes, key: bytes) -> dict[str, str]:
    """The headers that prove who sent `body`, and when; `at` in Unix seconds."""
    signed = hmac.digest(key, f"{message}.{at}.".encode() + body, "sha256")
    return {
        "webhook-id": message,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
    }
