"""What a connection has, as it sees them: a conversation, and now and then a message that comes."""

from __future__ import annotations

from typing import Protocol


class Conversation(Protocol):
    """What a connection has: who understands what comes over it, and says what goes back."""

    @property
    def has_begun(self) -> bool:
        """Has the peer said who it is?"""

    @property
    def is_from_us(self) -> bool:
        """Our own people's programs, and machines of ours: some end a command with LF alone."""

    def arrive(self) -> None:
        """A connection is here: a place for it, a handshake where there is one, a greeting."""

    def carry_out(self, line: bytes) -> None:
        """The command in `line` (CRLF cut off); or begin to, if it has to wait."""

    def turn_tls_away(self) -> None:
        """A handshake begins where text comes first."""

    def drop(self) -> None:
        """Forget the message that is under way."""

    def end(self) -> None:
        """The connection is gone."""


class Incoming(Protocol):
    """A message that comes: it takes octets in place of commands."""

    @property
    def received_octets(self) -> int: ...

    @property
    def is_behind(self) -> bool:
        """Read no more for now."""

    def take(self, data: bytes) -> bytes:
        """What followed its end; empty while it has not come."""
