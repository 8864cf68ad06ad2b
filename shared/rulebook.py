"""The rulebook: what a coordinator may write in `rulebook.yaml`, and what it means.

A contract, not part of the rules service: ingest checks the file and puts its whole content
into the streams (`RulebookChanged`), and rules, which reads no file, takes it from there.
"""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from difflib import get_close_matches
from functools import cached_property
from math import prod
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

from shared.config import ConfigPart, first_problem
from shared.events import Name
from shared.indicators import INDICATORS, FigureKey, Indicator, Span

DEFAULT_NEED_DAYS = 10
DEFAULT_NEED_COVERAGE = Decimal("0.9")

Audience = Literal["contact_teacher", "eht", "rektor", "admin", "coordinator"]

DEFAULT_AUDIENCE: dict[int, tuple[Audience, ...]] = {
    1: ("contact_teacher",),
    2: ("contact_teacher", "eht"),
    3: ("eht", "rektor"),
    4: ("eht", "rektor"),
}

UnitKind = Literal["school", "group", "class"]

Factor = Annotated[Decimal, Field(gt=0, le=1, decimal_places=6)]
QuietDays = Annotated[int, Field(ge=1, le=220)]
RuleId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,63}$")]


MOST_WAYS = 1_000
"""Of a condition. The matcher goes through all that hold, at some 25 µs each."""


class Condition(ConfigPart):
    """A threshold on an indicator, or `all` or `any` of several. The edge counts."""

    indicator: str | None = Field(default=None, json_schema_extra={"enum": list(INDICATORS)})
    days: Annotated[int, Field(ge=1, le=220)] | Literal["term", "year"] | None = Field(
        default=None, description="School days in the window, or the term or year so far."
    )
    kind: str | None = None
    share: Decimal | None = Field(default=None, gt=0, le=1, decimal_places=6)
    level: int | None = Field(default=None, ge=1, le=4)
    rules: tuple[RuleId, ...] | None = Field(default=None, min_length=1)
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
            beside = set(type(self).model_fields) - {"all", "any"}
            if any(getattr(self, key) is not None for key in beside):
                raise ValueError(f"{', '.join(sorted(beside))} belong beside an indicator")
            if self.ways > MOST_WAYS:
                raise ValueError(
                    f"can hold in {self.ways} ways, of which the matcher takes {MOST_WAYS}; "
                    "give it fewer alternatives"
                )
            return self
        known = INDICATORS[self.indicator]
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("wanted exactly one of at_least and at_most beside an indicator")
        self._check_keys(known)
        threshold = self.at_least if self.at_least is not None else self.at_most
        if known.most is not None and threshold is not None and threshold > known.most:
            if known.most > 1:
                raise ValueError(f"{self.indicator} is at most {known.most}; met {threshold}")
            raise ValueError(
                f"{self.indicator} is a share from 0 to 1 and can't reach {threshold}; "
                f"{threshold} per cent is written {threshold / 100}"
            )
        if self.at_least is not None and self.at_least == 0:
            raise ValueError("at_least 0 always holds; wanted more than 0")
        return self

    def _check_keys(self, known: Indicator) -> None:
        if known.days != "none" and self.days is None:
            raise ValueError(f"{self.indicator} is measured over days; give it a number of them")
        if known.days == "none" and self.days is not None:
            raise ValueError(f"{self.indicator} has no window; leave out days")
        if known.days == "number" and isinstance(self.days, str):
            raise ValueError(f"{self.indicator} wants days as a number; met {self.days!r}")
        if self.kind is not None and self.kind not in known.kinds:
            wanted = f"wanted one of {', '.join(known.kinds)}" if known.kinds else "it has none"
            raise ValueError(f"{self.indicator} has no kind {self.kind!r}; {wanted}")
        for key in ("share", "level", "rules"):
            if getattr(self, key) is not None and key not in known.keys:
                raise ValueError(f"{self.indicator} takes no {key}; leave it out")
        if "share" in known.keys and self.share is None:
            raise ValueError(f"{self.indicator} wants a share beside it, such as share: 0.10")

    @property
    def leaves(self) -> Iterator["Condition"]:
        """The thresholds in it, from left to right."""
        if self.indicator is not None:
            yield self
        for part in (*(self.all or ()), *(self.any or ())):
            yield from part.leaves

    @cached_property
    def ways(self) -> int:
        """In how many ways it can hold: one of each `any`, together with those of each other."""
        if self.all is not None:
            return prod(part.ways for part in self.all)
        return sum(part.ways for part in self.any or ()) or 1

    @property
    def known(self) -> Indicator:
        """What a leaf's indicator is."""
        assert self.indicator is not None, "only a leaf has one"  # noqa: S101 - ours alone
        return INDICATORS[self.indicator]

    @cached_property
    def figure(self) -> FigureKey:
        """What a leaf measures."""
        assert self.indicator is not None, "only a leaf measures"  # noqa: S101 - ours alone
        kind = self.kind or next(iter(self.known.kinds), "")
        level = self.level or (1 if "level" in self.known.keys else 0)
        return FigureKey(
            self.indicator, self.days or 0, kind, self.share, level, tuple(self.rules or ())
        )


