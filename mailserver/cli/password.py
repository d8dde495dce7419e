"""`mailserver password`: change one, set a first one, hand out a code."""

from __future__ import annotations

import typer

from mailserver.cli.options import ConfigOption, IdentifierArgument

app = typer.Typer(help="Passwords, and codes to get back in.", no_args_is_help=True)


@app.command()
def change(identifier: IdentifierArgument, *, config: ConfigOption = None) -> None:
    """Change it with the old one. Both are read from the keyboard, or two lines of a pipe."""
    from mailserver.cli.recovery_desk import opened_desk, read_secret

    old, new = read_secret("Old password"), read_secret("New password")
    with opened_desk(config) as desk:
        desk.change(identifier, old, new)
    print(f"{identifier}: password changed")


@app.command()
def reset(identifier: IdentifierArgument, *, config: ConfigOption = None) -> None:
    """Set a new first password, which its owner must change; read from the keyboard or a pipe."""
    from mailserver.cli.recovery_desk import by_whom, opened_desk, read_secret

    new = read_secret("First password")
    with opened_desk(config) as desk:
        desk.set_first(identifier, new, by_whom=by_whom())
    print(f"{identifier}: first password set, to be changed by its owner")


@app.command()
def code(identifier: IdentifierArgument, *, config: ConfigOption = None) -> None:
    """Print a one-time code to hand to the account's owner; a person needs their NUMEN with it."""
    from mailserver.cli.recovery_desk import by_whom, opened_desk

    with opened_desk(config) as desk:
        handed = desk.hand_code(identifier, by_account=None, by_whom=by_whom())
    print(handed.reveal())
