"""What the rules service can be told, from the environment as `NARVARA_…`."""

from pydantic import Field, model_validator

from shared.settings import Settings as SharedSettings


class Settings(SharedSettings):
    """The rules service's settings."""

    rules_port: int = Field(default=8002, ge=0, le=65535, description="Metrics and health.")
    rules_partitions: str = Field(
        default="all",
        description="Which partitions this process owns: all, or such as 0-3 or 0,2,5.",
    )
    checkpoint_events: int = Field(
        default=100_000,
        ge=1,
        description="Registrations, and entries of other kinds, between two checkpoints at the "
        "most: what a crash reads again.",
    )
    checkpoint_seconds: float = Field(
        default=10,
        gt=0,
        description="Seconds of steady work between two checkpoints; while catching up, only "
        "registrations count.",
    )
    checkpoint_idle_seconds: float = Field(
        default=1, gt=0, description="Seconds of silence after which changed pupils are written."
    )

    @model_validator(mode="after")
    def _owns_what_there_is(self) -> "Settings":
        _parse(self.rules_partitions, self.partitions)
        return self

    @property
    def owned(self) -> tuple[int, ...]:
        """The partitions to own."""
        return _parse(self.rules_partitions, self.partitions)


def _parse(text: str, partitions: int) -> tuple[int, ...]:
    if text.strip() == "all":
        return tuple(range(partitions))
    owned: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            raise ValueError(
                f"NARVARA_RULES_PARTITIONS: met {text!r}; wanted all, or partitions such as 0-3 or "
                "0,2,5"
            )
        owned |= set(range(int(first), int(last or first) + 1))
    if beyond := [each for each in owned if each >= partitions]:
        raise ValueError(
            f"NARVARA_RULES_PARTITIONS: there is no partition {min(beyond)}; "
            f"there are 0 to {partitions - 1}"
        )
    return tuple(sorted(owned))