class Needs(ConfigPart):
    """How much must be known before a rule may speak; what is left out takes the default."""

    days: int | None = Field(default=None, ge=0, le=220, description="Days with counting lessons.")
    coverage: Decimal | None = Field(default=None, ge=0, le=1, decimal_places=6)


class Wording(ConfigPart):
    """What staff read, in Swedish and English."""

    sv: str = Field(min_length=1)
    en: str = Field(min_length=1)


class Example(ConfigPart):
    """A strip of school days and what must stand open of the rule after them.

    Run when the file is checked. A day is a word with a letter for each of its lessons: `p`
    present, `l` late, `e` excused, `v` leave, `u` unexcused, `o` other, `-` unreported; `.` is a
    school day without lessons. `*5` repeats a word or a group in parentheses. The first lesson
    of a day is of one subject, the second of another, and so on. `told` and `answered` stand
    after the day on which they happen.
    """

    strip: str | None = Field(default=None, min_length=1, description="One pupil's days.")
    pupils: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="A class's: such as `20: ppppp*30 eeeee`."
    )
    level: int = Field(ge=0, le=4, description="Of the finding after the last day; 0: none.")
    need: bool = Field(default=False, description="The handover says that the pupil needs support.")
    says: Wording | None = None

    @model_validator(mode="after")
    def _one_form(self) -> "Example":
        if (self.strip is None) == (self.pupils is None):
            raise ValueError("wanted exactly one of strip and pupils")
        return self


Levels = dict[int, Condition]


def _existing_levels(levels: dict[int, Any]) -> dict[int, Any]:
    for level in levels:
        if not 1 <= level <= 4:
            raise PydanticCustomError(
                "impossible_level",
                "there is no level {at}; wanted 1 watch, 2 concern, 3 serious or 4 critical",
                {"at": level},
            )
    return dict(sorted(levels.items()))


