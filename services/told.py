"""What a rehearsal found: objects for programs, lines in Swedish, and what it came to in all."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import date, datetime
from statistics import median
from typing import Any

import click

from services.reasons import CHANNELS, WEEKDAYS, in_swedish, kind_of
from services.rehearse import Answered, Happened, Told, ToldItem, Untold
from shared.calendar import SchoolCalendar

_MOST_SHOWN = 10

INBOX = "inbox"
"""In place of a staff id: the inbox of the school's EHT."""

_KINDS = {
    "digest": "lista",
    "immediate": "genast",
    "correction": "rättelse",
    "protected": "till handläggaren",
    "storm": "nödbroms",
}

_ANSWERS = {
    "talked": "talat med eleven",
    "known_cause": "känd orsak",
    "lift": "lyft till EHT",
    "not_relevant": "inte aktuellt",
    "booked": "kontakt bokad",
    "takes_over": "EHT tar över",
    "wrongly_registered": "felregistrerat",
}


def show(each: Happened, calendar: SchoolCalendar, titles: Mapping[str, str], form: str) -> None:
    found = as_json(each, calendar)
    if form == "jsonl":
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    match each:
        case Told():
            click.echo(told_line(found))
            for item in found["items"]:
                click.echo(f"      {_item_line(item, titles)}")
        case Answered():
            until = f" till {found['until']}" if found["until"] else ""
            what = f"{found['pupil']}: {_ANSWERS[found['answer']]}{until}"
            click.echo(f"  {_stamp(found['at'])}  {who(found['by'])}  svarar om {what}")
        case Untold():
            waited = ", ".join(map(in_swedish, found["waited"])) or "väntar på sin lista"
            click.echo(
                f"  aldrig berättat: {who(found['recipient'])}  {_item_line(found, titles)} · "
                f"{waited}"
            )


def as_json(each: Happened, calendar: SchoolCalendar) -> dict[str, Any]:
    """What happened as an object; times are local, staff and pupils stand by their ids."""
    match each:
        case Told():
            return {
                "type": "told",
                "at": _local(each.at, calendar),
                "school": each.message.recipient.school,
                "recipient": each.message.recipient.staff or INBOX,
                "kind": each.message.kind,
                "channel": each.channel,
                "items": [_item_json(item, calendar) for item in each.items],
            }
        case Answered(given=given):
            return {
                "type": "answered",
                "at": _local(given.at, calendar),
                "school": given.school,
                "pupil": given.pupil,
                "by": given.by,
                "answer": given.answer,
                "until": str(given.until) if given.until else None,
            }
        case Untold(finding=finding):
            return {
                "type": "untold",
                "school": finding.school,
                "recipient": each.recipient.partition("/")[2] or INBOX,
                "about": finding.about.partition("/")[2].removeprefix("/"),
                "rule": finding.rule,
                "level": finding.level,
                "since": str(finding.since),
                "came": _local(finding.came, calendar),
                "waited": list(each.waited),
            }


def _item_json(each: ToldItem, calendar: SchoolCalendar) -> dict[str, Any]:
    item = each.item
    marks = ("good_news", "correction", "again", "handed_over", "beyond_cap")
    return {
        "about": item.about.partition("/")[2].removeprefix("/"),
        "rule": item.finding.rpartition(" ")[2],
        "level": item.level,
        "since": str(item.since),
        "audience": item.audience,
        "reason": item.reason,
        "came": _local(each.came, calendar) if each.came else None,
        "waited": list(each.waited),
        "marks": [mark for mark in marks if getattr(item, mark)],
    }


_MARKS = {
    "good_news": "goda nyheter",
    "correction": "gäller inte längre",
    "again": "igen",
    "handed_over": "övertagen",
    "beyond_cap": "utöver taket",
}


def told_line(told: dict[str, Any]) -> str:
    pupils = len({item["about"] for item in told["items"]})
    return (
        f"{_stamp(told['at'])}  {who(told['recipient'])}  {_KINDS[told['kind']]}, "
        f"{pupils} elev{'er' if pupils != 1 else ''}  {CHANNELS[told['channel']]}"
    )


def _item_line(item: dict[str, Any], titles: Mapping[str, str]) -> str:
    marks = [_MARKS[mark] for mark in item.get("marks", ())]
    title = titles.get(item["rule"], item["rule"])
    line = f"{item['about']}  {title}, nivå {item['level']}, sedan {item['since']}"
    return line + (f" [{', '.join(marks)}]" if marks else "") + f" · {why_of(item)}"


def why_of(item: dict[str, Any]) -> str:
    why = in_swedish(item["reason"]) if "reason" in item else f"nivå {item['level']}"
    waited = ", ".join(map(in_swedish, item["waited"])) if "reason" in item else ""
    return why + (f" · väntade: {waited}" if waited else "")


def who(staff: str) -> str:
    return "EHT:s brevlåda" if staff == INBOX else staff


def _local(at: datetime, calendar: SchoolCalendar) -> str:
    return at.astimezone(calendar.zone).isoformat(timespec="minutes")


def clock(at: datetime, calendar: SchoolCalendar) -> str:
    return _stamp(_local(at, calendar))


