"""Codes of units as files spell them: those that are another one, mistyped, are guessed aloud.

A spreadsheet drops the nought in front (170705Z), people type O for 0 and l for 1.
A guess counts where it names a unit that is known, or where its key letter fits; the
plan says each, so that a wrong one is seen before it is applied.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field

from mailserver.people.uai import find_lookalike
from mailserver.texts.plurals import counted

MAX_NOTES = 20


@dataclass(slots=True)
class Guesses:
    """What was typed -> what it was read as, the first place, and how many lines."""

    _made: dict[str, tuple[str, str, int]] = field(default_factory=dict)

    def known(self, typed: str, codes: Container[str], place: str) -> str:
        """The code itself where it is known, else the one that is known and was perhaps meant."""
        if not typed or typed in codes:
            return typed
        guess = find_lookalike(typed)
        return typed if guess is None or guess not in codes else self.made(typed, guess, place)

    def made(self, typed: str, guess: str, place: str) -> str:
        _, first, count = self._made.get(typed, (guess, place, 0))
        self._made[typed] = (guess, first, count + 1)
        return guess

    def notes(self) -> list[str]:
        told = [
            f"{place}: {typed} is read as {guess.upper()} ({counted(count, 'line')})"
            for typed, (guess, place, count) in self._made.items()
        ]
        rest = len(told) - MAX_NOTES
        return [*told[:MAX_NOTES], *([f"and {rest} more codes were guessed"] if rest > 0 else [])]


def hint(typed: str) -> str:
    """For a sentence about a code that is not known; or nothing."""
    guess = find_lookalike(typed)
    return "" if guess is None or guess == typed else f"; perhaps {guess.upper()}?"
