"""How much useless talk one session may cost: refusals and commands that lead nowhere.

A refusal costs one error; a command that does nothing (NOOP, RSET, one more EHLO) a fifth of
one; a refused recipient as much as the settings say.  Something useful, an accepted message,
forgives all.  Postfix has the same two limits (`smtpd_hard_error_limit` 20,
`smtpd_junk_command_limit` 100).
"""

from __future__ import annotations

from typing import Final

ERROR: Final = 1000
TRIFLE: Final = ERROR // 5


def share_of(max_errors: int, most: int) -> int:
    """The cost of one of `most` events that together cost as much as `max_errors`."""
    return max(1, -(-max_errors * ERROR // most))


class Patience:
    """One session's."""

    __slots__ = ("_most", "_spent")

    def __init__(self, max_errors: int) -> None:
        self._most = max_errors * ERROR
        self._spent = 0

    def spend(self, cost: int) -> bool:
        """Is it over?"""
        self._spent += cost
        return self._spent >= self._most

    def renew(self) -> None:
        """Something useful was done."""
        self._spent = 0
