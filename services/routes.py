"""`narvara routes`: who would be told of what, how, when and why, before anybody is."""

import asyncio
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import click

from services.ingest.imports import Report
from services.ingest.refused_rows import refusals_told
from services.ingest.roster import read_roster
from services.ingest.school_time import QUARTER, quarter_of
from services.notify.desk import Desk
from services.notify.outbox import newest_time
from services.notify.routing import Routing
from services.notify.rows import Finding
from services.notify.settings import Settings
from services.notify.stages.route import Decision, route, slot_for, without
from services.notify.store import LEASE, Store
from services.notify.telling import World, choices
from services.reasons import CHANNELS, WEEKDAYS, in_swedish
from services.recorded import recorded
from services.rehearse import Answering, Rehearsal, Telling, Told, Untold
from services.told import Summary, as_json, clock, show, show_summary, told_line, who, why_of
from shared.broker import connected
from shared.calendar import SchoolCalendar
from shared.config import CALENDAR, ROUTING, RULEBOOK, read_config
from shared.garbage import collecting_seldom
from shared.lease import Lease
from shared.roster import Roster
from shared.rulebook import Rule, Rulebook

_LOOKS_AHEAD = timedelta(days=14)

_SENDS = {"shown": "visas bara", "digest": "i listan", "immediate": "genast"}

_FORMAT = click.option("--format", "form", default="text", type=click.Choice(["text", "jsonl"]))


@click.group()
def routes() -> None:
    """See who would be told of what, how, when and why, before anybody is."""


# What would become of one finding


@dataclass(frozen=True)
class _Asked:
    """One finding that has just opened, and what is known beside it."""

    finding: Finding
    at: datetime
    world: World
    desk: Desk
    title: str

    @property
    def roster(self) -> Roster:
        return self.world.rosters[self.finding.school]


@routes.command()
@click.option("--pupil", "whom", required=True, metavar="SCHOOL/PUPIL")
@click.option("--level", required=True, type=click.IntRange(1, 4))
@click.option("--rule", "rule_id", help="Default: the first rule that has the level.")
@click.option("--at", "time", help="School time, as 2025-09-11T16:00. Default: the server's.")
@click.option(
    "--roster",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder of a roster. Default: the server's, with the answers and outbreaks it has.",
)
@_FORMAT
def test(
    whom: str, *, level: int, rule_id: str | None, time: str | None, folder: Path | None, form: str
) -> None:
    """Say who would be told if a rule found a pupil now: how, by which channels, when and why.

    Files are those of the config folder; nothing is written and nobody is told. The two weeks
    after TIME are gone through by the quarter-hour, as the service would. Staff and pupils are
    shown by their ids alone.
    """
    asked = _asked(whom, level, rule_id, time, folder)
    decisions = route(
        asked.finding,
        asked.roster,
        asked.world.routing,
        asked.world.calendar.local_date(asked.at),
        case=asked.desk.cases.get(asked.finding.about),
    )
    found = _found(asked, decisions)
    if form == "jsonl":
        click.echo(json.dumps(found, ensure_ascii=False))
    else:
        _show_found(asked, found)


