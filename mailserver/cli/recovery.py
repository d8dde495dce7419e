"""`mailserver recovery`: the address where a code may be sent, and the use of a code."""

from __future__ import annotations

from typing import Annotated

import typer

from mailserver.cli.mistake import Mistake
from mailserver.cli.options import ConfigOption, IdentifierArgument

app = typer.Typer(help="Recovery addresses, and codes that let people back in.")

AddressArgument = Annotated[str, typer.Argument(metavar="ADDRESS", help="An address elsewhere.")]
CodeArgument = Annotated[str, typer.Argument(metavar="CODE", help="As it came, as k7mf-2xqp.")]
WithNumenOption = Annotated[
    bool,
    typer.Option("--with-numen", help="The code was handed out: read the NUMEN first, too."),
]


@app.command("set")
def set_address(
    identifier: IdentifierArgument, address: AddressArgument, *, config: ConfigOption = None
) -> None:
    """Send a code to a new recovery address; it counts once `recovery prove` has the code."""
    from mailserver.cli.recovery_desk import opened_desk

    local, at, domain = address.strip().rpartition("@")
    if not (local and at and domain) or not address.isprintable() or " " in address.strip():
        raise Mistake(f"{address!r} is not an address: write one, as prenom.nom@example.org")
    with opened_desk(config) as desk:
        desk.set_address(identifier, address.strip())
    print(f"{identifier}: a code is on its way to {address.strip()}")


@app.command()
def prove(
    identifier: IdentifierArgument, code: CodeArgument, *, config: ConfigOption = None
) -> None:
    """Prove the new recovery address with the code that came there."""
    from mailserver.cli.recovery_desk import opened_desk

    with opened_desk(config) as desk:
        desk.prove_address(identifier, code)
    print(f"{identifier}: recovery address proved")


@app.command()
def request(identifier: IdentifierArgument, *, config: ConfigOption = None) -> None:
    """Send a code to the recovery address, as the webmail does; the answer is always the same."""
    from mailserver.cli.access import read_settings
    from mailserver.cli.recovery_desk import opened_desk

    language = read_settings(config).service.language
    with opened_desk(config) as desk:
        print(desk.request_reset(identifier).in_language(language))


@app.command()
def use(
    identifier: IdentifierArgument,
    code: CodeArgument,
    *,
    with_numen: WithNumenOption = False,
    config: ConfigOption = None,
) -> None:
    """Set a new password with a code; read from the keyboard, or from lines of a pipe."""
    from mailserver.cli.recovery_desk import opened_desk, read_secret

    numen = read_secret("NUMEN") if with_numen else None
    new = read_secret("New password")
    with opened_desk(config) as desk:
        desk.reset(identifier, code, new, numen=numen)
    print(f"{identifier}: password changed")
