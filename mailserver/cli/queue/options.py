"""What several commands of `mailserver queue` take."""

from __future__ import annotations

from typing import Annotated

import typer

IdsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[ID[:N]]...", help="Messages by id; with :N one copy of it."),
]
IdArgument = Annotated[
    str, typer.Argument(metavar="ID[:N]", help="A message by id; with :N one copy of it.")
]
SenderOption = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="Only from this reverse-path.")
]
RecipientOption = Annotated[str | None, typer.Option(metavar="ADDRESS", help="Only to it.")]
DomainOption = Annotated[
    str | None, typer.Option(metavar="DOMAIN", help="Only to recipients of this domain.")
]
ToOption = Annotated[
    str | None,
    typer.Option("--to", metavar="DESTINATION", help="Only what waits for this destination."),
]
AllOption = Annotated[bool, typer.Option("--all", help="Everything in the queue.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
ReasonOption = Annotated[str, typer.Option(metavar="TEXT", help="Why, for the journey.")]
StateOption = Annotated[
    str | None, typer.Option(metavar="STATE", help="Only first, waiting, leased or held.")
]
LimitOption = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="At most so many; a terminal shows 200.")
]
DestinationArgument = Annotated[
    str,
    typer.Argument(metavar="DESTINATION", help="A domain, or route:NAME, as in `destinations`."),
]
ForOption = Annotated[
    str | None,
    typer.Option("--for", metavar="TIME", help="30m, 2h, 1d; without it until `resume`."),
]
