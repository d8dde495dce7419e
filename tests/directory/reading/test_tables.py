"""From octets to rows: every way an office saves its files."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.directory.reading.problems import BadFile
from mailserver.directory.reading.tables import read_tables

ROWS = [["numen", "nom", "prénom"], ["1", "Lefèvre", "Zoé"], ["2", 'Le "Gall"', "François"]]


def _csv(delimiter: str, rows: list[list[str]] = ROWS) -> str:
    return "\r\n".join(
        delimiter.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows
    )


@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
@pytest.mark.parametrize(
    ("codec", "words"),
    [
        ("utf-8", "UTF-8"),
        ("utf-8-sig", "UTF-8 with a byte order mark"),
        ("latin-1", "Latin-1"),
        ("utf-16", "UTF-16"),
    ],
)
def test_every_encoding_and_delimiter_is_found_and_stated(
    delimiter: str, codec: str, words: str
) -> None:
    (table,) = read_tables(_csv(delimiter).encode(codec), name="a.csv")
    named = {";": ";", ",": ",", "\t": "tab"}[delimiter]
    assert table.found == f"{words}, parted by {named}"
    assert [table.header, *(row.cells for row in table.rows)] == [tuple(row) for row in ROWS]


def test_windows_1252_shows_by_characters_that_latin_1_does_not_have() -> None:
    octets = "numen;nom;prenom\n1;Lecœur;Zoé\n".encode("cp1252")
    (table,) = read_tables(octets, name="a.csv")
    assert table.found.startswith("Windows-1252")
    assert table.rows[0].cells[1] == "Lecœur"


def test_the_delimiter_is_the_one_of_the_header_not_of_the_cells() -> None:
    octets = b"numen;nom;adresse, complete\n1;Duc;1, rue du Port, Saintes\n"
    (table,) = read_tables(octets, name="a.csv")
    assert table.rows[0].cells == ("1", "Duc", "1, rue du Port, Saintes")


def test_lines_are_counted_as_an_editor_counts_them() -> None:
    octets = b'numen;nom\n\n1;"two\nlines"\n;;\n2;Duc\n3\n'
    (table,) = read_tables(octets, name="a.csv")
    assert [(row.place_no, row.is_ragged) for row in table.rows] == [
        (3, False),
        (6, False),
        (7, True),
    ]
    assert table.place(table.rows[2]) == "a.csv, line 7"


def test_empty_cells_that_a_spreadsheet_adds_are_no_mistake() -> None:
    (table,) = read_tables(b"numen;nom\n1;Duc;;;\n", name="a.csv")
    assert table.rows[0].cells == ("1", "Duc")
    assert not table.rows[0].is_ragged


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;", "sep=;;;", "\ufeffsep=;"])
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_excels_own_first_line_says_the_delimiter(first: str, end: str) -> None:
    octets = end.join([first, "numen;nom, prenom;prenom", "1;Duc, Zoé;Zoé", "2"]).encode()
    (table,) = read_tables(octets, name="a.csv")
    assert table.header == ("numen", "nom, prenom", "prenom")
    assert [row.place_no for row in table.rows] == [3, 4]


def test_a_first_line_with_another_delimiter_is_told() -> None:
    with pytest.raises(BadFile, match=r"a.csv, line 1: 'sep=\|': part the cells with ; or ,"):
        read_tables(b"sep=|\nnumen|nom\n", name="a.csv")


@pytest.mark.parametrize(
    ("title", "told"),
    [
        ("Liste des personnels\n", "line 1: 'Liste des personnels' is a title: the headers"),
        ("Liste;;\n;;\nau 1er mars;;\n", "line 1: 'Liste' is a title: the headers stand in line 4"),
        ("\n;;;\n Rectorat ; 2026 \n", "line 3: 'Rectorat 2026' is a title"),
        ("Etablissement\n", "line 1: 'Etablissement' is a title: the headers stand in line 2"),
        ("sep=;\nListe\n", "line 2: 'Liste' is a title: the headers stand in line 3"),
    ],
)
def test_a_title_above_the_headers_is_named_as_such(title: str, told: str) -> None:
    with pytest.raises(BadFile) as raised:
        read_tables(f"{title}numen;nom;prenom\n1;Duc;Zoé\n".encode(), name="a.csv")
    assert f"a.csv, {told}" in str(raised.value)


def test_headers_and_empty_rows_are_told_apart_whatever_spaces_stand_in_them() -> None:
    text = ";\u00a0;\n\ufeff\u00a0numen\u00a0;\u200bnom;\n1;Duc;\n\u00a0;\u200b;\n2;Duc;\n"
    (table,) = read_tables(text.encode(), name="a.csv")
    assert table.header == ("numen", "nom")
    assert [row.place_no for row in table.rows] == [3, 5]


def test_json_comes_as_a_list_or_as_two() -> None:
    entries = [{"numen": "1", "nom": "Duc", "hidden": True, "tel": None}, {"numen": 2}]
    (table,) = read_tables(json.dumps(entries).encode(), name="a.json")
    assert table.header == ("numen", "nom", "hidden", "tel")
    assert [row.cells for row in table.rows] == [("1", "Duc", "yes", ""), ("2", "", "", "")]
    assert table.place(table.rows[1]) == "a.json, entry 2"
    both = {"units": [{"code": "AC"}], "people": entries}
    assert [one.header[0] for one in read_tables(json.dumps(both).encode(), name="a")] == [
        "code",
        "numen",
    ]


def test_the_posts_of_a_person_are_rows() -> None:
    posts = [{"unit": "0170705Z", "function": "a"}, {"unit": "0170706A", "function": "b"}]
    (table,) = read_tables(json.dumps([{"numen": "1", "posts": posts}]).encode(), name="a.json")
    assert [row.cells for row in table.rows] == [("1", "0170705Z", "a"), ("1", "0170706A", "b")]
    assert {row.place_no for row in table.rows} == {1}


@pytest.mark.parametrize(
    ("octets", "told"),
    [
        (b"", "a.csv: the file is empty"),
        (b"\xef\xbb\xbf \n", "a.csv: the file is empty"),
        (b"PK\x03\x04\0\0", "not a text file: save it as CSV"),
        (b"13E0245678ABC;Martin\n", "its first line names no column"),
        (b'[{"a": 1},]', "a.csv, line 1: not JSON"),
        (b"[1]", "a.csv, entry 1: write an object"),
        (b'[{"numen": [1]}]', "a.csv, entry 1: write text"),
        (b'{"a": 1}', 'write a list of objects, or {"units"'),
        (b'{"people": 1}', "write a list of objects"),
        (b'[{"posts": [1]}]', '"posts" is a list of objects'),
        (b"[" * 100_000, "not JSON"),
        (b"\xff\xfe1", "a.csv, line 1: not UTF-16"),
        (b"\xef\xbb\xbfnumen;nom\n1;Lef\xe8vre\n", "a.csv, line 2: not UTF-8 with a byte"),
        (b"numen;nom\n1;Zo\xc3\xa9\n\n2;Zo\xe9\n", "line 2 is UTF-8 and line 4 is not"),
        (b"numen;nom\n1;Zo\xe9\n2;D\xe2\x80\x99Or\n", "line 3 is UTF-8 and line 2 is not"),
        (b"numen;nom\0;prenom\n", "not a text file"),
        (b"numen;nom\n1;" + b"x" * 1_000_000, "a.csv, line 2: field larger than"),
        (b";".join([b"numen", *(b"c%d" % n for n in range(10_000))]), "10001 columns"),
        (b'[{"id": 1, "nom": NaN}]', "a.csv: write null or text where NaN stands"),
    ],
)
def test_what_cannot_be_read_is_said_in_words(octets: bytes, told: str) -> None:
    with pytest.raises(BadFile) as raised:
        read_tables(octets, name="a.csv")
    assert told in str(raised.value)
    assert "13E0245678ABC" not in str(raised.value)


def test_columns_that_a_spreadsheet_leaves_empty_are_none() -> None:
    (table,) = read_tables(b"numen;nom;;;\n1;Duc;;;\n2;Duc;;x;\n", name="a.csv")
    assert table.header == ("numen", "nom")
    assert [row.is_ragged for row in table.rows] == [False, True]


def test_a_number_of_json_is_the_same_however_a_spreadsheet_writes_it() -> None:
    (table,) = read_tables(b'[{"id": 12.0, "cp": 1.5}]', name="a.json")
    assert table.rows[0].cells == ("12", "1.5")


@given(st.binary(max_size=300))
def test_whatever_octets_are_tables_or_a_refusal_with_the_files_name(octets: bytes) -> None:
    for one in (octets, b"numen;nom\n" + octets, _csv(";").encode() + octets):
        try:
            tables = read_tables(one, name="a.csv")
        except BadFile as error:
            refusal, tables = str(error), []
        else:
            refusal = "a.csv"
        assert refusal.startswith("a.csv")
        for table in tables:
            assert all(row.is_ragged or len(row.cells) == len(table.header) for row in table.rows)


_CELL = st.text(
    st.characters(blacklist_categories=["Cs", "Cc", "Cf"], max_codepoint=0xFF),
    min_size=1,
    max_size=9,
).map(str.strip)


@given(
    st.lists(st.tuples(_CELL, _CELL).filter(all), max_size=5),
    st.sampled_from([";", ",", "\t"]),
    st.sampled_from(["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16"]),
)
def test_whatever_cells_come_back_from_every_form(
    rows: list[tuple[str, str]], delimiter: str, codec: str
) -> None:
    text = _csv(delimiter, [["numen", "nom"], *map(list, rows)])
    try:
        octets = text.encode(codec)
        is_utf_8 = codec == "latin-1" and bool(octets.decode("utf-8")) and not text.isascii()
    except UnicodeDecodeError:
        is_utf_8 = False
    except UnicodeEncodeError:
        return
    if is_utf_8 or (codec == "cp1252" and not text.isascii()):
        return  # the same octets are a good text in another encoding, too
    if codec == "latin-1" and re.search("[Â-ÅÌ][\xa0-\xbf]|[¼½¾]", text):
        return  # a letter in UTF-8, or in Latin-9
    try:
        (table,) = read_tables(octets, name="a.csv")
    except BadFile as error:
        if codec == "latin-1" and "is perhaps" in str(error):
            return  # these letters make no sense in a name
        raise
    assert [row.cells for row in table.rows] == rows
