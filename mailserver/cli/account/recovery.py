"""`mailserver recovery`: the address where a code may be sent, and the use of a code."""

from __future__ import annotations

from typing import Annotated

import typer

from mailserver.cli.options import (
    ConfigOption,
    IdentifierArgument,
    OldCodeArgument,
    refuse_secret,
)

app = typer.Typer(
    help="Recovery addresses, and codes that let people back in.", no_args_is_help=True
)

AddressArgument = Annotated[str, typer.Argument(metavar="ADDRESS", help="An address elsewhere.")]
_CODE_INSTEAD = "leave it out, and write the code when asked, or as a line of a pipe"
WithNumenOption = Annotated[
    bool,
    typer.Option("--with-numen", help="The code was handed out: read the NUMEN behind it, too."),
]


@app.command("set")
def set_address(
    identifier: IdentifierArgument, address: AddressArgument, *, config: ConfigOption = None
) -> None:
    """Send a code to a new recovery address; it counts once `recovery prove` has the code."""
    from mailserver.cli.account.recovery_desk import opened_house
    from mailserver.cli.directory.subjects import by_whom
    from mailserver.recovery.addresses import AddressService

    with opened_house(config) as context:
        to = AddressService(context).set_address(identifier, address, by_whom=by_whom())
    print(f"{identifier}: a code is on its way to {to}")


@app.command()
def prove(
    identifier: IdentifierArgument, old_code: OldCodeArgument = None, *, config: ConfigOption = None
) -> None:
    """Prove the new recovery address with the code that came there; the old one is told.

    The code is read from the keyboard, or from a line of a pipe.
    """
    from mailserver.cli.account.recovery_desk import opened_house, read_secret
    from mailserver.cli.directory.subjects import by_whom
    from mailserver.recovery.addresses import AddressService

    refuse_secret(old_code, _CODE_INSTEAD)
    code = read_secret("Code")
    with opened_house(config) as context:
        proved = AddressService(context).prove(identifier, code.reveal(), by_whom=by_whom())
    print(f"{identifier}: codes go to {proved} from now on")


@app.command()
def show(identifier: IdentifierArgument, *, config: ConfigOption = None) -> None:
    """Show the recovery address, and since when it is proved."""
    from mailserver.cli.account.recovery_desk import opened_house
    from mailserver.cli.moments import clock
    from mailserver.recovery.addresses import AddressService

    with opened_house(config) as context:
        found = AddressService(context).show(identifier)
    told = "none" if found is None else f"{found.address}, proved {clock(found.proved_at_s)}"
    print(f"{identifier}: {told}")


@app.command()
def remove(identifier: IdentifierArgument, *, config: ConfigOption = None) -> None:
    """Take the recovery address away, and tell it so."""
    from mailserver.cli.account.recovery_desk import opened_house
    from mailserver.cli.directory.subjects import by_whom
    from mailserver.recovery.addresses import AddressService

    with opened_house(config) as context:
        was = AddressService(context).remove(identifier, by_whom=by_whom())
    print(f"{identifier}: {'there was none' if was is None else f'{was.address} removed'}")


@app.command()
def request(identifier: IdentifierArgument, *, config: ConfigOption = None) -> None:
    """Send a code to the recovery address; the answer is always the same."""
    from mailserver.cli.account.recovery_desk import opened_house
    from mailserver.recovery.passwords import PasswordService

    with opened_house(config) as context:
        requested = PasswordService(context).request_reset(identifier)
        print(requested.text.in_language(context.language), flush=True)
        requested.carry_out()


@app.command()
def use(
    identifier: IdentifierArgument,
    old_code: OldCodeArgument = None,
    *,
    with_numen: WithNumenOption = False,
    config: ConfigOption = None,
) -> None:
    """Set a new password with a code. Code, NUMEN, password: from the keyboard, or a pipe."""
    from mailserver.cli.account.recovery_desk import (
        opened_house,
        read_new_secret,
        read_secret,
    )
    from mailserver.recovery.passwords import PasswordService

    refuse_secret(old_code, _CODE_INSTEAD)
    code = read_secret("Code")
    numen = read_secret("NUMEN") if with_numen else None
    new = read_new_secret("New password")
    with opened_house(config) as context:
        PasswordService(context).reset(identifier, code.reveal(), new, numen=numen)
    print(f"{identifier}: password changed")
