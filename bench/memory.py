"""Memory of our own processes, from /proc: shares at rest, and peaks under load."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

_RESET_PEAK = "5"  # proc(5), clear_refs: set VmHWM back to what is resident now


def read_pss_mib(pids: Iterable[int]) -> float:
    """Sum of the proportional set sizes: what these processes cost together."""
    return sum(_read_kib(Path(f"/proc/{pid}/smaps_rollup"), "Pss") for pid in pids) / 1024


def reset_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text(_RESET_PEAK, "ascii")


def read_resident_mib(pid: int) -> float:
    return _read_kib(Path(f"/proc/{pid}/status"), "VmRSS") / 1024


def read_peak_mib(pid: int) -> float:
    """The most that was resident since `reset_peak`."""
    return _read_kib(Path(f"/proc/{pid}/status"), "VmHWM") / 1024


def _read_kib(path: Path, key: str) -> int:
    """Raises:
    ValueError: the file has no such line.
    """
    for line in path.read_text("ascii").splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return int(value.split()[0])
    raise ValueError(f"{path} has no {key}")
