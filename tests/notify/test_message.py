"""The words that go out: what they say, and above all what they don't."""

import re
import shutil
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import get_args

import pytest

from services.notify.message import (
    COUNTING,
    FRAME,
    SUBJECT,
    WORDS,
    Composed,
    NotOneSegmentError,
    TemplateRefusedError,
    Texts,
    Words,
    check_links,
    email,
    load_texts,
    one_segment,
    trial_message,
)
from services.notify.rows import Kind
from tests.notify.examples import SCHOOL, THURSDAY, at

TEMPLATES = Path("services/notify/templates")
FIELDS = {
    "link": "https://narvara.kommunen.example/m/AbCdEfGhIjKlMnOpQrStUv",
    "reference": "0a1b2c3d",
    "school": SCHOOL,
}


@pytest.fixture
def texts() -> Texts:
    return load_texts(TEMPLATES)


SAID: dict[Words, tuple[str, str]] = {
    "digest": ("Du har nya närvarosignaler", "You have new attendance signals"),
    "immediate": ("närvarosignal som inte bör vänta", "urgent|should not wait"),
    "correction": ("En tidigare signal har rättats", "earlier signal"),
    "protected": ("Ett ärende som hanteras särskilt", "separate"),
    "storm": ("NärVara håller inne alla utskick", "messages"),
    "link": ("ny länk till dina närvarosignaler", "New link to your|Here is a new link"),
    "address": ("En adress till en medarbetare", "An address of a member|A staff address"),
    "code": ("Din kod", "Your code"),
    "test": ("Ett prov från NärVara", "A test"),
}


def composed(
    texts: Texts,
    kind: Words = "digest",
    outbox_id: str = "skola-1/kt-1 x",
    count: int | None = None,
) -> Composed:
    return texts.compose(kind, outbox_id, at(THURSDAY, "15:00"), FIELDS, count)


