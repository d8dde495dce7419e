"""A disk that fails on command, under SQLite: one VFS that stands before the real one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import apsw

NAME = "failing"


@dataclass
class Disk:
    """What goes wrong, by the end of a file's name: the exception that its calls raise."""

    on_write: dict[str, type[apsw.Error]] = field(default_factory=dict)
    on_sync: dict[str, type[apsw.Error]] = field(default_factory=dict)
    write_count: int = 0

    def mend(self) -> None:
        self.on_write.clear()
        self.on_sync.clear()


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, usual: str, filename: Any, flags: Any) -> None:
        super().__init__(usual, filename, flags)
        self._disk = disk
        name = filename.filename() if isinstance(filename, apsw.URIFilename) else str(filename)
        self._name = name

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802 - SQLite's name
        self._disk.write_count += 1
        self._fail(self._disk.on_write)
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        self._fail(self._disk.on_sync)
        super().xSync(flags)

    def _fail(self, faults: dict[str, type[apsw.Error]]) -> None:
        for ending, kind in faults.items():
            if self._name.endswith(ending):
                raise kind("the disk of this test")


class _Vfs(apsw.VFS):
    def __init__(self, disk: Disk, usual: str) -> None:
        super().__init__(NAME, usual, makedefault=True)
        self._disk = disk
        self._usual = usual

    def xOpen(self, name: Any, flags: list[int]) -> Any:  # noqa: N802 - SQLite's name
        return _File(self._disk, self._usual, name, flags)


@contextmanager
def failing_disk() -> Iterator[Disk]:
    """Databases that are opened in this block write through the disk that it gives."""
    usual = apsw.vfs_names()[0]
    disk = Disk()
    vfs = _Vfs(disk, usual)
    try:
        yield disk
    finally:
        disk.mend()
        apsw.set_default_vfs(usual)
        vfs.unregister()
