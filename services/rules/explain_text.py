"""An explanation for the terminal: what a contact teacher reads, in Swedish or English.

Colour is never alone: every lesson has a letter and every mark a sign, so that it reads in
black and white. For 80 columns and up.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from textwrap import wrap
from typing import NamedTuple

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from services.rules.explain_numbers import Spoken, decimal_of
from services.rules.explain_phrases import SAID
from services.rules.explanation import (
    Day,
    Explanation,
    Lesson,
    Need,
    Open,
    RuleSeen,
    Threshold,
)
from services.rules.language import counted
from services.rules.phrases import LANGUAGES
from shared.events import Figure, Status
from shared.indicators import Span
from shared.rulebook import Audience

_COLOURS = {
    Status.PRESENT: "green",
    Status.LATE: "black on yellow",
    Status.EXCUSED: "black on bright_cyan",
    Status.LEAVE: "black on bright_blue",
    Status.UNEXCUSED: "bold white on red",
    Status.OTHER: "green",
    Status.UNREPORTED: "dim",
}
_SEVERITY = ("dim", "yellow", "bold yellow", "bold red", "bold white on red")


class Asked(NamedTuple):
    """The dates that were given; where others stand for them that is said."""

    as_of: date | None = None
    known_on: date | None = None


def show(explanation: Explanation, console: Console, code: str, asked: Asked) -> None:
    """Print it in the language of that code; `asked`: which dates were given."""
    page = _Page(explanation, console, code)
    page.who(asked)
    page.strip()
    page.findings()
    page.figures()
    page.versions()


class _Page:
    def __init__(self, explanation: Explanation, console: Console, code: str) -> None:
        self._it = explanation
        self._console = console
        self._code = code
        self._said = SAID[code]
        self._language = LANGUAGES[code]
        self._spoken = Spoken(code)

    def _line(self, text: str | Text, indent: int = 0) -> None:
        self._console.print(Padding(text, (0, 0, 0, indent)))

    def _heading(self, text: str) -> None:
        self._console.print()
        self._line(Text(text, "bold underline"))

    # -- who

    def who(self, asked: Asked) -> None:
        it, said, who = self._it, self._said, self._it.who
        about = [f"{it.school}/{it.pupil}"]
        about += [said.school_class.format(who.school_class)] if who.school_class else []
        about += [said.enrolled.format(who.enrolled)] if who.enrolled else []
        self._line(Text(" · ".join(about), "bold"))
        if asked.as_of not in (None, it.as_of):
            self._line(said.instead.format(asked.as_of))
        if asked.known_on not in (None, it.known_on) and not it.complete:
            self._line(said.known_instead.format(asked.known_on))
        state = (said.state if it.closed else said.state_open).format(said.whole_day(it.as_of))
        known = said.known_all
        if not it.complete:
            then = it.known_on == it.as_of
            known = said.known_then if then else said.known_on.format(said.day(it.known_on))
        self._line(f"{state}, {known}")
        self._console.print()
        self._line(said.responsible[who.why].format(self._audience(who.responsible)))
        for told in who.told:
            self._line(said.told.format(said.day(told.on), told.recipient))
        if not who.told:
            self._line(said.nobody_told)
        for each in who.answers:
            answer = said.answers[each.answer]
            if each.until:
                answer = said.until.format(answer, said.day(each.until))
            self._line(said.answered.format(said.day(each.on), each.by, answer))
        if who.told and not who.answers:
            self._line(said.nobody_answered)
        self._waiting()
        if who.sensitive and who.sensitive_until:
            factor = self._language.percent(decimal_of(who.factor))
            self._line(said.sensitive.format(said.day(who.sensitive_until), factor))
        else:
            self._line(said.not_sensitive)

    def _waiting(self) -> None:
        said, who = self._said, self._it.who
        if who.waiting_since is None:
            return
        text = said.waiting.format(said.day(who.waiting_since))
        if (coming := who.deadline) is not None:
            whom, days = self._audience(coming.audience), counted(coming.after_days)
            if coming.on is None:
                text += " " + said.deadline_past.format(whom, days)
            else:
                on = said.day(coming.on)
                text += " " + said.deadline.format(whom, on, days)
        self._line(text)

    def _audience(self, audience: Sequence[Audience]) -> str:
        *first, last = [self._said.audiences[each] for each in audience] or [""]
        return f"{', '.join(first)} {self._said.and_} {last}" if first else last

    # -- the strip

    def strip(self) -> None:
        said = self._said
        self._heading(said.strip)
        table = Table.grid(padding=(0, 1))
        table.add_column(no_wrap=True)
        for _ in range(5):
            table.add_column(no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
        table.add_column(style="dim")
        names = [each[:3] for each in said.weekdays[:5]]
        table.add_row("", *(Text(f" {name}", "dim") for name in names), Text(said.away, "dim"))
        days = self._it.strip
        for at in range(0, len(days), 5):
            table.add_row(*self._week(days[at : at + 5]))
        self._console.print(table)
        for line in _filled(said.legend, self._console.width):
            self._line(Text(line, "dim"))

    def _week(self, days: Sequence[Day]) -> Iterator[Text | str]:
        said, monday, friday = self._said, days[0].date, days[-1].date
        week = said.week.format(monday.isocalendar().week)
        last = f"{friday.day} {said.months[friday.month - 1][:3]}"
        first = f"{monday.day} {said.months[monday.month - 1][:3]}"
        first = str(monday.day) if monday.month == friday.month else first
        yield f"{week:<6}{first}–{last}"
        for day in days:
            yield self._day(day)
        counted = [each for day in days if day.counts for each in day.lessons if _counts(each)]
        offered = sum(each.minutes for each in counted)
        missed = sum(0 if each.bus_delay else each.absent_minutes for each in counted)
        yield self._language.percent(Decimal(missed) / offered) if offered else ""
        yield ", ".join(dict.fromkeys(day.why for day in days if day.why))

    def _day(self, day: Day) -> Text:
        said, shown = self._said, day.date == self._it.as_of
        text = Text()
        if not day.school_day:
            text.append(said.off, "dim")
        elif not day.counts and day.date <= self._it.as_of and not day.lessons:
            text.append(said.not_enrolled, "dim")
        for lesson in day.lessons:
            style = _COLOURS[lesson.status] if day.counts and not lesson.bus_delay else "dim"
            text.append(self._letter(lesson), style)
        if day.school_day and not day.closed and day.date <= self._it.as_of:
            text.append("?")
        return Text.assemble("[", text, "]") if shown else Text.assemble(" ", text)

    def _letter(self, lesson: Lesson) -> str:
        if lesson.bus_delay:
            return self._said.bus
        letter = self._said.letters[lesson.status]
        part = 0 < lesson.absent_minutes < lesson.minutes and lesson.status is not Status.LATE
        return letter.lower() if part else letter

    # -- findings

    def findings(self) -> None:
        said = self._said
        self._heading(said.open)
        for each in self._it.open:
            self._open(each)
        if not self._it.open:
            self._line(said.none_open)
        self._heading(said.ended)
        for over in self._it.ended:
            how = said.cleared if over.cleared else said.taken_back
            title = self._titled(over.title, over.level, over.since, good_news=over.good_news)
            self._line(f"{title}, {how.format(said.day(over.on))}")
        if not self._it.ended:
            self._line(said.none_ended)

    def _titled(self, title: Mapping[str, str], level: int, since: date, *, good_news: bool) -> str:
        said = self._said
        what = said.level.format(level, said.levels[level - 1]) if level else ""
        parts = [title[self._code], said.good_news if good_news else what]
        return ", ".join([*filter(None, parts), said.since.format(said.day(since))])

    def _open(self, each: Open) -> None:
        said = self._said
        title = self._titled(each.title, each.level, each.since, good_news=each.good_news)
        style = "bold green" if each.good_news else _SEVERITY[each.level]
        self._line(Text(f"► {title}", style))
        if each.shadow:
            self._line(said.shadow, 2)
        if each.words and each.decided:
            because = said.because.format(said.day(each.decided))
            self._line(f"{because} {each.words[self._code]}", 2)
        lines = [each.clearing.get(self._code, "")]
        if each.quiet_days is not None:
            lines.append(said.quiet_days.format(each.quiet_days, each.clear_after))
        self._line(" ".join(lines).strip(), 2)
        if each.held_until is not None:
            self._line(said.held.format(said.day(each.held_until)), 2)
        if each.audience:
            self._line(said.told_to.format(self._audience(each.audience)), 2)

    # -- figures

    def figures(self) -> None:
        said = self._said
        self._heading(said.figures)
        self._line(Text(said.how_to_read, "dim"))
        table = self._table()
        table.add_row(*(Text(name, "dim") for name in said.columns))
        self._console.print(table)
        for rule in self._it.rules:
            self._line(self._rule(rule))
            table = self._table()
            for row in self._rows(rule):
                table.add_row(*row)
            self._console.print(table)
            for known in self._known(rule):
                self._line(Text(known, "dim"), _INDENT)

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(width=12, no_wrap=True)
        table.add_column(ratio=1)
        table.add_column(width=11, justify="right", no_wrap=True)
        table.add_column(width=11, justify="right", no_wrap=True)
        table.add_column(width=1)
        table.add_column(width=11, justify="right", no_wrap=True)
        return table

    def _rule(self, rule: RuleSeen) -> Text:
        said = self._said
        if rule.holds is None:
            today = said.not_enough
        elif rule.holds:
            today = said.holds.format(rule.holds)
        else:
            today = said.quiet if rule.quiet else said.nothing_holds
        if rule.open_level:
            since = next(each.since for each in self._it.open if each.rule == rule.rule)
            signal = said.signal.format(rule.open_level, said.day(since))
            today = f"{signal}; {said.now.format(today)}"
        elif rule.holds and self._it.closed:
            today = said.would_open.format(rule.holds)
        level = max(rule.open_level, rule.holds or 0)
        style = "bold green" if rule.good_news and level else _SEVERITY[level]
        mark = "► " if level else "  "
        title = Text(f"{mark}{rule.title[self._code]}", "bold")
        all_known = rule.holds is not None and _all(self._coverages(rule)) and not rule.open_level
        known = f" ({said.all_registered})" if all_known else ""
        return Text.assemble(title, ": ", (today, style if level else ""), (known, "dim"))

    def _rows(self, rule: RuleSeen) -> Iterator[tuple[Text | str, ...]]:
        """A row for each threshold; a figure that stands just above is not named again."""
        said, above = self._said, ""
        for level in rule.levels:
            mark = "►" if level.holds else " "
            name = f" {mark}{level.level} {said.levels[level.level - 1]}"
            for each in level.thresholds:
                figure = self._spoken.name(each)
                again = figure == above and not each.join
                shown = "" if again else "  " * each.depth + said.joins[each.join] + figure
                reached = Text("✓", "bold") if each.reached else ""
                limit, quiet = self._spoken.limits(each)
                value = "" if again else self._spoken.value(each)
                yield name, shown, value, limit, reached, Text(quiet, "dim")
                name, above = "", figure

    def _coverages(self, rule: RuleSeen) -> dict[Span, Figure]:
        """How much is registered, by window."""
        windows: list[Need | Threshold] = [*rule.needs]
        windows += [each for level in rule.levels for each in level.thresholds]
        return {
            each.days: each.coverage for each in windows if each.days and each.coverage is not None
        }

    def _known(self, rule: RuleSeen) -> Iterator[str]:
        """What is needed where that is too little, else how much is registered."""
        if rule.holds is None:
            # Near the start of a school year every window is the same days: told once.
            unmet = {(each.counting_days, each.coverage): each for each in reversed(rule.needs)}
            yield from (self._need(each) for each in reversed(unmet.values()) if not each.met)
        elif (known := self._coverages(rule)) and _all(known):
            if rule.open_level:
                yield f"{self._said.all_registered.capitalize()}."
        elif known:
            language = self._language
            shares = (
                f"{language.percent(decimal_of(share), Decimal(1))} {language.window(days)}"
                for days, share in known.items()
            )
            yield self._said.registered.format(", ".join(shares))

    def _need(self, need: Need) -> str:
        said, language = self._said, self._language
        days = said.need_days.format(counted(need.counting_days or 0), need.least_days)
        if need.coverage is None:
            known = said.nothing_scheduled
        else:
            least = decimal_of(need.least_coverage)
            coverage = language.percent(decimal_of(need.coverage), least)
            known = said.need_coverage.format(coverage, language.percent(least))
        window = language.window(need.days)
        return f"{window[:1].upper()}{window[1:]}: {days}, {known}."

    # -- versions

    def versions(self) -> None:
        it, said = self._it, self._said
        self._console.print()
        self._line(
            Text(
                said.versions.format(
                    it.rulebook, it.rulebook_since, it.calendar, it.calendar_since
                ),
                "dim",
            )
        )


_INDENT = 12
_KEPT = "\N{NO-BREAK SPACE}"


def _filled(items: Sequence[str], width: int) -> Iterator[str]:
    """The items in lines, each kept whole."""
    whole = (item.replace(" ", _KEPT) for item in items)
    for line in wrap("   ".join(whole), width):
        yield line.replace(_KEPT, " ")


def _counts(lesson: Lesson) -> bool:
    return lesson.status is not Status.UNREPORTED


def _all(coverages: Mapping[Span, Figure]) -> bool:
    return set(coverages.values()) == {1}
