"""Figures and limits of an explanation in words, for the terminal and for pages."""

from decimal import Decimal
from math import ceil, floor

from services.rules.explain_phrases import SAID
from services.rules.explanation import Threshold
from services.rules.language import Amount, round_to
from services.rules.phrases import LANGUAGES
from shared.events import Figure
from shared.indicators import RATIO_MOST

_TIMES = "×"


def decimal_of(figure: Figure) -> Decimal:
    """A figure as it is shown, exactly."""
    return Decimal(str(figure))


class Spoken:
    """Names a threshold's figure, its value and its limits."""

    def __init__(self, code: str) -> None:
        self._said = SAID[code]
        self._language = LANGUAGES[code]

    def _amount(self, each: Threshold) -> Amount:
        return self._language.phrases_of(each.indicator, each.kind).amount

    def name(self, each: Threshold) -> str:
        """A figure as a noun with its days."""
        language = self._language
        phrases = language.phrases_of(each.indicator, each.kind)
        days = each.days if isinstance(each.days, int) else 0
        name = phrases.name.format(
            window=language.window(each.days),
            edges=language.window(each.days),
            days=days,
            before=2 * days,
            share=language.percent(decimal_of(each.share or 0)),
            level=language.level(each.level or 1),
        )
        name = " ".join(name.split())
        return self._said.chance.format(name) if phrases.amount is Amount.CHANCE else name

    def value(self, each: Threshold) -> str:
        if each.value is None:
            return "–"
        amount, value = self._amount(each), decimal_of(each.value)
        limit = each.at_least if each.at_least is not None else each.at_most
        if amount is Amount.TIMES and value >= RATIO_MOST:
            return "∞"
        if amount is Amount.COUNT:
            return self._number(value)
        scale = 100 if amount is Amount.TIMES else 1
        least = Decimal("0.001")
        if amount is Amount.CHANCE and 0 < value < least:
            return f"< {self._unit(amount, least)}"
        text = self._language.percent(value / scale, decimal_of(limit or 0) / scale)
        return self._with_unit(amount, text.removesuffix(" %"))

    def limits(self, each: Threshold) -> tuple[str, str]:
        """The limit, and from where on the day is quiet."""
        amount = self._amount(each)
        if each.at_least is not None:
            limit, quiet = decimal_of(each.at_least), decimal_of(each.eased_at_least or 0)
            if amount is Amount.COUNT:
                return f"≥ {ceil(limit)}", f"≤ {ceil(quiet) - 1}"
            return f"≥ {self._unit(amount, limit)}", f"< {self._unit(amount, quiet)}"
        limit, quiet = decimal_of(each.at_most or 0), decimal_of(each.eased_at_most or 0)
        if amount is Amount.COUNT:
            return f"≤ {floor(limit)}", f"≥ {floor(quiet) + 1}"
        return f"≤ {self._unit(amount, limit)}", f"> {self._unit(amount, quiet)}"

    def _unit(self, amount: Amount, value: Decimal) -> str:
        hundredths = value if amount in (Amount.TIMES, Amount.COUNT) else value * 100
        return self._with_unit(amount, self._number(hundredths))

    def _with_unit(self, amount: Amount, number: str) -> str:
        if amount is Amount.TIMES:
            return number + _TIMES
        return f"{number} {self._said.points if amount is Amount.POINTS else '%'}"

    def _number(self, value: Decimal) -> str:
        return f"{round_to(value, 2).normalize():f}".replace(".", self._language.decimal_sign)
