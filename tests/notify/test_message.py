"""The words that go out: what they say, and above all what they don't."""

import shutil
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import get_args

import pytest

from services.notify.desk import Kind
from services.notify.message import (
    SUBJECT,
    Composed,
    NotOneSegmentError,
    TemplateRefusedError,
    Texts,
    check_links,
    email,
    load_texts,
    one_segment,
)
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


def composed(texts: Texts, kind: Kind = "digest", outbox_id: str = "skola-1/kt-1 x") -> Composed:
    return texts.compose(kind, outbox_id, at(THURSDAY, "15:00"), FIELDS)


def mail(texts: Texts, kind: Kind = "digest") -> EmailMessage:
    sent = email(composed(texts, kind), "narvara@skola.example", "kt-1@skola.example")
    parsed = message_from_bytes(bytes(sent), policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_message_says_it_in_swedish_first_and_in_english(texts: Texts, kind: Kind) -> None:
    swedish = {"correction": "En tidigare signal har rättats"}.get(kind, "närvarosignal")
    english = {"correction": "earlier signal"}.get(kind, "attendance signal")

    for words in (
        composed(texts, kind).text,
        composed(texts, kind).html,
        composed(texts, kind).sms,
    ):
        assert 0 <= words.index(swedish) < words.index(english)
        assert FIELDS["link"] in words
        assert FIELDS["reference"] in words


@pytest.mark.parametrize("kind", get_args(Kind))
def test_an_sms_is_one_segment(texts: Texts, kind: Kind) -> None:
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


def test_an_email_is_text_and_html_and_needs_nothing_from_outside(texts: Texts) -> None:
    message = mail(texts)

    assert message.get_content_type() == "multipart/alternative"
    assert message["Subject"] == SUBJECT
    assert message["Auto-Submitted"] == "auto-generated"
    html = message.get_body(("html",))
    assert html is not None
    for tag in ("<img", "<script", "<link", "<iframe", "src="):
        assert tag not in html.get_content()


def test_a_repeat_has_the_same_message_id_and_another_message_has_not(texts: Texts) -> None:
    first, repeat = composed(texts), composed(texts)
    other = composed(texts, outbox_id="skola-1/kt-1 y")

    assert first.id == repeat.id != other.id
    assert str(mail(texts)["Message-ID"]) == f"<{first.id}@skola.example>"


@pytest.mark.parametrize(
    ("field", "line"),
    [("name", 2), ("count", 2), ("pupil", 2), ("school_class", 2), ("rule", 2), ("range", 2)],
)
def test_a_template_that_names_another_field_is_refused_with_its_line(
    tmp_path: Path, field: str, line: int
) -> None:
    folder = shutil.copytree(TEMPLATES, tmp_path / "templates")
    file = folder / "digest.txt"
    file.write_text(f"Hej!\n{{{{ {field} }}}} {{{{ link }}}}\n", encoding="utf-8")

    with pytest.raises(TemplateRefusedError) as refused:
        load_texts(folder)

    assert f"digest.txt:{line}: met the field {field!r}" in str(refused.value)


@pytest.mark.parametrize(
    "source",
    ["{% include 'digest.sms' %}", "{% extends 'digest.sms' %}", "{% if link %}"],
)
def test_a_template_stands_alone_and_whole(tmp_path: Path, source: str) -> None:
    folder = shutil.copytree(TEMPLATES, tmp_path / "templates")
    (folder / "digest.txt").write_text(source, encoding="utf-8")

    with pytest.raises(TemplateRefusedError, match=r"digest\.txt:1"):
        load_texts(folder)