def _stamp(local: str) -> str:
    at = datetime.fromisoformat(local)
    return f"{WEEKDAYS[at.weekday()]} {at:%Y-%m-%d %H:%M}"


def show_summary(summary: dict[str, Any]) -> None:
    click.echo("\nSammanfattning")
    click.echo(
        f"  {summary['messages']} meddelanden till {summary['recipients']} mottagare under "
        f"{summary['weeks']} skolveckor: "
        + ", ".join(f"{count} {_KINDS[kind]}" for kind, count in summary["kinds"].items())
    )
    click.echo("  per mottagare: meddelanden, i snitt och som mest en vecka, signaler")
    for name, each in summary["by_recipient"].items():
        click.echo(
            f"    {who(name):<16} {each['messages']:>4}  {each['a_week']:>5.1f}  "
            f"{each['busiest']:>3} ({each['busiest_week']})  {each['items']:>4}"
        )
    click.echo("  flest meddelanden en vecka")
    for each in summary["busiest"]:
        click.echo(f"    {each['week']}  {who(each['recipient'])}  {each['messages']}")
    click.echo("  väntade: antal, mediantid och längsta tid innan det berättades (dygn)")
    for why, each in summary["waited"].items():
        click.echo(
            f"    {why:<40} {each['count']:>4}  {each['median']:>5.1f}  {each['most']:>5.1f}"
        )
    click.echo("  aldrig berättat när tiden tog slut")
    for why, count_of in summary["untold"].items():
        click.echo(f"    {why:<40} {count_of:>4}")
    if summary["nobody_reached"]:
        click.echo(f"  {summary['nobody_reached']} meddelanden nådde ingen")


class Summary:
    """What a rehearsal came to: messages by recipient and week, and what waited and why."""

    def __init__(self, calendar: SchoolCalendar) -> None:
        self._calendar = calendar
        self._kinds: Counter[str] = Counter()
        self._weeks: defaultdict[str, Counter[str]] = defaultdict(Counter)
        """Messages of each week by recipient."""
        self._items: Counter[str] = Counter()
        self._waited: defaultdict[str, list[float]] = defaultdict(list)
        """By kind of reason the days until it was told."""
        self._untold: Counter[str] = Counter()
        self._nobody = 0
        self._first = self._last = date.min

    def note(self, happened: Happened) -> None:
        """Take in what happened, in its order."""
        match happened:
            case Told():
                self._note_told(happened)
            case Untold(waited=waited):
                self._untold[kind_of(waited[-1]) if waited else "väntar på sin lista"] += 1

    def _note_told(self, told: Told) -> None:
        on, who = self._calendar.local_date(told.at), told.message.recipient
        name = who.staff or INBOX
        self._first = self._first if self._first > date.min else on
        self._last = on
        self._kinds[told.message.kind] += 1
        self._weeks[_week(on)][name] += 1
        self._items[name] += len(told.items)
        self._nobody += not told.channel
        for each in told.items:
            if each.came is None or each.item.again or each.item.handed_over:
                continue
            days = (told.at - each.came).total_seconds() / 86_400
            for why in dict.fromkeys(map(kind_of, each.waited)):
                self._waited[why].append(days)
            if told.message.kind == "digest" and not each.waited:
                self._waited["bara på sin lista"].append(days)

    @property
    def as_json(self) -> dict[str, Any]:
        weeks = {_week(day) for day in self._calendar.between(self._first, self._last)}
        return {
            "messages": self._kinds.total(),
            "recipients": len(self._items),
            "weeks": len(weeks),
            "kinds": dict(self._kinds.most_common()),
            "by_recipient": {name: self._of(name, len(weeks)) for name in sorted(self._items)},
            "busiest": [
                {"week": week, "recipient": name, "messages": number}
                for number, week, name in self._busiest()[:_MOST_SHOWN]
            ],
            "waited": {
                why: {
                    "count": len(days),
                    "median": round(median(days), 1),
                    "most": round(max(days), 1),
                }
                for why, days in sorted(self._waited.items(), key=lambda pair: -len(pair[1]))
            },
            "untold": dict(self._untold.most_common()),
            "nobody_reached": self._nobody,
        }

    def _busiest(self) -> list[tuple[int, str, str]]:
        """Messages, week and recipient, most first."""
        all_of = [
            (number, week, name)
            for week, by_name in self._weeks.items()
            for name, number in by_name.items()
        ]
        return sorted(all_of, key=lambda each: (-each[0], each[1], each[2]))

    def _of(self, name: str, weeks: int) -> dict[str, Any]:
        numbers = {week: by_name[name] for week, by_name in self._weeks.items() if by_name[name]}
        busiest = max(numbers, key=lambda week: numbers[week])
        return {
            "messages": sum(numbers.values()),
            "a_week": round(sum(numbers.values()) / max(weeks, 1), 2),
            "busiest": numbers[busiest],
            "busiest_week": busiest,
            "items": self._items[name],
        }


def _week(day: date) -> str:
    year, week, _ = day.isocalendar()
    return f"{year} v.{week}"
