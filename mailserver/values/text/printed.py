"""Codes that are printed, read aloud and typed again: capitals and digits that no one confuses.

Each of these pairs looks alike on paper, so one of them is left out or both: 0 O, 1 I L, 2 Z, 5 S,
8 B, U V.  What is typed is read with patience: case, spaces and dashes do not matter, and a letter
that was left out is read as the digit (or V) that it looks like.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

PRINTED: Final = "ACDEFGHJKMNPQRTVWXY23456789"
BETWEEN: Final = "-–—_."
MAX_TYPED: Final = 100
_LOOKS_LIKE: Final = str.maketrans("BSZU", "852V")


def print_groups(choose: Callable[[str], str], *, groups: int, group: int = 4) -> str:
    """`K7MH-3XQD`, from one symbol at a time.  choose: `secrets.choice`."""
    return "-".join("".join(choose(PRINTED) for _ in range(group)) for _ in range(groups))


def without_dashes(typed: str) -> str:
    """In capitals; what is too long to be a code is cut, and so is none."""
    kept = (c for c in typed[:MAX_TYPED] if c not in BETWEEN and not c.isspace())
    return "".join(kept).upper()


def as_looks(capitals: str) -> str:
    """With each letter that is never printed as the one that it looks like."""
    return capitals.translate(_LOOKS_LIKE)


_ONE_TIME: Final = re.compile(rf"[{PRINTED}BSZU]{{12}}", re.ASCII)


def read_one_time(typed: str) -> str | None:
    """A one-time password as it was printed, in groups of four; None: it is not of that shape."""
    capitals = without_dashes(typed)
    if not _ONE_TIME.fullmatch(capitals):
        return None
    symbols = as_looks(capitals)
    return "-".join(symbols[at : at + 4] for at in range(0, len(symbols), 4))
