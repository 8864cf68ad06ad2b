"""`routing.yaml`: who is told how and when, and what makes telling wait."""

from datetime import date, time
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from services.notify.rows import Send
from shared.config import ConfigPart
from shared.events import Level, Name
from shared.roster import Email, Slot
from shared.rulebook import Audience

ChannelName = Literal["email", "sms", "webhook"]

Clock = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
"""A local time such as `07:00`."""


class Matcher(ConfigPart):
    """What is left out matches everything."""

    levels: tuple[Level, ...] = ()
    audience: tuple[Audience, ...] = ()
    schools: tuple[Name, ...] = ()
    rules: tuple[str, ...] = ()
    good_news: bool | None = Field(
        default=None, description="true: good news alone; false: all else; left out: both."
    )


class Route(Matcher):
    """One line of `routes`."""

    send: Send
    digest: Literal["weekly", "daily"] = Field(
        default="weekly", description="daily: each school day, at the time of the weekly slot."
    )
    channels: tuple[ChannelName, ...] = Field(default=("email", "sms"), min_length=1)
    break_quiet: bool = Field(default=False, description="Sent in quiet hours too.")
    told_before: bool = Field(
        default=False,
        description="Only to those who have been told of something else that stands of the pupil.",
    )
    settle_days: int = Field(
        default=0,
        ge=0,
        le=10,
        description="School days for which it must have stood: what is corrected before is told "
        "to nobody. What goes at once goes at the close of the last of them.",
    )


class Silence(Matcher):
    """Telling that waits until a day, and why. Pupils are never named here."""

    until: date = Field(description="The first day on which it is told again.")
    reason: str = Field(min_length=1)


class QuietHours(ConfigPart):
    """When nothing is sent, beside days off: local times, past midnight when `to` is earlier."""

    begin: Clock = Field(default="18:00", alias="from")
    end: Clock = Field(default="07:00", alias="to")
    days_off: bool = Field(default=True, description="Days off are quiet as a whole.")

    @property
    def times(self) -> tuple[time, time]:
        return time.fromisoformat(self.begin), time.fromisoformat(self.end)


Keep = Literal["signals", "notes", "links", "access_log", "quarantine"]
"""What has a period of its own."""

Days = Annotated[int, Field(ge=1, le=36_500)] | None


class Retention(ConfigPart):
    """For how many days notify keeps what it writes; null: for ever."""

    signals: Days = Field(
        default=730, description="Signals, answers, who was told, and investigations, after them."
    )
    notes: Days = Field(
        default=365, description="Notes and decisions of meetings, unless the case stands still."
    )
    links: Days = Field(
        default=60, description="What a message's link opens; it opens for 20 school days."
    )
    access_log: Days = Field(default=730, description="Who opened what about whom.")
    quarantine: Days = Field(default=90, description="Entries that could not be read.")


class SmsLimits(ConfigPart):
    """SMS that are sent at most; what is more goes by mail."""

    person_day: int = Field(default=5, ge=0, description="To one person in a day.")
    school_month: int = Field(
        default=1000, ge=0, description="By one school in a month. 0: no SMS where mail is known."
    )


class Rotation(ConfigPart):
    """Of those who have a role, one at a time is told: a week each, in this order."""

    staff: tuple[Name, ...] = Field(min_length=1)
    since: date = Field(description="In this week it is the first one's turn.")


_ROUTES = (
    Route(rules=("first-day-back",), send="digest", digest="daily"),
    Route(rules=("improvement",), send="digest", told_before=True),
    Route(good_news=True, send="digest"),
    Route(rules=("unanswered",), levels=(1, 2), send="immediate", channels=("email",)),
    Route(levels=(1,), audience=("admin",), send="digest", digest="daily", channels=("email",)),
    Route(levels=(1,), send="shown"),
    Route(levels=(2,), send="digest"),
    Route(levels=(3, 4), audience=("eht",), send="immediate", channels=("sms", "email")),
    Route(levels=(3, 4), send="immediate"),
)

NO_ROUTE = Route(send="digest")
"""A step that no route matches is told all the same."""


class Routing(ConfigPart):
    """`routing.yaml`."""

    default_slot: Annotated[Slot, Field(min_length=1)] = "thu 15:00"
    eht_inbox: dict[Name, Annotated[Email, Field(min_length=1)]] = Field(
        default_factory=dict, description="By school, or `default`: used when nobody is reachable."
    )
    it_inbox: Email = Field(
        default="", description="Told, beside coordinators, when the brake holds all messages."
    )
    start_list: Literal["digest", "hold"] = "digest"
    quiet_hours: QuietHours = QuietHours()
    cap: int = Field(
        default=5, ge=1, description="New pupils of level 1 and 2 that a digest puts first."
    )
    retention: Retention = Field(
        default=Retention(), description="For how many days what is written is kept."
    )
    sms_limits: SmsLimits = Field(
        default=SmsLimits(), description="SMS beyond these go by mail instead."
    )
    follow_up_days: int = Field(
        default=10, ge=1, description="School days after an answer, until what stands comes back."
    )
    rotations: dict[Name, dict[Audience, Rotation]] = Field(
        default_factory=dict, description="By school and audience."
    )
    silences: tuple[Silence, ...] = ()
    protected_handlers: dict[Name, Name] = Field(
        default_factory=dict,
        description="By school the staff id of the one who is told of pupils with protected "
        "identity; else the rektor is.",
    )
    routes: tuple[Route, ...] = _ROUTES

    def inbox(self, school: str) -> str:
        """The address of last resort; empty when the file names none."""
        return self.eht_inbox.get(school) or self.eht_inbox.get("default", "")
