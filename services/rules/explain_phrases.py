"""What an explanation says around its figures, in Swedish and in English."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from services.rules.explanation import Why
from shared.events import AnswerKind, Status
from shared.rulebook import Audience


@dataclass(frozen=True)
class Said:
    """One language."""

    weekdays: tuple[str, ...]
    months: tuple[str, ...]
    week: str
    # who
    school_class: str
    enrolled: str
    state: str
    state_open: str
    known_all: str
    known_on: str
    known_then: str
    instead: str
    known_instead: str
    sensitive: str
    not_sensitive: str
    responsible: Mapping[Why, str]
    told: str
    nobody_told: str
    answered: str
    nobody_answered: str
    until: str
    waiting: str
    deadline: str
    deadline_past: str
    audiences: Mapping[Audience, str]
    answers: Mapping[AnswerKind, str]
    and_: str
    # the strip
    strip: str
    away: str
    letters: Mapping[Status, str]
    bus: str
    legend: tuple[str, ...]
    off: str
    not_enrolled: str
    # findings
    open: str
    none_open: str
    level: str
    levels: tuple[str, ...]
    since: str
    because: str
    quiet_days: str
    held: str
    told_to: str
    shadow: str
    good_news: str
    ended: str
    none_ended: str
    cleared: str
    taken_back: str
    # figures
    figures: str
    columns: tuple[str, ...]
    how_to_read: str
    signal: str
    now: str
    holds: str
    would_open: str
    nothing_holds: str
    quiet: str
    not_enough: str
    need_days: str
    need_coverage: str
    nothing_scheduled: str
    registered: str
    all_registered: str
    chance: str
    points: str
    joins: Mapping[str, str]
    # versions
    versions: str

    def day(self, day: date) -> str:
        """Within the school year: `fre 14 nov`."""
        return f"{self.weekdays[day.weekday()][:3]} {day.day} {self.months[day.month - 1][:3]}"

    def whole_day(self, day: date) -> str:
        """`fredag 14 november 2025`."""
        weekday, month = self.weekdays[day.weekday()], self.months[day.month - 1]
        return f"{weekday} {day.day} {month} {day.year}"


SAID = {
    "sv": Said(
        weekdays=("måndag", "tisdag", "onsdag", "torsdag", "fredag", "lördag", "söndag"),
        months=(
            *("januari", "februari", "mars", "april", "maj", "juni"),
            *("juli", "augusti", "september", "oktober", "november", "december"),
        ),
        week="v. {}",
        school_class="klass {}",
        enrolled="inskriven {}",
        state="Läget när {} hade stängts",
        state_open="Läget {}, en dag som inte har stängts ännu",
        known_all="med allt som är känt nu.",
        known_then="med det som var känt då.",
        known_on="med det som var känt när {} hade stängts.",
        instead="{} är ingen skoldag; därför visas skoldagen före.",
        known_instead="{} stängdes ingen dag; det som var känt skoldagen före gäller.",
        sensitive="Överlämningen: lägre gränser till och med {} ({} av de vanliga).",
        not_sensitive="Överlämningen: inga lägre gränser.",
        responsible={
            "nothing_open": "Ansvarar nu: ingen signal är öppen, så ingen behöver göra något.",
            "audience": "Ansvarar nu: {}.",
            "lifted": "Ansvarar nu: {}, eftersom kontaktläraren har lyft ärendet dit.",
            "taken_over": "Ansvarar nu: {}, som har tagit över.",
        },
        told="Avisering: {} till {}.",
        nobody_told="Avisering: ingen ännu.",
        answered="Svar: {} av {}: {}.",
        nobody_answered="Svar: inget.",
        until="{} till {}",
        waiting="Väntar på svar sedan {}.",
        deadline="Utan svar går det vidare till {} {} ({:skoldag|skoldagar}).",
        deadline_past=(
            "Utan svar går det vidare till {} efter läsårets slut ({:skoldag|skoldagar})."
        ),
        audiences={
            "contact_teacher": "kontaktläraren",
            "eht": "EHT",
            "rektor": "rektor",
            "admin": "administrationen",
            "coordinator": "samordnaren",
        },
        answers={
            "talked": "har pratat med eleven",
            "known_cause": "känd orsak",
            "lift": "lyft till EHT",
            "not_relevant": "inte aktuellt",
            "booked": "kontakt bokad",
            "takes_over": "EHT tar över",
            "wrongly_registered": "fel registrerat",
        },
        and_="och",
        strip="Remsan: de senaste åtta skolveckorna, en bokstav för varje lektion",
        away="borta",
        letters={
            Status.PRESENT: "·",
            Status.LATE: "S",
            Status.EXCUSED: "G",
            Status.LEAVE: "L",
            Status.UNEXCUSED: "O",
            Status.OTHER: "A",
            Status.UNREPORTED: "-",
        },
        bus="B",
        legend=(
            *("· närvarande", "S sen", "G giltigt frånvarande", "L ledighet"),
            *("O ogiltigt frånvarande", "A annan aktivitet", "B sen buss (räknas inte som sen)"),
            *("- inte registrerad", "liten bokstav: borta en del av lektionen"),
            *("[ ] dagen som visas", "? dagen har inte stängts ännu"),
        ),
        off="lov",
        not_enrolled="före",
        open="Öppna signaler",
        none_open="Ingen signal är öppen.",
        level="nivå {} ({})",
        levels=("bevaka", "oro", "allvar", "kritisk"),
        since="sedan {}",
        because="Underlag {}:",
        quiet_days="Lugna dagar i rad hittills: {} av {}.",
        held="Aviseringen väntar till {}.",
        told_to="Målgrupp: {}.",
        shadow="Regeln prövas: ingen aviseras.",
        good_news="goda nyheter",
        ended="Avslutat nyligen",
        none_ended="Inget har avslutats under remsans veckor.",
        cleared="avslutad {}",
        taken_back="borttagen {} genom rättade registreringar",
        figures="Alla mått och gränser",
        columns=("Nivå", "Mått", "Värde", "Gräns", "", "Lugnt"),
        how_to_read=(
            "✓ gränsen är nådd   ► nivån gäller den här dagen   "
            "Lugnt: när ingen nivå nås ens med de här mildare gränserna räknas dagen som lugn, "
            "och efter tillräckligt många lugna dagar i rad avslutas signalen."
        ),
        signal="signal på nivå {} sedan {}",
        now="den här dagen: {}",
        holds="nivå {} gäller",
        would_open="nivå {} gäller, men ingen signal är öppen",
        nothing_holds="ingen nivå gäller",
        quiet="lugn dag",
        not_enough="för lite underlag",
        need_days="{:dag|dagar} med lektioner (minst {} behövs)",
        need_coverage="{} registrerat (minst {} behövs)",
        nothing_scheduled="inga lektioner",
        registered="Registrerat: {}.",
        all_registered="allt registrerat",
        chance="slumpens chans att ge {}",
        points="%-enh.",
        joins={"": "", "and": "och ", "or": "eller "},
        versions="Regelbok {} (gäller från {}), kalender {} (gäller från {}).",
    ),
    "en": Said(
        weekdays=("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
        months=(
            *("January", "February", "March", "April", "May", "June"),
            *("July", "August", "September", "October", "November", "December"),
        ),
        week="wk {}",
        school_class="class {}",
        enrolled="enrolled {}",
        state="As it stood when {} had closed",
        state_open="As it stands on {}, a day that has not closed yet",
        known_all="with all that is known now.",
        known_then="with what was known then.",
        known_on="with what was known when {} had closed.",
        instead="{} is no school day; the school day before is shown instead.",
        known_instead="No day closed on {}; what was known the school day before counts.",
        sensitive="Handover: lower limits up to and including {} ({} of the usual).",
        not_sensitive="Handover: no lower limits.",
        responsible={
            "nothing_open": "Responsible now: no finding is open, so nobody need act.",
            "audience": "Responsible now: {}.",
            "lifted": "Responsible now: {}, to whom the contact teacher has passed the case.",
            "taken_over": "Responsible now: {}, who have taken over.",
        },
        told="Told: {} to {}.",
        nobody_told="Told: nobody yet.",
        answered="Answer: {} by {}: {}.",
        nobody_answered="Answer: none.",
        until="{} until {}",
        waiting="Waiting for an answer since {}.",
        deadline="Without an answer it goes on to {} {} ({:school day|school days}).",
        deadline_past=(
            "Without an answer it goes on to {} after the school year ({:school day|school days})."
        ),
        audiences={
            "contact_teacher": "the contact teacher",
            "eht": "the pupil-health team",
            "rektor": "the rektor",
            "admin": "the administration",
            "coordinator": "the coordinator",
        },
        answers={
            "talked": "has talked with the pupil",
            "known_cause": "known cause",
            "lift": "passed to the pupil-health team",
            "not_relevant": "not relevant",
            "booked": "contact booked",
            "takes_over": "the pupil-health team takes over",
            "wrongly_registered": "wrongly registered",
        },
        and_="and",
        strip="The strip: the last eight school weeks, a letter for each lesson",
        away="away",
        letters={
            Status.PRESENT: "·",
            Status.LATE: "L",
            Status.EXCUSED: "E",
            Status.LEAVE: "V",
            Status.UNEXCUSED: "U",
            Status.OTHER: "O",
            Status.UNREPORTED: "-",
        },
        bus="B",
        legend=(
            *("· present", "L late", "E excused", "V granted leave"),
            *("U unexcused", "O other activity", "B late bus (not counted as late)"),
            *("- not registered", "small letter: away for part of the lesson"),
            *("[ ] the day shown", "? the day has not closed yet"),
        ),
        off="off",
        not_enrolled="before",
        open="Open findings",
        none_open="No finding is open.",
        level="level {} ({})",
        levels=("watch", "concern", "serious", "critical"),
        since="since {}",
        because="Evidence {}:",
        quiet_days="Quiet days in a row so far: {} of {}.",
        held="Telling waits until {}.",
        told_to="Audience: {}.",
        shadow="The rule is being tried: nobody is told.",
        good_news="good news",
        ended="Ended lately",
        none_ended="Nothing has ended within the weeks of the strip.",
        cleared="cleared {}",
        taken_back="taken back {} by corrected registrations",
        figures="All figures and limits",
        columns=("Level", "Figure", "Value", "Limit", "", "Quiet"),
        how_to_read=(
            "✓ the limit is reached   ► the level holds on this day   "
            "Quiet: when no level is reached even by these milder limits the day is quiet, and "
            "after enough quiet days in a row the finding ends."
        ),
        signal="finding at level {} since {}",
        now="on this day: {}",
        holds="level {} holds",
        would_open="level {} holds, but no finding is open",
        nothing_holds="no level holds",
        quiet="quiet day",
        not_enough="not enough data",
        need_days="{:day|days} with lessons (at least {} needed)",
        need_coverage="{} registered (at least {} needed)",
        nothing_scheduled="no lessons",
        registered="Registered: {}.",
        all_registered="all registered",
        chance="the chance of {} by accident",
        points="pp",
        joins={"": "", "and": "and ", "or": "or "},
        versions="Rulebook {} (in force from {}), calendar {} (in force from {}).",
    ),
}
