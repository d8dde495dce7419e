"""Every letter of the Latin alphabets -> letters a to z: one table, stated, the same everywhere.

Accents, cedillas and what Unicode takes apart itself (ligatures, full-width letters, ß as
ss) are gone before this table is asked.  Where alphabets differ, it follows the Latin-ASCII
transform of the Unicode CLDR, which passports and keyboards without them follow too.

    LETTERS         letters of living alphabets, and of those that names come from
    by name         any other Latin letter is the one that its Unicode name names:
                    LATIN SMALL LETTER S WITH CURL is s (phonetic, medieval, extended)
    SILENT          clicks, glottal stops, tone marks: they stand in names and are no letter
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

_TABLE: Final = """
a   ⱥ ɑ ɐ ɒ
b   ƀ ƃ ɓ
c   ȼ ƈ ɕ
d   đ ð ɖ ɗ ƌ ȡ ƍ
e   ə ǝ ɛ ɇ ɘ ɚ
f   ƒ
g   ǥ ɠ ɡ ɣ
h   ħ ɦ ⱨ
i   ı ɨ ɩ ɪ
j   ȷ ɉ ɟ
k   ƙ ⱪ
l   ł ƚ ɫ ⱡ ƛ ȴ
m   ɱ
n   ŋ ɲ ƞ ɳ ȵ
o   ø ɔ ɵ ɤ ⱺ
p   ƥ ᵽ
q   ɋ ĸ
r   ɍ ɽ ʀ
s   ȿ ʂ
t   ŧ ƭ ʈ ƫ ⱦ ȶ
u   ʉ ʊ ɯ
v   ʋ ʌ ⱱ
w   ƿ ⱳ
y   ƴ ɏ ȝ
z   ƶ ȥ ʒ ɀ ⱬ ƹ ƺ
ae  æ
db  ȸ
hv  ƕ
oe  œ
oi  ƣ
ou  ȣ
qp  ȹ
sh  ʃ ƪ
th  þ
"""
LETTERS: Final = {
    letter: row.split()[0] for row in _TABLE.split("\n") if row for letter in row.split()[1:]
}
SILENT: Final = frozenset("ǀǁǂǃʔʕɂʘƨƽƅƾƻꞌꜣꜥ")
_NAMED: Final = {
    "ALPHA": "a", "BETA": "b", "GAMMA": "g", "DELTA": "d", "SCHWA": "e", "IOTA": "i", "LAMBDA": "l",
    "OMEGA": "o", "UPSILON": "u", "PHI": "f", "CHI": "ch", "ENG": "n", "ETH": "d", "ESH": "sh",
    "EZH": "z", "HENG": "h", "LEZH": "lz", "DEZH": "dz", "TESH": "ch", "FENG": "fn", "THORN": "th",
    "WYNN": "w", "VEND": "v",
}  # fmt: skip
_NAME: Final = re.compile(
    r"LATIN (?:SMALL |CAPITAL |EPIGRAPHIC )?(?:CAPITAL )?(?:LETTER )?(?:[A-Z-]+ )*?"
    rf"([A-Z]{{1,2}}|{'|'.join(_NAMED)})(?: DIGRAPH| ROTUNDA| LONGA| OPEN-O| BAR| REVERSED)?"
    r"(?: WITH(?:OUT)? .*)?"
)


@lru_cache(maxsize=1024)
def to_ascii(letter: str) -> str | None:
    """The letters a-z that stand for one small letter without its accents; None: none do."""
    known = LETTERS.get(letter)
    if known is not None:
        return known
    if letter in SILENT or ord(letter) < 0x250:
        return None
    found = _NAME.fullmatch(unicodedata.name(letter, ""))
    if found is None:
        return None
    return _NAMED.get(found[1], found[1].lower())


def fold_letters(text: str) -> str:
    """text: in lower case, without accents.  What no letter stands for is left as it is."""
    return "".join(c if c.isascii() else to_ascii(c) or c for c in text)
