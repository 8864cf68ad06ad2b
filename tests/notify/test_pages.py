"""The page that a message's link opens."""

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from starlette.applications import Starlette

from services.notify.answers import AnswerRefusedError, Form, NotNowError, Taken, UnknownLinkError
from services.notify.desk import signal_of
from services.notify.opening import reference_of
from services.notify.pages.signal import Concern, Opened, signal_routes
from services.notify.pages.site import Site, language_of
from services.notify.pages.words import Words, about
from services.notify.rows import Answer, Case, Fate, Happened, Kind, Page, Recipient, Shown
from shared.events import StepKind
from shared.picture import Day, OpenShown, Picture, RuleShown
from shared.picture import Shown as Limit
from tests.notify.examples import EHT, FRIDAY, PUPIL, SCHOOL, TEACHER, THURSDAY, at, step

TOKEN = "AbCdEfGhIjKlMnOpQrStUv"
NAME = reference_of(TOKEN)
OPENED = "step-opened"
LATE = {"sv": "Sena ankomster", "en": "Late arrivals"}
BASE = "https://narvara.skola.example"

PICTURE = Picture(
    THURSDAY,
    [Day(THURSDAY, school_day=True, counts=True, lessons=[])],
    [
        RuleShown(
            "high-absence",
            {"sv": "Hög total frånvaro", "en": "High total absence"},
            2,
            2,
            [
                Limit(
                    2,
                    {"sv": "Frånvaron", "en": "The absence"},
                    {"sv": "16,3 %", "en": "16.3%"},
                    {"sv": "≥ 15 %", "en": "≥ 15%"},
                    reached=True,
                )
            ],
        )
    ],
    [
        OpenShown(
            "high-absence",
            {"sv": "Hög total frånvaro", "en": "High total absence"},
            2,
            THURSDAY,
            {},
            {"sv": "Signalen avslutas efter tio dagar", "en": "It clears after ten days"},
        )
    ],
)


def concern(place: int = 1, name: str = "N.U.", **fields: Any) -> Concern:
    """A pupil with one signal; `seen` are fields of its step, others of the concern."""
    seen = step(**fields.pop("seen", {}))
    opened = fields.pop("opened", OPENED)
    items = fields.pop("items", ((Shown(seen.step_id, opened), signal_of(seen, 3)),))
    return Concern(place, Words(name, name), items, **fields)


class Links:
    """One link, and what was done with it."""

    def __init__(self, *concerns: Concern, kind: Kind = "immediate", **fields: Any) -> None:
        page = Page(kind, Recipient(SCHOOL, TEACHER), at(THURSDAY), ())
        self.opened = Opened(page, THURSDAY, ZoneInfo("Europe/Stockholm"), concerns, **fields)
        self.answers: list[Form] = []
        self.renewed = 0
        self.error: Exception | None = None

    async def open(self, token: str, _: int | None = None) -> Opened | None:
        if isinstance(self.error, NotNowError):
            raise self.error
        return self.opened if token == TOKEN else None

    async def renew(self, token: str) -> None:
        if token != TOKEN:
            raise UnknownLinkError
        self.renewed += 1

    async def give(self, token: str, form: Form) -> Taken:
        if token != TOKEN:
            raise UnknownLinkError
        if self.error is not None:
            raise self.error
        self.answers.append(form)
        return Taken(FRIDAY)

    def client(self, **headers: str) -> httpx.AsyncClient:
        app = Starlette(routes=signal_routes(Site(BASE), self, self.give, reference_of))
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url=BASE,
            follow_redirects=True,
            headers=headers,
        )


async def seen(*concerns: Concern, path: str = f"/m/{TOKEN}", **fields: Any) -> httpx.Response:
    language = fields.pop("language", "")
    links = Links(*concerns, **fields)
    async with links.client(**({"Accept-Language": language} if language else {})) as client:
        await client.get(f"/m/{TOKEN}")
        return await client.get(path)


# What it shows


async def test_a_pupil_is_shown_by_initials_with_title_since_level_and_what_was_seen() -> None:
    page = (await seen(concern())).text

    for words in (
        "N.U.",
        "Allvar",
        "Hög total frånvaro",
        "ons 10 sep 2025",
        "Borta 16,3 % av lektionstiden de senaste 20 skoldagarna (gränsen är 15 %).",
    ):
        assert words in page
    assert PUPIL not in page


