"""`mailserver dkim`: the keys that sign what leaves."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from mailserver.cli.access import read_settings
from mailserver.cli.mistake import Mistake
from mailserver.cli.options import ConfigOption, JsonOption

app = typer.Typer(help="Make the keys that sign the mail that leaves.", no_args_is_help=True)

SelectorsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[SELECTOR]...",
        help="Names of keys to make ahead, RSA and Ed25519 in turn. Default: those that the"
        " settings name.",
        show_default=False,
    ),
]


@app.command()
def keys(
    selectors: SelectorsArgument = None,
    *,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the keys that are missing, and print the records to publish."""
    from mailserver.setup.service import dkim_records, make_dkim_keys

    settings = read_settings(config)
    named = selectors or ()
    try:
        made = make_dkim_keys(settings, named)
    except ValueError as error:
        raise Mistake(str(error)) from error
    records = dkim_records(settings, named)
    if as_json:
        told = {"made": [str(path) for path in made], "records": records}
        print(json.dumps(told, ensure_ascii=False))
        return
    for path in made:
        print(f"{path} is new")
    print("Publish in the DNS, then restart the service:\n" if made else "Publish in the DNS:\n")
    for record in records:
        print(f"    {record}")
