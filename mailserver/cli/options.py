"""Options that many commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mailserver.cli.mistake import Mistake

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="The settings file. Default: ./mailserver.toml, then /etc/mailserver/mailserver.toml.",
    ),
]


def refuse_secret(typed: str | None, instead: str) -> None:
    """What stands in the arguments is seen by every user of the machine, and kept by the shell.

    instead: how to give it.

    Raises:
        Mistake: it was typed there.
    """
    if typed is not None:
        raise Mistake(
            "a secret among the arguments is seen by every user of this machine, and stays in the"
            f" shell's history: {instead}"
        )


JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON, for programs.")]
NumenStdinOption = Annotated[
    bool,
    typer.Option(
        "--numen-stdin",
        help="First password: a NUMEN, from the keyboard or a line of standard input.",
    ),
]
OldNumenOption = Annotated[str | None, typer.Option("--numen", hidden=True)]
OldCodeArgument = Annotated[str | None, typer.Argument(hidden=True)]
PasswordStdinOption = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]
IdentifierArgument = Annotated[
    str, typer.Argument(metavar="IDENTIFIER", help="What the person logs in with, as fmarot.")
]
