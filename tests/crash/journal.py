"""What a load generator did and was told: one JSON object a line, written at once.

    {"e": "begun",    "id": ..., "boxes": [...], "from": ..., "wishes": {...}}   before DATA
    {"e": "dotted",   "id": ...}                          before the final dot is sent
    {"e": "answered", "id": ..., "code": 250, "connection": ..., "offset": ...}
    {"e": "listed",   "box": ..., "uidls": [...]}         after PASS and UIDL
    {"e": "seen",     "box": ..., "uidl": ..., "id": ...} after RETR, octets checked
    {"e": "asked",    "box": ..., "uidls": [...]}         before QUIT with deletions is sent
    {"e": "removed",  "box": ..., "connection": ..., "offset": ...}   after +OK to it
    {"e": "wrong",    "what": ...}                        a promise was seen broken

of the server elsewhere:

    {"e": "refused",  "connection": ..., "who": [...], "code": 550}
    {"e": "taken",    "connection": ..., "key": ..., "who": {...}, ...}  on disk before its 250
    {"e": "ended",    "connection": ..., "how": "quit", "broken" or "hung up"}

and of the killer:

    {"e": "killed",   "role": ..., "pid": ..., "ports": [...]}   before the signal is sent

`wishes` is NOTIFY of each recipient as typed.  `ports`: our ends of the connections that the
process had when it was killed.  `t` is the Unix time of each line.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

Line = dict[str, Any]


class Journal:
    """May be written by several threads: each line is one append."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def note(self, event: str, **facts: Any) -> None:
        line = json.dumps({"e": event, "t": time.time(), **facts})
        os.write(self._fd, line.encode("utf-8") + b"\n")

    def note_for_good(self, event: str, **facts: Any) -> None:
        """On disk when it returns."""
        self.note(event, **facts)
        os.fdatasync(self._fd)


def read_journal(path: Path) -> list[Line]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