async def test_a_message_about_several_lists_them_and_opens_each_on_a_page_of_its_own() -> None:
    both = concern(picture=PICTURE), concern(2, "A.B.", seen={"pupil": "elev-2"}, picture=PICTURE)
    listed = (await seen(*both)).text
    one = (await seen(*both, path=f"/s/{NAME}/2")).text

    assert f'href="/s/{NAME}/1"' in listed
    assert f'href="/s/{NAME}/2"' in listed
    assert "Vad har du gjort?" not in listed
    assert "A.B." in one
    assert "N.U." not in one
    assert "Vad har du gjort?" in one
    assert (await seen(*both, path=f"/s/{NAME}/3")).status_code == 404


async def test_of_several_signals_the_most_serious_is_open_and_the_others_folded() -> None:
    first, second = step(level=3), step(level=1, rule="late-arrivals", title=LATE)
    items = (
        (Shown(first.step_id, "a"), signal_of(first, 3)),
        (Shown(second.step_id, "b"), signal_of(second, 1)),
    )
    page = (await seen(concern(items=items))).text

    shown, _, folded = page.partition("<summary>Också: Sena ankomster</summary>")
    assert "Hög total frånvaro · Allvar" in shown
    assert "Sena ankomster · Bevaka" in folded


async def test_figures_stand_beside_their_limits_and_what_would_clear_is_said() -> None:
    page = (await seen(concern(picture=PICTURE))).text

    for words in ("16,3 % ✓", "≥ 15 %", "Signalen avslutas efter tio dagar", "<svg"):
        assert words in page


async def test_without_a_picture_that_is_said_and_answering_goes_on() -> None:
    page = (await seen(concern())).text

    assert "kan inte visas just nu" in page
    assert "Vad har du gjort?" in page


@pytest.mark.parametrize(
    ("fate", "words"),
    [
        (Fate(kind=StepKind.RETRACTED, level=0, as_of=FRIDAY), "rättad 2025-09-12"),
        (Fate(kind=StepKind.RETRACTED, level=2, as_of=FRIDAY), "rättad 2025-09-12 till Oro"),
        (Fate(kind=StepKind.RAISED, level=4, as_of=FRIDAY), "höjd 2025-09-12 till Kritisk"),
        (Fate(kind=StepKind.CLEARED, level=0, as_of=FRIDAY), "avslutad 2025-09-12"),
    ],
)
async def test_what_has_become_of_a_signal_since_is_said(fate: Fate, words: str) -> None:
    page = (await seen(concern(), fates={OPENED: fate})).text

    assert words in page
    assert ("det finns inget att svara på" in page) is (fate.level == 0)


async def test_the_history_names_who_was_told_and_who_answered() -> None:
    lines = (
        Happened("signal", at(THURSDAY), THURSDAY, "s", kind=StepKind.OPENED, level=3,
                 title={"sv": "Hög total frånvaro", "en": "High total absence"}),
        Happened("told", at(THURSDAY), THURSDAY, "m", TEACHER, channel="email"),
        Happened("answer", at(FRIDAY), FRIDAY, "booked", EHT, until=FRIDAY),
    )  # fmt: skip
    names = {TEACHER: "Astrid Påhittad", EHT: "Elof Uppdiktad"}
    page = (await seen(concern(history=lines), names=names)).text

    assert "ny signal – Hög total frånvaro (Allvar)" in page
    assert "meddelad: Astrid Påhittad" in " ".join(page.split())
    assert "Elof Uppdiktad svarade ”Kontakt bokad”" in " ".join(page.split())


async def test_when_a_colleague_has_answered_it_says_who_when_and_what_follows() -> None:
    case = Case(SCHOOL, PUPIL, (Answer("talked", EHT, at(THURSDAY)),), again_on=FRIDAY)
    page = (await seen(concern(case=case), names={EHT: "Elof Uppdiktad"})).text

    assert "<strong>Elof Uppdiktad</strong> svarade ”Jag har pratat med eleven”" in page
    assert "tors 11 sep 2025 kl. 17.00" in page
    assert "fre 12 sep 2025" in page


