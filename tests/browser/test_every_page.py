"""Every page, at a phone's width and a desk's: accessible, and whole."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.browser.tour import tour
from tests.browser.world import DESKTOP, PHONE, World, simulated_world

PAGES = {
    "login", "signed-out", "code", "accessibility", "unknown-link", "message", "signal",
    "signal-opened", "hour", "pupil", "refused", "nothing", "brief", "brief-opened", "sheet",
    "investigations", "log", "registrations", "coordination",
}  # fmt: skip

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="module")
def world(
    _server: str, browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    with simulated_world(_server, folder, pupils=40, live_days=8) as made:
        yield made
        made.client.flushdb()


@pytest.mark.server
@pytest.mark.xdist_group("every page")
@pytest.mark.parametrize(("size", "scheme"), [(PHONE, "light"), (DESKTOP, "dark")])
def test_no_page_shuts_anybody_out(
    world: World, browser: Browser, size: tuple[int, int], scheme: str
) -> None:
    seen, complaints = set(), []
    for stop in tour(world, browser, size, scheme):
        seen.add(stop.name)
        complaints += [f"{stop.name}: {each}" for each in violations(stop.page)]
        complaints += [f"{stop.name}: {each}" for each in overflow(stop.page)]

    assert complaints == []
    assert seen == PAGES


def violations(page: Page) -> list[str]:
    found = Axe().run(page, options={"runOnly": RULES}).response["violations"]
    return [f"{each['id']} {each['nodes'][0]['html'][:120]}" for each in found]


def overflow(page: Page) -> list[str]:
    """What a reader would have to scroll sideways for."""
    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    return [f"{wide} px wider than the window"] if wide > 0 else []
