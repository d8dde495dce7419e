"""Signals as readable octets: a loop waits for them beside its other descriptors."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterable
from types import FrameType


class SignalPipe:
    """Catches the given signals of this process; `fd` is readable when one has come.

    SIGCHLD, SIGTERM and their like only; must be made in the main thread.
    """

    def __init__(self, signals: Iterable[signal.Signals]) -> None:
        self.fd, self._write_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        for number in signals:
            signal.signal(number, _note)
        signal.set_wakeup_fd(self._write_fd, warn_on_full_buffer=False)

    def take(self) -> set[int]:
        """The signals that came since the last call."""
        try:
            return set(os.read(self.fd, 4096))
        except BlockingIOError:
            return set()

    def close(self) -> None:
        """Stop; handlers stay.  Also for a forked child that must not share the pipe."""
        signal.set_wakeup_fd(-1)
        os.close(self.fd)
        os.close(self._write_fd)


def _note(number: int, frame: FrameType | None) -> None:
    """The octet in the pipe says all."""


def wait_readable(fds: Iterable[int], patience_s: float | None) -> set[int]:
    """Those of `fds` that can be read or have ended; empty when the patience ended first."""
    poll = select.poll()  # select(2) knows no descriptor over 1023
    for fd in fds:
        poll.register(fd, select.POLLIN)
    wait_ms = None if patience_s is None else max(0.0, patience_s) * 1000
    return {fd for fd, _ in poll.poll(wait_ms)}
