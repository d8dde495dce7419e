"""Giving up: root, capabilities, the way back, and what others left in the environment.

started as root            the supervisor stays root, to bind ports and to read keys;
                           the fork server and all that it forks are the service user
started as another user    everybody stays that user; capabilities to bind end at the fork server
"""

from __future__ import annotations

import ctypes
import os
import signal
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_CAP_AMBIENT: Final = 47
_PR_CAP_AMBIENT_CLEAR_ALL: Final = 4
_CAPABILITY_VERSION_3: Final = 0x20080522
_KEPT: Final = frozenset(
    "HOME LANG LANGUAGE PATH TERM COLUMNS NO_COLOR TMPDIR TZ TZDIR USER LOGNAME SHLVL"
    " SSL_CERT_FILE SSL_CERT_DIR".split()
)
_KEPT_BEGINNINGS: Final = ("LC_", "PYTHON", "LD_", "MALLOC_", "FAKETIME", "COVERAGE_")


def is_kept(name: str) -> bool:
    """May a worker's environment have a variable of this name?

    Our own settings have been read by then, and what else a service manager or a
    container was given, perhaps passwords, is none of a worker's business.
    """
    return name in _KEPT or name.startswith(_KEPT_BEGINNINGS)


def forget_environment() -> None:
    """Overwrite what is not kept, also in the memory that /proc/PID/environ shows."""
    libc = ctypes.CDLL(None)
    environ = ctypes.POINTER(ctypes.c_void_p).in_dll(libc, "environ")
    place = 0
    while address := environ[place]:
        entry = ctypes.string_at(address)
        if not is_kept(entry.partition(b"=")[0].decode("utf-8", "replace")):
            ctypes.memset(address, 0, len(entry))
        place += 1
    for name in [name for name in os.environ if not is_kept(name)]:
        del os.environ[name]


def give_up(user_id: int | None, group_id: int | None) -> None:
    """For good, for this process and all that it starts.

    user_id, group_id: whom to become; None: stay, without capabilities.

    Raises:
        OSError: the system refuses; nothing may be served then.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if user_id is not None and group_id is not None and os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(group_id, group_id, group_id)
        os.setresuid(user_id, user_id, user_id)
        if 0 in {*os.getresuid(), *os.getresgid()}:
            raise PermissionError("root could not be given up")
    if os.geteuid() != 0:
        libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
        _drop_capabilities(libc)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # The kernel forgets this where a process changes its user.
    libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    if libc.capset(header, nothing):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