def _asked(
    whom: str, level: int, rule_id: str | None, time: str | None, folder: Path | None
) -> _Asked:
    settings = Settings()
    school, slash, pupil = whom.partition("/")
    if not (school and slash and pupil) or "/" in pupil:
        raise click.BadParameter(f"met {whom!r}; wanted a school and a pupil: skola-1/p0001")
    config = settings.config_dir
    calendar = read_config(config / CALENDAR, SchoolCalendar)
    rule = _rule(read_config(config / RULEBOOK, Rulebook).for_school(school), level, rule_id)
    routing = read_config(config / ROUTING, Routing)
    if folder is not None:
        rosters: Mapping[str, Roster] = rosters_in(folder)
        kept = Desk()
    else:
        rosters, kept = asyncio.run(_from_server(settings, school))
    roster = rosters.get(school)
    if roster is None:
        known = ", ".join(sorted(rosters)) or "no school"
        raise click.ClickException(f"met the school {school}; the roster is of {known}")
    at = _time(time, kept, calendar)
    on = calendar.local_date(at)
    if roster.pupil(pupil, on) is None:
        raise click.ClickException(
            f"met {whom}; wanted a pupil whom the roster names on {on}: "
            f"it has {len({row.pupil for row in roster.pupils})} of {school}"
        )
    finding = _finding((school, pupil), rule, level, at, on)
    desk = Desk()
    desk.live, desk.outbreaks = kept.live, kept.outbreaks
    desk.cases = {key: case for key, case in kept.cases.items() if key == finding.about}
    numbers = count(1)
    world = World(routing, calendar, {school: roster}, 1, lambda: f"{next(numbers)}")
    return _Asked(finding, at, world, desk, rule.title.sv)


def _rule(rulebook: Rulebook, level: int, rule_id: str | None) -> Rule:
    if rule_id is None:
        fit = [each for each in rulebook.active if level in each.levels and not each.units]
        if not fit:
            raise click.ClickException(f"no rule about pupils has level {level}")
        return fit[0]
    known = {each.id: each for each in rulebook.rules if not each.units}
    rule = known.get(rule_id)
    if rule is None:
        raise click.ClickException(f"met the rule {rule_id}; wanted one of {', '.join(known)}")
    if level not in rule.levels:
        wanted = ", ".join(map(str, rule.levels))
        raise click.ClickException(f"met level {level}; {rule_id} has {wanted}")
    return rule


def _time(given: str | None, kept: Desk, calendar: SchoolCalendar) -> datetime:
    """A time without an offset is local; without any it is the server's school time."""
    if given is None:
        now = newest_time(kept)
        if now is None:
            raise click.ClickException("no school time is known here; wanted --at")
        return now
    try:
        at = datetime.fromisoformat(given)
    except ValueError:
        raise click.ClickException(
            f"met {given!r}; wanted a time such as 2025-09-11T16:00"
        ) from None
    # What follows is gone through by the quarter-hour, which has an end where dates have.
    if not 1900 <= at.year < 2200:
        raise click.ClickException(f"met {given!r}; wanted a year from 1900 to 2199")
    return at if at.tzinfo else at.replace(tzinfo=calendar.zone)


def _finding(about: tuple[str, str], rule: Rule, level: int, at: datetime, on: date) -> Finding:
    school, pupil = about
    return Finding(
        school,
        pupil,
        "",
        rule.id,
        level,
        on,
        opened="asked",
        steps=("asked",),
        shows="asked",
        as_of=on,
        came=at,
        first=at,
        audience=rule.audience_at(level),
        good_news=rule.good_news,
        shadow=rule.shadow,
    )


async def _from_server(settings: Settings, school: str) -> tuple[Mapping[str, Roster], Desk]:
    async with connected(settings.url, settings.partitions) as client:
        store = Store(client, Lease(client, LEASE, settings.lease_seconds))
        desk, rosters = await store.load(), await store.rosters([school])
        gone = frozenset(desk.unreachable)
        return {name: without(roster, gone) for name, roster in rosters.items()}, desk


def rosters_in(folder: Path) -> dict[str, Roster]:
    """The roster of each school in a folder's files; raises `ConfigError`."""
    read = read_roster(folder)
    schools = {row.school for row in read.pupils} | {row.school for row in read.staff}
    return {
        school: Roster(
            school=school,
            pupils=tuple(row for row in read.pupils if row.school == school),
            staff=tuple(row for row in read.staff if row.school == school),
            absences=tuple(row for row in read.absences if row.school == school),
        )
        for school in sorted(schools)
    }


