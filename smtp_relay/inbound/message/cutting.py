"""The beginning of a report that goes on to a stranger: its header, and so much of its text.

Whoever has seen an address that we rewrote (`mailserver.routing.srs`) may send reports to
who is behind it: what a report needs goes on, and no more.  Any form will do, for some
servers write reports as plain text.
"""

from __future__ import annotations

from typing import Final

from smtp_relay.inbound.message.header import HeaderBlock

MOST_REPORT_OCTETS: Final = 32 * 1024


class Cut:
    """Lets the header pass, then whole lines up to a limit, then nothing."""

    __slots__ = ("_header", "_is_over", "_last", "_most_octets", "_passed_octets")

    def __init__(self, header: HeaderBlock, most_octets: int = MOST_REPORT_OCTETS) -> None:
        self._header = header
        self._most_octets = most_octets
        self._passed_octets = 0
        self._last = b""  # the last octet that passed
        self._is_over = False

    def take(self, octets: bytes) -> bytes:
        """What passes of the next octets, which the header block has seen already."""
        if self._is_over:
            return b""
        if self._header.is_complete:
            room = self._header.octets + self._most_octets - self._passed_octets
            if len(octets) > room:
                octets = self._ended(octets[: max(room, 0)])
                self._is_over = True
        self._passed_octets += len(octets)
        self._last = octets[-1:] or self._last
        return octets

    def _ended(self, octets: bytes) -> bytes:
        """At the end of a line; a line that is too long ends here."""
        end = octets.rfind(b"\r\n")
        if end >= 0:
            return octets[: end + 2]
        before = octets[-1:] or self._last
        return octets + (b"\n" if before == b"\r" else b"" if before == b"\n" else b"\r\n")
