"""The words that go out: an e-mail and an SMS of the same message, free of personal data.

An e-mail lies on servers that nobody at the school controls, and an SMS on a locked screen. So a
template may name the link, an opaque reference, the school, and in some e-mails a count of at
least five pupils. One that names anything else is refused when it is loaded, and never gets to a
message.
"""

from binascii import b2a_qp
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Literal, get_args

from jinja2 import (
    DictLoader,
    StrictUndefined,
    Template,
    TemplateError,
    TemplateSyntaxError,
    meta,
    nodes,
)
from jinja2.sandbox import ImmutableSandboxedEnvironment

from services.notify.rows import Kind

Words = Kind | Literal["test", "code"]
"""What there are templates for: every kind of message, one by which a channel is tried out, and one
that carries a code for signing on, as its reference."""

WORDS: tuple[Words, ...] = (*get_args(Kind), "test", "code")

FIELDS = ("link", "reference", "school")
"""What any template may name."""

COUNTING: frozenset[Words] = frozenset({"digest", "storm"})
"""Kinds whose e-mails may name `count` too."""

LEAST_COUNT = 5
"""A smaller count is not told: with it, and a colleague's guess, a pupil might be known."""

FORMS = ("txt", "html", "sms")

FRAME = "frame.html"
"""The one file that others may take in: how an HTML mail looks."""

SUBJECT = "Meddelande från NärVara / Message from NärVara"
"""The same for every message: a subject shows on screens that others see."""

SEGMENT = 160
"""Characters of the GSM-7 alphabet in one SMS; those of its extension count twice."""

_GSM_7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_7_EXTENSION = frozenset("^{}\\[~]|€\f")


class TemplateRefusedError(ValueError):
    """A template that can't be used, with its file, the line, and what is wanted."""


class NotOneSegmentError(ValueError):
    """An SMS that would be cut in two or sent in another alphabet."""


@dataclass(frozen=True, slots=True)
class Composed:
    """A message in words, ready for any channel."""

    id: str
    """The same for the same outbox id, so that a repeat can be known as one."""
    made: datetime
    text: str
    html: str
    sms: str
    kind: Words = "digest"
    link: str = ""
    reference: str = ""
    school: str = ""


class Texts:
    """The templates of all kinds of message, checked."""

    def __init__(self, templates: Mapping[tuple[Words, str], Template]) -> None:
        self._templates = templates

    def compose(
        self,
        kind: Words,
        outbox_id: str,
        made: datetime,
        fields: Mapping[str, str],
        count: int | None = None,
    ) -> Composed:
        """The message in words; `fields` are exactly `FIELDS`.

        `count` is of pupils, or of messages that are held. One below `LEAST_COUNT` is left out.
        """
        told = count if count is not None and count >= LEAST_COUNT else None
        text, html, sms = (self._templates[kind, form].render(fields, count=told) for form in FORMS)
        return Composed(
            identity(outbox_id), made, text.strip() + "\n", html, sms.strip(), kind=kind, **fields
        )


def identity(outbox_id: str) -> str:
    """How gateways know a message of the outbox: says nothing, and is the same at each try."""
    return sha256(outbox_id.encode()).hexdigest()[:32]


def load_texts(folder: Path) -> Texts:
    """Read and check `digest.txt`, `digest.html`, `digest.sms` and so for every kind.

    Raises `TemplateRefusedError`.
    """
    frame = (folder / FRAME).read_text(encoding="utf-8")
    plain, escaping = _environment(), _environment(frame)
    _checked(escaping, frame, str(folder / FRAME))
    templates = {}
    for kind in WORDS:
        for form in FORMS:
            file = folder / f"{kind}.{form}"
            source = file.read_text(encoding="utf-8")
            environment = escaping if form == "html" else plain
            more = ("count",) if kind in COUNTING and form != "sms" else ()
            templates[kind, form] = _checked(environment, source, str(file), more)
    return Texts(templates)


def trial_message(texts: Texts, base: str, made: datetime, kind: Words = "test") -> Composed:
    """What tries out a channel: words that say so, or those of a kind; its link opens nothing.

    Each moment's is a message of its own, so that a second one is not taken for a repeat.
    """
    fields = {"link": link(base, "test"), "reference": "00000000", "school": ""}
    return texts.compose(kind, f"{kind} {made.isoformat()}", made, fields)


def one_segment(text: str) -> str:
    """`text`, when it is one GSM-7 segment; else raises `NotOneSegmentError`."""
    foreign = sorted(set(text) - _GSM_7 - _GSM_7_EXTENSION)
    if foreign:
        raise NotOneSegmentError(
            f"met {', '.join(map(repr, foreign))}; wanted characters of the GSM-7 alphabet, "
            "since any other halves the room"
        )
    length = len(text) + sum(character in _GSM_7_EXTENSION for character in text)
    if length > SEGMENT:
        raise NotOneSegmentError(
            f"met {length} characters; wanted at most {SEGMENT}: shorten the text or the link"
        )
    return text


