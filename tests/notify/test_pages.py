"""The page that a link opens."""

from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from services.notify.desk import Fate, Kind, Page, Recipient, Shown, Signal, signal_of
from services.notify.pages.page import Opened, page_routes
from shared.events import StepKind
from tests.notify.examples import (
    EHT,
    FRIDAY,
    OTHER_PUPIL,
    PUPIL,
    SCHOOL,
    THURSDAY,
    at,
    step,
)

TOKEN = "AbCdEfGhIjKlMnOpQrStUv"
OPENED = "step-opened"


def item(pupil: str = PUPIL, opened: str = OPENED, **fields: Any) -> tuple[Shown, Signal]:
    """A finding on the page, and what is seen of it; each step shows another."""
    seen = step(pupil=pupil, **fields)
    return Shown(seen.step_id, opened), signal_of(seen, 3)


async def opened(
    *items: tuple[Shown, Signal],
    token: str = TOKEN,
    fates: Mapping[str, Fate] | None = None,
    kind: Kind = "immediate",
) -> httpx.Response:
    shown = tuple(each for each, _ in items)
    page = Page(kind, Recipient(SCHOOL, EHT), at(THURSDAY), shown)
    signals = {each.shows: signal for each, signal in items}

    async def find(wanted: str) -> Opened | None:
        return Opened(page, signals, fates or {}) if wanted == TOKEN else None

    transport = httpx.ASGITransport(Starlette(routes=page_routes(find)))
    async with httpx.AsyncClient(transport=transport, base_url="http://notify") as client:
        return await client.get(f"/m/{token}")


async def test_the_page_shows_each_pupil_with_title_since_level_and_what_was_seen() -> None:
    page = (await opened(item(), item(OTHER_PUPIL, "other"))).text

    for words in (
        f"Elev {PUPIL} · {SCHOOL}",
        f"Elev {OTHER_PUPIL} · {SCHOOL}",
        "Allvar",
        "Hög total frånvaro",
        "Sedan 2025-09-10",
        "Borta 16,3 % av lektionstiden de senaste 20 skoldagarna (gränsen är 15 %).",
        "Serious: High total absence, since 2025-09-10",
        "Away 16.3% of lesson time over the last 20 school days (the limit is 15%).",
    ):
        assert words in page


async def test_two_signals_of_one_pupil_stand_under_one_heading() -> None:
    page = (await opened(item(), item(opened="other", rule="late-arrivals"))).text

    assert page.count(f"Elev {PUPIL}") == 1


@pytest.mark.parametrize(
    ("fate", "words"),
    [
        (Fate(kind=StepKind.RETRACTED, level=0, as_of=FRIDAY), "rättad 2025-09-12"),
        (Fate(kind=StepKind.RETRACTED, level=2, as_of=FRIDAY), "rättad 2025-09-12 till Oro"),
        (Fate(kind=StepKind.RAISED, level=4, as_of=FRIDAY), "höjd 2025-09-12 till Kritisk"),
        (Fate(kind=StepKind.CLEARED, level=0, as_of=FRIDAY), "avslutad 2025-09-12"),
    ],
)
async def test_the_page_says_what_has_become_of_a_signal_since(fate: Fate, words: str) -> None:
    page = (await opened(item(), fates={OPENED: fate})).text

    assert words in page


async def test_a_signal_that_stands_as_shown_has_no_fate() -> None:
    known = Fate(kind=StepKind.RAISED, level=3, as_of=THURSDAY)

    page = (await opened(item(), fates={OPENED: known})).text

    assert 'class="fate"' not in page


async def test_an_unknown_link_opens_a_page_that_says_so() -> None:
    answer = await opened(item(), token="guessed")

    assert answer.status_code == 404
    assert "Sidan finns inte" in answer.text
    assert PUPIL not in answer.text


@pytest.mark.parametrize("token", [TOKEN, "guessed"])
async def test_no_cache_keeps_the_page_and_it_loads_nothing(token: str) -> None:
    answer = await opened(item(), token=token)

    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    for tag in ("<script", "<img", "<link", "src=", "href="):
        assert tag not in answer.text


async def test_what_a_source_says_is_text_and_never_markup() -> None:
    page = (await opened(item(title={"sv": "<b>x</b>", "en": "<b>x</b>"}))).text

    assert "<b>x" not in page


@pytest.mark.parametrize(
    ("unit", "sv", "en"),
    [
        ("class/7A", "Klass 7A", "Class 7A"),
        ("group/7A-MA", "Gruppen 7A-MA", "Group 7A-MA"),
        ("group/", "Lektioner utan grupp", "Lessons of no group"),
        ("school", "Skolan", "The school"),
    ],
)
async def test_a_units_signal_says_which_unit_in_words(unit: str, sv: str, en: str) -> None:
    page = (await opened(item("", unit=unit))).text

    assert f"{sv} · {SCHOOL}" in page
    assert en in page
    assert "Elev" not in page
    assert unit == "school" or unit not in page


async def test_good_news_stands_by_itself_without_a_level() -> None:
    news = item(title={"sv": "Närvaron går åt rätt håll", "en": "Better"}, good_news=True)

    page = (await opened(item(OTHER_PUPIL, "other"), news)).text

    concerns, _, good = page.partition("Goda nyheter")
    assert f"Elev {OTHER_PUPIL}" in concerns
    assert f"Elev {PUPIL}" not in concerns
    assert f"Elev {PUPIL} · {SCHOOL}: Närvaron går åt rätt håll" in good
    assert "Allvar" in concerns
    assert "Allvar" not in good


async def test_a_page_without_good_news_has_no_such_part() -> None:
    assert "Goda nyheter" not in (await opened(item())).text


@pytest.mark.parametrize(("level", "shown"), [(2, False), (0, True)])
async def test_good_news_has_a_fate_only_when_it_is_over(level: int, *, shown: bool) -> None:
    known = Fate(kind=StepKind.RETRACTED, level=level, as_of=FRIDAY)

    page = (await opened(item(good_news=True), fates={OPENED: known})).text

    assert ('class="fate"' in page) is shown


async def test_what_is_seen_no_more_is_left_out_and_the_rest_is_shown() -> None:
    forgotten, signal = item(OTHER_PUPIL, "other")
    shown = (forgotten.but(shows="forgotten"), signal)

    page = (await opened(shown, item())).text

    assert f"Elev {PUPIL}" in page


async def test_a_step_without_words_has_a_page_all_the_same() -> None:
    assert (await opened(item(words={}))).status_code == 200


async def test_the_page_of_a_warning_says_what_is_held_and_how_to_let_it_go() -> None:
    page = (await opened(kind="storm")).text

    assert "Alla utskick hålls" in page
    assert "narvara notify release" in page
    assert "underlag för samtal" not in page
