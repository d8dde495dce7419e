"""Setting passwords: what the command line and the webmail's pages do.

A NUMEN is a first password: validated, kept in its one form, and to be changed.
"""

from __future__ import annotations

from mailserver.auth.backend import CredentialBackend
from mailserver.auth.rules import MIN_CHARACTERS, NOBODY, BadPassword, Owner, check_password
from mailserver.values.ids import AccountId
from mailserver.values.numen import parse_numen
from mailserver.values.secret import Secret

__all__ = ["MIN_CHARACTERS", "BadPassword", "check_password", "set_numen", "set_password"]


def set_password(
    backend: CredentialBackend,
    account_id: AccountId,
    password: Secret[str],
    *,
    owner: Owner = NOBODY,
    must_change: bool = False,
    min_characters: int = MIN_CHARACTERS,
) -> None:
    """
    Raises:
        BadPassword: see `check_password`.
    """
    check_password(password, owner, min_characters=min_characters)
    backend.set_password(account_id, password, must_change=must_change)


def set_numen(backend: CredentialBackend, account_id: AccountId, numen: str) -> None:
    """
    Raises:
        BadNumen: it is not one; the text says what is wrong.
    """
    backend.set_numen(account_id, parse_numen(numen))