def check_links(texts: Texts, base: str) -> None:
    """Raise `NotOneSegmentError` when a link that begins with `base` leaves an SMS no room."""
    fields = {"link": link(base, "t" * 22), "reference": "r" * 8, "school": ""}
    for kind in WORDS:
        made = datetime(2000, 1, 1, tzinfo=UTC)
        one_segment(texts.compose(kind, "", made, fields).sms)


def link(base: str, token: str) -> str:
    return f"{base.rstrip('/')}/m/{token}"


def email(composed: Composed, sender: str, to: str, reply_to: str = "") -> bytes:
    """The e-mail, as text and as HTML; it asks for no receipt and carries nothing from outside.

    The same bytes for the same arguments: a repeat is a repeat. Lines end with CRLF, and all is
    ASCII, which every mail server takes. Raises an error when `to` is no address.
    """
    # By hand: EmailMessage takes twenty times as long, and draws its boundary by chance.
    boundary = f"=_{composed.id}"
    return b"\r\n".join(
        [
            _same_for_all(sender, reply_to),
            f"To: {Address(addr_spec=to)}".encode("ascii"),
            f"Date: {format_datetime(composed.made)}".encode(),
            f"Message-ID: <{composed.id}@{sender.rpartition('@')[2]}>".encode("ascii"),
            f'Content-Type: multipart/alternative;\r\n boundary="{boundary}"'.encode(),
            b"",
            _part(boundary, "plain", composed.text),
            _part(boundary, "html", composed.html),
            f"--{boundary}--\r\n".encode(),
        ]
    )


@lru_cache
def _same_for_all(sender: str, reply_to: str) -> bytes:
    """The headers that are the same in all messages, but for the last CRLF."""
    message = EmailMessage(policy=SMTP)
    message["Subject"] = SUBJECT
    message["From"] = Address("NärVara", addr_spec=sender)
    if reply_to:
        message["Reply-To"] = Address(addr_spec=reply_to)
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message["MIME-Version"] = "1.0"
    return message.as_bytes().removesuffix(b"\r\n\r\n")


def _part(boundary: str, kind: str, text: str) -> bytes:
    """One form of the message; no line of quoted-printable is a boundary."""
    lines = "\r\n".join(text.splitlines()) + "\r\n"
    return (
        f'--{boundary}\r\nContent-Type: text/{kind}; charset="utf-8"\r\n'
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    ).encode() + b2a_qp(lines.encode())


def _environment(frame: str | None = None) -> ImmutableSandboxedEnvironment:
    """For plain text, or with a frame for HTML."""
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined,
        autoescape=frame is not None,
        loader=DictLoader({FRAME: frame} if frame is not None else {}),
    )
    # What Jinja offers everywhere, such as `range`, would else not count as a field.
    environment.globals.clear()
    return environment


def _checked(
    environment: ImmutableSandboxedEnvironment, source: str, file: str, more: tuple[str, ...] = ()
) -> Template:
    """The template, unless it names another field than `FIELDS` and `more`, or another file."""
    try:
        tree = environment.parse(source, file)
        allowed = (*FIELDS, *more)
        for name in sorted(meta.find_undeclared_variables(tree) - set(allowed)):
            raise TemplateRefusedError(
                f"{file}:{_line(tree, name)}: met the field {name!r}; "
                f"this message may only name {', '.join(allowed)}"
            )
        for reference in tree.find_all((nodes.Include, nodes.Import, nodes.FromImport)):
            raise TemplateRefusedError(_no_other_file(file, reference))
        for reference in tree.find_all(nodes.Extends):
            if not (environment.autoescape and _is_frame(reference.template, file)):
                raise TemplateRefusedError(_no_other_file(file, reference))
        return environment.from_string(source)
    except TemplateSyntaxError as error:
        raise TemplateRefusedError(f"{file}:{error.lineno}: is no template: {error}") from error
    except TemplateError as error:
        raise TemplateRefusedError(f"{file}:1: is no template: {error}") from error


def _is_frame(taken_in: nodes.Expr, file: str) -> bool:
    """The frame itself takes in nothing."""
    return isinstance(taken_in, nodes.Const) and taken_in.value == FRAME != Path(file).name


def _line(tree: nodes.Template, name: str) -> int:
    lines = [node.lineno for node in tree.find_all(nodes.Name) if node.name == name]
    return min(lines, default=1)


def _no_other_file(file: str, node: nodes.Node) -> str:
    return (
        f"{file}:{node.lineno}: takes in another template; an HTML mail may extend {FRAME}, and "
        "nothing else is taken in"
    )
