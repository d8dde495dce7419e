"""Who lives and dies with whom: a process's name, and the two ties between it and its parent.

The first tie is a pipe whose write end only the parent holds: when the parent
is gone, however it went, the read end gives end-of-file.  The second is the
kernel's own: prctl(PR_SET_PDEATHSIG) sends SIGTERM.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import threading
import time

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_MARGIN_S = 1.0
EXIT_ORPHANED = 75


def die_with_parent() -> None:
    """Ask for SIGTERM when the process that made this one ends.  Lost at execve of setuid only."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)


def name_process(name: str) -> None:
    """What `ps -o comm` and top show; of the main thread only.  Cut to 15 octets by the kernel."""
    ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode("ascii", "replace"), 0, 0, 0)


def is_orphaned(life_fd: int) -> bool:
    """Has the holder of the other end gone?  Never waits."""
    poll = select.poll()
    poll.register(life_fd, select.POLLIN)
    return bool(poll.poll(0))


def watch_life(life_fd: int, *, drain_s: float) -> None:
    """From a thread: when the parent is gone, SIGTERM to ourselves, and the end after `drain_s`.

    So that a worker whose loop is stuck does not outlive its family either.
    """
    threading.Thread(target=_follow, args=(life_fd, drain_s), name="life", daemon=True).start()


def _follow(life_fd: int, drain_s: float) -> None:
    poll = select.poll()
    poll.register(life_fd, select.POLLIN)
    poll.poll()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(drain_s + _MARGIN_S)
    os._exit(EXIT_ORPHANED)
