"""One and many, in both languages: `1 message`, `2 messages`; French counts nought as one.

Where a number stands in a sentence, the sentence is a `CountedNoun`, or its noun comes
from `counted`: no text of ours says `message(s)`.
"""

from __future__ import annotations

from dataclasses import dataclass

from mailserver.texts.catalogue import Language, Text


def is_one(count: float, language: Language) -> bool:
    """Does the noun behind this number stand in the singular?"""
    return abs(count) < 2 if language == "fr" else count == 1


@dataclass(frozen=True, slots=True)
class CountedNoun:
    """A sentence about a number, which stands in it as `{count}`."""

    one: Text
    many: Text

    def in_language(self, count: int, language: Language) -> str:
        text = self.one if is_one(count, language) else self.many
        return text.in_language(language).format(count=count)


def counted(count: int, one: str, many: str = "") -> str:
    """For operators, in English: `1 message`, `2 messages`, `2 copies` (`many`: not with -s)."""
    return f"{count} {noun(count, one, many)}"


def noun(count: float, one: str, many: str = "") -> str:
    """The noun alone, in English."""
    return one if count == 1 else many or f"{one}s"
