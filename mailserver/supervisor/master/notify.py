"""Tell the service manager how we are: sd_notify(3), without its library."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


def watchdog_s(environment: Mapping[str, str]) -> float | None:
    """How often the manager is to hear that we live: sd_watchdog_enabled(3), half its patience."""
    text, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not text.isdigit() or int(text) == 0 or (pid and pid != str(os.getpid())):
        return None
    return int(text) / 2_000_000


def notify(state: str) -> None:
    """Send `READY=1`, `WATCHDOG=1`, `STOPPING=1` and so on; nothing where nobody listens."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path:
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        try:
            sock.sendto(state.encode("ascii"), address)
        except OSError:
            # The manager is gone or deaf; that is no reason to stop serving mail.
            return
