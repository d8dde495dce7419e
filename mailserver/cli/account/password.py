"""`mailserver password`: change one, set a first one, hand out a code."""

from __future__ import annotations

from typing import Annotated

import typer

from mailserver.cli.access import opened_store, read_settings
from mailserver.cli.mistake import Mistake
from mailserver.cli.options import ConfigOption, IdentifierArgument
from mailserver.texts.plurals import noun

app = typer.Typer(help="Passwords, and codes to get back in.", no_args_is_help=True)

ByOption = Annotated[
    str | None,
    typer.Option(
        metavar="IDENTIFIER",
        help="For a correspondent, who may for the people and mailboxes of their own units.",
    ),
]


@app.command()
def change(identifier: IdentifierArgument, *, config: ConfigOption = None) -> None:
    """Change it with the old one. Both are read from the keyboard, or two lines of a pipe."""
    from mailserver.cli.account.recovery_desk import (
        opened_house,
        read_new_secret,
        read_secret,
    )
    from mailserver.recovery.passwords import PasswordService

    old, new = read_secret("Old password"), read_new_secret("New password")
    with opened_house(config) as context:
        PasswordService(context).change(identifier, old, new)
    print(f"{identifier}: password changed")


@app.command()
def reset(identifier: IdentifierArgument, *, config: ConfigOption = None) -> None:
    """Set a new first password, for its owner to change; read from the keyboard or a pipe."""
    from mailserver.cli.account.recovery_desk import opened_house, read_new_secret
    from mailserver.cli.directory.subjects import by_whom
    from mailserver.recovery.passwords import PasswordService

    new = read_new_secret("First password")
    with opened_house(config) as context:
        PasswordService(context).set_by_admin(identifier, new, by_whom=by_whom(), must_change=True)
    print(f"{identifier}: first password set")


@app.command()
def code(
    identifier: IdentifierArgument, *, by: ByOption = None, config: ConfigOption = None
) -> None:
    """Print a one-time code to hand to the account's owner; a person needs their NUMEN with it."""
    from mailserver.cli.account.recovery_desk import opened_house
    from mailserver.cli.directory.subjects import by_whom
    from mailserver.recovery.passwords import PasswordService

    with opened_house(config) as context:
        by_account, who = None, by_whom()
        if by is not None:
            correspondent = context.subject(by)
            if correspondent is None:
                raise Mistake(f"--by {by}: no such account: write the correspondent's identifier")
            by_account, who = correspondent.account_id, f"{correspondent.identifier}, {who}"
        handed = PasswordService(context).hand_code(identifier, by_account=by_account, by_whom=who)
    print(handed.reveal())


@app.command("new-key")
def new_key(*, config: ConfigOption = None) -> None:
    """Make another key for NUMENs where the old one is lost and there is no copy of it.

    NUMENs that were kept under the old one stay useless: those accounts need another first
    password. Imports that know people by their NUMEN alone do not know them again.
    """
    from mailserver.auth.numen_key import ensure_key

    settings = read_settings(config)
    path = settings.auth.numen_key
    with opened_store(settings) as store:
        if path.exists():
            raise Mistake(f"{path} is there: nothing was made. `mailserver config check` judges it")
        ensure_key(path)
        count = sum(store.recovery.count_numen_passwords().values())
    print(f"{path}: a new key: keep a copy of it apart, and restart the service")
    if count:
        how = "`mailserver password reset ID`, or `mailserver account passwd ID --numen-stdin`"
        need = noun(count, "account needs", "accounts need")
        print(f"{count} {need} another first password: {how}")
