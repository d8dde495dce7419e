"""The trace played on the model of a disk, and the octets that each connection was sent."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.powercut.disk import BegunSync, Disk, Resized, Written
from tests.powercut.trace import Call, NotUnderstood

_IGNORED = ("-shm", "/wakeup")
"""SQLite's shared memory, which recovery makes anew, and a FIFO."""
_SENDS = frozenset({"write", "writev", "sendto", "sendmsg", "sendmmsg", "sendfile"})
_SYNCS = frozenset({"fsync", "fdatasync"})
_COPIES = frozenset({"sendfile", "copy_file_range", "sendmmsg"})


class Replay:
    """Feed it every call of the trace, in order.

    `on_send(connection, end)` is called when a send is entered: `end` is the
    offset in that connection's stream behind the octets it would carry, the
    earliest that the peer may have seen them.  `on_sync(path)` is called when a
    file of the store has been synced.
    """

    def __init__(
        self,
        disk: Disk,
        folder: Path,
        on_send: Callable[[Call, str, int], None],
        on_sync: Callable[[Call, str], None] = lambda _call, _path: None,
    ) -> None:
        self._disk = disk
        self._prefix = f"{folder}/"
        self._folder = str(folder)
        self._on_send = on_send
        self._on_sync = on_sync
        self._sent: dict[str, int] = {}
        self._begun: dict[str, BegunSync] = {}
        self.database_sync_count = 0  # moves of the log into the database
        self.filed_count = 0  # bodies renamed to their place
        self.unlink_count = 0  # bodies that the reclaimer unlinked

    def take(self, call: Call) -> None:
        ends = call.socket()
        if ends is not None:
            self._take_send(call, *ends)
        elif call.name in _SYNCS:
            self._take_sync(call)
        elif call.result is not None and call.result >= 0:
            self._take_change(call)

    def _take_send(self, call: Call, ours: str, peer: str) -> None:
        if call.name not in _SENDS:
            return
        if call.name in _COPIES:
            raise NotUnderstood(f"{call.name} to a socket")
        connection = f"{ours.rpartition(':')[2]}-{peer.rpartition(':')[2]}"
        sent = self._sent.get(connection, 0)
        if call.result is None:
            self._on_send(call, connection, sent + sum(map(len, call.strings())))
        else:
            self._sent[connection] = sent + max(0, call.result)

    def _take_sync(self, call: Call) -> None:
        path = self._file(call)
        if path is None:
            return
        if call.result is None:
            self._begun[call.thread] = self._disk.begin_sync(path)
            return
        begun = self._begun.pop(call.thread)
        if call.result == 0:
            self._disk.end_sync(begun)
            self.database_sync_count += path == "mail.db"
            self._on_sync(call, path)

    def _take_change(self, call: Call) -> None:
        change = _CHANGES.get(call.name)
        if change is not None:
            change(self, call)
        elif call.name in _COPIES and self._file(call) is not None:
            raise NotUnderstood(f"{call.name} into the store")

    def _open(self, call: Call) -> None:
        if "O_CREAT" not in call.arguments and "O_TRUNC" not in call.arguments:
            return
        path = self._named(call, 0)
        if path is None:
            return
        if not self._disk.exists(path):
            self._disk.create(path)
        elif "O_TRUNC" in call.arguments:
            self._disk.file(path).change(Resized(0))

    def _write(self, call: Call) -> None:
        """No offset: the store writes so only to files that it fills from their beginning."""
        path = self._file(call)
        if path is not None:
            file = self._disk.file(path)
            self._fill(call, path, file.size_octets)

    def _write_at(self, call: Call) -> None:
        path = self._file(call)
        if path is not None:
            self._fill(call, path, call.last_number())

    def _fill(self, call: Call, path: str, offset: int) -> None:
        octets = b"".join(call.strings())[: call.result]
        self._disk.file(path).change(Written(offset, octets))

    def _resize(self, call: Call) -> None:
        path = self._file(call)
        if path is not None:
            self._disk.file(path).change(Resized(call.last_number()))

    def _rename(self, call: Call) -> None:
        old, new = self._named(call, 0), self._named(call, 1)
        if old is not None and new is not None:
            self._disk.rename(old, new)
            self.filed_count += new.startswith("bodies/")
        elif old is not None or new is not None:
            raise NotUnderstood("a rename into the store or out of it")

    def _link(self, call: Call) -> None:
        old, new = self._named(call, 0), self._named(call, 1)
        if old is not None and new is not None:
            self._disk.link(old, new)

    def _unlink(self, call: Call) -> None:
        path = self._named(call, 0)
        if path is not None:
            self._disk.unlink(path)
            self.unlink_count += path.startswith("bodies/")

    def _make_folder(self, call: Call) -> None:
        path = self._named(call, 0)
        if path is not None:
            self._disk.make_folder(path)

    def _file(self, call: Call) -> str | None:
        """Path inside the store of the first argument's file, while it has a name."""
        path = call.fd_path()
        if path is None or call.is_deleted():
            return None
        return self._inside(path)

    def _named(self, call: Call, position: int) -> str | None:
        name = os.fsdecode(call.strings()[position])
        folders = call.folders()
        if folders and not name.startswith("/"):
            name = f"{folders[min(position, len(folders) - 1)]}/{name}"
        return self._inside(name)

    def _inside(self, path: str) -> str | None:
        if path == self._folder:
            return "."
        if not path.startswith(self._prefix) or path.endswith(_IGNORED):
            return None
        return path[len(self._prefix) :]


_CHANGES: Final[dict[str, Callable[[Replay, Call], None]]] = {
    "openat": Replay._open,
    "open": Replay._open,
    "creat": Replay._open,
    "write": Replay._write,
    "writev": Replay._write,
    "pwrite64": Replay._write_at,
    "pwritev": Replay._write_at,
    "ftruncate": Replay._resize,
    "rename": Replay._rename,
    "renameat": Replay._rename,
    "renameat2": Replay._rename,
    "link": Replay._link,
    "linkat": Replay._link,
    "unlink": Replay._unlink,
    "unlinkat": Replay._unlink,
    "rmdir": Replay._unlink,
    "mkdir": Replay._make_folder,
    "mkdirat": Replay._make_folder,
}
"""Calls that change the store.  Others that could are refused, not overlooked."""
