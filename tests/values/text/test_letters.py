"""Every letter of the Latin alphabets has a stated folding."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

import pytest

from mailserver.people.names import address_base, identifier_base
from mailserver.people.spelling import name_fault
from mailserver.values.address import fold_local
from mailserver.values.text.letters import LETTERS, SILENT, to_ascii
from mailserver.values.words import split_words

# Latin-1, Extended-A, -B, IPA, Phonetic and its Supplement, Additional (Vietnamese), Extended-C, -D
# (African, medieval), -E, ligatures, full width, Extended-F, -G.
BLOCKS = (
    *((0x41, 0x24F), (0x250, 0x2AF), (0x1D00, 0x1DBF), (0x1E00, 0x1EFF), (0x2C60, 0x2C7F)),
    *((0xA720, 0xA7FF), (0xAB30, 0xAB6F), (0xFB00, 0xFB06), (0xFF21, 0xFF5A)),
    *((0x10780, 0x107BF), (0x1DF00, 0x1DFFF)),
)
# Scribes' abbreviations and sounds that no letter writes: refused in a name, with words.
NO_LETTER = {
    *(
        "Ꜫꜫ",
        "Ꜭꜭ",
        "Ꜯꜯ",
        "Ꝝꝝ",
        "Ꝯꝯ",
        "ꝱꝲꝳꝴꝵꝶꝷ",
        "ꞏ",
        "ꬱ",
        "ꭠ",
        "ʖʡʢʬʭ",
        "ᴤᴥ",
        "\U0001df0a\U0001df0e",
    ),
}
STATED = {
    "ı": "i",
    "İ": "i",
    "ß": "ss",
    "ẞ": "ss",
    "ø": "o",
    "Ø": "o",
    "ł": "l",
    "Ł": "l",
    "đ": "d",
    "Đ": "d",
    "þ": "th",
    "Þ": "th",
    "ð": "d",
    "Ð": "d",
    "æ": "ae",
    "Æ": "ae",
    "œ": "oe",
    "ŋ": "n",
    "Ŋ": "n",
    "ə": "e",
    "Ə": "e",
    "ħ": "h",
    "ŧ": "t",
    "ĸ": "q",
    "ŀ": "l",
    "ŉ": "n",
    "ɓ": "b",
    "ɗ": "d",
    "ƙ": "k",
    "ƴ": "y",
    "ɛ": "e",
    "ɔ": "o",
    "ǝ": "e",
    "ɩ": "i",
    "ʋ": "v",
    "ạ": "a",
    "ế": "e",
    "ơ": "o",
    "Ự": "u",
    "ﬁ": "fi",
    "ﬄ": "ffl",
    "ĳ": "ij",
    "ǆ": "dz",
    "ſ": "s",
    "ȣ": "ou",
    "ƕ": "hv",
    "ǽ": "ae",
    "Ａ": "a",
    "ñ": "n",
    "ç": "c",
    "å": "a",
}


def latin_letters() -> Iterator[str]:
    for first, last in BLOCKS:
        for code in range(first, last + 1):
            letter = chr(code)
            is_latin = unicodedata.name(letter, "").startswith("LATIN")
            if is_latin and unicodedata.category(letter).startswith("L"):
                yield letter


@pytest.mark.parametrize(("letter", "folded"), STATED.items())
def test_letters_that_people_have_in_their_names(letter: str, folded: str) -> None:
    assert "".join(split_words(letter)) == folded


def test_every_latin_letter_folds_to_a_to_z_is_silent_or_is_refused_in_words() -> None:
    refused = "".join(NO_LETTER)
    for letter in latin_letters():
        folded = "".join(split_words(letter))
        is_silent = fold_local(letter) in SILENT
        if letter in refused:
            assert name_fault(f"Anne{letter}") is not None, letter
        elif is_silent:
            assert not folded, letter
            assert name_fault(f"Anne{letter}") is None, letter
        else:
            assert folded.isascii(), letter
            assert folded.isalpha(), letter
            assert name_fault(letter) is None, letter


def test_the_table_is_of_small_letters_and_holds_none_twice() -> None:
    for letter, folded in LETTERS.items():
        assert letter == unicodedata.normalize("NFKC", letter).casefold(), letter
        assert folded.isascii()
        assert folded.isalpha()
        assert to_ascii(letter) == folded
    assert not SILENT & set(LETTERS)


@pytest.mark.parametrize(
    ("given_name", "surname", "identifier", "local"),
    [
        ("Ali", "Yıldız", "ayildiz", "ali.yildiz"),
        ("İpek", "IŞIK", "iisik", "ipek.isik"),
        ("Đỗ", "Nguyễn", "dnguyen", "do.nguyen"),
        ("Kwame", "Ɔpɔku", "kopoku", "kwame.opoku"),
        ("Þóra", "Æbelø-Straße", "taebelostrasse", "thora.aebelo-strasse"),
        ("Əli", "Ŋɔrɔ", "enoro", "eli.noro"),
        ("Núria", "Paral·lel", "nparallel", "nuria.parallel"),
        ("Moana", "ʻOkina", "mokina", "moana.okina"),
    ],
)
def test_names_of_many_alphabets(
    given_name: str, surname: str, identifier: str, local: str
) -> None:
    assert identifier_base(given_name, surname) == identifier
    assert address_base(given_name, surname) == local
