"""Sentences that a mail user reads, in French and in English.

A `Text` is one sentence in both languages, in ASCII, because SMTP and POP3
replies are (accents are left out of the French on purpose).  Each door keeps
its own list of them; `docs/replies.md` shows them all and is tested against
the code.
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
