"""Every page that staff see, one after another, at one size."""

from collections.abc import Iterator
from typing import NamedTuple

from playwright.sync_api import Browser, Page

from tests.browser.world import World

TEACHERS = ("k7a1", "k7a2", "k8a1", "k8a2", "k9a1", "k9a2")


class Stop(NamedTuple):
    """A page, shown."""

    name: str
    page: Page


def tour(world: World, browser: Browser, size: tuple[int, int], scheme: str) -> Iterator[Stop]:
    """All pages in the order in which somebody might meet them; each is shown when it comes."""
    how = {"color_scheme": scheme}
    with world.visit(browser, size, **how) as context:
        yield from _outside(world, context.new_page())
    teacher = _best(world)
    with world.visit(browser, size, **how) as context:
        yield from _by_link(world, context.new_page(), teacher)
    for who, stops in (
        (teacher, _of_teacher), ("eht1", _of_eht), ("rektor", _of_rektor),
        ("admin", _of_admin), ("koordinator", _of_coordinator),
    ):  # fmt: skip
        with world.visit(browser, size, **how) as context:
            page = context.new_page()
            world.sign_on(page, f"{who}@skola-1.example")
            yield from stops(page)


def _best(world: World) -> str:
    """The contact teacher who was told most."""
    return max(TEACHERS, key=lambda name: len(world.links(f"{name}@skola-1.example")))


def _outside(world: World, page: Page) -> Iterator[Stop]:
    for name, path in (
        ("login", "/login"), ("signed-out", "/login?out=1"), ("code", "/login/code"),
        ("accessibility", "/tillganglighet"), ("unknown-link", "/m/nothing"),
    ):  # fmt: skip
        page.goto(path)
        yield Stop(name, page)


def _by_link(world: World, page: Page, teacher: str) -> Iterator[Stop]:
    page.goto(_longest(world, page, teacher))
    yield Stop("message", page)
    if (several := page.locator("a.button")).count():
        several.first.click()
    yield Stop("signal", page)
    _open_all(page)
    yield Stop("signal-opened", page)


def _longest(world: World, page: Page, teacher: str) -> str:
    """The link to the message about most pupils."""
    counts = {}
    for link in world.links(f"{teacher}@skola-1.example"):
        page.goto(link)
        counts[link] = page.locator("a.button").count()
    return max(counts, key=lambda link: counts[link])


def _of_teacher(page: Page) -> Iterator[Stop]:
    page.goto("/hour")
    yield Stop("hour", page)
    page.locator("h3 a").first.click()
    _open_all(page)
    yield Stop("pupil", page)
    page.goto("/brief")
    yield Stop("refused", page)
    page.goto("/pupil/nobody")
    yield Stop("nothing", page)


def _of_eht(page: Page) -> Iterator[Stop]:
    page.goto("/brief")
    yield Stop("brief", page)
    _open_all(page)
    yield Stop("brief-opened", page)
    page.goto("/brief")
    page.locator("h3 a").first.click()
    page.locator("a[href^='/sheet']").first.click()
    yield Stop("sheet", page)


def _of_rektor(page: Page) -> Iterator[Stop]:
    for name in ("investigations", "log"):
        page.goto(f"/{name}")
        yield Stop(name, page)


def _of_admin(page: Page) -> Iterator[Stop]:
    page.goto("/registrations")
    yield Stop("registrations", page)


def _of_coordinator(page: Page) -> Iterator[Stop]:
    page.goto("/coordination")
    yield Stop("coordination", page)


def _open_all(page: Page) -> None:
    """Whatever is folded away."""
    page.wait_for_load_state()
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
