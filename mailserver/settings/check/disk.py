"""Is the store's folder on a disk of this machine, private, writable, and with room left?"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from mailserver.settings.check.finding import Finding, error, note, warning
from mailserver.settings.model import MIB, StoreSettings

_PATH = "store.path"
NETWORK_FILE_SYSTEMS = frozenset(
    "nfs nfs4 cifs smb smb2 smb3 smbfs 9p afs afp ncpfs coda ceph lustre glusterfs gpfs gfs gfs2"
    " ocfs2 beegfs orangefs pvfs2 fuse.sshfs fuse.glusterfs fuse.ceph fuse.ceph-fuse fuse.s3fs"
    " fuse.rclone fuse.davfs davfs fuse.smbnetfs fuse.mfs fuse.juicefs vboxsf prl_fs drvfs".split()
)
"""Types of proc(5) mountinfo under which SQLite's write-ahead log and flock may not be trusted."""
MOUNTS = Path("/proc/self/mountinfo")
IN_MEMORY = frozenset({"tmpfs", "ramfs"})
FEW_INODES = 1_000


def check_disk(store: StoreSettings, *, mounts: Path = MOUNTS) -> Iterator[Finding]:
    """Findings about `store.path`; a folder that is not there yet is judged by its parent."""
    existing = _nearest_existing(store.path)
    file_system = file_system_of(existing, mounts)
    if file_system in NETWORK_FILE_SYSTEMS:
        yield error(
            _PATH,
            f"{store.path} is on a network file system ({file_system}), which can lose mail:"
            " use a disk of this machine",
        )
    if not existing.is_dir():
        yield error(_PATH, f"{existing} is not a folder")
        return
    if is_read_only(existing):
        yield error(
            _PATH,
            f"the file system of {existing} is read-only: no mail is taken, none is collected;"
            " a failing disk makes it so (`dmesg` tells), `mount -o remount,rw` ends it",
        )
    elif not os.access(existing, os.R_OK | os.W_OK | os.X_OK):
        yield error(_PATH, f"{existing} cannot be written by user {os.geteuid()}")
    if existing == store.path:
        yield from _check_mode(existing)
    else:
        yield warning(
            _PATH,
            f"{store.path} does not exist: a new store, with nobody in it, is made at start",
        )
    yield from check_room(existing, store.min_free_mib)


def check_room(folder: Path, min_free_mib: int) -> Iterator[Finding]:
    """Octets and inodes.  Of the service's own user, whom the reserve of root does not help."""
    found = os.statvfs(folder)
    free_mib = found.f_bavail * found.f_frsize // MIB
    if free_mib < min_free_mib:
        yield warning(
            "store.min_free_mib",
            f"{free_mib} MiB are free and {min_free_mib} are to stay free:"
            " no mail will be accepted (452 4.3.1); make room on that disk, or write less",
        )
    elif free_mib < 2 * min_free_mib:
        yield note(
            "store.min_free_mib",
            f"{free_mib} MiB are free; below {min_free_mib} no mail will be accepted:"
            " make room in time",
        )
    if found.f_files and found.f_favail < FEW_INODES:
        yield warning(
            _PATH,
            f"the file system has {found.f_favail} inodes left, one for each large message:"
            " remove small files from it",
        )


def check_lasting(folder: Path, *, mounts: Path = MOUNTS) -> Iterator[Finding]:
    """Does what is written there outlive the machine's next restart?"""
    file_system = file_system_of(folder, mounts)
    if file_system in IN_MEMORY:
        yield warning(
            _PATH,
            f"{folder} is in memory ({file_system}): all mail is gone at the next restart of the"
            " machine; use a disk",
        )


def is_read_only(path: Path) -> bool:
    """As mounted now; errors of a disk make some file systems so while they are in use."""
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def _nearest_existing(path: Path) -> Path:
    return next(p for p in (path, *path.parents) if p.exists())


def _check_mode(folder: Path) -> Iterator[Finding]:
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & stat.S_IRWXO:
        yield error(_PATH, f"{folder} is open to everybody (mode {mode:o}): chmod 700 it")


def file_system_of(path: Path, mounts: Path = MOUNTS) -> str:
    """Type of the file system that holds `path`; empty where the system does not tell.

    proc(5): field 5 is the mount point with octal escapes, the type follows ` - `.
    """
    try:
        lines = mounts.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return ""
    best, found = -1, ""
    target = path.resolve()
    for line in lines:
        left, _, right = line.partition(" - ")
        point = Path(_unescape(left.split()[4]))
        # Later lines lie on top of earlier ones.
        if target.is_relative_to(point) and len(point.parts) >= best:
            best, found = len(point.parts), right.split()[0]
    return found


def _unescape(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
