"""The FIFO that wakes agents: it holds 64 KiB, and whoever writes never waits for room."""

from __future__ import annotations

import os
from pathlib import Path

from mailserver.store.sqlite.wakeup import WakeupPipe


def test_waking_never_waits_where_the_pipe_is_full(tmp_path: Path) -> None:
    pipe = WakeupPipe(tmp_path / "wakeup")
    for _ in range(70_000):
        pipe.wake()
    assert len(os.read(pipe.fd(), 100_000)) == 65_536
    pipe.wake()
    assert os.read(pipe.fd(), 100_000) == b"\0"
    pipe.close()
