"""Small file systems of their own, mounted for one test by root: full disks that are full."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

MIB = 1024 * 1024
FILLER = "filler"
KINDS = ("tmpfs", "ext4")


@dataclass
class SmallDisk:
    folder: Path

    def free_octets(self) -> int:
        stat = os.statvfs(self.folder)
        return stat.f_bfree * stat.f_frsize

    def fill(self, *, leave_octets: int = 0) -> None:
        """A file of somebody else takes all that is left, to the last block."""
        block = b"x" * 65_536
        with open(self.folder / FILLER, "ab", buffering=0) as file:
            for _ in range(2):  # what was deleted before is free only when its journal is written
                while self.free_octets() > leave_octets:
                    size = min(len(block), self.free_octets() - leave_octets)
                    try:
                        if file.write(block[:size]) < size:
                            break
                    except OSError:
                        break
                os.fsync(file.fileno())

    def empty(self) -> None:
        """Somebody else goes."""
        (self.folder / FILLER).unlink(missing_ok=True)


@contextmanager
def small_disk(kind: str, place: Path, *, mib: int) -> Iterator[SmallDisk]:
    """Skips where it cannot be mounted: without root, in a container without the right."""
    folder = place / "disk"
    folder.mkdir()
    with ExitStack() as stack:
        if kind == "tmpfs":
            _run("mount", "-t", "tmpfs", "-o", f"size={mib}m", "none", str(folder))
        else:
            image = place / "image"
            with open(image, "wb") as file:
                file.truncate(mib * MIB)
            _run("mkfs.ext4", "-q", "-m", "0", str(image))
            _run("mount", "-o", "loop", str(image), str(folder))
        stack.callback(_run, "umount", "--lazy", str(folder))
        yield SmallDisk(folder)


def _run(*words: str) -> None:
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        pytest.skip(f"no program {words[0]}")
    if done.returncode:
        pytest.skip(f"a small disk needs root and the right to mount: {done.stderr.strip()}")
