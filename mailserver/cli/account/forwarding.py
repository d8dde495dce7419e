"""`mailserver account forward`: send an account's mail on to an address elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from mailserver.cli.access import account_named, opened_store, read_settings
from mailserver.cli.mistake import Mistake
from mailserver.cli.options import ConfigOption, IdentifierArgument
from mailserver.cli.queue.acts import whoever

if TYPE_CHECKING:
    from mailserver.settings.model import Settings
    from mailserver.store.ports.accounts import Account
    from mailserver.store.ports.store import PeopleAndUnits

ToArgument = Annotated[
    str | None, typer.Argument(metavar="ADDRESS", help="Where to; left out: show what is set.")
]
OnlyOption = Annotated[bool, typer.Option("--only", help="Keep no copy in the mailbox.")]
ShowOption = Annotated[
    bool, typer.Option("--show-target", help="Reports of failure may name ADDRESS to senders.")
]
StopOption = Annotated[bool, typer.Option("--stop", help="Send nothing on any more.")]


def forward(
    identifier: IdentifierArgument,
    address: ToArgument = None,
    *,
    only: OnlyOption = False,
    show_target: ShowOption = False,
    stop: StopOption = False,
    config: ConfigOption = None,
) -> None:
    """Send an account's mail on to another address; a copy stays, unless it is told otherwise.

    Senders are not told where to, not even when it fails there, unless --show-target is given.
    """
    if stop and address is not None:
        raise Mistake("either an address or --stop, not both")
    to = "" if address is None else checked_address(address)
    settings = read_settings(config)
    with opened_store(settings) as store:
        account = account_named(store.accounts, identifier)
        if to:
            _check_place(store.people, settings, account, to)
        if stop or to:
            store.people.set_forward(
                account.account_id,
                to,
                keeps_copy=not only,
                is_shown=show_target,
                by_whom=f"cli:{whoever()}",
                now_s=time.time(),
            )
        set_to, keeps_copy, is_shown = store.people.read_forward(account.account_id)
    kept = "a copy stays" if keeps_copy else "no copy stays"
    kept += ", shown to senders" if is_shown else ""
    print(f"{account.identifier}: {f'{set_to}, {kept}' if set_to else 'not forwarded'}")


def _check_place(people: PeopleAndUnits, settings: Settings, account: Account, to: str) -> None:
    """
    Raises:
        Mistake: one of our addresses, and not another account's.
    """
    from mailserver.routing.local import Elsewhere, OurDomains, find_local
    from mailserver.store.ports.targets import Target
    from mailserver.values.address import Address

    local, _, domain = to.rpartition("@")
    ours = OurDomains.of(settings)
    found = find_local(Address(local, domain), ours=ours, find=people.find_target, postmaster=None)
    if isinstance(found, Elsewhere):
        return
    if not isinstance(found, Target) or found.mailbox_id is None:
        raise Mistake(f"{to}: no mailbox here has this address")
    if found.account_id == account.account_id:
        raise Mistake(f"{to} is an address of {account.identifier}: mail is there already")


def checked_address(text: str) -> str:
    """
    Raises:
        Mistake: not an address that a path may hold.
    """
    from mailserver.settings.names import check_domain
    from mailserver.values.address import is_loose_dot_string

    local, _, domain = text.strip().rpartition("@")
    if not domain or not is_loose_dot_string(local):
        raise Mistake(f"{text!r} is not an address: write one, as marie@example.org")
    try:
        check_domain(domain)
    except ValueError as error:
        raise Mistake(f"{text!r} is not an address: {error}") from None
    return f"{local}@{domain.rstrip('.')}"
