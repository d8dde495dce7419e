"""Where log lines go: a stream that never fails.

The log may be a file on the disk that is full, or a pipe that nobody reads any
more.  Neither may stop a session, a commit or a QUIT, so such a line is lost,
and the next one that gets through says how many were.
"""

from __future__ import annotations

import io
import os
from typing import TextIO


class LogStream:
    """`write` takes one whole line, its end included, in one system call."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lost_count = 0
        try:
            self._fd = out.fileno()
        except (AttributeError, OSError, io.UnsupportedOperation):
            self._fd = -1  # no file: a test that keeps the lines

    def write(self, line: str) -> None:
        if self._lost_count:
            line = f"# {self._lost_count} lines lost: the log could not be written\n{line}"
        try:
            self._write(line)
        except (OSError, ValueError):  # no room, nobody reads, closed
            self._lost_count += 1
        else:
            self._lost_count = 0

    def flush(self) -> None:
        """Nothing is held back."""

    def _write(self, line: str) -> None:
        if self._fd < 0:
            self._out.write(line)
            self._out.flush()
            return
        octets = line.encode("utf-8", "backslashreplace")
        written = os.write(self._fd, octets)
        while written < len(octets):
            written += os.write(self._fd, octets[written:])
