"""The rulebook: what a coordinator may write in `rulebook.yaml`, and what it means.

A contract, not part of the rules service: ingest checks the file and puts its whole content
into the streams (`RulebookChanged`), and rules, which reads no file, takes it from there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from shared.config import ConfigPart

DEFAULT_NEED_DAYS = 10
DEFAULT_NEED_COVERAGE = Decimal("0.9")


@dataclass(frozen=True)
class Indicator:
    """What the rulebook must know of an indicator to refuse a condition that can't be meant."""

    rate: bool
    """A share or rate: 0 to 1, and by default a rule on it needs 10 days and coverage 0.9."""
    windowed: bool = True
    """Measured over `days`."""
    kinds: tuple[str, ...] = ()


INDICATORS = {
    "absence_share": Indicator(rate=True, kinds=("all", "excused", "unexcused")),
    "unexcused_lessons": Indicator(rate=False),
    "unexcused_days": Indicator(rate=False),
    "absent_run": Indicator(rate=False, windowed=False),
    "lates": Indicator(rate=False),
}

Audience = Literal["contact_teacher", "eht", "rektor", "admin", "coordinator"]

DEFAULT_AUDIENCE: dict[int, tuple[Audience, ...]] = {
    1: ("contact_teacher",),
    2: ("contact_teacher", "eht"),
    3: ("eht", "rektor"),
    4: ("eht", "rektor"),
}


class FigureKey(NamedTuple):
    """Names a figure: an indicator over a window, of one kind. `days` 0: no window."""

    indicator: str
    days: int = 0
    kind: str = "all"

    def __str__(self) -> str:
        return f"{self.indicator}_{self.kind}_{self.days}"


class Condition(ConfigPart):
    """A threshold on an indicator, or `all` or `any` of several. The edge counts."""

    indicator: str | None = None
    days: int | None = Field(default=None, ge=1, le=220, description="School days in the window.")
    kind: str | None = None
    at_least: Decimal | None = Field(default=None, ge=0, max_digits=12, decimal_places=6)
    at_most: Decimal | None = Field(default=None, ge=0, max_digits=12, decimal_places=6)
    all: tuple["Condition", ...] | None = Field(default=None, min_length=1)
    any: tuple["Condition", ...] | None = Field(default=None, min_length=1)

    @field_validator("indicator")
    @classmethod
    def _measured(cls, name: str | None) -> str | None:
        if name is not None and name not in INDICATORS:
            near = get_close_matches(name, INDICATORS, 1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise ValueError(
                f"nothing measures {name!r}; a rule may use {', '.join(INDICATORS)}{hint}"
            )
        return name

    @model_validator(mode="after")
    def _one_meaning(self) -> "Condition":
        forms = [self.indicator is not None, self.all is not None, self.any is not None]
        if sum(forms) != 1:
            raise ValueError("wanted exactly one of indicator, all and any")
        if self.indicator is None:
            if any(x is not None for x in (self.days, self.kind, self.at_least, self.at_most)):
                raise ValueError("days, kind, at_least and at_most belong beside an indicator")
            return self
        known = INDICATORS[self.indicator]
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("wanted exactly one of at_least and at_most beside an indicator")
        if known.windowed and self.days is None:
            raise ValueError(f"{self.indicator} is measured over days; give it a number of them")
        if not known.windowed and self.days is not None:
            raise ValueError(f"{self.indicator} has no window; leave out days")
        if self.kind is not None and self.kind not in known.kinds:
            wanted = f"wanted one of {', '.join(known.kinds)}" if known.kinds else "it has none"
            raise ValueError(f"{self.indicator} has no kind {self.kind!r}; {wanted}")
        threshold = self.at_least if self.at_least is not None else self.at_most
        if known.rate and threshold is not None and threshold > 1:
            raise ValueError(
                f"{self.indicator} is a share from 0 to 1 and can't reach {threshold}; "
                f"{threshold} per cent is written {threshold / 100}"
            )
        if self.at_least is not None and self.at_least == 0:
            raise ValueError("at_least 0 always holds; wanted more than 0")
        return self

    @property
    def leaves(self) -> Iterator["Condition"]:
        """The thresholds in it, from left to right."""
        if self.indicator is not None:
            yield self
        for part in (*(self.all or ()), *(self.any or ())):
            yield from part.leaves

    @property
    def figure(self) -> FigureKey:
        """What a leaf measures."""
        assert self.indicator is not None, "only a leaf measures a figure"  # noqa: S101
        return FigureKey(self.indicator, self.days or 0, self.kind or "all")


class Needs(ConfigPart):
    """How much must be known before a rule may speak; what is left out takes the default."""

    days: int | None = Field(default=None, ge=0, le=220, description="Days with counting lessons.")
    coverage: Decimal | None = Field(default=None, ge=0, le=1, decimal_places=6)


class Title(ConfigPart):
    """What staff read, in Swedish and English."""

    sv: str = Field(min_length=1)
    en: str = Field(min_length=1)


class Rule(ConfigPart):
    """An indicator with levels: when a finding opens and rises, and who is told at which level."""

    id: str = Field(pattern=r"^[a-z][a-z0-9-]{1,63}$")
    title: Title
    enabled: bool = True
    needs: Needs = Needs()
    levels: dict[int, Condition] = Field(min_length=1)
    audience: dict[int, tuple[Audience, ...]] = Field(default_factory=dict)

    @field_validator("levels", "audience")
    @classmethod
    def _levels_exist(cls, levels: dict[int, Any]) -> dict[int, Any]:
        for level in levels:
            if not 1 <= level <= 4:
                raise PydanticCustomError(
                    "impossible_level",
                    "there is no level {at}; wanted 1 watch, 2 concern, 3 serious or 4 critical",
                    {"at": level},
                )
        return dict(sorted(levels.items()))

    @property
    def rate(self) -> bool:
        """Does any level look at a share or rate?"""
        return any(
            INDICATORS[leaf.figure.indicator].rate
            for condition in self.levels.values()
            for leaf in condition.leaves
        )

    @property
    def windows(self) -> tuple[int, ...]:
        """The windows that the levels name, in school days."""
        return tuple(
            sorted(
                {
                    leaf.days
                    for condition in self.levels.values()
                    for leaf in condition.leaves
                    if leaf.days is not None
                }
            )
        )

    @property
    def need_days(self) -> int:
        if self.needs.days is not None:
            return self.needs.days
        return DEFAULT_NEED_DAYS if self.rate else 0

    @property
    def need_coverage(self) -> Decimal:
        if self.needs.coverage is not None:
            return self.needs.coverage
        return DEFAULT_NEED_COVERAGE if self.rate else Decimal(0)

    def audience_at(self, level: int) -> tuple[Audience, ...]:
        return self.audience.get(level, DEFAULT_AUDIENCE[level])


class Rulebook(ConfigPart):
    """`rulebook.yaml`."""

    clear_factor: Annotated[Decimal, Field(gt=0, le=1, decimal_places=6)] = Decimal("0.8")
    clear_after: int = Field(default=10, ge=1, le=220, description="Consecutive quiet school days.")
    rules: tuple[Rule, ...]

    @field_validator("rules")
    @classmethod
    def _ids_differ(cls, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        seen: set[str] = set()
        for rule in rules:
            if rule.id in seen:
                raise ValueError(f"two rules are called {rule.id!r}; each needs an id of its own")
            seen.add(rule.id)
        return rules

    @property
    def active(self) -> tuple[Rule, ...]:
        return tuple(rule for rule in self.rules if rule.enabled)
