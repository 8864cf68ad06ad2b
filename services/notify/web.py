"""Everything that notify serves to browsers and gateways, wired to the memory."""

from functools import partial
from typing import NamedTuple

from starlette.routing import BaseRoute

from services.notify.access_log import AccessLog
from services.notify.answering import Answering
from services.notify.casebook import Casebook, once
from services.notify.channels.sms_46elks.settings import ElksSettings
from services.notify.office import Memory, Office
from services.notify.oidc import OidcSettings, SchoolAccount
from services.notify.opening import Opening, reference_of
from services.notify.pages.answer import answer_routes
from services.notify.pages.door import Door
from services.notify.pages.login import login_routes
from services.notify.pages.meeting import meeting_routes
from services.notify.pages.oidc import BACK, oidc_routes
from services.notify.pages.pupils import pupil_routes
from services.notify.pages.report import report_routes
from services.notify.pages.school import school_routes
from services.notify.pages.sheets import sheet_routes
from services.notify.pages.signal import signal_routes
from services.notify.pages.site import Site
from services.notify.pupils import Pupils
from services.notify.reception import Reception
from services.notify.sessions import Sessions
from services.notify.settings import Settings
from shared.config import RULEBOOK, version_of
from shared.last_good import LastGood
from shared.rulebook import Rulebook


class Visits(NamedTuple):
    """What visits need beside the memory."""

    pupils: Pupils
    log: AccessLog
    sessions: Sessions


def web_routes(
    settings: Settings, memory: Memory, office: Office, visits: Visits
) -> list[BaseRoute]:
    """The routes of all pages, of answers by link, and of delivery reports."""
    pupils, log, sessions = visits
    site = Site(settings.base_url, settings.contact)
    reception = Reception(memory, office, sessions, log, settings.codes)
    door, cases = Door(site, reception), Casebook(memory, office)
    answering, opening = Answering(memory, office), Opening(memory, office, pupils)
    newest = LastGood(settings.config_dir / RULEBOOK, Rulebook).newest

    def rulebook() -> tuple[Rulebook, str]:
        known = newest()
        return known, version_of(known)

    by_code = settings.codes != "off"
    key = ElksSettings().elks_password.get_secret_value().encode()
    oidc = OidcSettings()
    routes = [
        *site.routes(),
        *signal_routes(site, opening, answering.give, reference_of),
        *answer_routes(answering.give),
        *report_routes(key, opening.take_report),
        *door.routes(),
        *login_routes(door, reception, by_code=by_code, by_oidc=bool(oidc.oidc_issuer)),
        *pupil_routes(door, cases, pupils, answering.give_as),
        *meeting_routes(door, cases, once),
        *sheet_routes(door, cases, pupils, lambda: rulebook()[1]),
        *school_routes(door, cases, pupils.coverage, log, rulebook),
    ]
    if oidc.oidc_issuer:
        account = SchoolAccount(oidc, settings.base_url + BACK, office.clock)
        enter = partial(reception.enter, matches=oidc.oidc_matches)
        routes += oidc_routes(door, account, enter, reception.is_within)
    return routes
