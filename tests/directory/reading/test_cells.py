"""From the text of a cell to a value, or to what to write instead."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.directory.reading import cells
from mailserver.directory.reading.cells import Absence, read_cell
from mailserver.directory.reading.problems import told, without_numen
from mailserver.directory.reading.rows import PERSON_PARSERS, UNIT_PARSERS

NUMEN = "13E0245678ABC"


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-09-01", date(2026, 9, 1)),
        ("01/09/2026", date(2026, 9, 1)),
        ("1.9.2026", date(2026, 9, 1)),
        ("2026-09-01T00:00:00", date(2026, 9, 1)),
        ("01/09/2026 00:00", date(2026, 9, 1)),
        ("29/02/2028", date(2028, 2, 29)),
        ("", None),
    ],
)
def test_days_are_read_in_the_usual_forms(text: str, day: date | None) -> None:
    assert cells.parse_day(text) == day


@pytest.mark.parametrize(
    ("parse", "text", "told_words"),
    [
        (cells.parse_day, "31/02/2026", "no day of the calendar"),
        (cells.parse_day, "01/09/26", "write one, as 2026-09-01 or 01/09/2026"),
        (cells.parse_day, "01/09/0026", "no day of the calendar"),
        (cells.parse_code, "0170705A", "the letter of 0170705 is Z, so 0170705Z"),
        (cells.parse_code, "Saintes (17)", "is not a code"),
        (cells.parse_kind, "planète", "write one of academy, department"),
        (cells.parse_bool, "peut-être", "write oui or non"),
        (cells.parse_language, "klingon", "write fr or en"),
        (cells.parse_class, "a b", "the name of a class"),
        (cells.parse_alias, "é è", "as e-julesferry-saintes"),
        (cells.parse_name, "—", "holds no letter"),
        (cells.parse_text, "x" * 201, "write at most 200"),
        (cells.parse_first_password, "13E", "13 characters, this one has 3"),
        (cells.parse_text, "a\nb", "cannot be shown"),
        (cells.parse_text, "a\x1bb", "cannot be shown"),
        (cells.parse_text, "Andr\ufffd", "a letter was lost here"),
        (cells.parse_text, "AndrÃ©", "'AndrÃ©' is perhaps 'André', saved as UTF-8 twice"),
        (cells.parse_text, "voilÃ\xa0", "is perhaps 'voilà', saved as UTF-8 twice"),
        (cells.parse_text, "=cmd|' /C calc'!A0", "begins with =, as a formula does"),
        (cells.parse_text, "'=cmd|' /C calc'!A0", "begins with =, as a formula does"),
        (cells.parse_text, "＝1+1", "as a formula does"),
        (cells.parse_text, "@SUM(1)", "begins with @"),
    ],
)
def test_what_is_wrong_says_what_to_write(
    parse: Callable[[str], object], text: str, told_words: str
) -> None:
    with pytest.raises(ValueError, match=r".") as raised:
        read_cell(text, parse)
    assert told_words in str(raised.value)


def test_a_code_with_or_without_its_letter_is_one() -> None:
    assert cells.parse_code("0170705z") == cells.parse_code(" 017 0705 ") == "0170705z"
    assert cells.parse_code("D17") == "d17"


def test_a_leave_ends_after_its_last_day() -> None:
    assert cells.parse_leave("01/09/2026") == Absence(date(2026, 9, 1))
    assert cells.parse_leave("oui") == Absence(None)
    assert cells.parse_leave("non") is None


@pytest.mark.parametrize("field", [*UNIT_PARSERS, *PERSON_PARSERS])
@pytest.mark.parametrize("text", [NUMEN, f"x {NUMEN}", "13 e 02 45678 abc"])
def test_no_other_column_takes_or_quotes_a_numen(field: str, text: str) -> None:
    if field == "numen":
        return
    parse = PERSON_PARSERS.get(field) or UNIT_PARSERS[field]
    with pytest.raises(ValueError, match="write it under the header numen only"):
        read_cell(text, parse)


@given(st.text(max_size=60), st.sampled_from([*UNIT_PARSERS, *PERSON_PARSERS]))
def test_whatever_stands_in_a_cell_is_a_value_or_words(text: str, field: str) -> None:
    parse = PERSON_PARSERS.get(field) or UNIT_PARSERS[field]
    try:
        read_cell(text, parse, is_numen=field == "numen")
    except ValueError as error:
        words = str(error)
    else:
        words = ""
    assert words.isprintable() or not words
    assert len(words) < 200


def test_what_is_quoted_is_short_and_without_numen() -> None:
    assert told(f"a {NUMEN} b") == "'a  b'"
    assert len(told("x" * 100)) <= 40
    assert without_numen(f"{NUMEN.lower()},") == ","
