"""The supervisor's own log lines: the shape of `telemetry.log`, without its library."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TextIO

LEVELS = ("debug", "info", "warning", "error")


class Events:
    """One event per line on standard output: JSON, or for eyes on a terminal."""

    def __init__(self, *, level: str, log_format: str, stream: TextIO | None = None) -> None:
        self._least = LEVELS.index(level)
        self._out = stream or sys.stdout
        self._for_eyes = log_format == "console" or (log_format == "auto" and self._out.isatty())

    def debug(self, event: str, **facts: object) -> None:
        self._write("debug", event, facts)

    def info(self, event: str, **facts: object) -> None:
        self._write("info", event, facts)

    def warning(self, event: str, **facts: object) -> None:
        self._write("warning", event, facts)

    def error(self, event: str, **facts: object) -> None:
        self._write("error", event, facts)

    def _write(self, level: str, event: str, facts: dict[str, object]) -> None:
        if LEVELS.index(level) < self._least:
            return
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if self._for_eyes:
            told = " ".join(f"{name}={value!r}" for name, value in facts.items())
            line = f"{now} [{level:<7}] {event:<30} {told}".rstrip()
        else:
            line = json.dumps(
                {"room": "supervisor", **facts, "event": event, "level": level, "timestamp": now},
                ensure_ascii=False,
                default=str,
            )
        try:
            # One write: print() takes two where Python is unbuffered, and workers' lines mix in.
            self._out.write(f"{line}\n")
            self._out.flush()
        except OSError:
            # The terminal or the pipe behind us is gone; the mail goes on.
            return
