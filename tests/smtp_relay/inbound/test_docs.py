"""docs/smtp.md says what the code says."""

from __future__ import annotations

from pathlib import Path

from smtp_relay.inbound import replies
from smtp_relay.inbound.connection.connection import MAX_COMMAND_OCTETS

PAGE = Path(__file__).parents[3] / "docs/smtp.md"


def test_the_page_shows_every_reply_and_no_other() -> None:
    _, _, table = PAGE.read_text(encoding="utf-8").partition("## Replies\n")
    rows = [line for line in table.splitlines() if line[:3] == "| 2" or line[2:3].isdigit()]
    assert rows == [
        f"| {phrase.code} | {phrase.enhanced} | {phrase.text.fr} | {phrase.text.en} |"
        for phrase in replies.PHRASES
    ]


def test_the_page_names_the_limits() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert f"{MAX_COMMAND_OCTETS:,} octets" in text
