"""Files that a person made, as text; what is wrong with one is a line with its name and place."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from mailserver.cli.mistake import Mistake

STANDARD_INPUT: Final = "-"
MAX_OCTETS: Final = 64 * 1024 * 1024


def read_lines(name: str) -> tuple[str, list[str]]:
    """(its name for people to read, its lines without their ends); `-`: standard input.

    Raises:
        Mistake: there is no such file, it is too large, or it is no text.
    """
    from mailserver.values.text.written import BadText, decode_text

    shown = "standard input" if name == STANDARD_INPUT else name
    try:
        text, _ = decode_text(_octets_of(name, shown))
    except BadText as bad:
        raise Mistake(bad.told_of(shown)) from None
    return shown, text.splitlines()


def _octets_of(name: str, shown: str) -> bytes:
    if name == STANDARD_INPUT:
        octets = sys.stdin.buffer.read(MAX_OCTETS + 1)
    else:
        path = Path(name)
        if not path.exists():
            raise Mistake(f"no file {shown}: write its name as it is, or - for standard input")
        if path.is_dir():
            raise Mistake(f"{shown} is a folder: name the file in it")
        with path.open("rb") as file:
            octets = file.read(MAX_OCTETS + 1)
    if len(octets) > MAX_OCTETS:
        raise Mistake(f"{shown}: larger than {MAX_OCTETS >> 20} MiB: divide it")
    return octets