class Rule(ConfigPart):
    """Indicators with levels: when a finding opens and rises, and who is told at which level."""

    id: RuleId
    pattern: str = Field(default="", description="Its number in docs/patterns.md.")
    title: Wording
    why: Wording | None = Field(default=None, description="Why it matters.")
    runbook: Wording | None = Field(default=None, description="What a contact teacher can do.")
    source: str = Field(default="", description="Where its numbers come from.")
    enabled: bool = True
    shadow: bool = Field(default=False, description="Judged and written, told to nobody.")
    good_news: bool = Field(default=False, description="Told as such, and never a concern.")
    evaluate: Literal["daily", "on_event"] = "daily"
    units: tuple[UnitKind, ...] = Field(default=(), description="Left out: judged per pupil.")
    damps: tuple[RuleId, ...] = Field(
        default=(), description="Rules whose telling waits while this holds for the unit."
    )
    needs: Needs = Needs()
    clear_factor: Factor | None = Field(default=None, description="Left out: the rulebook's.")
    clear_after: QuietDays | None = Field(default=None, description="Left out: the rulebook's.")
    levels: Levels = Field(min_length=1)
    audience: dict[int, tuple[Audience, ...]] = Field(default_factory=dict)
    examples: tuple[Example, ...] = ()

    @field_validator("levels", "audience")
    @classmethod
    def _levels_exist(cls, levels: dict[int, Any]) -> dict[int, Any]:
        return _existing_levels(levels)

    @model_validator(mode="after")
    def _measures_what_it_is_of(self) -> "Rule":
        of = {leaf.known.of for leaf in self.leaves}
        if not self.units:
            if of & {"class", "registers"}:
                raise ValueError("measures a class or its registers; say so with units")
            if self.damps:
                raise ValueError("damps belongs to a rule with units")
        elif of != ({"class"} if self.units == ("class",) else {"registers"}):
            raise ValueError(
                "units [class] goes with class_ indicators, units of school and group with "
                "unregistered_lessons and registered_share; nothing else does"
            )
        elif self.needs != Needs() or self.evaluate != "daily" or self.good_news:
            raise ValueError("a rule with units takes no needs, on_event or good_news")
        if self.evaluate == "on_event" and (self.units or self.on_case or self.good_news):
            raise ValueError("on_event is for concerns on a pupil's own registrations")
        return self

    @property
    def leaves(self) -> Iterator[Condition]:
        """Every threshold of every level."""
        for condition in self.levels.values():
            yield from condition.leaves

    @cached_property
    def on_case(self) -> bool:
        """Looks at what is open for the pupil, so it is judged after the others."""
        return any(leaf.known.of == "case" for leaf in self.leaves)

    @cached_property
    def ordinary(self) -> bool:
        """Looks at a pupil's registrations alone, and its finding is a concern."""
        return not (self.units or self.on_case or self.good_news or self.shadow)

    @cached_property
    def reminds(self) -> bool:
        """Looks at how long nobody has answered: its telling calls for no answer of its own."""
        return any(leaf.indicator == "unanswered" for leaf in self.leaves)

    @property
    def rate(self) -> bool:
        """Does any level look at a share or rate of a pupil's?"""
        return any(leaf.known.rate for leaf in self.leaves)

    @cached_property
    def windows(self) -> tuple[Span, ...]:
        """The windows that the levels name: where the needs are asked."""
        spans: dict[Span, None] = {}
        for leaf in self.leaves:
            days = leaf.figure.days
            for times in leaf.known.reach if days else ():
                spans[days if isinstance(days, str) else days * times] = None
        return tuple(sorted(spans, key=lambda span: (isinstance(span, str), str(span).zfill(3))))

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


class Handover(ConfigPart):
    """P17: for a new pupil whose feeder school saw absence, or a need, thresholds are lower."""

    pattern: str = ""
    title: Wording | None = None
    why: Wording | None = None
    runbook: Wording | None = None
    source: str = ""
    days: int = Field(default=40, ge=1, le=220, description="School days from the enrolment on.")
    share: Decimal = Field(
        default=Decimal("0.10"), gt=0, le=1, decimal_places=6, description="Of last year's time."
    )
    factor: Factor = Field(default=Decimal("0.6"), description="Thresholds are multiplied by it.")
    examples: tuple[Example, ...] = ()


class LogLine(ConfigPart):
    """One line of the change log, written by hand beside the change."""

    on: date = Field(description="When it was changed.")
    by: str = Field(min_length=1, description="Who decided it: a role or a group will do.")
    why: str = Field(min_length=1, description="What it is for.")


class _Change(ConfigPart):
    """What one school has otherwise. What is left out stays as it is, so null would say nothing,
    and would be gone from the stream."""

    @field_validator("*", mode="before")
    @classmethod
    def _says_something(cls, value: object) -> object:
        if value is None:
            raise ValueError("met nothing; give it a value, or leave the key out")
        return value


class RuleChange(_Change):
    """What one school has otherwise of a rule; a level that is null is taken away."""

    id: RuleId
    pattern: str | None = None
    title: Wording | None = None
    why: Wording | None = None
    runbook: Wording | None = None
    source: str | None = None
    enabled: bool | None = None
    shadow: bool | None = None
    good_news: bool | None = None
    evaluate: Literal["daily", "on_event"] | None = None
    units: tuple[UnitKind, ...] | None = None
    damps: tuple[RuleId, ...] | None = None
    needs: Needs | None = None
    clear_factor: Factor | None = None
    clear_after: QuietDays | None = None
    levels: dict[int, Condition | None] = Field(default_factory=dict)
    audience: dict[int, tuple[Audience, ...] | None] = Field(default_factory=dict)
    examples: tuple[Example, ...] | None = None

    @field_validator("levels", "audience")
    @classmethod
    def _levels_exist(cls, levels: dict[int, Any]) -> dict[int, Any]:
        return _existing_levels(levels)

    def applied(self, rule: Rule | None) -> Rule:
        """The rule with what is said here; raises `ValueError` where that makes no rule."""
        merged = {} if rule is None else {key: getattr(rule, key) for key in rule.model_fields_set}
        for key in self.model_fields_set:
            value = getattr(self, key)
            if key in ("levels", "audience"):
                both = {**merged.get(key, {}), **value}
                merged[key] = {level: each for level, each in both.items() if each is not None}
            else:
                merged[key] = value
        return Rule.model_validate(merged)


