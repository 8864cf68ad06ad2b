"""The words that go out: an e-mail and an SMS of the same message, free of personal data.

An e-mail lies on servers that nobody at the school controls, and an SMS on a locked screen. So a
template may name three fields and no other: the link, an opaque reference and the school. One
that names anything else is refused when it is loaded, and never gets to a message.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from hashlib import sha256
from pathlib import Path
from typing import get_args

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from services.notify.desk import Kind

FIELDS = ("link", "reference", "school")
"""All that a template may name."""

FORMS = ("txt", "html", "sms")

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


class Texts:
    """The templates of all kinds of message, checked."""

    def __init__(self, templates: Mapping[tuple[Kind, str], Template]) -> None:
        self._templates = templates

    def compose(
        self, kind: Kind, outbox_id: str, made: datetime, fields: Mapping[str, str]
    ) -> Composed:
        """The message in words; `fields` are exactly `FIELDS`."""
        text, html, sms = (self._templates[kind, form].render(fields) for form in FORMS)
        identity = sha256(outbox_id.encode()).hexdigest()[:32]
        return Composed(identity, made, text.strip() + "\n", html, sms.strip())


def load_texts(folder: Path) -> Texts:
    """Read and check `digest.txt`, `digest.html`, `digest.sms` and so for every kind.

    Raises `TemplateRefusedError`.
    """
    plain, escaping = _environment(autoescape=False), _environment(autoescape=True)
    templates = {}
    for kind in get_args(Kind):
        for form in FORMS:
            file = folder / f"{kind}.{form}"
            source = file.read_text(encoding="utf-8")
            environment = escaping if form == "html" else plain
            templates[kind, form] = _checked(environment, source, str(file))
    return Texts(templates)


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
    for kind in get_args(Kind):
        made = datetime(2000, 1, 1, tzinfo=UTC)
        one_segment(texts.compose(kind, "", made, fields).sms)


def link(base: str, token: str) -> str:
    return f"{base.rstrip('/')}/m/{token}"


def email(composed: Composed, sender: str, to: str) -> EmailMessage:
    """The e-mail, as text and as HTML; it asks for no receipt and carries nothing from outside."""
    message = EmailMessage()
    message["Subject"] = SUBJECT
    message["From"] = Address("NärVara", addr_spec=sender)
    message["To"] = Address(addr_spec=to)
    message["Date"] = composed.made
    message["Message-ID"] = f"<{composed.id}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content(composed.text)
    message.add_alternative(composed.html, subtype="html")
    return message


def _environment(*, autoescape: bool) -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=autoescape)
    # What Jinja offers everywhere, such as `range`, would else not count as a field.
    environment.globals.clear()
    return environment


def _checked(environment: ImmutableSandboxedEnvironment, source: str, file: str) -> Template:
    try:
        tree = environment.parse(source, file)
        for name in sorted(meta.find_undeclared_variables(tree) - set(FIELDS)):
            raise TemplateRefusedError(
                f"{file}:{_line(tree, name)}: met the field {name!r}; "
                f"a message may only name {', '.join(FIELDS)}"
            )
        for reference in tree.find_all((nodes.Include, nodes.Import, nodes.FromImport)):
            raise TemplateRefusedError(_no_other_file(file, reference))
        for reference in tree.find_all(nodes.Extends):
            raise TemplateRefusedError(_no_other_file(file, reference))
        return environment.from_string(source)
    except TemplateSyntaxError as error:
        raise TemplateRefusedError(f"{file}:{error.lineno}: is no template: {error}") from error
    except TemplateError as error:
        raise TemplateRefusedError(f"{file}:1: is no template: {error}") from error


def _line(tree: nodes.Template, name: str) -> int:
    lines = [node.lineno for node in tree.find_all(nodes.Name) if node.name == name]
    return min(lines, default=1)


def _no_other_file(file: str, node: nodes.Node) -> str:
    return f"{file}:{node.lineno}: takes in another template; a message's words stand in one file"
