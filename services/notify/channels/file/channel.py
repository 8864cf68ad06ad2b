"""Messages as files."""

import asyncio
from pathlib import Path
from typing import Literal

from services.notify.delivery import SENT, Outcome
from services.notify.message import Composed
from services.notify.message import email as as_email

_SENDER = "narvara@localhost"


class FileChannel:
    """Writes each message to a file of its own; a repeat writes the same file again."""

    def __init__(self, folder: Path, form: Literal["email", "sms"]) -> None:
        self._folder = folder
        self._form = form

    async def send(self, address: str, message: Composed) -> Outcome:
        try:
            await asyncio.to_thread(self._write, address, message)
        except Exception as error:  # noqa: BLE001 - a full disk is worth a retry, like any other
            return Outcome("transient", type(error).__name__)
        return SENT

    def _write(self, address: str, message: Composed) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        stem = f"{message.made:%Y%m%dT%H%M}-{message.id[:12]}"
        if self._form == "email":
            name, content = f"{stem}.eml", as_email(message, _SENDER, address)
        else:
            name, content = f"{stem}.sms.txt", f"To: {address}\n\n{message.sms}\n".encode()
        unfinished = self._folder / f".{name}"
        unfinished.write_bytes(content)
        unfinished.chmod(0o600)
        unfinished.replace(self._folder / name)