class SchoolChange(_Change):
    """What one school has otherwise; what is left out is the rulebook's."""

    clear_factor: Factor | None = None
    clear_after: QuietDays | None = None
    cool_down: Annotated[int, Field(ge=0, le=220)] | None = None
    handover: Handover | None = None
    rules: tuple[RuleChange, ...] = ()

    @field_validator("rules")
    @classmethod
    def _ids_differ(cls, rules: tuple[RuleChange, ...]) -> tuple[RuleChange, ...]:
        return _with_ids_of_their_own(rules)


class Rulebook(ConfigPart):
    """`rulebook.yaml`."""

    clear_factor: Factor = Decimal("0.8")
    clear_after: QuietDays = Field(default=10, description="Consecutive quiet school days.")
    cool_down: int = Field(
        default=0,
        ge=0,
        le=220,
        description="School days after a finding's end in which telling of a new one waits.",
    )
    handover: Handover | None = None
    changes: tuple[LogLine, ...] = Field(
        default=(), description="The change log: when, by whom and why. Shown to coordinators."
    )
    rules: tuple[Rule, ...]
    schools: dict[Name, SchoolChange] = Field(
        default_factory=dict, description="By school: what it has otherwise."
    )

    @field_validator("rules")
    @classmethod
    def _ids_differ(cls, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        return _with_ids_of_their_own(rules)

    @model_validator(mode="after")
    def _rules_that_are_named_exist(self) -> "Rulebook":
        for rule in self.rules:
            _named_exist(rule, self)
        for school, change in self.schools.items():
            for place, each in enumerate(change.rules):
                self._check_change(("schools", school, "rules", place), each)
            try:
                for rule in self.for_school(school).rules:
                    _named_exist(rule, self)
            except ValueError as error:
                raise _no_change(("schools", school), str(error)) from None
        return self

    def _check_change(self, at: tuple[int | str, ...], change: RuleChange) -> None:
        """A change must make a rule; raises `PydanticCustomError` with its place."""
        known = {rule.id: rule for rule in self.rules}
        before = known.get(change.id)
        if before is None and not {"title", "levels"} <= change.model_fields_set:
            near = get_close_matches(change.id, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            what = f"no rule is called {change.id!r}; {hint}"
            raise _no_change((*at, "id"), f"{what} (a new rule needs a title and levels)")
        try:
            change.applied(before)
        except ValidationError as error:
            inside, what = first_problem(error)
            raise _no_change((*at, *inside), what) from None

    @property
    def active(self) -> tuple[Rule, ...]:
        return tuple(rule for rule in self.rules if rule.enabled)

    def for_school(self, school: str) -> "Rulebook":
        """The rulebook as it holds for one school."""
        change = self.schools.get(school)
        if change is None:
            return self
        own = {each.id: each for each in change.rules}
        rules = [own.pop(rule.id).applied(rule) if rule.id in own else rule for rule in self.rules]
        rules += [each.applied(None) for each in own.values()]
        said = {key: getattr(change, key) for key in change.model_fields_set - {"rules"}}
        return self.model_copy(update={**said, "rules": tuple(rules), "schools": {}})


def _named_exist(rule: Rule, rulebook: Rulebook) -> None:
    known = {each.id: each for each in rulebook.rules}
    counted = [name for leaf in rule.leaves for name in leaf.rules or ()]
    for name in (*rule.damps, *counted):
        if name not in known:
            raise ValueError(f"{rule.id} names the rule {name!r}, which the rulebook has not")
    for name in counted:
        if not known[name].ordinary:
            raise ValueError(f"{rule.id} counts findings of {name!r}, which is no plain rule")


_Named = TypeVar("_Named", Rule, RuleChange)


def _with_ids_of_their_own(rules: tuple[_Named, ...]) -> tuple[_Named, ...]:
    seen: set[str] = set()
    for rule in rules:
        if rule.id in seen:
            raise ValueError(f"two rules are called {rule.id!r}; each needs an id of its own")
        seen.add(rule.id)
    return rules


def _no_change(at: tuple[int | str, ...], what: str) -> PydanticCustomError:
    return PydanticCustomError("school_change", "{what}", {"what": what, "at": at})
