"""What deciding needs beside the rows, handed in by whoever calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mailserver.people.establishments import AliasRules
from mailserver.values.calendar import Calendar


@dataclass(frozen=True, slots=True)
class NumenDigests:
    """The two keyed digests of a NUMEN, under labels and a key of their own.

    source: how its owner is known again.  verifier: of the first password.
    """

    source: Callable[[str], str]
    verifier: Callable[[str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportFacts:
    """left_s: how long someone who left stays `left` before they are gone.

    calendar: whose days the dates of the files are.
    is_complete: who or what is missing from the files leaves, or closes.
    """

    domain: str
    rules: AliasRules
    digests: NumenDigests
    now_s: float
    left_s: float
    calendar: Calendar
    is_complete: bool = False
