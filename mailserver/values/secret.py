"""A secret that hides itself from logs, tracebacks and debuggers.

`repr`, `str` and `format` of a `Secret` show stars; only `reveal` gives the
value, so that a search for that word finds every place that uses one.
"""

from __future__ import annotations

import hmac
from typing import Generic, TypeVar

Hidden = TypeVar("Hidden", str, bytes)
_STARS = "********"


class Secret(Generic[Hidden]):
    """Holds one `str` or `bytes`; equality takes the same time whatever differs."""

    __slots__ = ("_value",)
    _value: Hidden

    def __init__(self, value: Hidden) -> None:
        self._value = value

    def reveal(self) -> Hidden:
        """The value itself.  Never log, store or send what this returns as it is."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({_STARS})"

    def __str__(self) -> str:
        return _STARS

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_octets(self._value), _octets(other._value))

    def __hash__(self) -> int:
        return hash(self._value)

    def __len__(self) -> int:
        return len(self._value)

    def __reduce__(self) -> str:
        raise TypeError("a Secret is never pickled")


def _octets(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")
