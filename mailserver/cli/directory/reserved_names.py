"""Names that the service keeps for itself: no command gives them to a person or a school."""

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