def mail(texts: Texts, kind: Words = "digest") -> EmailMessage:
    sent = email(composed(texts, kind), "narvara@skola.example", "kt-1@skola.example")
    parsed = message_from_bytes(sent, policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


@pytest.mark.parametrize("kind", WORDS)
def test_every_message_says_it_in_swedish_first_and_in_english(texts: Texts, kind: Words) -> None:
    swedish, english = SAID[kind]
    message = composed(texts, kind)

    for words in (message.text, message.html, message.sms):
        visible = re.sub(r"<[^>]+>", "", words.partition("</head>")[2] or words)
        first = re.search(english, visible)
        assert first is not None
        assert visible.lower().index(swedish.lower()) < first.start()
        assert FIELDS["link"] in words
        assert FIELDS["reference"] in words


def test_there_are_words_for_every_kind_of_message() -> None:
    assert set(get_args(Kind)) < set(WORDS) == set(SAID)


@pytest.mark.parametrize("kind", sorted(COUNTING))
def test_a_count_stands_in_mail_alone_and_never_below_five(texts: Texts, kind: Words) -> None:
    many, few, none = (composed(texts, kind, count=count) for count in (1234, 4, None))

    assert "1234" in many.text
    assert "1234" in many.html
    assert "1234" not in many.sms
    assert few == none
    assert composed(texts, kind, count=5) != none


@pytest.mark.parametrize("kind", sorted(set(WORDS) - COUNTING))
def test_other_messages_are_the_same_for_any_number_of_pupils(texts: Texts, kind: Words) -> None:
    assert composed(texts, kind, count=1234) == composed(texts, kind)


@pytest.mark.parametrize("kind", WORDS)
def test_an_sms_is_one_segment(texts: Texts, kind: Words) -> None:
    sms = composed(texts, kind).sms

    assert one_segment(sms) == sms


def test_a_text_in_another_alphabet_or_too_long_is_no_segment() -> None:
    with pytest.raises(NotOneSegmentError, match="GSM-7"):
        one_segment("Hej – du")
    with pytest.raises(NotOneSegmentError, match="at most 160"):
        one_segment("a" * 161)
    with pytest.raises(NotOneSegmentError, match="162"):
        one_segment("a" * 158 + "[]")


def test_an_address_that_leaves_an_sms_no_room_is_told_at_the_start(texts: Texts) -> None:
    check_links(texts, "https://narvara.kommunen.example")

    with pytest.raises(NotOneSegmentError, match="shorten"):
        check_links(texts, "https://" + "mycket-" * 10 + "lang.example")


@pytest.mark.parametrize("kind", WORDS)
def test_an_email_is_text_and_html_and_needs_nothing_from_outside(
    texts: Texts, kind: Words
) -> None:
    message = mail(texts, kind)

    assert message.get_content_type() == "multipart/alternative"
    assert message["Subject"] == SUBJECT
    assert message["Auto-Submitted"] == "auto-generated"
    html = message.get_body(("html",))
    assert html is not None
    for tag in ("<img", "<script", "<link", "<iframe", "src=", "url(", "@import"):
        assert tag not in html.get_content()
    assert html.get_content().count("://") == html.get_content().count(FIELDS["link"])


def test_a_mail_is_duty_mail(texts: Texts) -> None:
    message = mail(texts)

    assert message["List-Unsubscribe"] is None
    assert message["Disposition-Notification-To"] is None
    assert message["Reply-To"] is None
    assert message["Subject"] == mail(texts, "storm")["Subject"]


def test_a_mail_passes_any_server_and_is_the_same_byte_by_byte(texts: Texts) -> None:
    first, again = (
        email(composed(texts), "narvara@skola.example", "a@b.se", "eht@b.se") for _ in range(2)
    )

    assert first == again
    assert first.isascii()
    assert all(len(line) <= 78 for line in first.split(b"\r\n"))
    assert b"\n" not in first.replace(b"\r\n", b"")


def test_a_phone_s_light_and_dark_are_both_meant(texts: Texts) -> None:
    html = composed(texts).html

    assert '<meta name="color-scheme" content="light dark">' in html
    assert "prefers-color-scheme: dark" in html
    assert html.count("<a ") == 2, "one way in for each language"


def test_a_trial_says_that_it_is_one_and_is_never_taken_for_a_repeat(texts: Texts) -> None:
    base = "https://x.example"
    first = trial_message(texts, base, at(THURSDAY, "15:00"))
    second = trial_message(texts, base, at(THURSDAY, "15:01"))
    storm = trial_message(texts, base, at(THURSDAY, "15:01"), "storm")

    assert "Ett prov från NärVara" in first.text
    assert first.link == "https://x.example/m/test"
    assert len({first.id, second.id, storm.id}) == 3
    assert storm.kind == "storm"


def test_a_repeat_has_the_same_message_id_and_another_message_has_not(texts: Texts) -> None:
    first, repeat = composed(texts), composed(texts)
    other = composed(texts, outbox_id="skola-1/kt-1 y")

    assert first.id == repeat.id != other.id
    assert str(mail(texts)["Message-ID"]) == f"<{first.id}@skola.example>"


@pytest.mark.parametrize(
    ("file", "field"),
    [
        ("digest.txt", "name"),
        ("digest.txt", "pupil"),
        ("digest.html", "school_class"),
        ("digest.txt", "rule"),
        ("digest.txt", "range"),
        ("digest.sms", "count"),
        ("immediate.txt", "count"),
        ("correction.html", "count"),
        ("protected.txt", "count"),
        (FRAME, "count"),
        (FRAME, "name"),
    ],
)
def test_a_template_that_names_another_field_is_refused_with_its_line(
    tmp_path: Path, file: str, field: str
) -> None:
    folder = shutil.copytree(TEMPLATES, tmp_path / "templates")
    (folder / file).write_text(f"Hej!\n{{{{ {field} }}}} {{{{ link }}}}\n", encoding="utf-8")

    with pytest.raises(TemplateRefusedError) as refused:
        load_texts(folder)

    assert f"{file}:2: met the field {field!r}" in str(refused.value)


@pytest.mark.parametrize("file", ["digest.txt", "digest.html", FRAME])
@pytest.mark.parametrize(
    "source",
    [
        "{% include 'digest.sms' %}",
        "{% extends 'digest.sms' %}",
        "{% import 'frame.html' as frame %}",
        "{% extends link %}",
        "{% if link %}",
    ],
)
def test_a_template_takes_in_nothing_and_is_whole(tmp_path: Path, file: str, source: str) -> None:
    folder = shutil.copytree(TEMPLATES, tmp_path / "templates")
    (folder / file).write_text(source, encoding="utf-8")

    with pytest.raises(TemplateRefusedError, match=rf"{file}:1"):
        load_texts(folder)


@pytest.mark.parametrize("file", ["digest.txt", "digest.sms", FRAME])
def test_only_an_html_mail_may_extend_the_frame(tmp_path: Path, file: str) -> None:
    folder = shutil.copytree(TEMPLATES, tmp_path / "templates")
    (folder / file).write_text("{% extends 'frame.html' %}", encoding="utf-8")

    with pytest.raises(TemplateRefusedError, match=rf"{file}:1"):
        load_texts(folder)
