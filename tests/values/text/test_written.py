"""What people save, read as they wrote it or refused: no letter is ever guessed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.values.text.written import BadText, decode_text, decode_utf_8, plain, spoilt_words

NAMES = (
    "Frédéric François Zoé Noël Gaëlle Jérôme Hélène Éloïse Étienne Lefèvre DUPRÉ Forêt Müller"
    " Nuñez São Ångström Søren Anaïs Maëlle Loïc Chloé Célia André Eugène Désirée Irène Agnès Joël"
    " Raphaël Noé Aimé Chrétien Bérénice Hôpital Évêque Île Garçon L’Haÿ Maître Brûlé Côté Besançon"
    " Mâcon Orléans Saint-Étienne ÉCOLE FRÉDÉRIC Ouvrière António Peña Gonçalves D’Artagnan Lecœur"
).split()
ONLY_IN_1252 = ("Šimić", "Žarko", "FRéDéRIC")
# These are good names in both readings: nothing in the octets tells.
UNSEEN = {("mac_roman", "Île")}


def _file(name: str) -> str:
    return f"numen;nom\n1;{name}\n"


@pytest.mark.parametrize("name", [*NAMES, *ONLY_IN_1252])
@pytest.mark.parametrize(
    "codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]
)
def test_a_single_name_is_read_in_each_form_that_programs_write(codec: str, name: str) -> None:
    try:
        octets = _file(name).encode(codec)
    except UnicodeEncodeError:
        return
    assert decode_text(octets)[0] == _file(name)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("codec", ["mac_roman", "cp850"])
def test_a_single_name_in_an_old_encoding_is_a_refusal_with_line_and_guess(
    codec: str, name: str
) -> None:
    try:
        octets = ("numen;nom\r\n" + "1;Duc\r\n" * 3 + f"2;{name}\r\n").encode(codec)
    except UnicodeEncodeError:
        return
    if (codec, name) in UNSEEN:
        return
    with pytest.raises(BadText, match=r"written in (Mac Roman|CP850)") as raised:
        decode_text(octets)
    assert raised.value.told_of("people.csv").startswith("people.csv, line 5: ")


def test_latin_9_is_known_by_its_letters() -> None:
    text = _file("Lecœur ŒUVRÉ")
    assert decode_text(text.encode("iso8859-15")) == (text, "Latin-9")


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (b"a\nb\0c\n", "f, line 2: not a text file"),
        (b"\xff\xfea\0\0\0b\0", "f, line 1: not a text file"),
        (b"a\nZo\xc3\xa9\nZo\xe9\n", "f: line 2 is UTF-8 and line 3 is not"),
        (b"\xef\xbb\xbfa\nb\nZo\xe9", "f, line 3: not UTF-8 with a byte order mark"),
        (b"\xff\xfea\0\n\0b\0\n\0\0\xd8", "f, line 3: not UTF-16"),
        ("a\rb\rAndré Müller Zoé".encode("mac_roman"), "f, line 3: "),
    ],
)
def test_what_is_no_text_names_its_line(octets: bytes, words: str) -> None:
    with pytest.raises(BadText) as raised:
        decode_text(octets)
    assert raised.value.told_of("f").startswith(words)


@given(st.binary(max_size=200))
def test_whatever_octets_are_text_or_a_sentence(octets: bytes) -> None:
    try:
        text, found = decode_text(octets)
    except BadText as bad:
        text, found = "", bad.told_of("f")
    assert found
    assert "\0" not in text


def test_a_file_for_programs_is_utf_8_and_its_mark_is_no_part_of_it() -> None:
    assert decode_utf_8(b"\xef\xbb\xbfa = 1\n") == "a = 1\n"
    with pytest.raises(BadText) as raised:
        decode_utf_8(b"a = 1\nb = '\xe9'\n")
    assert raised.value.line_no == 2


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Jean\u00a0Pierre\u202fLe\u2009Gall", "Jean Pierre Le Gall"),
        ("\ufeffMar\u200btin\u200d\u2060", "Martin"),
        ("Du\u00adpont", "Dupont"),
        ("\u202eDuc\u202c", "Duc"),
        ("a\tb", "a b"),
        ("Frédéric", "Frédéric"),
    ],
)
def test_wide_spaces_are_spaces_and_what_takes_no_room_is_nothing(text: str, wanted: str) -> None:
    assert plain(text) == wanted


@pytest.mark.parametrize("name", [*NAMES, *ONLY_IN_1252, "Łukasz", "Đỗ", "Yıldız"])
@pytest.mark.parametrize("codec", ["cp1252", "latin-1", "mac_roman", "cp850"])
def test_utf_8_that_was_saved_twice_is_told_with_what_it_was(codec: str, name: str) -> None:
    if name.isascii():
        return
    octets = name.encode()
    doubled = "".join(bytes((one,)).decode(codec, "ignore") or chr(one) for one in octets)
    words = spoilt_words(f"Anne {doubled}")
    assert words is not None
    assert f"'Anne {name}'" in words


@pytest.mark.parametrize(
    "text",
    [*NAMES, *ONLY_IN_1252, "JOÃO", "Łukasz", "Âge d’or", "N° 3", "« Pôle »"],
)
def test_good_text_is_not_called_spoilt(text: str) -> None:
    assert spoilt_words(text) is None


def test_a_lost_letter_is_told() -> None:
    assert "a letter was lost" in (spoilt_words("Andr\ufffd") or "")
