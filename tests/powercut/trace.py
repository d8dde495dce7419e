"""strace's output as calls: `strace -f -yy -ttt -xx`.

    18145 1795485122.024422 fdatasync(8</path in hex>) = 0
    18146 1795485122.024625 sendto(12<TCP:[127.0.0.1:25->127.0.0.1:4242]>, "..", 8 <unfinished ...>
    18146 1795485122.024739 <... sendto resumed>, 0, NULL, 0) = 8

Every call is told twice, when it was entered and when it returned.  strace
handles one stop at a time, so what was caused by a return stands after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

CALLS = (
    "openat,open,creat,write,pwrite64,writev,pwritev,pwritev2,ftruncate,truncate,fallocate,"
    "fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,link,linkat,mkdir,mkdirat,rmdir,"
    "sendto,sendmsg,sendmmsg,sendfile,copy_file_range"
)
OPTIONS = ("-f", "-yy", "-ttt", "-xx", "-s", "16777216", "--seccomp-bpf", "-qq")

_LINE = re.compile(r"(\d+)\s+(\d+\.\d+) (.*)", re.DOTALL)
_RESUMED = re.compile(r"<\.\.\. (\w+) resumed>")
_CALL = re.compile(r"(\w+)\((.*)\)\s+= (-?\d+|\?)", re.DOTALL)
_UNFINISHED = " <unfinished ...>"
_FD = re.compile(r"(-?\d+|AT_FDCWD)<((?:\\x[0-9a-f]{2})+)>(\(deleted\))?")
_SOCKET = re.compile(r"\d+<TCP(?:v6)?:\[(\S+)->(\S+)\]>")
_CUT = "..."


class NotUnderstood(Exception):
    """A line of the trace that this reader cannot vouch for."""


@dataclass(frozen=True, slots=True)
class Call:
    """One system call.  `result` is None when it was only entered."""

    thread: str
    at_s: float
    name: str
    arguments: str
    result: int | None

    def fd_path(self) -> str | None:
        """The file behind the first argument; None for a socket or a pipe."""
        found = _FD.match(self.arguments)
        return None if found is None else _unhex(found.group(2)).decode("utf-8")

    def is_deleted(self) -> bool:
        found = _FD.match(self.arguments)
        return found is not None and found.group(3) is not None

    def socket(self) -> tuple[str, str] | None:
        """(our end, the peer's) of a TCP connection."""
        found = _SOCKET.match(self.arguments)
        return None if found is None else (found.group(1), found.group(2))

    def strings(self) -> list[bytes]:
        """The quoted arguments, in order: paths, or what is written."""
        pieces = self.arguments.split('"')[1:]  # no quote stands in hex
        if any(after.startswith(_CUT) for after in pieces[1::2]):
            raise NotUnderstood(f"{self.name}: strace cut a string short")
        return [_unhex(text) for text in pieces[::2]]

    def folders(self) -> list[str]:
        """The `dirfd` arguments, in order."""
        return [_unhex(found.group(2)).decode("utf-8") for found in _FD.finditer(self.arguments)]

    def last_number(self) -> int:
        """The last argument, a number: of ftruncate the size, of pwrite64 the offset."""
        _, _, text = self.arguments.rpartition(", ")
        try:
            return int(text)
        except ValueError as error:
            raise NotUnderstood(f"{self.name}: no number at the end") from error


def read_trace(lines: Iterable[str]) -> Iterator[Call]:
    """Each call when it is entered and when it returns.

    Raises:
        NotUnderstood: a line that is neither a call, a signal nor an exit.
    """
    begun: dict[str, str] = {}
    for line in lines:
        found = _LINE.match(line.rstrip("\n"))
        if found is None:
            raise NotUnderstood(line[:200])
        pid, at_s, text = found.group(1), float(found.group(2)), found.group(3)
        if text.startswith(("+++", "---")):
            continue
        if text.endswith(_UNFINISHED):
            begun[pid] = text[: -len(_UNFINISHED)]
            yield _entered(pid, at_s, begun[pid])
            continue
        resumed = _RESUMED.match(text)
        if resumed is not None:
            text = begun.pop(pid) + text[resumed.end() :]
        else:
            yield _entered(pid, at_s, text)
        yield _returned(pid, at_s, text)


def _entered(thread: str, at_s: float, text: str) -> Call:
    name, _, arguments = text.partition("(")
    return Call(thread, at_s, name, arguments, None)


def _returned(thread: str, at_s: float, text: str) -> Call:
    found = _CALL.match(text)
    if found is None:
        raise NotUnderstood(text[:200])
    result = found.group(3)
    return Call(thread, at_s, found.group(1), found.group(2), -1 if result == "?" else int(result))


def _unhex(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))
