"""Signing on with the school's account: at a real provider, and at one that can't be trusted."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.jwk import RSAKey

from services.notify.oidc import OidcSettings
from shared.settings import SettingsRefusedError
from tests.notify.examples import SCHOOL, member, roster
from tests.notify.providers import (
    CLIENT,
    SECRET,
    Provider,
    glewlwyd,
    has_glewlwyd,
    provider,
    sign_on_at,
)
from tests.notify.school import School
from tests.notify.test_visits import BASE, browser, field, open_school

WHO = {"email": "kt-1@Skola.example", "email_verified": True}


@pytest.fixture
def oidc(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    with provider() as made:
        _settle(monkeypatch, made.issuer)
        made.claims = dict(WHO)
        yield made


def _settle(monkeypatch: pytest.MonkeyPatch, issuer: str, **more: str) -> None:
    given = {"ISSUER": issuer, "CLIENT_ID": CLIENT, "CLIENT_SECRET": SECRET, **more}
    for name, value in given.items():
        monkeypatch.setenv(f"NARVARA_OIDC_{name}", value)


@asynccontextmanager
async def visitor(school: School) -> AsyncIterator[httpx.AsyncClient]:
    async with open_school(school) as app, browser(app) as client:
        yield client


async def came_back(client: httpx.AsyncClient, oidc: Provider, **query: str) -> httpx.Response:
    """Leave for the provider, sign on there, and come back."""
    left = await client.get("/login/oidc?then=/hour")
    answer = oidc.sign_on(left.headers["location"])
    return await client.get("/login/oidc/back", params={**answer, **query})


@pytest.mark.skipif(
    not has_glewlwyd(), reason="a real provider is needed: apt-get install glewlwyd"
)
async def test_a_real_provider_lets_in_whom_the_roster_knows_and_nobody_else(
    school: School, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = {"one": "kt-1@skola.example", "two": "visitor@skola.example"}
    back = f"{BASE}/login/oidc/back"
    with glewlwyd(tmp_path, back, people) as issuer:
        _settle(monkeypatch, issuer)
        async with visitor(school) as client:
            page = await client.get("/login?then=/hour")
            left = await client.get("/login/oidc?then=/hour")
            returned = sign_on_at(issuer, "one", left.headers["location"])
            entered = await client.get(returned)
            hour = await client.get("/hour")
            again = await client.get(returned)
            offered = await signed_out(client)
            out = await client.get("/login/oidc/out")
            async with httpx.AsyncClient() as other:
                there = await other.get(out.headers["location"])
        async with visitor(school) as client:
            left = await client.get("/login/oidc?then=/hour")
            unmatched = await client.get(sign_on_at(issuer, "two", left.headers["location"]))
            outside = await client.get("/hour")

    assert "/login/oidc?then=" in page.text
    assert returned.startswith(back)
    assert (entered.status_code, entered.headers["location"]) == (303, "/hour")
    assert "__Host-narvara=" in entered.headers["set-cookie"]
    assert hour.status_code == 200
    assert again.status_code == 400  # the cookie of that sign-on is gone
    assert "skolans konto också" in offered.text
    assert "/end_session?" in out.headers["location"]
    assert there.status_code == 200
    assert (unmatched.status_code, outside.status_code) == (403, 303)
    assert "finns inte i skolans register" in unmatched.text


async def test_whoever_comes_back_goes_where_they_were_going(
    school: School, oidc: Provider
) -> None:
    async with visitor(school) as client:
        entered = await came_back(client, oidc)
        hour = await client.get("/hour")
    assert (entered.headers["location"], hour.status_code) == ("/hour", 200)


async def test_signing_on_again_by_the_same_answer_is_refused(
    school: School, oidc: Provider
) -> None:
    async with visitor(school) as client:
        left = await client.get("/login/oidc")
        kept = client.cookies["narvara-oidc"]
        answer = oidc.sign_on(left.headers["location"])
        first = await client.get("/login/oidc/back", params=answer)
        client.cookies.set("narvara-oidc", kept, domain="narvara.skola.example")
        second = await client.get("/login/oidc/back", params=answer)
    assert (first.status_code, second.status_code) == (303, 400)


def _other_key(oidc: Provider) -> None:
    other = RSAKey.generate_key(parameters={"kid": str(oidc.key.kid)})
    oidc.published, oidc.key = oidc.key, other


def _says(**claims: Any) -> Callable[[Provider], None]:
    return lambda oidc: oidc.claims.update(claims)


def _signs(algorithm: str) -> Callable[[Provider], None]:
    return lambda oidc: setattr(oidc, "algorithm", algorithm)


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        pytest.param(_says(aud="another-client"), 400, id="meant for another client"),
        pytest.param(_says(aud=["another-client"], azp=CLIENT), 400, id="party of another's"),
        pytest.param(_says(iss="http://127.0.0.1:1"), 400, id="of another issuer"),
        pytest.param(_says(exp=1_700_000_000), 400, id="expired"),
        pytest.param(_says(exp=None), 400, id="without an end"),
        pytest.param(_says(nonce="of another sign-on"), 400, id="of another sign-on"),
        pytest.param(_says(nonce=None), 400, id="of no sign-on"),
        pytest.param(_other_key, 400, id="signed by another's key"),
        pytest.param(_signs("none"), 400, id="not signed"),
        pytest.param(_signs("HS256"), 400, id="signed with the client's secret"),
        pytest.param(_says(email_verified=False), 403, id="an address that isn't verified"),
        pytest.param(_says(email=["", 7, None]), 403, id="addresses that are none"),
        pytest.param(_says(email="x@skola.example"), 403, id="nobody whom the roster knows"),
    ],
)
async def test_an_answer_that_proves_nothing_lets_nobody_in(
    school: School, oidc: Provider, wrong: Callable[[Provider], None], status: int
) -> None:
    wrong(oidc)
    async with visitor(school) as client:
        returned = await came_back(client, oidc)
        hour = await client.get("/hour")
    assert returned.status_code == status
    assert "__Host-narvara" not in returned.headers.get("set-cookie", "")
    assert hour.status_code == 303


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"state": "another"}, "annan webbläsare"),
        ({"iss": "http://127.0.0.1:1"}, "inte går att lita på"),
        ({"error": "access_denied"}, "avbröts"),
        ({"error": "server_error", "code": ""}, "inte går att lita på"),
        ({"code": "never-given"}, None),
    ],
)
async def test_who_comes_back_with_something_else_gets_a_clear_page(
    school: School, oidc: Provider, query: dict[str, str], says: str | None
) -> None:
    async with visitor(school) as client:
        if says is None:
            oidc.taken.add("never-given")
        returned = await came_back(client, oidc, **query)
        alone = await client.get("/login/oidc/back", params={"code": "c", "state": "s"})
    assert returned.status_code == 400
    assert (says or "inte går att lita på") in returned.text
    assert 'href="/login"' in returned.text
    assert alone.status_code == 400


async def test_a_provider_that_does_not_answer_says_so(school: School, oidc: Provider) -> None:
    oidc.is_down = True
    async with visitor(school) as client:
        before = await client.get("/login/oidc")
        oidc.is_down = False
        left = await client.get("/login/oidc")
        oidc.is_down = True
        back = await client.get("/login/oidc/back", params=oidc.sign_on(left.headers["location"]))
    for page in (before, back):
        assert page.status_code in {400, 503}
        assert "Skolans inloggning" in page.text
    assert before.status_code == 503


async def test_a_provider_that_names_itself_otherwise_is_not_used(
    school: School, oidc: Provider
) -> None:
    oidc.discovery = {"issuer": "https://another.example"}
    async with visitor(school) as client:
        left = await client.get("/login/oidc")
    assert left.status_code == 503


async def test_a_provider_may_change_its_keys(school: School, oidc: Provider) -> None:
    async with visitor(school) as client:
        first = await came_back(client, oidc)
        oidc.key = RSAKey.generate_key(auto_kid=True)
        client.cookies.clear()
        second = await came_back(client, oidc)
    assert (first.status_code, second.status_code) == (303, 303)


async def test_a_claim_that_the_token_lacks_is_asked_of_the_same_person(
    school: School, oidc: Provider
) -> None:
    oidc.claims = {}
    async with visitor(school) as client:
        oidc.userinfo = WHO
        same = await came_back(client, oidc)
        client.cookies.clear()
        oidc.userinfo = {**WHO, "sub": "s-2"}
        other = await came_back(client, oidc)
    assert (same.status_code, other.status_code) == (303, 403)


async def test_a_claim_may_name_the_staff_id_among_several(
    school: School, oidc: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    _settle(monkeypatch, oidc.issuer, CLAIM="accounts", MATCHES="staff")
    oidc.claims = {"accounts": ["somebody", "KT-1"]}
    async with visitor(school) as client:
        entered = await came_back(client, oidc)
        assert entered.status_code == 303


async def test_a_staff_id_that_two_schools_give_to_two_people_lets_nobody_in(
    school: School, oidc: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    _settle(monkeypatch, oidc.issuer, CLAIM="account", MATCHES="staff")
    oidc.claims = {"account": "kt-1"}
    async with visitor(school) as client:
        for email, status in (("other@skola.example", 403), ("kt-1@skola.example", 303)):
            there = member("kt-1", "eht", school="skola-2", email=email)
            rows = roster(there, member("r", "rektor", school="skola-2")).model_copy(
                update={"school": "skola-2"}
            )
            call: Any = school.client.hset(
                "roster:{notify}", "skola-2", rows.model_dump_json(by_alias=True)
            )
            await call
            entered = await came_back(client, oidc)
            assert entered.status_code == status
    assert entered.headers["location"] == "/login/school?then=/hour"
    assert SCHOOL != "skola-2"


async def signed_out(client: httpx.AsyncClient) -> httpx.Response:
    """The page after the sign-out."""
    hour = await client.get("/hour")
    out = await client.post("/logout", data={"csrf": field(hour, "csrf")})
    return await client.get(out.headers["location"])


async def test_after_the_sign_out_the_school_account_can_be_left_too(
    school: School, oidc: Provider
) -> None:
    oidc.discovery = {"end_session_endpoint": f"{oidc.issuer}/out?tenant=a"}
    async with visitor(school) as client:
        await came_back(client, oidc)
        page = await signed_out(client)
        left = await client.get("/login/oidc/out")
        outside = await client.get("/hour")

    assert "Du är utloggad från NärVara" in page.text
    assert 'href="/login/oidc/out"' in page.text
    # Nothing about the person stands in the address, and nothing that IT would have to register.
    assert left.headers["location"] == f"{oidc.issuer}/out?tenant=a&client_id={CLIENT}"
    assert outside.headers["location"] == "/login?then=/hour"


@pytest.mark.parametrize("is_down", [False, True])
async def test_a_provider_that_nobody_can_sign_out_of_is_told(
    school: School, oidc: Provider, *, is_down: bool
) -> None:
    oidc.is_down = is_down
    async with visitor(school) as client:
        left = await client.get("/login/oidc/out")
    assert left.status_code == 503
    assert "Stäng webbläsaren" in left.text


@pytest.mark.usefixtures("oidc")
async def test_whoever_comes_to_sign_on_is_not_told_that_they_are_signed_out(
    school: School,
) -> None:
    async with visitor(school) as client:
        page = await client.get("/login?then=/hour")
    assert "Logga in med skolans konto" in page.text
    assert "utloggad" not in page.text


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"OIDC_ISSUER": "http://login.skola.example"}, "no https address"),
        ({"OIDC_ISSUER": "https://login.skola.example"}, "NARVARA_OIDC_CLIENT_ID"),
        ({"OIDC_SCOPE": "email"}, "no openid"),
    ],
)
def test_settings_that_could_not_work_are_refused_at_the_start(
    given: dict[str, str], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(f"NARVARA_{name}", value)
    with pytest.raises(SettingsRefusedError, match=says):
        OidcSettings()