def _found(asked: _Asked, decisions: Iterable[Decision]) -> dict[str, Any]:
    finding, world, desk, on = (
        asked.finding,
        asked.world,
        asked.desk,
        asked.world.calendar.local_date(asked.at),
    )
    _, owed = choices(desk, world, finding, asked.at)
    muted = {each.recipient: each.muted for each in owed}
    told, untold = _walk(asked)
    return {
        "school": finding.school,
        "pupil": finding.pupil,
        "rule": finding.rule,
        "level": finding.level,
        "at": asked.at.astimezone(world.calendar.zone).isoformat(),
        "audience": list(finding.audience),
        "away": dict(_away(asked, decisions)),
        "recipients": [
            {
                "recipient": each.recipient.staff or "inbox",
                "audience": each.audience,
                "send": each.send,
                "channels": _reached(asked, each),
                "slot": slot_for(each.recipient, asked.roster, world.routing, on),
                "daily": each.route.digest == "daily",
                "break_quiet": each.route.break_quiet,
                "told_before": each.route.told_before,
                "settle_days": each.route.settle_days,
                "in_turn": [name.partition("/")[2] for name in each.in_turn],
                "fallback": each.fallback,
                "reason": each.reason,
                "waits": muted.get(each.recipient, ""),
            }
            for each in decisions
        ],
        "told": [as_json(each, world.calendar) for each in told],
        "untold": [as_json(each, world.calendar) for each in untold],
    }


def _away(asked: _Asked, decisions: Iterable[Decision]) -> Iterator[tuple[str, str]]:
    """Who is away among those whom it concerns, and who stands in."""
    on, roster = asked.world.calendar.local_date(asked.at), asked.roster
    pupil = roster.pupil(asked.finding.pupil, on)
    asked_for = (*asked.finding.audience, *(each.audience for each in decisions))
    for audience in dict.fromkeys(asked_for):
        members = tuple(each.staff for each in roster.with_role(audience, on))
        if audience == "contact_teacher":
            members = pupil.contact_teachers if pupil else ()
        for staff in members:
            if roster.stands_in(staff, on) != staff:
                yield staff, roster.stands_in(staff, on)


def _reached(asked: _Asked, decision: Decision) -> dict[str, bool]:
    """Each channel, and whether there is an address for it."""
    recipient, on = decision.recipient, asked.world.calendar.local_date(asked.at)
    member = asked.roster.member(recipient.staff, on)
    email = member.email if member else asked.world.routing.inbox(recipient.school)
    mobile = member.mobile if member else ""
    return {each: bool(email if each == "email" else mobile) for each in decision.channels}


def _walk(asked: _Asked) -> tuple[list[Told], list[Untold]]:
    """The messages of the two weeks that follow, and what is then not told."""
    desk = asked.desk
    desk.put("findings", asked.finding.key, asked.finding)
    telling = Telling(asked.world, desk)
    begin = quarter_of(asked.at.astimezone(UTC))  # local quarter-hours skip when the clock does
    desk.reached.clear()
    told: list[Told] = []
    # A finding that opened on the quarter is looked at by that quarter-hour, like a close's.
    at = begin if begin == asked.at else begin + QUARTER
    while at <= begin + _LOOKS_AHEAD:
        told += telling.reach(at)
        at += QUARTER
    return told, list(telling.untold(at - QUARTER))


