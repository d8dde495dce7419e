"""Setting passwords: what the CLI does now and the webmail's pages will do.

A NUMEN is a first password: validated, kept in its one form, and to be changed.
"""

from __future__ import annotations

from mailserver.auth.backend import CredentialBackend
from mailserver.auth.passwords import MAX_PASSWORD_OCTETS
from mailserver.values.ids import AccountId
from mailserver.values.numen import parse_numen
from mailserver.values.secret import Secret

MIN_PASSWORD_CHARACTERS = 8


class BadPassword(ValueError):
    """The password cannot be used.  The text says why and never quotes it."""


def check_password(password: Secret[str]) -> None:
    """
    Raises:
        BadPassword: too short, too long, or with a character that no program can send.
    """
    text = password.reveal()
    if len(text) < MIN_PASSWORD_CHARACTERS:
        raise BadPassword(f"a password has at least {MIN_PASSWORD_CHARACTERS} characters")
    if len(text.encode("utf-8", "surrogatepass")) > MAX_PASSWORD_OCTETS // 2:
        raise BadPassword(f"a password has at most {MAX_PASSWORD_OCTETS // 2} octets in UTF-8")
    if any(c in "\0\r\n" or 0xD800 <= ord(c) < 0xE000 for c in text):
        raise BadPassword("a password cannot contain NUL, a line break or half a character")


def set_password(
    backend: CredentialBackend,
    account_id: AccountId,
    password: Secret[str],
    *,
    must_change: bool = False,
) -> None:
    """
    Raises:
        BadPassword: see `check_password`.
    """
    check_password(password)
    backend.set_password(account_id, password, must_change=must_change)


def set_numen(backend: CredentialBackend, account_id: AccountId, numen: str) -> None:
    """
    Raises:
        BadNumen: it is not one; the text says what is wrong.
    """
    backend.set_password(account_id, Secret(parse_numen(numen)), must_change=True)
