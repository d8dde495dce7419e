"""The spare descriptors of a process."""

from __future__ import annotations

import gc
import os

from mailserver.peers.descriptors import Spares


def open_count() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_spares_are_let_go_with_their_owner() -> None:
    gc.collect()
    before = open_count()
    spares = Spares(16)
    assert open_count() == before + 16
    del spares
    gc.collect()
    assert open_count() == before
