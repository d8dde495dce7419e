"""Folders that secrets are written to: private whatever the umask, and durable."""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from mailserver.backup.manifest import KeptFile
from mailserver.keys.making import sync_folder

PIECE_OCTETS: Final = 1024 * 1024
PAUSE_OCTETS: Final = 4 * 1024 * 1024
_KEPT_BY_FILE_SYSTEMS: Final = frozenset({"lost+found"})

Wrote = Callable[[int], None]
"""Gets octets as they are written."""


class SourceUnreadable(Exception):
    """Its disk refuses.  error: as the system says it; at_octet: where."""

    def __init__(self, error: OSError, at_octet: int) -> None:
        super().__init__(str(error))
        self.error = error
        self.at_octet = at_octet


def _pieces(reader: io.FileIO) -> Iterator[bytes]:
    at_octet = 0
    while True:
        try:
            piece = reader.read(PIECE_OCTETS)
        except OSError as error:
            raise SourceUnreadable(error, at_octet) from error
        if not piece:
            return
        at_octet += len(piece)
        yield piece


class BadFolder(Exception):
    """Nothing may be written there; the text says why, and what to do."""


def content_of(folder: Path, *, but_empty_folders: bool = False) -> list[str]:
    """What stands in a folder that is there, but for what each file system puts there.

    but_empty_folders: nor folders without anything in them, such as what mounts cover.
    """
    found = {one.name for one in folder.iterdir()} - _KEPT_BY_FILE_SYSTEMS
    if but_empty_folders:
        found = {name for name in found if not _is_empty_folder(folder / name)}
    return sorted(found)


def _is_empty_folder(path: Path) -> bool:
    try:
        return path.is_dir() and not path.is_symlink() and not content_of(path)
    except PermissionError:  # who knows what is in it
        return False


def is_within(path: Path, folder: Path) -> bool:
    """Is it that folder, or below it, by whatever links or mounts?  It need not be there yet."""
    try:
        wanted = folder.stat()
    except OSError:
        return False
    whole = path.resolve()
    for one in (whole, *whole.parents):
        with suppress(OSError):
            there = one.stat()
            if (there.st_dev, there.st_ino) == (wanted.st_dev, wanted.st_ino):
                return True
    return False


class PrivateTree:
    """One folder that is filled from empty.  Modes 700 and 600; each file is synced.

    `discard` takes away what was written; `sync` makes the names durable.
    """

    def __init__(
        self, folder: Path, *, pause_fraction: float = 0.0, takes_empty_folders: bool = False
    ) -> None:
        """takes_empty_folders: those that are there are used, and stay.

        Raises:
            BadFolder: it is no folder, not empty, or somebody else is filling it.
            OSError: it cannot be made, or not be made private.
        """
        self.folder = folder.resolve()
        self._pause_fraction = pause_fraction
        self._takes_empty_folders = takes_empty_folders
        self._found: frozenset[str] = frozenset()
        self._is_new = not self.folder.exists()
        if not self._is_new and not self.folder.is_dir():
            raise BadFolder(f"{folder} is not a folder")
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._fd = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._take(folder)
        except BaseException:
            self.close()
            raise

    def _take(self, named: Path) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BadFolder(f"{named}: somebody else writes there at this moment") from error
        if content_of(self.folder, but_empty_folders=self._takes_empty_folders):
            raise BadFolder(f"{named} is not empty: name a folder that is new or empty")
        self._found = frozenset(content_of(self.folder))
        self.folder.chmod(0o700)
        for name in self._found:
            (self.folder / name).chmod(0o700)

    def close(self) -> None:
        """Others may write there again."""
        os.close(self._fd)

    def path(self, place: str) -> Path:
        """Where this place is; the folders above it are made."""
        whole = self.folder / place
        for above in reversed(whole.relative_to(self.folder).parents):
            step = self.folder / above
            if step != self.folder and not step.is_dir():
                step.mkdir(mode=0o700)
                step.chmod(0o700)
        return whole

    def write(self, place: str, octets: bytes) -> KeptFile:
        fd = self._open(place)
        with open(fd, "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(fd)
        return KeptFile(place, len(octets), hashlib.sha256(octets).hexdigest())

    def copy(self, source: Path, place: str, wrote: Wrote) -> KeptFile:
        """
        Raises:
            SourceUnreadable: the disk refuses to read the source; nothing of it is kept.
            OSError: one of the two fails; FileNotFoundError names the source.
        """
        try:
            return self._copy(source, place, wrote)
        except SourceUnreadable:
            (self.folder / place).unlink()
            raise

    def _copy(self, source: Path, place: str, wrote: Wrote) -> KeptFile:
        source_fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
        with open(source_fd, "rb", buffering=0) as reader:
            digest, octets = hashlib.sha256(), 0
            fd = self._open(place)
            with open(fd, "wb", buffering=0) as writer:
                for piece in self._paced(_pieces(reader)):
                    digest.update(piece)
                    view = memoryview(piece)
                    while view:
                        view = view[writer.write(view) :]
                    octets += len(piece)
                    wrote(len(piece))
                os.fsync(fd)
        return KeptFile(place, octets, digest.hexdigest())

    def digest(self, place: str, wrote: Wrote) -> KeptFile:
        """Of a file that somebody else wrote here."""
        digest, octets = hashlib.sha256(), 0
        with open(self.folder / place, "rb", buffering=0) as reader:
            for piece in self._paced(iter(lambda: reader.read(PIECE_OCTETS), b"")):
                digest.update(piece)
                octets += len(piece)
                wrote(len(piece))
        return KeptFile(place, octets, digest.hexdigest())

    def rename(self, place: str, to: str) -> None:
        (self.folder / place).rename(self.path(to))

    def sync(self) -> None:
        """All names below, and the folder's own."""
        for folder, _, _ in os.walk(self.folder):
            sync_folder(folder)
        sync_folder(self.folder.parent)

    def discard(self) -> None:
        """Leave it as it was found."""
        for name in content_of(self.folder):
            one = self.folder / name
            if name in self._found:
                for inner in content_of(one):
                    _remove(one / inner)
            else:
                _remove(one)
        if self._is_new:
            with suppress(OSError):
                self.folder.rmdir()

    def _paced(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """With pauses, so that whoever else uses the disk goes before us."""
        begun_s, octets = time.monotonic(), 0
        for piece in pieces:
            yield piece
            octets += len(piece)
            if octets >= PAUSE_OCTETS:
                time.sleep((time.monotonic() - begun_s) * self._pause_fraction)
                begun_s, octets = time.monotonic(), 0

    def _open(self, place: str) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(self.path(place), flags, 0o600)
        os.fchmod(fd, 0o600)
        return fd


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
