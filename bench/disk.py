"""The file system under both stores: its type, and how many fsyncs a second it gives."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.side import BenchError

_BLOCK = bytes(4096)


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    folder: Path
    fs_type: str
    fsyncs_per_s: float


def look_at_disk(folder: Path, *, sample_s: float) -> Disk:
    """Measure `folder`'s file system.

    Raises:
        BenchError: it keeps nothing on a disk (tmpfs, ramfs).
    """
    fs_type = find_fs_type(folder.resolve(), Path("/proc/self/mountinfo").read_text("utf-8"))
    if fs_type in ("tmpfs", "ramfs"):
        raise BenchError(f"{folder} is on {fs_type}, which has no disk: choose --folder elsewhere")
    return Disk(folder=folder, fs_type=fs_type, fsyncs_per_s=measure_fsyncs(folder, sample_s))


def find_fs_type(folder: Path, mountinfo: str) -> str:
    """The type of the mount that `folder` is on, from the text of /proc/self/mountinfo."""
    best, found = -1, "unknown"
    for line in mountinfo.splitlines():
        fields = line.split()
        point = Path(fields[4].replace("\\040", " "))
        if folder.is_relative_to(point) and len(point.parts) >= best:
            best, found = len(point.parts), fields[fields.index("-") + 1]
    return found


def measure_fsyncs(folder: Path, sample_s: float) -> float:
    """Appends of 4 KiB to one file, each followed by fsync, per second."""
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        count, began_s = 0, time.perf_counter()
        while (elapsed_s := time.perf_counter() - began_s) < sample_s:
            file.write(_BLOCK)
            os.fsync(file.fileno())
            count += 1
    return count / elapsed_s
