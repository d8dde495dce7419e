"""What a run of tests may take: a change may make a loop that gathers, or writes, for ever."""

from __future__ import annotations

import ctypes
import resource
import signal

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_PRCTL = ctypes.CDLL(None).prctl
_MOST = {
    resource.RLIMIT_DATA: 2 * 1024**3,  # not what is only reserved: name servers map gigabytes
    resource.RLIMIT_FSIZE: 256 * 1024**2,  # of each file
    resource.RLIMIT_CORE: 0,
}


def bound() -> None:
    """This process and what it starts; it ends with its parent."""
    end_with_parent()
    for limit, most in _MOST.items():
        resource.setrlimit(limit, (most, most))


def end_with_parent() -> None:
    """With the thread of the parent that started this process, to be exact."""
    _PRCTL(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def adopt() -> None:
    """What the children of this process leave behind becomes its own child."""
    _PRCTL(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
