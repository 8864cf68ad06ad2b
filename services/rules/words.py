"""Evidence and clearing in words: what a parent at the kitchen table would understand.

Swedish first, since staff read it, and English beside. A sentence says what was measured, over
which days, and the limit; it never names a pupil, a subject or a class. The wording of each
indicator stands in `services/rules/phrases.py`; here is how numbers and clauses are put together.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from services.rules.language import Amount, Language, Phrases
from services.rules.phrases import LANGUAGES
from shared.events import Evidence, Figure
from shared.indicators import INDICATORS, RATIO_MOST, Span
from shared.rulebook import Condition


class _Threshold(NamedTuple):
    """What of a threshold the words depend on."""

    indicator: str
    kind: str | None
    days: Span | None
    at_least: Figure | None
    at_most: Figure | None
    share: Figure | None
    level: int | None


class _Around(NamedTuple):
    """What a sentence says around its number."""

    text: str
    """Its template, in which only the number is left to be filled in."""
    limit: Decimal | None
    """Beside which the number is rounded."""
    limit_text: str
    """What comes after a number: the limit, in brackets."""
    tells_window: bool


def seen(evidence: Iterable[Evidence]) -> dict[str, str]:
    """What was measured, beside its limits: a sentence for each figure, then the coverage."""
    figures: list[tuple[_Threshold, Figure | None]] = []
    coverage: dict[Span | None, Figure] = {}
    for each in evidence:
        threshold = _Threshold(
            each.indicator,
            each.kind,
            each.days,
            each.at_least,
            each.at_most,
            each.share,
            each.level,
        )
        figures.append((threshold, each.value))
        if each.coverage is not None and INDICATORS[each.indicator].reach:
            coverage[each.days] = each.coverage
    return {code: _seen(figures, coverage, code) for code in LANGUAGES}


def clears(levels: Iterable[Condition], ease: Fraction, quiet_days: int) -> dict[str, str]:
    """When a finding ends: after `quiet_days` days on which none of `levels` holds by its eased
    thresholds.

    `ease`: every `at_least` is multiplied, every `at_most` divided by it (0 < ease <= 1).
    """
    quiet = _strictest(_flat("and", tuple(_quiet(level) for level in levels)))
    return {code: _clears(quiet, ease, quiet_days, each) for code, each in LANGUAGES.items()}


def _seen(
    figures: Iterable[tuple[_Threshold, Figure | None]],
    coverage: Mapping[Span | None, Figure],
    code: str,
) -> str:
    sentences: list[str] = []
    told: Span | None = None
    for threshold, value in figures:
        sentence, tells_window = _told(threshold, value, code, window=threshold.days != told)
        sentences.append(sentence)
        told = threshold.days if tells_window else None
    return " ".join([*sentences, *_coverage(coverage, code)])


@lru_cache(maxsize=1 << 13)
def _told(
    threshold: _Threshold, value: Figure | None, code: str, *, window: bool
) -> tuple[str, bool]:
    """A figure's sentence, and whether it tells the days. Figures come again and again.

    `Borta 21,3 % av lektionstiden de senaste 20 skoldagarna (gränsen är 20 %).`
    `window`: are the days told? Else they are those of the sentence before.
    """
    language = LANGUAGES[code]
    phrases = language.phrases_of(threshold.indicator, threshold.kind)
    if value is None:
        template = f"{phrases.name}: {language.nothing[phrases.amount]}"
        around = _around(threshold, template, code, window=window)
        return _sentence(around.text), around.tells_window
    number = _decimal(value)
    around = _around(threshold, _wording(phrases, number), code, window=window)
    shown = language.value(phrases.amount, number, around.limit)
    return _sentence(around.text.format(n=shown) + around.limit_text), around.tells_window


@lru_cache(maxsize=1 << 12)
def _around(threshold: _Threshold, template: str, code: str, *, window: bool) -> _Around:
    """A template filled in for a threshold: there are many more values than thresholds."""
    language = LANGUAGES[code]
    amount = language.phrases_of(threshold.indicator, threshold.kind).amount
    edge = threshold.at_least if threshold.at_least is not None else threshold.at_most
    limit = None if edge is None else _decimal(edge)
    limit_text = ""
    if limit is not None:
        shown = language.limit(amount, limit, least=threshold.at_least is not None)
        limit_text = f" ({language.limit_is.format(shown)})"
    fields = _fields(threshold, language, window=window)
    text = _filled(template, {**fields, "n": _LeftOpen()})
    return _Around(text, limit, limit_text, "{window}" in template)


class _LeftOpen:
    """A field of a wording that stays as it is: `{n}`, `{n:lektion|lektioner}`."""

    def __format__(self, forms: str) -> str:
        return f"{{n:{forms}}}" if forms else "{n}"


def _wording(phrases: Phrases, value: Decimal) -> str:
    if not value and phrases.zero:
        return phrases.zero
    if phrases.amount is Amount.TIMES and value >= RATIO_MOST:
        return phrases.alone
    if value < 0:
        return phrases.fallen
    return phrases.seen


def _coverage(known: Mapping[Span | None, Figure], code: str) -> Iterable[str]:
    """How much is registered: once, or for each window where that differs."""
    windows = list(known) if len(set(known.values())) > 1 else list(known)[:1]
    for days in windows:
        yield _registered(known[days], days if len(windows) > 1 else None, code)


@lru_cache(maxsize=1 << 13)
def _registered(coverage: Figure, days: Span | None, code: str) -> str:
    language = LANGUAGES[code]
    window = "" if days is None else f" {language.window(days)}"
    return _sentence(language.registered(_decimal(coverage)).format(window=window))


def _fields(
    part: _Threshold | Condition, language: Language, *, window: bool = True
) -> dict[str, object]:
    """What a wording may name beside its number."""
    days = part.days
    number = days if isinstance(days, int) else 0
    return {
        "window": language.window(days) if window else "",
        "edges": language.window(days),
        "days": number,
        "before": 2 * number,
        "share": language.percent(_decimal(part.share or 0)),
        "level": language.level(part.level or 1),
    }


def _filled(template: str, fields: Mapping[str, object]) -> str:
    """The template with its fields; one that is empty leaves no gap."""
    return " ".join(template.format(**fields).split()).replace(" ,", ",")


class _All(NamedTuple):
    """Quiet while each part is."""

    parts: tuple["_Quiet", ...]


class _Any(NamedTuple):
    """Quiet while one part is."""

    parts: tuple["_Quiet", ...]


_Quiet = Condition | _All | _Any
"""When a condition doesn't hold; a leaf of it stands for its own opposite."""


