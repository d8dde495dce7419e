"""The listeners that the settings ask for, door by door.

One table says for each listener its name, its door, the key that holds its
addresses and whether TLS begins with the first octet (RFC 8314 §3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mailserver.settings.bind import Bind, parse_bind
from mailserver.settings.model import Settings

DoorName = Literal["smtp", "pop3", "web"]
SMTP: DoorName = "smtp"
POP3: DoorName = "pop3"
WEB: DoorName = "web"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerKind:
    """A kind of listener: `key` is where the settings keep its addresses."""

    name: str
    door: DoorName
    key: str
    implicit_tls: bool


@dataclass(frozen=True, slots=True)
class WantedListener:
    """One address that must be bound."""

    kind: ListenerKind
    bind: Bind


KINDS = (
    ListenerKind(name="mx", door=SMTP, key="smtp.mx", implicit_tls=False),
    ListenerKind(name="submission", door=SMTP, key="smtp.submission", implicit_tls=False),
    ListenerKind(name="submissions", door=SMTP, key="smtp.submissions", implicit_tls=True),
    ListenerKind(name="pop3", door=POP3, key="pop3.pop3", implicit_tls=False),
    ListenerKind(name="pop3s", door=POP3, key="pop3.pop3s", implicit_tls=True),
    ListenerKind(name="https", door=WEB, key="web.https", implicit_tls=True),
    ListenerKind(name="http", door=WEB, key="web.http", implicit_tls=False),
)
LEGACY_KINDS = (
    ListenerKind(name="legacy-submissions", door=SMTP, key="legacy.submissions", implicit_tls=True),
    ListenerKind(name="legacy-pop3s", door=POP3, key="legacy.pop3s", implicit_tls=True),
)


def wanted_listeners(settings: Settings) -> list[WantedListener]:
    """Every address to bind, in the order of the table; legacy ones only where enabled."""
    kinds = KINDS + (LEGACY_KINDS if settings.legacy.enabled else ())
    return [
        WantedListener(kind, parse_bind(text)) for kind in kinds for text in _texts(settings, kind)
    ]


def _texts(settings: Settings, kind: ListenerKind) -> tuple[str, ...]:
    section, _, key = kind.key.partition(".")
    texts: tuple[str, ...] = getattr(getattr(settings, section), key)
    return texts
