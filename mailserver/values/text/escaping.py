"""Text of peers for eyes: nothing in it may move the cursor or turn the line around."""

from __future__ import annotations


def shown(text: str) -> str:
    """One line; what cannot be printed stands as its escape (`\\x1b`, `\\u202e`)."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else _escape(one) for one in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
