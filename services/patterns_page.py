"""docs/patterns.md from the rulebook: `python -m services.patterns_page` after numbers changed.

What a person wrote in the page stays; between its markers stand the rules as they are in the
rulebook, each with its formula, its levels, whom they concern and its examples as the fold judges
them. A test says so when the page no longer follows the file.
"""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from itertools import groupby
from pathlib import Path

import click

from services.rules.backtest import backtest
from services.rules.example import EXAMPLE_CALENDAR, facts
from shared.config import read_config
from shared.events import (
    AttendanceBatch,
    CaseAnswer,
    CaseStep,
    CaseTold,
    DayClosed,
    Fact,
    Status,
    StepKind,
)
from shared.indicators import INDICATORS
from shared.rulebook import Condition, Example, Handover, Rule, Rulebook, Wording

RULEBOOK = Path("deploy/config/rulebook.yaml")
PAGE = Path("docs/patterns.md")

BEGIN = "<!-- patterns: made by python -m services.patterns_page -->"
END = "<!-- /patterns -->"

LEVELS = {1: "1 watch", 2: "2 concern", 3: "3 serious", 4: "4 critical"}

AUDIENCES = {
    "contact_teacher": "contact teacher",
    "eht": "EHT",
    "rektor": "rektor",
    "admin": "administration",
    "coordinator": "coordinator",
}

_LETTERS = {
    Status.PRESENT: "·",
    Status.LATE: "l",
    Status.EXCUSED: "e",
    Status.LEAVE: "v",
    Status.UNEXCUSED: "u",
    Status.OTHER: "o",
    Status.UNREPORTED: "-",
}

FORMULAS = {
    "absence_share": "absent minutes / offered minutes of the counting lessons of the window. Of "
    "kind `excused`: the absent minutes of lessons with status excused or leave alone; of kind "
    "`unexcused`: those of lessons unexcused or late. Offered minutes are all of the window's.",
    "scattered_share": "as absence_share, less the absent minutes of the longest excused spell: "
    "of the runs of consecutive counting days of the window that are all excused days, the one "
    "with the most absent minutes. Offered minutes are all of the window's.",
    "unexcused_lessons": "counting lessons of the window with status unexcused.",
    "unexcused_days": "days of the window with a counting lesson of status unexcused.",
    "absent_run": "the number of absent days in a row that ends on the last day with counting "
    "lessons, back to the school year's first day or the enrolment at most. Days without counting "
    "lessons neither count nor break.",
    "lates": "counting lessons of the window with status late.",
    "spells": "spells that begin in the window. A spell is a longest possible run of consecutive "
    "counting days that are absent days, seen over the school year up to the day.",
    "spell_days": "absent days, up to the day, of the spells that begin in the window.",
    "bradford": "S² × D: S spells that begin in the window and have at most 3 days, D their days.",
    "weekday_hits": "half-missed days of the window on the worst weekday: the one with the most "
    "of them (of several: the one with the fewest counting days, then the earliest in the week).",
    "weekday_share": "weekday_hits / all half-missed days of the window; no value when there "
    "are none.",
    "weekday_tail": "how likely chance alone is to put as many of the half-missed days on that "
    "weekday: P(X >= weekday_hits), X binomial with n = all half-missed days of the window and "
    "p = its counting days on that weekday / all its counting days; rounded up to 12 decimals.",
    "edge_hits": "half-missed days among the last N edge days up to the day. An edge day is a "
    "school day next to a calendar day that is no school day.",
    "edge_ratio": "(half-missed / counting ones of the last N edge days) / (half-missed / counting "
    "ones of the other school days from the oldest of these edge days on). No value when either "
    "has no counting day.",
    "subject_missed": "wholly missed lessons, in the window, of the worst subject: the one with "
    "the greatest (missed lessons − lessons × the share missed of all other subjects together); of "
    "several the alphabetically first. Lessons without a subject are left out; no value unless two "
    "subjects have counting lessons.",
    "subject_share": "wholly missed / counting lessons, in the window, of the worst subject (as in "
    "subject_missed).",
    "subject_ratio": "subject_share / the same share of all other subjects together.",
    "internal_truancy_days": "days of the window with a wholly missed lesson of status unexcused "
    "after one attended lesson and before another of the same day.",
    "first_last_misses": "counting days of the window whose first (kind `last`: last) counting "
    "lesson is wholly missed or late.",
    "rise": "absence_share of the last N school days − absence_share of the 2 N school days "
    "before them; no value when either has none.",
    "rise_ratio": "absence_share of the last N school days / absence_share of the 2 N school days "
    "before them; no value when either has none.",
    "term_start_days": "absent days among the first N school days of the term; 0 after the Nth.",
    "persistent_blocks": "blocks of N school days are counted back from the day: how many of the "
    "newest in a row are whole and have an absence_share of at least `share`.",
    "quarter_days": "days of the window with at least a quarter of the offered minutes missed.",
    "leave_days": "leave days of the window.",
    "return": "on an attended day: how many absent days the run has that ends on the counting day "
    "before; else 0.",
    "findings": "ordinary rules that have a finding, open or cleared (not retracted), which first "
    "reached the level within the last N school days.",
    "relapse": "absence_share of the last N school days while no ordinary finding is open and one "
    "was cleared within them; else 0.",
    "improvement": "absence_share of the last N school days / the same on the day since which the "
    "oldest open ordinary finding has stood; no value when none is open.",
    "unanswered": "school days after the oldest telling that waits for an answer, while an "
    "ordinary finding is open; else 0. A telling waits as long as a finding stands of which it "
    "told; an answer answers every telling up to its day.",
    "class_newly_absent": "pupils of the class for whom the day is an absent day and the school "
    "day before is not / pupils of the class with counting lessons on the day.",
    "class_newly_absent_ratio": "class_newly_absent / its median over the N school days before; no "
    "value when fewer than 10 of them have one.",
    "unregistered_lessons": "pupils' lessons, not withdrawn, that are unreported at the first day "
    "close at least 24 hours after their end, where that close falls within the last N school days "
    "(days off among and after them included).",
    "registered_share": "pupils' registered lessons / registered and unreported ones, of those "
    "that unregistered_lessons looks at.",
}
"""Each indicator in exact words, for a day and the N school days up to and including it."""


