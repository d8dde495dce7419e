"""Octets that wait for their turn, and the lines in them: sans-IO."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Lines:
    """is_skipping: in a line that is too long; its end is still awaited."""

    octets: bytearray = field(default_factory=bytearray)
    is_skipping: bool = False
    _scanned: int = 0  # no line feed before this

    def next(self) -> bytes | None:
        """The next line with its ending; None: it is not there yet."""
        octets = self.octets
        end = octets.find(b"\n", self._scanned) + 1
        if end == 0:
            self._scanned = len(octets)
            return None
        self._scanned = 0
        if end == len(octets):
            return self.take_all()
        line = bytes(octets[:end])
        del octets[:end]
        return line

    def take_all(self) -> bytes:
        octets = bytes(self.octets)
        self.clear()
        return octets

    def clear(self) -> None:
        self.octets.clear()
        self._scanned = 0

    def skip(self) -> None:
        """What has come of a line that is too long."""
        self.is_skipping = True
        self.clear()
