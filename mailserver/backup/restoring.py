"""From a backup to a folder that holds the service again.

Everything is checked first, and read against its hash while it is copied.  The
database gets its name next to last and the settings file last, so that a folder
in which this was interrupted is no service, and nothing starts from it.
"""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mailserver.auth.numen_key import NumenKeyMissing, load_key
from mailserver.backup.manifest import (
    NUMEN_KEY_FILE,
    SETTINGS,
    BadBackup,
    Manifest,
    read_manifest,
    read_sums,
)
from mailserver.backup.places import NUMEN_KEY, STORE, CannotMove, moved_settings
from mailserver.backup.tree import BadFolder, PrivateTree, content_of, is_within
from mailserver.settings.load import HALF_RESTORED, load_settings
from mailserver.settings.model import MIB, Settings
from mailserver.settings.service_user import service_user
from mailserver.store.backups import Told

_ENTERED_MODE: Final = 0o711
"""The service user passes through root's folder to the store, and sees nothing else of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """numen_key: the file, or the folder that holds it; None: it is to go without.

    schema: the last migration that this program knows.
    """

    backup: Path
    target: Path
    numen_key: Path | None
    schema: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """settings: the file to start from.  moved: key -> the path that it had before."""

    manifest: Manifest
    settings: Path
    moved: dict[str, str]


def restore(wanted: Wanted, told: Told) -> Restored:
    """Fill the folder.

    Raises:
        BadBackup: what is to be restored is not whole, or of another version.
        BadFolder: where it is to go is in use, or not empty.
        NumenKeyMissing: the key is not the one of this backup, or is none.
        OSError: a disk failed; nothing is left behind.
    """
    manifest = read_manifest(wanted.backup, schema=wanted.schema)
    sums = read_sums(wanted.backup, manifest)
    key = _read_key(wanted.numen_key, manifest)
    try:
        text = (wanted.backup / SETTINGS).read_text("utf-8")
        text, moved = moved_settings(text, manifest.places)
    except CannotMove as error:
        raise BadBackup(str(error)) from error
    _refuse(wanted, manifest)
    tree = PrivateTree(wanted.target)
    try:
        _fill(tree, wanted.backup, sums, manifest, told)
        if key is not None:
            tree.write(manifest.places[NUMEN_KEY], key)
        _finish(tree, manifest, text)
    except BaseException:
        tree.discard()
        raise
    finally:
        tree.close()
    return Restored(manifest=manifest, settings=wanted.target / SETTINGS, moved=moved)


def _read_key(path: Path | None, manifest: Manifest) -> bytes | None:
    if path is None:
        return None
    file = path / NUMEN_KEY_FILE if path.is_dir() else path
    name = load_key(file).name
    if manifest.numen_key and name != manifest.numen_key:
        raise NumenKeyMissing(
            f"{file} is another key ({name}), and the backup's is {manifest.numen_key}:"
            " name the copy that was made of that one"
        )
    return file.read_bytes()


def _refuse(wanted: Wanted, manifest: Manifest) -> None:
    folder = wanted.target
    if is_within(folder, wanted.backup):
        raise BadFolder(f"{folder} is in the backup: name a folder elsewhere")
    if folder.is_dir() and content_of(folder):
        raise BadFolder(_why_not_empty(folder, manifest))
    if folder.is_dir() and os.geteuid() == 0 and (owner := folder.stat().st_uid):
        raise BadFolder(
            f"{folder} belongs to user {owner}, who could not read what root writes there:"
            f" run this as that user"
        )


def _why_not_empty(folder: Path, manifest: Manifest) -> str:
    if (folder / HALF_RESTORED).exists():
        return f"{folder} holds half a restore, which was interrupted: empty it, or name another"
    for store in (folder / manifest.places[STORE], folder / "store", folder):
        if _is_running(store):
            return f"{folder} holds a service that runs: restore into a new folder"
    if (folder / SETTINGS).exists():
        return f"{folder} holds a service already: restore into a new folder"
    return f"{folder} is not empty: name a folder that is new or empty"


def _is_running(store: Path) -> bool:
    """Does a keeper look after it?"""
    try:
        fd = os.open(store / "keeper.lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _fill(
    tree: PrivateTree,
    backup: Path,
    sums: list[tuple[str, str]],
    manifest: Manifest,
    told: Told,
) -> None:
    free = os.statvfs(tree.folder)
    if free.f_bavail * free.f_frsize < manifest.octets:
        raise BadFolder(f"{tree.folder} has no room for {manifest.octets // MIB} MiB")
    done = 0

    def wrote(octets: int) -> None:
        nonlocal done
        done += octets
        told(done, manifest.octets)

    tree.write(HALF_RESTORED, b"`mailserver restore` was interrupted here: empty this folder.\n")
    later = {database_of(manifest): f"{database_of(manifest)}.restoring"}
    for path, wanted_sum in sums:
        if path == SETTINGS:
            continue
        kept = tree.copy(backup / path, later.get(path, path), wrote)
        if kept.sha256 != wanted_sum:
            raise BadBackup(
                f"{backup / path} was changed since it was written: take another backup"
            )


def database_of(manifest: Manifest) -> str:
    return f"{manifest.places[STORE]}/mail.db"


def _finish(tree: PrivateTree, manifest: Manifest, text: str) -> None:
    """Names in this order: the database, the settings, and then no mark any more.

    Raises:
        SettingsError: this program does not understand the settings.
    """
    tree.write(f"{SETTINGS}.restoring", text.encode("utf-8"))
    _give_store(tree, load_settings(tree.folder / f"{SETTINGS}.restoring", {}))
    tree.sync()
    tree.rename(f"{database_of(manifest)}.restoring", database_of(manifest))
    tree.sync()
    tree.rename(f"{SETTINGS}.restoring", SETTINGS)
    (tree.folder / HALF_RESTORED).unlink()
    tree.sync()


def _give_store(tree: PrivateTree, settings: Settings) -> None:
    """As `init` by root does: the store is the service user's, settings and keys stay root's."""
    ids = service_user(settings)
    if ids is None:
        return
    tree.folder.chmod(_ENTERED_MODE)
    for folder, _, names in os.walk(settings.store.path):
        for path in (Path(folder), *(Path(folder, name) for name in names)):
            os.chown(path, *ids, follow_symlinks=False)
