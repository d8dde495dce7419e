"""Signals before there is anybody to heed them: while the program starts, and while it is replaced.

The kernel drops signals of process 1 that have no handler, so a container that is
stopped while it starts would not hear it and be killed.  From the first instant:

    blocked, in the image, by `env --block-signal`: what comes waits for `hear`
    hear        SIGTERM ends process 1 as it ends any other; SIGHUP of a `run` is kept
    hand_over   blocked again: what comes waits for the program that replaces this one
    take_over   the supervisor has handlers of its own, and hears what waited

Imported before anything that takes time; imports nothing that does.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

_ENDING = (signal.SIGTERM, signal.SIGINT)
_ALL = (*_ENDING, signal.SIGHUP)
_asked_to_reload: list[int] = []


def hear() -> None:
    """To be called once, at the top of the program."""
    if os.getpid() == 1:
        for number in _ENDING:
            signal.signal(number, _end)
    if "run" in sys.argv[1:3]:  # also `demo run`
        signal.signal(signal.SIGHUP, _keep)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ALL)


def let_ctrl_c_interrupt() -> None:
    """From here on somebody catches KeyboardInterrupt."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def hand_over() -> None:
    """Just before another program replaces this one: its signals wait, and those that were kept."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _ALL)
    if _asked_to_reload:
        os.kill(os.getpid(), signal.SIGHUP)


def take_over() -> None:
    """The new program has its handlers: what waited comes now."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ALL)


def _end(number: int, _frame: FrameType | None) -> None:
    """As the kernel would: nothing has begun that must come to its end."""
    os._exit(128 + number)


def _keep(number: int, _frame: FrameType | None) -> None:
    _asked_to_reload.append(number)
