"""SASL octets: base64 and the PLAIN message.  RFC 4954 §4, RFC 4616 §2.

    message = [authzid] NUL authcid NUL passwd

Passwords are octets: spaces, UTF-8 and Latin-1 pass as they came.  An
authorization identity is that of the password, or of a mailbox which its
owner holds: the gate knows (`mailserver.auth.backend.name_of_both`), and
denies any other one.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from mailserver.auth.backend import name_of_both
from mailserver.values.secret import Secret

MAX_LINE_OCTETS = 12_288  # RFC 4954 §4, CRLF included
MECHANISMS = ("PLAIN", "LOGIN")
USER_NAME_CHALLENGE = base64.b64encode(b"Username:").decode("ascii")  # the words that
PASSWORD_CHALLENGE = base64.b64encode(b"Password:").decode("ascii")  # Thunderbird waits for


class BadResponse(ValueError):
    """Not base64, or not what the mechanism expects (501 5.5.2)."""


class Cancelled(Exception):
    """The client sent `*` (501)."""


@dataclass(frozen=True, slots=True)
class NamedPassword:
    user_name: bytes
    password: Secret[bytes]


def decode_response(text: str) -> bytes:
    """One response, base64; `=` alone is the empty one.

    Raises:
        BadResponse: strict base64 it is not.
        Cancelled: it is `*`.
    """
    if text == "*":
        raise Cancelled
    if text == "=":
        return b""
    try:
        return binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError):
        raise BadResponse("not base64") from None


def parse_plain(message: bytes) -> NamedPassword:
    """
    Raises:
        BadResponse: not two NULs, or no user name.
    """
    parts = message.split(b"\0")
    if len(parts) != 3 or not parts[1]:
        raise BadResponse("not a PLAIN message")
    return NamedPassword(name_of_both(parts[1], parts[0]), Secret(parts[2]))