@pytest.mark.parametrize(("is_eht", "offered"), [(False, "Lyft till"), (True, "tar över")])
async def test_eht_takes_over_what_teachers_lift(*, is_eht: bool, offered: str) -> None:
    page = (await seen(concern(), is_eht=is_eht)).text

    assert offered in page
    assert ("tar över" in page) is is_eht


async def test_what_a_source_says_is_text_and_never_markup() -> None:
    page = (await seen(concern(seen={"title": {"sv": "<b>x</b>", "en": "<b>x</b>"}}))).text

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
async def test_a_units_signal_says_which_in_words_and_is_answered_by_nobody(
    unit: str, sv: str, en: str
) -> None:
    made = step(pupil="", unit=unit)
    signal = signal_of(made, 3)
    each = Concern(0, about(signal), ((Shown(made.step_id, OPENED), signal),))

    assert sv in (page := (await seen(each)).text)
    assert "Vad har du gjort?" not in page
    assert en in (await seen(each, language="en")).text


async def test_good_news_has_no_level_and_asks_for_no_answer() -> None:
    news = {"title": {"sv": "Närvaron går åt rätt håll", "en": "Better"}, "good_news": True}
    page = (await seen(concern(seen=news))).text

    assert "Goda nyheter" in page
    assert "Allvar" not in page
    assert "Vad har du gjort?" not in page


async def test_the_page_of_a_warning_says_what_is_held_and_how_to_let_it_go() -> None:
    page = (await seen(kind="storm")).text

    assert "Alla utskick hålls" in page
    assert "narvara notify release" in page
    assert "underlag för samtal" not in page


async def test_a_page_of_which_nothing_is_left_says_so() -> None:
    assert "Det finns inget kvar att visa" in (await seen()).text


# Whose it is


async def test_a_link_is_swapped_at_once_for_a_cookie_of_its_page_alone() -> None:
    async with Links(concern()).client() as client:
        client.follow_redirects = False
        answer = await client.get(f"/m/{TOKEN}")

    assert answer.status_code == 303
    assert answer.headers["location"] == f"/s/{NAME}"
    assert TOKEN not in answer.headers["location"]
    cookie = answer.headers["set-cookie"].lower()
    for part in (f"path=/s/{NAME}", "httponly", "secure", "samesite=lax"):
        assert part in cookie


@pytest.mark.parametrize(
    "path",
    [
        "/m/guessed",
        f"/m/{TOKEN[:-1]}w",
        f"/m/{TOKEN.lower()}",
        f"/s/{NAME}",
        f"/s/{NAME}/1",
        "/s/0000000000000000000000",
    ],
)
async def test_unknown_tampered_and_without_its_cookie_all_look_alike(path: str) -> None:
    async with Links(concern()).client() as client:
        answer = await client.get(path)
        known = await client.get("/m/unknown")

    assert answer.status_code == known.status_code == 404
    assert answer.text == known.text


async def test_another_links_cookie_opens_nothing_here() -> None:
    async with Links(concern()).client() as client:
        client.cookies.set(f"narvara-{NAME}", "another", path=f"/s/{NAME}")
        assert (await client.get(f"/s/{NAME}")).status_code == 404


async def test_while_another_process_holds_the_memory_it_is_asked_for_again() -> None:
    links = Links(concern())
    links.error = NotNowError("x")
    async with links.client() as client:
        answer = await client.get(f"/m/{TOKEN}")

    assert answer.status_code == 503
    assert answer.headers["Retry-After"]


async def test_an_expired_link_is_exchanged_by_a_button_and_opens_nothing() -> None:
    links = Links(concern(), expired=True)
    async with links.client() as client:
        page = await client.get(f"/m/{TOKEN}")
        proof = page.text.partition('name="csrf" value="')[2].partition('"')[0]
        assert links.renewed == 0
        wrong = await client.post(f"/m/{TOKEN}/renewal", data={"csrf": "x"})
        right = await client.post(f"/m/{TOKEN}/renewal", data={"csrf": proof})

    assert (page.status_code, wrong.status_code, right.status_code) == (410, 404, 200)
    assert "N.U." not in page.text
    assert links.renewed == 1


# Answering


