"""The bits of `message.flags`.  They stand in the database and never change."""

from __future__ import annotations

from typing import Final

ENDS_WITH_CRLF: Final = 1
IS_8BIT: Final = 2
HAS_NUL: Final = 4
SMTPUTF8: Final = 8
IS_UNVOUCHED: Final = 16
IS_SIGNED_BY_US: Final = 32
