"""The processes of one service, read from /proc.

Everything that a service starts works in its house's folder, so none can hide
by being adopted; each process has a name that says what it is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

_PARENT_FIELD = 1  # of /proc/PID/stat, counted behind the command's closing bracket
_STATE_FIELD = 0
_SOCKET = re.compile(r"socket:\[(\d+)\]")
_LOCAL_FIELD, _INODE_FIELD = 1, 9  # of /proc/PID/net/tcp


class Role(Enum):
    SUPERVISOR = "supervisor"
    FORK_SERVER = "fork server"
    DOOR_PARENT = "door parent"
    WORKER = "worker"
    KEEPER = "keeper"
    AGENT = "delivery agent"
    AGENT_PARENT = "parent of delivery agents"


@dataclass(frozen=True, slots=True)
class Member:
    pid: int
    role: Role


def read_family(supervisor_pid: int) -> list[Member]:
    """The supervisor and what descends from it, at this moment."""
    parents = dict(_parents())
    members = [Member(supervisor_pid, Role.SUPERVISOR)]
    for pid in _below(supervisor_pid, parents):
        with suppress(OSError):  # it ended
            members.append(Member(pid, _role(Path(f"/proc/{pid}/comm").read_text("ascii").strip())))
    return members


def _role(name: str) -> Role:
    """By the name that a process gives itself: `fork server`, `smtp parent`, `smtp 0`."""
    door, _, rest = name.partition(" ")
    if not rest or name == Role.FORK_SERVER.value:  # without a rest: before it has its name
        return Role.FORK_SERVER
    if rest == "parent":
        return Role.AGENT_PARENT if door == "delivery" else Role.DOOR_PARENT
    return {"delivery": Role.AGENT, "keeper": Role.KEEPER}.get(door, Role.WORKER)


def _below(ancestor: int, parents: dict[int, int]) -> Iterator[int]:
    for pid, parent in parents.items():
        if parent == ancestor:
            yield pid
            yield from _below(pid, parents)


def living_in(folder: Path) -> list[int]:
    """Processes, zombies excepted, that work in this folder."""
    found = []
    for pid, _ in _parents():
        try:
            if os.readlink(f"/proc/{pid}/cwd") == str(folder):
                found.append(pid)
        except OSError:
            continue  # it ended, or it is not ours to look at
    return found


def open_ports(pid: int) -> list[int]:
    """Our end of each TCP connection over IPv4 that this process has; none if it has ended."""
    try:
        table = Path(f"/proc/{pid}/net/tcp").read_text("ascii").splitlines()[1:]
    except OSError:
        return []
    inodes = {found.group(1) for link in open_files(pid) if (found := _SOCKET.fullmatch(link))}
    rows = (line.split() for line in table)
    return [
        int(row[_LOCAL_FIELD].partition(":")[2], 16) for row in rows if row[_INODE_FIELD] in inodes
    ]


def _parents() -> Iterator[tuple[int, int]]:
    """(process, its parent), zombies excepted."""
    for name in os.listdir("/proc"):
        if not name.isdecimal():
            continue
        try:
            stat = Path(f"/proc/{name}/stat").read_text("utf-8", "replace")
        except OSError:
            continue
        fields = stat.rpartition(")")[2].split()
        if fields[_STATE_FIELD] != "Z":
            yield int(name), int(fields[_PARENT_FIELD])


def open_files(pid: int) -> list[str]:
    """Where the process's descriptors lead."""
    found = []
    with suppress(OSError):  # it ended
        for descriptor in os.listdir(f"/proc/{pid}/fd"):
            with suppress(OSError):  # it was closed
                found.append(os.readlink(f"/proc/{pid}/fd/{descriptor}"))
    return found
