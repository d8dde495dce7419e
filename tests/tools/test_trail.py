"""The count of files that a message leads through: the profiler, and the sink that it ends at."""

from __future__ import annotations

import smtplib
import sys
import threading
from pathlib import Path

from mailserver.values.address import key_of, quote_local
from tools.trail.__main__ import Sink
from tools.trail.worker import Profiler


def test_a_file_counts_in_the_window_that_is_open(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    flag.write_bytes(b"\0")
    profiler = Profiler(flag)
    before = sys.getprofile()
    profiler.start()
    try:
        for window in (0, 2, 2):
            with flag.open("r+b") as file:
                file.write(bytes([window]))
            (key_of if window else quote_local)("a@a.test")
    finally:
        sys.setprofile(before)
        threading.setprofile(None)
    assert profiler.found() == {2: ["mailserver/values/address.py"]}


def test_the_sink_takes_a_message() -> None:
    sink = Sink()
    with sink.serving() as port, smtplib.SMTP("127.0.0.1", port) as peer:
        peer.sendmail("a@a.test", ["b@b.test"], b"A: b\r\n\r\n..\r\n")
        assert sink.taken.acquire(timeout=0)
