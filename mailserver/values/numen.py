"""The NUMEN: the 13-character number of a member of staff, the first password.

Thirteen characters: two digits, a letter, two digits, five digits, three
letters, as in `13E0245678ABC`.  People copy it from paper, so case and spaces
do not matter; anything else is named in the error.
"""

from __future__ import annotations

import re

NUMEN_LENGTH = 13
NUMEN_SHAPE = r"[0-9]{2}[A-Z][0-9]{2}[0-9]{5}[A-Z]{3}"
_NUMEN = re.compile(NUMEN_SHAPE, re.ASCII)


class BadNumen(ValueError):
    """Not a NUMEN.  The text says what is wrong and never quotes what was typed."""


def parse_numen(text: str) -> str:
    """Return the NUMEN in capitals, without spaces.

    Raises:
        BadNumen: wrong length or wrong shape.
    """
    numen = "".join(text.split()).upper()
    if len(numen) != NUMEN_LENGTH:
        raise BadNumen(f"a NUMEN has {NUMEN_LENGTH} characters, this one has {len(numen)}")
    if not _NUMEN.fullmatch(numen):
        raise BadNumen("a NUMEN is 2 digits, a letter, 7 digits and 3 letters, as in 13E0245678ABC")
    return numen