def _quiet(condition: Condition) -> _Quiet:
    """The opposite of a condition: `all` no longer holds when one part doesn't, `any` when none."""
    if condition.all is not None:
        return _flat("or", tuple(_quiet(part) for part in condition.all))
    if condition.any is not None:
        return _flat("and", tuple(_quiet(part) for part in condition.any))
    return condition


def _flat(join: str, parts: tuple[_Quiet, ...]) -> _Quiet:
    """The parts joined, those of the same kind spread out; one alone is itself."""
    kind = _All if join == "and" else _Any
    spread: list[_Quiet] = []
    for part in parts:
        spread += part.parts if isinstance(part, kind) else (part,)
    return spread[0] if len(spread) == 1 else kind(tuple(spread))


def _strictest(quiet: _Quiet) -> _Quiet:
    """Without the parts that follow from others: who is under 8 % is under 12 % too."""
    if not isinstance(quiet, _All):
        return quiet
    kept: list[_Quiet] = []
    for part in quiet.parts:
        if not any(_follows(part, other) for other in kept):
            kept = [other for other in kept if not _follows(other, part)]
            kept.append(part)
    return _flat("and", tuple(kept))


def _follows(one: _Quiet, from_other: _Quiet) -> bool:
    """Is `one` quiet whenever `from_other` is?"""
    wanted = one.parts if isinstance(one, _Any) else (one,)
    given = from_other.parts if isinstance(from_other, _Any) else (from_other,)
    return all(any(_leaf_follows(each, leaf) for each in wanted) for leaf in given)


def _leaf_follows(one: _Quiet, from_other: _Quiet) -> bool:
    if not (isinstance(one, Condition) and isinstance(from_other, Condition)):
        return one == from_other
    if one.figure != from_other.figure:
        return False
    if one.at_least is not None and from_other.at_least is not None:
        return one.at_least >= from_other.at_least
    if one.at_most is not None and from_other.at_most is not None:
        return one.at_most <= from_other.at_most
    return False


def _clears(quiet: _Quiet, ease: Fraction, quiet_days: int, language: Language) -> str:
    window = _common_window(quiet, language)
    when = _clause(quiet, ease, language, window=not window)
    told_once = f", {language.counted_over.format(window)}," if window else ""
    when = f"{told_once} {when}"
    return _sentence(language.ends.format(days=language.in_a_row(quiet_days), when=when))


def _common_window(quiet: _Quiet, language: Language) -> str:
    """The days over which all of several thresholds are measured, to be told once."""
    leaves = list(_leaves(quiet))
    spans = {leaf.days for leaf in leaves}
    told = all("{window}" in _quiet_phrase(leaf, language) for leaf in leaves)
    if len(leaves) < 2 or len(spans) > 1 or not told:
        return ""
    (days,) = spans
    return language.window(days) if isinstance(days, int) else ""


def _leaves(quiet: _Quiet) -> Iterator[Condition]:
    if isinstance(quiet, Condition):
        yield quiet
        return
    for part in quiet.parts:
        yield from _leaves(part)


def _clause(
    quiet: _Quiet, ease: Fraction, language: Language, *, window: bool, within: bool = False
) -> str:
    """`within`: of another, where `and` needs a word before it to be read rightly."""
    if isinstance(quiet, Condition):
        return _leaf(quiet, ease, language, window=window)
    # Alternatives come last: "either a or b and c" can be read in two ways.
    told = sorted(quiet.parts, key=lambda part: isinstance(part, _Any))
    parts = [_clause(part, ease, language, window=window, within=True) for part in told]
    if isinstance(quiet, _All) and isinstance(told[-2], _Any):
        parts[-2] += ","
    if isinstance(quiet, _Any):
        return f"{language.either} {_listed(parts, language.or_)}"
    both = f"{language.both} " if within and len(parts) == 2 else ""
    return both + _listed(parts, language.and_)


def _leaf(leaf: Condition, ease: Fraction, language: Language, *, window: bool) -> str:
    amount = language.phrases_of(leaf.figure.indicator, leaf.kind).amount
    if leaf.at_least is not None:
        bound = language.under(amount, Fraction(leaf.at_least) * ease)
    else:
        bound = language.over(amount, Fraction(leaf.at_most or 0) / ease)
    fields = _fields(leaf, language, window=window)
    return _filled(_quiet_phrase(leaf, language), {**fields, "bound": bound})


def _quiet_phrase(leaf: Condition, language: Language) -> str:
    phrases = language.phrases_of(leaf.figure.indicator, leaf.kind)
    return phrases.quiet or f"{phrases.name} {language.is_} {{bound}}"


def _listed(parts: list[str], last: str) -> str:
    *first, end = parts
    return f"{', '.join(first)} {last} {end}" if first else end


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _decimal(figure: float | Decimal) -> Decimal:
    """As it is written: a float of 12 decimals carries no more than these."""
    return Decimal(str(figure))
