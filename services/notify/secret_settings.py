"""Settings that hold secrets: where they stand, and that they stay secret."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr, model_validator

from shared.settings import PREFIX, FromEnvironment


class SecretSettings(FromEnvironment):
    """Settings of one gateway, from the environment as `NARVARA_…`.

    A secret `x` may stand in a file, as containers hand them over; the field `x_file` names it.
    """

    @model_validator(mode="before")
    @classmethod
    def _read_secrets(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        values = dict(given)
        for name, field in cls.model_fields.items():
            file = values.get(f"{name}_file")
            if field.annotation is not SecretStr or not file:
                continue
            variable = f"{PREFIX}{name}".upper()
            if values.get(name):
                raise ValueError(f"{variable} and {variable}_FILE are both set; keep one")
            values[name] = _content(Path(file), variable)
        return values


def _content(file: Path, variable: str) -> str:
    try:
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{variable}_FILE names {file}, which can't be read: {type(error).__name__}"
        ) from None
