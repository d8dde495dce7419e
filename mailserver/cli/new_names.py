"""Names that somebody typed for an account: can they be used, or does the service keep them?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mailserver.cli.mistake import Mistake

if TYPE_CHECKING:
    from mailserver.settings.model import Settings


def check_not_reserved(
    identifier: str, names: Iterable[str], settings: Settings, *, is_role: bool
) -> None:
    """names: identifiers and addresses to give to this account.

    is_role: it is a function's, or a list's: it may be webmaster, and never postmaster.

    Raises:
        Mistake: a name is kept for the service.
    """
    from mailserver.people.reserved import is_postmasters, is_reserved

    postmaster = settings.service.postmaster
    if identifier == postmaster:
        return
    for name in names:
        if is_postmasters(name):
            raise Mistake(
                f"{name} is already taken: its mail goes to the account {postmaster}, for good"
            )
        if not is_role and is_reserved(name):
            raise Mistake(
                f"{name} is kept for the service: whoever writes under it is taken for it. For a"
                " role, `mailserver directory function add` makes an account with holders"
            )


def checked_names(
    identifier: str, name: str, address: list[str], settings: Settings, *, is_role: bool = False
) -> list[str]:
    """The addresses as they will be given.  is_role: to the account of a function.

    Raises:
        Mistake: one of the names cannot be used.
    """
    _check_identifier(identifier)
    check_name(name)
    addresses = [own_address(text, settings) for text in address]
    check_not_reserved(identifier, [identifier, *addresses], settings, is_role=is_role)
    return addresses


def _check_identifier(identifier: str) -> None:
    from mailserver.settings.names import check_identifier

    try:
        check_identifier(identifier)
    except ValueError as error:
        raise Mistake(str(error)) from error


def check_name(name: str, option: str = "--name") -> None:
    """A name is one line of text: it is shown in lists and written in headers."""
    from mailserver.values.text.written import spoilt_words

    if not name.strip() or not name.isprintable():
        raise Mistake(f"{option}: write the person's name on one line, as 'Frédéric Marot'")
    if (words := spoilt_words(name)) is not None:
        raise Mistake(f"{option}: {words}")
    if name.lstrip().startswith(("=", "@")):
        raise Mistake(f"{option}: a name that begins as a formula does: write the person's name")


def own_address(text: str, settings: Settings) -> str:
    """An address that the service can deliver to.

    Raises:
        Mistake: it has no shape of one, or another domain.
    """
    from mailserver.settings.names import check_own_local
    from mailserver.values.address import PLUS, fold_domain

    local, at, domain = text.strip().rpartition("@")
    if not at or not local or any(c.isspace() or c in '<>,;:"\\()@' for c in local):
        raise Mistake(f"{text!r} is not an address: write one, as prenom.nom@ac-exemple.fr")
    if PLUS in local:
        raise Mistake(f"{text!r}: what follows a + is its owner's to choose; leave it out")
    try:
        check_own_local(local)
    except ValueError as error:
        raise Mistake(str(error)) from None
    if fold_domain(domain) not in map(fold_domain, settings.service.domains):
        known = ", ".join(settings.service.domains)
        raise Mistake(f"{text}: mail for {domain} does not come here, only for {known}")
    return f"{local}@{domain}"