def page_of(rulebook: Rulebook, page: str) -> str:
    """The page with its part between the markers made anew; raises `ValueError` without them."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no part to fill; wanted {BEGIN} and {END}")
    return f"{before}{begin}\n\n{_made(rulebook)}\n\n{end}{after}"


def _made(rulebook: Rulebook) -> str:
    sections = list(_sections(rulebook))
    return "\n\n".join(["## At a glance", _glance(rulebook), "## Each pattern", *sections])


def _sections(rulebook: Rulebook) -> Iterator[str]:
    handover = rulebook.handover
    for pattern, rules in groupby(rulebook.rules, lambda rule: rule.pattern):
        if handover is not None and pattern == "P18":
            yield _handover_section(rulebook, handover)
            handover = None
        yield from (_section(rulebook, rule) for rule in rules)
    if handover is not None:
        yield _handover_section(rulebook, handover)
    used = {leaf.figure.indicator for rule in rulebook.rules for leaf in rule.leaves}
    unused = [name for name in INDICATORS if name not in used]
    if unused:
        yield "## Further indicators\n\nNo rule of the file uses these; yours may."
        yield "\n".join(_formula(name) for name in unused)


def _glance(rulebook: Rulebook) -> str:
    lines = ["| | mönster | pattern | levels and who is told |", "|---|---|---|---|"]
    for rule in rulebook.rules:
        told = "; ".join(f"{level} {_audience(rule, level)}" for level in rule.levels)
        off = "" if rule.enabled else " (off)"
        link = f"[{rule.title.en}](#{rule.id}){off}"
        lines.append(f"| {rule.pattern} | {rule.title.sv} | {link} | {told} |")
    return "\n".join(lines)


def _section(rulebook: Rulebook, rule: Rule) -> str:
    parts = [
        f'<a id="{rule.id}"></a>',
        f"### {_number(rule.pattern)}{rule.title.sv} · {rule.title.en}",
        _kind(rule),
        *_said(rule.why),
        "\n".join(_formula(name) for name in dict.fromkeys(_indicators(rule))),
        _table(rule),
        *_terms(rule),
        *_said(rule.runbook, "**What to do.** "),
    ]
    if rule.source:
        parts.append(f"**Source.** {rule.source}.")
    parts += [_example(rulebook, rule, each) for each in rule.examples]
    return "\n\n".join(part for part in parts if part)


def _handover_section(rulebook: Rulebook, handover: Handover) -> str:
    title = handover.title
    parts = [
        '<a id="handover"></a>',
        f"### {_number(handover.pattern)}{title.sv} · {title.en}" if title else "### Handover",
        "`handover`, at the top of the file: no rule of its own, it changes all ordinary ones.",
        *_said(handover.why),
        _who_is_sensitive(handover),
        *_said(handover.runbook, "**What to do.** "),
        f"**Source.** {handover.source}." if handover.source else "",
        *(_example(rulebook, None, each) for each in handover.examples),
    ]
    return "\n\n".join(part for part in parts if part)


def _who_is_sensitive(handover: Handover) -> str:
    return (
        f"For the first {handover.days} school days from the enrolment on, of a pupil whose roster "
        "row names the enrolment and either says that the handover tells of a need, or that last "
        f"year's absence was at least {_percent(handover.share)}: every `at_least` is multiplied, "
        f"every `at_most` divided, by {handover.factor}."
    )


def _number(pattern: str) -> str:
    return f"{pattern} · " if pattern else ""


def _kind(rule: Rule) -> str:
    notes = [f"`{rule.id}`"]
    if not rule.enabled:
        notes.append("off unless a school sets `enabled: true`")
    if rule.shadow:
        notes.append("judged, told to nobody")
    if rule.good_news:
        notes.append("good news, never a concern")
    if rule.units:
        notes.append(f"judged for each {' and '.join(rule.units)}, not for pupils")
    if rule.on_case:
        notes.append("looks at what is open for the pupil, so it is judged after the others")
    if rule.evaluate == "on_event":
        notes.append("judged as soon as a registration comes in, and at each day close")
    if rule.damps:
        waits = ", ".join(f"`{each}`" for each in rule.damps)
        notes.append(f"while it stands, telling of {waits} waits for the class")
    return "; ".join(notes) + "."


def _said(words: Wording | None, lead: str = "") -> tuple[str, ...]:
    return () if words is None else (f"{lead}{words.en}", f"> {words.sv}")


def _indicators(rule: Rule) -> Iterator[str]:
    return (leaf.figure.indicator for leaf in rule.leaves)


def _formula(name: str) -> str:
    return f"- `{name}`: {FORMULAS[name]}"


def _table(rule: Rule) -> str:
    lines = ["| level | when | told |", "|---|---|---|"]
    for level, condition in rule.levels.items():
        lines.append(f"| {LEVELS[level]} | {_condition(condition)} | {_audience(rule, level)} |")
    return "\n".join(lines)


def _terms(rule: Rule) -> Iterator[str]:
    """What the rule asks or has otherwise than the rulebook."""
    if rule.need_days or rule.need_coverage:
        yield (
            f"Needs {rule.need_days} days with counting lessons and "
            f"{_percent(rule.need_coverage)} of the lessons registered in every window."
        )
    own = []
    if rule.clear_factor is not None:
        own.append(f"`clear_factor: {rule.clear_factor}`")
    if rule.clear_after is not None:
        own.append(f"`clear_after: {rule.clear_after}`")
    if own:
        yield f"Clears by {' and '.join(own)} of its own."


def _audience(rule: Rule, level: int) -> str:
    return ", ".join(AUDIENCES[each] for each in rule.audience_at(level))


def _condition(condition: Condition, *, within: bool = False) -> str:
    for join, parts in (("and", condition.all), ("or", condition.any)):
        if parts is not None:
            text = f" {join} ".join(_condition(part, within=True) for part in parts)
            return f"({text})" if within else text
    beside = ", ".join(_beside(condition))
    figure = f"`{condition.figure.indicator}`" + (f" ({beside})" if beside else "")
    if condition.at_least is not None:
        return f"{figure} at least {_threshold(condition, condition.at_least)}"
    return f"{figure} at most {_threshold(condition, condition.at_most or Decimal(0))}"


def _beside(condition: Condition) -> Iterator[str]:
    """The other keys of a threshold."""
    if condition.kind is not None:
        yield condition.kind
    if isinstance(condition.days, str):
        yield f"the {condition.days} so far"
    elif condition.days is not None:
        yield f"{condition.days} school days" if condition.days > 1 else "1 school day"
    if condition.share is not None:
        yield f"share {_percent(condition.share)}"
    if condition.level is not None:
        yield f"level {condition.level} or more"
    if condition.rules:
        yield ", ".join(condition.rules)


def _threshold(condition: Condition, threshold: Decimal) -> str:
    return _percent(threshold) if condition.known.most == 1 else f"{threshold.normalize():f}"


def _percent(share: Decimal) -> str:
    return f"{(share * 100).normalize():f} %"


def _example(rulebook: Rulebook, rule: Rule | None, example: Example) -> str:
    known = facts(example)
    written = example.strip or "; ".join(example.pupils or ())
    need = ", whose handover tells of a need" if example.need else ""
    says = "".join(f"\n\n{each}" for each in _said(example.says))
    lines = [f"Example: `{written}`{need}{says}", "", "```text", *_drawn(known), "```", ""]
    lines += _outcome(rulebook, rule, known)
    return "\n".join(lines)


def _drawn(known: list[Fact]) -> Iterator[str]:
    """A line a week for each pupil; pupils and weeks that are alike are drawn once."""
    days: dict[str, dict[date, str]] = {}
    closed = [fact.date for fact in known if isinstance(fact, DayClosed)]
    for fact in known:
        if isinstance(fact, AttendanceBatch):
            for event in fact.events:
                of_pupil = days.setdefault(event.pupil, {})
                day = event.starts_at.date()
                of_pupil[day] = of_pupil.get(day, "") + _LETTERS[event.status]
        elif isinstance(fact, CaseTold | CaseAnswer):
            what = "told" if isinstance(fact, CaseTold) else "answered"
            of_pupil = days.setdefault(fact.pupil, {})
            of_pupil[fact.on] = of_pupil.get(fact.on, "") + f"[{what}]"
    alike = groupby(days, lambda pupil: [days[pupil].get(day, ".") for day in closed])
    for words, pupils in alike:
        number = len(list(pupils))
        if number < len(days):
            yield f"{number} pupils"
        yield from _weeks(words)


def _weeks(words: list[str]) -> Iterator[str]:
    weeks = [" ".join(words[at : at + 5]) for at in range(0, len(words), 5)]
    first = 1
    for week, same in groupby(weeks):
        last = first + len(list(same)) - 1
        name = f"week {first}" if first == last else f"weeks {first}-{last}"
        yield f"{name:<12}{week}"
        first = last + 1


def _outcome(rulebook: Rulebook, rule: Rule | None, known: list[Fact]) -> Iterator[str]:
    """What stands open of the rule after the last day, and what was seen.

    `rule=None`: of all ordinary rules the one with the highest level.
    """
    ordinary = {each.id for each in rulebook.active if each.ordinary}
    told_of = ordinary if rule is None else {rule.id}
    needed = told_of | ordinary if rule is not None and rule.on_case else told_of
    tried = [each.model_copy(update={"enabled": each.id in needed}) for each in rulebook.rules]
    asked = rulebook.model_copy(update={"rules": tuple(tried), "schools": {}})
    standing: dict[tuple[str, str, str], tuple[int, CaseStep]] = {}
    for step in backtest(known, asked, EXAMPLE_CALENDAR):
        if step.rule in told_of:
            opened = step.level if step.kind in {StepKind.OPENED, StepKind.RAISED} else 0
            standing[step.rule, step.pupil, step.unit] = (step.remaining or opened, step)
    level, last = max(standing.values(), key=lambda each: each[0], default=(0, None))
    if not level or last is None:
        yield "→ **quiet**"
        return
    yield f"→ **level {LEVELS[level]}**, as seen on school day {_nth(known, last.as_of)}:"
    yield last.words.get("en", "")
    yield ""
    yield f"> {last.words.get('sv', '')}"


def _nth(known: list[Fact], day: date) -> int:
    return [fact.date for fact in known if isinstance(fact, DayClosed)].index(day) + 1


@click.command()
@click.argument("rulebook", type=click.Path(path_type=Path), default=RULEBOOK)
@click.option("--page", type=click.Path(path_type=Path), default=PAGE)
def main(rulebook: Path, page: Path) -> None:
    """Make the page's part that follows the rulebook anew."""
    made = page_of(read_config(rulebook, Rulebook), page.read_text(encoding="utf-8"))
    page.write_text(made, encoding="utf-8")
    click.echo(f"{page} follows {rulebook}")


if __name__ == "__main__":
    main()
