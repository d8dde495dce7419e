"""One and many, in both languages; and no text that leaves the choice to its reader."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mailserver.texts.catalogue import Language, Text
from mailserver.texts.plurals import CountedNoun, counted, noun

ROOT = Path(__file__).parents[2]
SHEETS = CountedNoun(
    Text("{count} feuille", "{count} sheet"), Text("{count} feuilles", "{count} sheets")
)


@pytest.mark.parametrize(
    ("count", "language", "words"),
    [
        (0, "fr", "0 feuille"),
        (1, "fr", "1 feuille"),
        (2, "fr", "2 feuilles"),
        (0, "en", "0 sheets"),
        (1, "en", "1 sheet"),
        (2, "en", "2 sheets"),
    ],
)
def test_french_counts_nought_as_one_and_english_does_not(
    count: int, language: Language, words: str
) -> None:
    assert SHEETS.in_language(count, language) == words


def test_operators_read_english_nouns() -> None:
    assert [counted(n, "message") for n in (0, 1, 2)] == ["0 messages", "1 message", "2 messages"]
    assert counted(2, "copy", "copies") == "2 copies"
    assert noun(1, "surname begins", "surnames begin") == "surname begins"


def test_no_text_leaves_the_number_to_its_reader() -> None:
    """`feuille(s)`, `message(s)`, `inscrit(e)`."""
    pattern = re.compile(r"[a-zé]{3,}\((s|e|es|e\)\(s|x)\)[^(]")
    found = [
        f"{path}: {line.strip()}"
        for package in ("mailserver", "smtp_relay", "pop3_store", "webmail")
        for path in (ROOT / package).rglob("*")
        if path.suffix in {".py", ".html", ".toml"} and path.name != "plurals.py"
        for line in path.read_text("utf-8").splitlines()
        if '"' in line and pattern.search(line.partition('"')[2]) and "str(e)" not in line
    ]
    assert found == []
