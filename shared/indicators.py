"""What may be measured: every indicator that a rulebook can name, and the keys it takes.

How each is measured stands in `services/rules/indicators.py` and, in words, in
`docs/patterns.md`; here is what the rulebook must know to refuse a condition that can't be meant.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, NamedTuple

RATIO_MOST = 1000
"""A ratio is capped here; so is one to nothing, which has no end."""

Span = int | Literal["term", "year"]
"""A window: school days, or the term or school year so far."""

Of = Literal["pupil", "case", "class", "registers"]


@dataclass(frozen=True)
class Indicator:
    """One figure: of what it is measured, and what stands beside it in a condition."""

    most: int | None = None
    """No value is greater; None: some count."""
    rate: bool = False
    """By default a rule on it needs 10 days with counting lessons and coverage 0.9."""
    days: Literal["none", "number", "span"] = "number"
    """`none`: no window. `number`: school days. `span`: these, `term` or `year`."""
    kinds: tuple[str, ...] = ()
    """What `kind` may be; the first when it is left out."""
    keys: tuple[str, ...] = ()
    """Further keys that a condition on it takes."""
    reach: tuple[int, ...] = (1,)
    """Multiples of `days` that it looks back over: where the needs are asked."""
    of: Of = "pupil"


INDICATORS = {
    "absence_share": Indicator(
        most=1, rate=True, days="span", kinds=("all", "excused", "unexcused")
    ),
    "scattered_share": Indicator(most=1, rate=True, days="span"),
    "unexcused_lessons": Indicator(days="span"),
    "unexcused_days": Indicator(days="span"),
    "absent_run": Indicator(days="none"),
    "lates": Indicator(days="span"),
    "spells": Indicator(days="span"),
    "spell_days": Indicator(days="span"),
    "bradford": Indicator(days="span"),
    "weekday_hits": Indicator(days="span"),
    "weekday_share": Indicator(most=1, rate=True, days="span"),
    "weekday_tail": Indicator(most=1, rate=True, days="span"),
    "edge_hits": Indicator(),
    "edge_ratio": Indicator(most=RATIO_MOST, rate=True),
    "subject_missed": Indicator(days="span"),
    "subject_share": Indicator(most=1, rate=True, days="span"),
    "subject_ratio": Indicator(most=RATIO_MOST, rate=True, days="span"),
    "internal_truancy_days": Indicator(days="span"),
    "first_last_misses": Indicator(days="span", kinds=("first", "last")),
    "rise": Indicator(most=1, rate=True, reach=(1, 3)),
    "rise_ratio": Indicator(most=RATIO_MOST, rate=True, reach=(1, 3)),
    "term_start_days": Indicator(reach=()),
    "persistent_blocks": Indicator(rate=True, keys=("share",)),
    "quarter_days": Indicator(days="span"),
    "leave_days": Indicator(days="span"),
    "return": Indicator(days="none"),
    "findings": Indicator(of="case", keys=("level", "rules"), reach=()),
    "relapse": Indicator(most=1, rate=True, of="case"),
    "improvement": Indicator(most=RATIO_MOST, rate=True, of="case"),
    "unanswered": Indicator(days="none", of="case"),
    "class_newly_absent": Indicator(most=1, days="none", of="class"),
    "class_newly_absent_ratio": Indicator(most=RATIO_MOST, of="class"),
    "unregistered_lessons": Indicator(of="registers"),
    "registered_share": Indicator(most=1, of="registers"),
}


class FigureKey(NamedTuple):
    """Names a figure: an indicator over a window, with what else tells it from its like."""

    indicator: str
    days: Span = 0
    """0: no window."""
    kind: str = ""
    share: Decimal | None = None
    level: int = 0
    rules: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = (self.indicator, self.kind, self.days or "", self.share, self.level or "")
        words = [str(part).replace(".", "_") for part in parts if part not in ("", None)]
        return "__".join([*words, *(rule.replace("-", "_") for rule in self.rules)])