async def answered(links: Links, fields: Mapping[str, str], **headers: str) -> httpx.Response:
    async with links.client(**headers) as client:
        page = await client.get(f"/m/{TOKEN}")
        proof = page.text.partition('name="csrf" value="')[2].partition('"')[0]
        form = {"csrf": proof, **fields}
        return await client.post(f"/s/{NAME}/1/answers", data=form)


async def test_an_answer_is_taken_and_what_follows_is_said() -> None:
    case = Case(SCHOOL, PUPIL, (Answer("talked", TEACHER, at(THURSDAY)),), again_on=FRIDAY)
    links = Links(concern(case=case))
    page = await answered(links, {"answer": "talked", "note": "Ringde hem", "for_eht": "true"})

    assert links.answers == [Form(1, "talked", None, "Ringde hem", for_eht=True)]
    assert page.status_code == 200
    assert "ditt svar är sparat" in page.text
    assert "fre 12 sep 2025" in page.text


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        ({"csrf": ""}, {}),
        ({"csrf": "0" * 32}, {}),
        ({}, {"Sec-Fetch-Site": "cross-site"}),
        ({}, {"Sec-Fetch-Site": "same-site"}),
    ],
)
async def test_a_form_that_is_not_from_our_page_answers_nothing(
    fields: dict[str, str], headers: dict[str, str]
) -> None:
    links = Links(concern())
    page = await answered(links, {"answer": "talked", **fields}, **headers)

    assert page.status_code == 404
    assert links.answers == []


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (AnswerRefusedError("x", "date"), "välj ett datum"),
        (AnswerRefusedError("x", "over"), "det finns inget att svara på"),
        (AnswerRefusedError("x", "role"), "bara elevhälsan"),
    ],
)
async def test_a_refused_answer_says_why_and_keeps_what_was_written(
    error: AnswerRefusedError, words: str
) -> None:
    links = Links(concern())
    links.error = error
    page = await answered(links, {"answer": "booked", "until": "2025-09-01", "note": "Möte"})

    assert page.status_code == 422
    assert words in page.text
    assert "ditt svar är sparat" not in page.text
    assert error.why == "over" or ">Möte</textarea>" in page.text


@pytest.mark.parametrize("until", ["", "2025-13-01", "i morgon"])
async def test_a_date_that_is_none_is_asked_for_again(until: str) -> None:
    links = Links(concern())
    page = await answered(links, {"answer": "booked", "until": until or "x"})

    assert page.status_code == 422
    assert "välj ett datum" in page.text
    assert links.answers == []


async def test_a_note_that_is_too_long_is_said_to_be() -> None:
    page = await answered(Links(concern()), {"answer": "talked", "note": "x" * 70_000})

    assert page.status_code == 413
    assert "för lång" in page.text


# What all pages have


@pytest.mark.parametrize("path", [f"/m/{TOKEN}", "/m/guessed", f"/s/{NAME}/9"])
async def test_no_cache_keeps_a_page_and_nothing_from_outside_is_loaded(path: str) -> None:
    answer = await seen(concern(picture=PICTURE), path=path)

    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "max-age" in answer.headers["Strict-Transport-Security"]
    policy = answer.headers["Content-Security-Policy"]
    for part in ("default-src 'none'", "frame-ancestors 'none'", "form-action 'self'"):
        assert part in policy
    assert "unsafe" not in policy
    for tag in ("<script", "<img", "style=", "http://", "https://", "//"):
        assert tag not in answer.text


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "sv"),
        ("sv-SE,sv;q=0.9,en;q=0.8", "sv"),
        ("en-GB,en;q=0.9", "en"),
        ("en;q=0.3,sv;q=0.4", "sv"),
        ("de,en;q=0.5", "en"),
        ("de,fr", "sv"),
        ("nb,en;q=0.8", "sv"),
        ("da", "sv"),
        ("en;q=x,sv", "sv"),
        (";;;,,", "sv"),
    ],
)
async def test_the_language_is_swedish_unless_english_is_asked_for_before_it(
    accepted: str, language: str
) -> None:
    assert language_of(accepted) == language
    page = await seen(concern(), language=accepted or "sv")
    assert f'<html lang="{language}">' in page.text


async def test_a_signal_without_words_has_a_page_all_the_same() -> None:
    assert (await seen(concern(seen={"words": {}}))).status_code == 200