def _show_found(asked: _Asked, found: dict[str, Any]) -> None:
    finding, calendar = asked.finding, asked.world.calendar
    click.echo(
        f"{finding.about} · {asked.title} ({finding.rule}), nivå {finding.level} · "
        f"{clock(asked.at, calendar)}"
    )
    for staff, substitute in found["away"].items():
        click.echo(f"  {staff} är borta; {substitute or 'ingen'} vikarierar")
    click.echo("\nVem, hur och varför")
    for each in found["recipients"]:
        click.echo(f"  {who(each['recipient'])}  {_how(each)}  {in_swedish(each['reason'])}")
        if each["waits"]:
            click.echo(f"      väntar nu: {in_swedish(each['waits'])}")
    click.echo("\nNär, de två närmaste veckorna")
    for told in found["told"]:
        click.echo(told_line(told))
        for item in told["items"]:
            click.echo(f"      {why_of(item)}")
    for each in found["untold"]:
        waited = in_swedish(each["waited"][-1]) if each["waited"] else "väntar på sin lista"
        click.echo(f"  {who(each['recipient'])}  inte inom två veckor: {waited}")
    if not found["told"] and not found["untold"]:
        click.echo("  ingen får något meddelande; signalen syns på sidan")


def _how(each: dict[str, Any]) -> str:
    how = _SENDS[each["send"]]
    if each["send"] == "digest":
        how = "i daglig lista" if each["daily"] else f"i listan {_slot(each['slot'])}"
    if each["send"] != "shown":
        channels = (
            CHANNELS[name] + ("" if has else " (saknar adress)")
            for name, has in each["channels"].items()
        )
        how += f" · {', annars '.join(channels)}"
        if each["told_before"]:
            how += " · bara den som har fått veta något annat om eleven"
        if each["settle_days"]:
            how += f" · först sedan det stått i {_school_days(each['settle_days'])}"
    if each["break_quiet"]:
        how += " · även på tyst tid"
    return how + (f" · turas om: {' '.join(each['in_turn'])}" if each["in_turn"] else "")


def _school_days(days: int) -> str:
    return "en skoldag" if days == 1 else f"{days} skoldagar"


def _slot(slot: str) -> str:
    day, _, clock = slot.partition(" ")
    days = dict(zip(("mon", "tue", "wed", "thu", "fri"), WEEKDAYS, strict=False))
    return f"{days[day]} {clock}"


# What would have become of recorded events


@routes.command()
@click.argument("events", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--roster",
    "folder",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder of their roster.",
)
@click.option("--rulebook", type=click.Path(path_type=Path), help="Default: the config folder's.")
@click.option("--routing", type=click.Path(path_type=Path), help="Default: the config folder's.")
@click.option("--calendar", type=click.Path(path_type=Path), help="Default: the config folder's.")
@click.option(
    "--answers",
    type=click.FloatRange(0, 1),
    help="Invent answers, within two school days, to this share of what is told of cases.",
)
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same answers.")
@_FORMAT
@collecting_seldom()
def rehearse(
    events: Path,
    *,
    folder: Path,
    rulebook: Path | None,
    routing: Path | None,
    calendar: Path | None,
    answers: float | None,
    seed: int,
    form: str,
) -> None:
    """Print who would have been told what of recorded EVENTS (canonical CSV), when and why.

    The fold, the clock and the stages of telling are those of the services; gateways accept
    whatever they are given. A line a message and a line a finding in it, by the ids of staff and
    pupils; at the end what there was in all.

    --format jsonl prints one object a line; `type` says what: told, answered, untold (still
    owed at the end, with reasons), and last summary.

    Rows that can't be read are told on standard error and left out; the exit code is then 1.
    """
    config = Settings().config_dir
    days = read_config(calendar or config / CALENDAR, SchoolCalendar)
    book = read_config(rulebook or config / RULEBOOK, Rulebook)
    rehearsal = Rehearsal(
        book,
        days,
        read_config(routing or config / ROUTING, Routing),
        rosters_in(folder),
        None if answers is None else Answering(answers, seed, days),
    )
    titles = {rule.id: rule.title.sv for rule in book.rules}
    report, summary = Report(), Summary(days)
    with refusals_told(report):
        for each in rehearsal.over(recorded(events, days, folder, report)):
            summary.note(each)
            show(each, days, titles, form)
        if form == "jsonl":
            click.echo(json.dumps({"type": "summary", **summary.as_json}, ensure_ascii=False))
        else:
            show_summary(summary.as_json)
