"""Options that many commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="The settings file. Default: ./mailserver.toml, then /etc/mailserver/mailserver.toml.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON, for programs.")]
NumenOption = Annotated[
    str | None,
    typer.Option(metavar="NUMEN", help="First password: a NUMEN."),
]
PasswordStdinOption = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]
IdentifierArgument = Annotated[
    str, typer.Argument(metavar="IDENTIFIER", help="What the person logs in with, as fmarot.")
]
