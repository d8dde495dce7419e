"""A log that cannot be written stops nothing."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
import structlog

from mailserver.telemetry import log
from mailserver.telemetry.stream import LogStream


def test_a_line_is_written_at_once(tmp_path: Path) -> None:
    with open(tmp_path / "log", "w", encoding="utf-8") as out:
        LogStream(out).write("été\n")
        assert (tmp_path / "log").read_text("utf-8") == "été\n"


def test_a_stream_without_a_file_is_written_too() -> None:
    out = io.StringIO()
    LogStream(out).write("line\n")
    assert out.getvalue() == "line\n"


def test_a_full_disk_loses_the_line_and_raises_nothing() -> None:
    with open("/dev/full", "w", encoding="utf-8", buffering=1) as out:
        stream = LogStream(out)
        for _ in range(10_000):
            stream.write("line\n")
        stream.flush()


def test_the_next_line_that_gets_through_says_how_many_were_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open(tmp_path / "log", "w", encoding="utf-8") as out:
        stream = LogStream(out)
        with monkeypatch.context() as full:
            full.setattr(os, "write", _no_room)
            stream.write("one\n")
            stream.write("two\n")
        stream.write("three\n")
        stream.write("four\n")
    lines = (tmp_path / "log").read_text("utf-8").splitlines()
    assert lines == ["# 2 lines lost: the log could not be written", "three", "four"]


def test_a_pipe_that_nobody_reads_raises_nothing() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w", encoding="utf-8") as out:
        LogStream(out).write("line\n")


def test_whoever_logs_to_a_full_disk_goes_on() -> None:
    with open("/dev/full", "w", encoding="utf-8", buffering=1) as out:
        log.configure(level="info", log_format="json", stream=out)
        log.get_log("test").error("nothing is said", why="no room")
    structlog.reset_defaults()


def _no_room(_fd: int, _octets: bytes) -> int:
    raise OSError(28, "No space left on device")
