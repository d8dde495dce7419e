"""The passwords that people choose most, from the lists of the package zxcvbn (MIT licence).

30,000: the 10,000 most common ones, and those behind them.  The list is that
package's data, pinned by hash with every other dependency, and none of it
stands in this repository.  It is loaded by the first password that is set
(about 30 ms), never by a sign-in.
"""

from __future__ import annotations

from functools import lru_cache

_BEHIND = "0123456789!.?*$@#-_+ "


@lru_cache(maxsize=1)
def common_passwords() -> frozenset[str]:
    """In lower case."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # type: ignore[import-untyped]

    return frozenset(word.lower() for word in FREQUENCY_LISTS["passwords"])


def is_common(password: str) -> bool:
    """Itself, or with digits and signs put after it, as in `sunshine2026!` or `123456782026!`."""
    words, whole = common_passwords(), password.lower()
    bare = whole.rstrip(_BEHIND)
    return bare in words or any(
        whole[:length] in words for length in range(max(len(bare), len(whole) // 2), len(whole) + 1)
    )
