"""CPU time of a whole service: every process of it, those that have ended included.

Postfix and Dovecot fork a process for many an operation, and most have ended when the count is
taken.  A control group (version 2) counts all that ever ran in it, exactly.  Where none can be
made, the process tree stands in: user and system time of each living process, and of the children
each has waited for (proc(5), stat: utime, stime, cutime, cstime), in ticks of 10 ms.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol


class CpuMeter(Protocol):
    @property
    def method(self) -> str:
        """How it counts, in words for the report."""
        ...

    def wrap(self, command: Sequence[str]) -> list[str]:
        """The command that starts `command` where its CPU time is counted."""
        ...

    def watch(self, pid: int) -> None:
        """`pid` is the root of one of the service's process trees."""
        ...

    def read_ms(self) -> float:
        """CPU milliseconds used so far, user and system."""
        ...

    def close(self) -> None: ...


class CgroupMeter:
    """A control group of its own.  cpu.stat is there in every group, whatever is enabled."""

    method = "control group (cpu.stat)"

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder

    def wrap(self, command: Sequence[str]) -> list[str]:
        enter = f'echo $$ > "{self._folder}/cgroup.procs" && exec "$@"'
        return ["/bin/sh", "-c", enter, "sh", *command]

    def watch(self, pid: int) -> None:
        """Its processes are in the group from the start."""

    def read_ms(self) -> float:
        return parse_usage_ms((self._folder / "cpu.stat").read_text("ascii"))

    def close(self) -> None:
        """Harmless where a process is left: the group then stays, empty, until a restart."""
        try:
            self._folder.rmdir()
        except OSError:
            return


class TreeMeter:
    """The process tree in /proc."""

    method = "process tree (/proc, 10 ms ticks)"

    def __init__(self) -> None:
        self._roots: list[int] = []

    def wrap(self, command: Sequence[str]) -> list[str]:
        return list(command)

    def watch(self, pid: int) -> None:
        self._roots.append(pid)

    def read_ms(self) -> float:
        ticks = sum(parse_ticks(stat) for stat in read_stats(find_tree(self._roots)))
        return ticks * 1000.0 / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        self._roots.clear()


def open_meter(name: str) -> CpuMeter:
    """The best meter that this machine allows."""
    root = find_cgroup_root(Path("/proc/mounts").read_text("utf-8"))
    if root is not None:
        try:
            return CgroupMeter(root / f"melouvert-bench-{os.getpid()}-{name}")
        except OSError:
            return TreeMeter()
    return TreeMeter()


def read_machine_busy_s() -> float:
    """CPU seconds that all cores were not idle since boot, time stolen by a host included."""
    with Path("/proc/stat").open(encoding="ascii") as file:
        return parse_busy_ticks(file.readline()) / os.sysconf("SC_CLK_TCK")


def parse_busy_ticks(line: str) -> int:
    """user nice system, then (after idle and iowait) irq softirq steal: proc(5), stat."""
    fields = [int(field) for field in line.split()[1:9]]
    return sum(fields[0:3]) + sum(fields[5:8])


def find_cgroup_root(mounts: str) -> Path | None:
    """Where the version 2 hierarchy is mounted, from the text of /proc/mounts."""
    for line in mounts.splitlines():
        fields = line.split()
        if len(fields) > 2 and fields[2] == "cgroup2":
            return Path(fields[1])
    return None


def parse_usage_ms(cpu_stat: str) -> float:
    """usage_usec of a cpu.stat file, in milliseconds."""
    for line in cpu_stat.splitlines():
        key, _, value = line.partition(" ")
        if key == "usage_usec":
            return int(value) / 1000.0
    raise ValueError("cpu.stat has no usage_usec")


def parse_ticks(stat: str) -> int:
    """utime + stime + cutime + cstime of one /proc/PID/stat; the name may hold spaces."""
    fields = stat.rpartition(")")[2].split()
    return sum(int(value) for value in fields[11:15])


def parse_parent(stat: str) -> int:
    return int(stat.rpartition(")")[2].split()[1])


def read_stats(pids: Iterable[int]) -> list[str]:
    """The stat lines of those that still live."""
    stats = []
    for pid in pids:
        try:
            stats.append(Path(f"/proc/{pid}/stat").read_text("utf-8", "replace"))
        except OSError:
            continue
    return stats


def find_tree(roots: Iterable[int]) -> list[int]:
    """The roots and all their living descendants."""
    children: dict[int, list[int]] = {}
    for stat in read_stats(int(entry) for entry in os.listdir("/proc") if entry.isdigit()):
        children.setdefault(parse_parent(stat), []).append(int(stat.split(" ", 1)[0]))
    tree, pending = [], list(roots)
    while pending:
        pid = pending.pop()
        tree.append(pid)
        pending.extend(children.get(pid, ()))
    return tree
