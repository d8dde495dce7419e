"""Sentences that a mail user reads, in French and in English.

A `Text` is one sentence in both languages.  A reply of a door is ASCII, because
SMTP and POP3 are (accents are left out of its French on purpose): each door
keeps its own list, `docs/replies.md` shows them all and is tested against the
code.  What is read as mail, as a report to a sender, has its accents.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Language = Literal["fr", "en"]


@dataclass(frozen=True, slots=True)
class Text:
    """One sentence that says what to do, without a final CRLF."""

    fr: str
    en: str

    def in_language(self, language: Language) -> str:
        return self.fr if language == "fr" else self.en
