"""The passwords that people choose most, from the lists of the package zxcvbn (MIT licence).

The list is that package's data, pinned by hash with every other dependency, and
none of it stands in this repository.  It is loaded by the first password that
is set (about 30 ms), never by a sign-in.
"""

from __future__ import annotations

from functools import lru_cache

COMMON_COUNT = 10_000
"""As many of the most common ones that are long enough to be set at all are refused, at least."""


@lru_cache(maxsize=1)
def common_passwords() -> frozenset[str]:
    """In lower case.  The whole list: with a minimal length, its first part alone says little."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # type: ignore[import-untyped]

    return frozenset(word.lower() for word in FREQUENCY_LISTS["passwords"])


def is_common(password: str) -> bool:
    """Itself, or with digits and signs put after it, as in `sunshine2026!`."""
    lowered = password.lower()
    words = common_passwords()
    return lowered in words or lowered.rstrip("0123456789!.?*$@#-_+ ") in words
