"""`mailserver account forward`: send an account's mail on to an address elsewhere."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from mailserver.cli.access import account_named, opened_store, read_settings
from mailserver.cli.mistake import Mistake
from mailserver.cli.options import ConfigOption, IdentifierArgument
from mailserver.cli.queue_acts import whoever

ToArgument = Annotated[
    str | None, typer.Argument(metavar="ADDRESS", help="Where to; left out: show what is set.")
]
OnlyOption = Annotated[bool, typer.Option("--only", help="Keep no copy in the mailbox.")]
StopOption = Annotated[bool, typer.Option("--stop", help="Send nothing on any more.")]


def forward(
    identifier: IdentifierArgument,
    address: ToArgument = None,
    *,
    only: OnlyOption = False,
    stop: StopOption = False,
    config: ConfigOption = None,
) -> None:
    """Send an account's mail on to another address; a copy stays, unless it is told otherwise."""
    if stop and address is not None:
        raise Mistake("either an address or --stop, not both")
    to = "" if address is None else checked_address(address)
    with opened_store(read_settings(config)) as store:
        account = account_named(store, identifier)
        if stop or to:
            store.set_forward(
                account.account_id,
                to,
                keeps_copy=not only,
                by_whom=f"cli:{whoever()}",
                now_s=time.time(),
            )
        set_to, keeps_copy = store.read_forward(account.account_id)
    kept = "a copy stays" if keeps_copy else "no copy stays"
    print(f"{account.identifier}: {f'{set_to}, {kept}' if set_to else 'not forwarded'}")


def checked_address(text: str) -> str:
    """
    Raises:
        Mistake: not an address that a path may hold.
    """
    from mailserver.settings.names import check_domain
    from mailserver.values.address import quote_local

    local, at, domain = text.strip().rpartition("@")
    if not at or not local or not domain or quote_local(local) != local:
        raise Mistake(f"{text!r} is not an address: write one, as marie@example.org")
    try:
        check_domain(domain)
    except ValueError as error:
        raise Mistake(f"{text!r} is not an address: {error}") from None
    return f"{local}@{domain}"
