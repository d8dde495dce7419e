"""One thing that a check found: how bad, of what, one sentence that says what to do.

`config check` finds what would fail at start, `status` what fails now; both say it so.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Level(Enum):
    """Of a service that runs: ERROR: mail is refused or lost sight of, at this moment."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """`key` is dotted, as in the settings file, or a word for what no setting names (`clock`).

    forbids_start: of an error; without it the service starts all the same.
    """

    level: Level
    key: str
    sentence: str
    forbids_start: bool = True

    def __str__(self) -> str:
        return f"{self.level.value}: {self.key}: {self.sentence}"


def error(key: str, sentence: str) -> Finding:
    """The service would not start with this, or must not."""
    return Finding(Level.ERROR, key, sentence)


def error_to_live_with(key: str, sentence: str) -> Finding:
    """Wrong, and yet mail for everybody is better than none: it starts."""
    return Finding(Level.ERROR, key, sentence, forbids_start=False)


def warning(key: str, sentence: str) -> Finding:
    """It starts; somebody should look."""
    return Finding(Level.WARNING, key, sentence)


def note(key: str, sentence: str) -> Finding:
    """Good to know; nothing is wrong."""
    return Finding(Level.NOTE, key, sentence, forbids_start=False)


def as_facts(finding: Finding) -> dict[str, str]:
    """For programs."""
    return {"level": finding.level.value, "key": finding.key, "sentence": finding.sentence}
