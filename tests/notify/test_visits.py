"""Pages behind a sign-on, on a real server: who gets in, who sees and writes what."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, get_args

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette

from services.notify.access import MAY, WHATS, What
from services.notify.access_log import AccessLog
from services.notify.pages.login import within
from shared.events import CaseAnswer
from shared.rulebook import Audience
from shared.streams import partition_of
from tests.notify.examples import (
    OTHER_PUPIL,
    PUPIL,
    SCHOOL,
    WEDNESDAY,
    member,
    pupil,
    reached,
    roster,
    step,
)
from tests.notify.gateways import MailServer, SmsGateway
from tests.notify.school import LONG_AGO, PARTITIONS, School, until

BASE = "https://narvara.skola.example"

STAFF: dict[str, tuple[Audience, ...]] = {
    "kt-1": ("contact_teacher",),
    "kt-2": ("contact_teacher",),
    "eht-1": ("eht",),
    "rektor-1": ("rektor",),
    "admin-1": ("admin",),
    "samordnare-1": ("coordinator",),
}
MOBILES = {name: f"+467000000{number:02}" for number, name in enumerate(STAFF, 10)}

PATHS: dict[str, What] = {
    "/hour": "own_pupils",
    "/brief": "brief",
    "/investigations": "investigation",
    "/registrations": "registrations",
    "/coordination": "coordination",
    "/log": "access_log",
}


def rows() -> Any:
    staff = [
        member(name, *roles, mobile=MOBILES[name], name=f"Påhittad {name}")
        for name, roles in STAFF.items()
    ]
    return roster(*staff, pupil(PUPIL, "kt-1"), pupil(OTHER_PUPIL, "kt-2"))


@asynccontextmanager
async def browser(app: Starlette, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url=BASE, headers=headers
    ) as client:
        yield client


@asynccontextmanager
async def open_school(school: School) -> AsyncIterator[Starlette]:
    """A school day has begun, and two pupils are signalled."""
    await school.set_roster(rows().model_dump_json(by_alias=True))
    async with school.notify() as app:
        await school.time_passes(reached(WEDNESDAY))
        await school.happens(
            step(level=2, audience=("contact_teacher",)),
            step(level=2, pupil=OTHER_PUPIL, audience=("contact_teacher",)),
        )
        await school.all_folded()
        yield app


async def sign_on(client: httpx.AsyncClient, sms: SmsGateway, staff: str) -> httpx.Response:
    before = len(sms.forms)
    asked = await client.post("/login", data={"email": f"{staff}@Skola.example"})
    assert asked.status_code == 303
    await until(lambda: len(sms.forms) > before)
    assert sms.forms[-1]["to"] == MOBILES[staff]
    (code,) = re.findall(r"\b(\d{6})\b", sms.forms[-1]["message"])
    return await client.post("/login/code", data={"code": code, "then": "/"})


def field(page: httpx.Response, name: str) -> str:
    return page.text.partition(f'name="{name}" value="')[2].partition('"')[0]


# Getting in


async def test_a_code_to_the_mobile_of_the_roster_opens_the_pages_until_signed_out(
    school: School, sms: SmsGateway, mail: MailServer
) -> None:
    async with open_school(school) as app, browser(app) as client:
        before = await client.get("/hour")
        entered = await sign_on(client, sms, "kt-1")
        hour = await client.get("/hour")
        csrf = field(hour, "csrf")
        stays = await client.post("/logout", data={"csrf": "wrong"})
        again = await client.get("/hour")
        out = await client.post("/logout", data={"csrf": csrf})
        after = await client.get("/hour")

    assert (before.status_code, before.headers["location"]) == (303, "/login?then=/hour")
    assert (entered.status_code, entered.headers["location"]) == (303, "/")
    cookie = entered.headers["set-cookie"]
    for part in ("__Host-narvara=", "HttpOnly", "Secure", "SameSite=lax", "Path=/"):
        assert part in cookie
    assert (hour.status_code, stays.status_code, again.status_code) == (200, 403, 200)
    assert (out.status_code, after.status_code) == (303, 303)
    assert mail.raw == []


async def test_an_address_that_nobody_has_looks_the_same_and_gets_no_code(
    school: School, sms: SmsGateway
) -> None:
    async with open_school(school) as app, browser(app) as client:
        known = await client.post("/login", data={"email": "kt-1@skola.example"})
        await until(lambda: len(sms.forms) == 1)
        unknown = await client.post("/login", data={"email": "nobody@skola.example"})
        pages = [await client.get("/login/code") for _ in range(2)]
        guess = await client.post("/login/code", data={"code": "000000"})

    assert (known.status_code, known.headers["location"]) == (
        unknown.status_code,
        unknown.headers["location"],
    )
    assert pages[0].text == pages[1].text
    assert len(sms.forms) == 1
    assert guess.status_code == 422


async def test_a_code_is_good_once_by_its_own_browser_and_for_five_tries(
    school: School, sms: SmsGateway
) -> None:
    async with open_school(school) as app, browser(app) as client, browser(app) as other:
        await client.post("/login", data={"email": "kt-1@skola.example"})
        await until(lambda: len(sms.forms) == 1)
        (code,) = re.findall(r"\b(\d{6})\b", sms.forms[0]["message"])
        stolen = await other.post("/login/code", data={"code": code})
        right = await client.post("/login/code", data={"code": f" {code[:3]} {code[3:]} "})
        twice = await client.post("/login/code", data={"code": code})

        await other.post("/login", data={"email": "kt-2@skola.example"})
        await until(lambda: len(sms.forms) == 2)
        (code,) = re.findall(r"\b(\d{6})\b", sms.forms[1]["message"])
        wrong = f"{(int(code) + 1) % 1_000_000:06d}"
        guesses = [await other.post("/login/code", data={"code": wrong}) for _ in range(5)]
        late = await other.post("/login/code", data={"code": code})

    assert (stolen.status_code, right.status_code, twice.status_code) == (422, 303, 422)
    assert {each.status_code for each in guesses} == {422}
    assert late.status_code == 422


async def test_too_many_codes_and_too_many_tries_are_stopped(
    school: School, sms: SmsGateway
) -> None:
    async with open_school(school) as app, browser(app) as client:
        for _ in range(7):
            await client.post("/login", data={"email": "kt-1@skola.example"})
        codes = len(sms.forms)
        answers = [await client.post("/login/code", data={"code": "1"}) for _ in range(60)]

    assert codes <= 5
    assert answers[-1].status_code == 429
    assert answers[-1].headers["Retry-After"]


async def test_a_sign_on_from_another_site_is_refused(school: School, sms: SmsGateway) -> None:
    cross = {"Sec-Fetch-Site": "cross-site"}
    async with open_school(school) as app, browser(app, **cross) as client:
        asked = await client.post("/login", data={"email": "kt-1@skola.example"})

    assert asked.status_code == 403
    assert sms.forms == []


async def test_whoever_has_left_the_roster_is_out_at_the_next_page(
    school: School, sms: SmsGateway
) -> None:
    async with open_school(school) as app, browser(app) as client:
        await sign_on(client, sms, "kt-1")
        left = rows()
        left = left.model_copy(
            update={"staff": tuple(each for each in left.staff if each.staff != "kt-1")}
        )
        await school.set_roster(left.model_dump_json(by_alias=True))
        page = await client.get("/hour")

    assert page.headers["location"] == "/login?then=/hour"


@pytest.mark.parametrize(
    ("then", "to"),
    [
        ("/hour", "/hour"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
        ("/a\nb", "/"),
    ],
)
def test_a_sign_on_leads_to_our_own_pages_alone(then: str, to: str) -> None:
    assert within(then) == to


# Who sees what


@pytest.mark.parametrize("staff", [*STAFF])
async def test_each_role_opens_its_pages_and_no_others(
    school: School, sms: SmsGateway, staff: str
) -> None:
    roles = frozenset(STAFF[staff])
    async with open_school(school) as app, browser(app) as client:
        begin = await sign_on(client, sms, staff)
        assert begin.status_code == 303
        pages = {path: await client.get(path) for path in PATHS}
        posts = {
            "/brief/decisions": await client.post("/brief/decisions", data={}),
            "/brief/done": await client.post("/brief/done", data={}),
        }
        lines = await AccessLog(school.client).newest(SCHOOL, 100)

    for path, what in PATHS.items():
        assert pages[path].status_code == (200 if MAY[what] & roles else 403), path
    # Without the proof of our own page nothing is posted, by whoever it may be.
    assert {each.status_code for each in posts.values()} == {403}
    assert {(line.what, line.result) for line in lines if line.staff == staff} >= {
        (what, "shown" if MAY[what] & roles else "refused") for what in PATHS.values()
    }
    for page in pages.values():
        assert PUPIL not in str(page.url)
        assert page.headers["Cache-Control"] == "no-store"


def test_the_table_says_what_was_promised_of_each_role() -> None:
    eht = {"pupil", "brief", "notes_for_eht", "sheet"}

    assert {role: {what for what in WHATS if role in MAY[what]} for role in get_args(Audience)} == {
        "contact_teacher": {"own_pupils", "pupil"},
        "eht": eht,
        "rektor": eht | {"investigation", "coordination", "access_log"},
        "admin": {"registrations"},
        "coordinator": {"coordination"},
    }


def test_every_thing_that_may_be_seen_is_some_roles_and_it_is_nobodys() -> None:
    assert set(MAY) == set(WHATS)
    assert all(MAY[what] for what in WHATS)
    assert not any("it" in MAY[what] for what in WHATS)


async def test_a_contact_teacher_opens_their_own_pupils_and_answers_and_no_others(
    school: School, sms: SmsGateway
) -> None:
    async with open_school(school) as app:
        async with browser(app) as one, browser(app) as two:
            await sign_on(one, sms, "kt-1")
            await sign_on(two, sms, "kt-2")
            mine = re.findall(r'href="(/pupil/[\w-]+)"', (await one.get("/hour")).text)
            theirs = re.findall(r'href="(/pupil/[\w-]+)"', (await two.get("/hour")).text)
            page = await one.get(mine[0])
            foreign = await one.get(theirs[0])
            unknown = await one.get("/pupil/AAAAAAAAAAAAAAAAAAAAAA")
            form = {"csrf": field(page, "csrf"), "answer": "talked", "note": "Ringde hem"}
            stolen = await one.post(f"{theirs[0]}/answers", data=form)
            unproved = await one.post(f"{mine[0]}/answers", data={"answer": "talked"})
            answered = await one.post(f"{mine[0]}/answers", data=form)
            shown = await one.get(mine[0])
            hour = await one.get("/hour")
        await school.nothing_waits()
        home = partition_of(SCHOOL, PUPIL, PARTITIONS)
        facts = [each for each in await school.told(home) if isinstance(each, CaseAnswer)]

    assert (len(mine), len(theirs)) == (1, 1)
    assert page.status_code == 200
    assert "Nils Uppdiktad" in page.text
    assert (foreign.status_code, foreign.text) == (404, unknown.text)
    assert (stolen.status_code, unproved.status_code, answered.status_code) == (404, 403, 303)
    assert [(each.pupil, each.answer, each.by) for each in facts] == [(PUPIL, "talked", "kt-1")]
    assert "Ringde hem" in shown.text
    assert "Besvarade (1)" in hour.text
    assert "Behöver dig nu (0)" in hour.text


async def test_a_note_for_eht_is_read_by_eht_and_rektor_alone(
    school: School, sms: SmsGateway
) -> None:
    seen = {}
    async with open_school(school) as app, browser(app) as one:
        await sign_on(one, sms, "kt-1")
        (mine,) = re.findall(r'href="(/pupil/[\w-]+)"', (await one.get("/hour")).text)
        page = await one.get(mine)
        form = {"csrf": field(page, "csrf"), "answer": "lift", "note": "Oro", "for_eht": "true"}
        await one.post(f"{mine}/answers", data=form)
        seen["kt-1"] = (await one.get(mine)).text
        for staff in ("eht-1", "rektor-1"):
            async with browser(app) as client:
                await sign_on(client, sms, staff)
                for link in re.findall(
                    r'href="(/pupil/[\w-]+)"', (await client.get("/brief")).text
                ):
                    seen[staff] = seen.get(staff, "") + (await client.get(link)).text

    assert "<br>Oro" not in seen["kt-1"]
    assert "<br>Oro" in seen["eht-1"]
    assert "<br>Oro" in seen["rektor-1"]


async def test_a_pupil_with_protected_identity_is_seen_by_the_handler_alone(
    school: School, sms: SmsGateway
) -> None:
    hidden = pupil(PUPIL, "kt-1").model_copy(update={"protected": True, "name": "Hemlig Elev"})
    known = rows()
    known = known.model_copy(update={"pupils": (hidden, *known.pupils[1:])})
    texts = {}
    async with open_school(school) as app:
        await school.set_roster(known.model_dump_json(by_alias=True))
        for staff in STAFF:
            async with browser(app) as client:
                await sign_on(client, sms, staff)
                texts[staff] = "".join([(await client.get(path)).text for path in PATHS])

    for text in texts.values():
        assert "Hemlig" not in text
        assert PUPIL not in text


# The meeting and the sheet


async def test_a_meetings_decision_is_kept_until_it_is_done_and_written_once(
    school: School, sms: SmsGateway
) -> None:
    async with open_school(school) as app, browser(app) as client:
        await sign_on(client, sms, "eht-1")
        page = await client.get("/brief")
        form = {
            **{name: field(page, name) for name in ("csrf", "pupil", "once")},
            "what": "Möte med hemmet",
            "who": "kt-1",
            "by": "2025-09-19",
        }
        late = await client.post("/brief/decisions", data={**form, "by": "2025-09-01"})
        first = await client.post("/brief/decisions", data=form)
        again = await client.post("/brief/decisions", data=form)
        kept = await school.rows("decisions")
        shown = await client.get("/brief")
        overdue = await client.get("/brief?date=2025-09-26")
        codes = await client.get("/brief?codes=1")
        (name,) = kept
        done = {"csrf": field(shown, "csrf"), "decision": name}
        await client.post("/brief/done", data=done)
        after = await client.get("/brief?date=2025-09-26")

    assert (late.status_code, first.status_code, again.status_code) == (422, 303, 303)
    assert [(row["what"], row["who"]) for row in kept.values()] == [("Möte med hemmet", "kt-1")]
    assert "Möte med hemmet" in shown.text
    assert "Försenade beslut (1)" in overdue.text
    assert "Försenade beslut" not in after.text
    assert "Uppdiktad" not in codes.text
    assert PUPIL in codes.text


async def test_rektor_writes_down_an_investigation_whose_reports_stay_until_made(
    school: School, sms: SmsGateway
) -> None:
    async with open_school(school) as app, browser(app) as rektor, browser(app) as eht:
        await sign_on(rektor, sms, "rektor-1")
        await sign_on(eht, sms, "eht-1")
        link = re.findall(r'href="(/pupil/[\w-]+)"', (await rektor.get("/brief")).text)[0]
        sheet = re.findall(r'href="(/sheet/[\w-]+)"', (await rektor.get(link)).text)[0]
        page = await rektor.get(sheet)
        form = {"csrf": field(page, "csrf"), "step": "started", "elsewhere": "true"}
        theirs = re.findall(r'href="(/pupil/[\w-]+)"', (await eht.get("/brief")).text)[0]
        by_eht = await eht.post(theirs.replace("pupil", "sheet") + "/steps", data=form)
        started = await rektor.post(f"{sheet}/steps", data=form)
        again = await rektor.post(f"{sheet}/steps", data=form)
        waiting = (await rektor.get("/investigations")).text
        for report in ("huvudman", "home_municipality"):
            told = {**form, "step": "reported", "report": report}
            await rektor.post(f"{sheet}/steps", data=told)
        await rektor.post(f"{sheet}/steps", data={**form, "step": "ended"})
        done = (await rektor.get("/investigations")).text
        history = (await rektor.get(sheet)).text

    assert (by_eht.status_code, started.status_code, again.status_code) == (403, 303, 422)
    assert "Ska anmälas till huvudmannen" in waiting
    assert "Ska anmälas till hemkommunen" in waiting
    assert "Inga utredningar pågår" in done
    for words in ("utredning inledd", "anmält till hemkommunen", "utredning avslutad"):
        assert words in history


async def test_what_is_wrongly_registered_is_on_the_admins_list(
    school: School, sms: SmsGateway
) -> None:
    async with open_school(school) as app, browser(app) as one, browser(app) as admin:
        await sign_on(one, sms, "kt-1")
        (mine,) = re.findall(r'href="(/pupil/[\w-]+)"', (await one.get("/hour")).text)
        page = await one.get(mine)
        form = {"csrf": field(page, "csrf"), "answer": "wrongly_registered"}
        await one.post(f"{mine}/answers", data=form)
        await sign_on(admin, sms, "admin-1")
        listed = await admin.get("/registrations")
        opened = await admin.get(mine)

    assert "Nils Uppdiktad" in listed.text
    assert "Påhittad kt-1" in listed.text
    assert opened.status_code == 403


async def test_counts_name_no_pupil_and_no_fewer_than_five(school: School, sms: SmsGateway) -> None:
    async with open_school(school) as app, browser(app) as client:
        await sign_on(client, sms, "samordnare-1")
        page = await client.get("/coordination")

    assert "&lt;5" in page.text
    assert "Uppdiktad" not in page.text
    assert not re.search(r'<td class="figure">[1-4]</td>', page.text.partition("Kontaktlärare")[0])


# Whatever comes

_METHODS = st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
_WORD = st.text(max_size=30)
_PATHS = st.one_of(
    st.sampled_from(
        [*PATHS, "/", "/login", "/login/code", "/login/school", "/logout", "/style.css"]
    ),
    st.builds("/{}/{}".format, st.sampled_from(["m", "s", "pupil", "sheet"]), _WORD),
    st.builds("/{}/{}/answers".format, st.sampled_from(["m", "s", "pupil", "s/x"]), _WORD),
    st.builds("/sheet/{}/steps".format, _WORD),
    st.builds("/s/{}/{}/answers".format, _WORD, st.integers(-(10**20), 10**20)),
    st.builds("/{}".format, _WORD),
)


@given(
    requests=st.lists(
        st.tuples(
            _METHODS,
            _PATHS,
            st.dictionaries(_WORD, _WORD, max_size=5),
            st.binary(max_size=200),
            st.dictionaries(st.sampled_from(["team", "date", "then", "codes", "svar"]), _WORD),
        ),
        min_size=5,
        max_size=25,
    ),
    staff=st.sampled_from([*STAFF, ""]),
)
@settings(
    max_examples=15,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # each run is a service of its own
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_whatever_is_asked_the_server_never_fails(
    school: School, sms: SmsGateway, requests: list[Any], staff: str
) -> None:
    await school.client.flushdb()  # codes are counted by the hour
    school.last = LONG_AGO
    async with open_school(school) as app, browser(app) as client:
        if staff:
            await sign_on(client, sms, staff)
        for method, path, form, body, query in requests:
            for content in ({"data": form}, {"content": body}):
                try:
                    answer = await client.request(method, path, params=query, **content)
                except (httpx.InvalidURL, UnicodeEncodeError, ValueError):
                    continue
                assert answer.status_code < 500, (method, path)
