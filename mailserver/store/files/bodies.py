"""Bodies that are too large for a row, each a file under `bodies/`.

On disk: `bodies/tmp/<name>` while it arrives, `bodies/<xx>/<name>` for good,
where `xx` are the first two characters of the name.  A body is durable when
its octets, its name and its folder are: fsync of the file, rename, fsync of
the folder.  Only then may a row name it.  A file that no row names is an
orphan of a crash, and is swept when it is older than any upload.

A backup holds the files by a shared flock on `backup.lock`: meanwhile nothing is
unlinked, and what its row lets go of becomes such an orphan.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mailserver.keys.making import sync_folder
from mailserver.store.files.private import make_private_folder, new_private_file, open_private
from mailserver.store.files.reader import BodySource, FileReader
from mailserver.store.ports.errors import StoreBroken, StoreFull, StoreUnavailable, shortage_of
from mailserver.values.message import FiledBody

NAME_OCTETS = 16
HOLD_LOCK = "backup.lock"
"""In the store's folder."""
SHARDS = tuple(f"{n:02x}" for n in range(256))
ORPHAN_AGE_S = 24 * 3600.0
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM})


class BodyFiles:
    """The `Bodies` port, in any number of processes and threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._lock_path = f"{folder.parent}/{HOLD_LOCK}"
        self._making = threading.Lock()
        self._is_made = False

    def prepare(self) -> None:
        """Make the folder itself; its name is durable when the caller has synced its parent."""
        make_private_folder(self._folder)

    def open_spool(self) -> BodySpool:
        """
        Raises:
            StoreUnavailable: no room on the disk, or no descriptor left.
        """
        try:
            self._make_shards()
            return BodySpool(self._folder, secrets.token_hex(NAME_OCTETS))
        except OSError as error:
            raise _as_ours(error) from error

    def _make_shards(self) -> None:
        """Before this process's first file: all folders, durably.  Most stores have them."""
        with self._making:
            if self._is_made:
                return
            if not os.path.isdir(f"{self._folder}/{SHARDS[-1]}"):
                for name in ("tmp", *SHARDS):
                    make_private_folder(f"{self._folder}/{name}")
            # Each time: whoever made them may have been killed before he came to this.
            sync_folder(self._folder)
            self._is_made = True

    def room(self) -> tuple[int, int]:
        """(free octets of the file system for who is not root, all of its octets)."""
        stat = os.statvfs(self._folder)
        return stat.f_bavail * stat.f_frsize, stat.f_blocks * stat.f_frsize

    def open_reader(self, source: BodySource, size_octets: int) -> FileReader:
        """
        Raises:
            OSError: as the system says it; `SqlBodies` knows what it means.
        """
        fd = os.open(self._path(source.name), os.O_RDONLY | os.O_CLOEXEC)
        return FileReader(fd, size_octets, source)

    def path_of(self, name: str) -> Path:
        return Path(self._path(name))

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Nothing is unlinked meanwhile, in whatever process.

        Raises:
            StoreUnavailable: no descriptor left, or no room for one more file.
        """
        try:
            fd = open_private(self._lock_path)
        except OSError as error:
            raise StoreUnavailable(f"backup lock: {error}") from error
        try:
            fcntl.flock(fd, fcntl.LOCK_SH)
            yield
        finally:
            os.close(fd)

    @contextmanager
    def may_unlink(self) -> Iterator[bool]:
        """While it lasts no backup begins to hold; False: one does already.

        Makes no file, which a full disk would refuse: where there is none, nobody holds.
        Who begins to at this moment reads rows later than those that were let go.
        """
        try:
            fd = os.open(self._lock_path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            yield True
            return
        except OSError as error:
            raise StoreUnavailable(f"backup lock: {error}") from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
        finally:
            os.close(fd)

    def unlink_all(self, names: Iterable[str]) -> None:
        """Harmless where they are gone.  While a backup holds them they become orphans."""
        with self.may_unlink() as may:
            for name in names if may else ():
                Path(self._path(name)).unlink(missing_ok=True)

    def orphans(
        self, shard: str, *, now_s: float, is_named: Callable[[str], bool]
    ) -> Iterator[str]:
        """Unlink what is old and unnamed in `tmp` or in one of `SHARDS`; yields the names."""
        with self.may_unlink() as may:
            if may:
                yield from self._sweep(shard, now_s=now_s, is_named=is_named)

    def _sweep(self, shard: str, *, now_s: float, is_named: Callable[[str], bool]) -> Iterator[str]:
        try:
            found = os.scandir(f"{self._folder}/{shard}")
        except FileNotFoundError:  # no large body has come yet
            return
        with found:
            for file in found:
                with suppress(FileNotFoundError):  # a spool came to its end meanwhile
                    age_s = now_s - file.stat().st_mtime
                    if age_s < -ORPHAN_AGE_S:  # of a clock that was ahead: its day begins now
                        os.utime(file.path, (now_s, now_s))
                    if age_s < ORPHAN_AGE_S or is_named(file.name):
                        continue
                    os.unlink(file.path)
                    yield file.name

    def _path(self, name: str) -> str:
        return f"{self._folder}/{name[:2]}/{name}"


class BodySpool:
    """The `Spool` port: one file in `tmp`, renamed at the end."""

    def __init__(self, folder: str, name: str) -> None:
        self._folder = folder
        self._name = name
        self._size_octets = 0
        self._is_committed = False
        self._temporary = f"{folder}/tmp/{name}"
        self._fd = new_private_file(self._temporary, os.O_WRONLY)

    def write(self, octets: bytes) -> None:
        """
        Raises:
            StoreUnavailable: no room on the disk.
            StoreBroken: the disk failed.
        """
        view = memoryview(octets)
        try:
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError as error:
            raise _as_ours(error) from error
        self._size_octets += len(octets)

    def commit(self) -> FiledBody:
        """
        Raises:
            StoreUnavailable: no room on the disk; `discard` it.
            StoreBroken: fsync failed; what the file holds is unknown.
        """
        shard = f"{self._folder}/{self._name[:2]}"
        try:
            os.fsync(self._fd)
            os.close(self._fd)
            self._fd = -1
            os.rename(self._temporary, f"{shard}/{self._name}")
            sync_folder(shard)
        except OSError as error:
            raise _as_ours(error) from error
        self._is_committed = True
        return FiledBody(self._name, self._size_octets)

    def discard(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        if not self._is_committed:
            Path(self._temporary).unlink(missing_ok=True)


def _as_ours(error: OSError) -> StoreUnavailable | StoreBroken:
    """Want of room passes; anything else that a disk says is a fault to stop for."""
    if (short := shortage_of(error.errno)) is not None:
        return StoreFull(f"body file: {error}", short)
    kind = StoreUnavailable if error.errno in NO_ROOM else StoreBroken
    return kind(f"body file: {error}")
