"""From a backup to a folder that holds the service again.

Everything is checked first, and read against its hash while it is copied.  The
database gets its name next to last and the settings file last, so that a folder
in which this was interrupted is no service, and nothing starts from it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
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
from mailserver.backup.places import (
    NUMEN_KEY,
    STORE,
    CannotRelocate,
    moved_settings,
    place_among,
    places_said,
)
from mailserver.backup.tree import BadFolder, PrivateTree, content_of, is_within
from mailserver.settings.load import HALF_RESTORED, load_settings
from mailserver.settings.model import MIB, Settings
from mailserver.settings.service_user import service_user
from mailserver.store.ports.upkeep import Told

_ENTERED_MODE: Final = 0o711
"""The service user passes through root's folder to the store, and sees nothing else of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedService:
    """numen_key: the file, or the folder that holds it; None: it is to go without.

    schema: the last migration that this program knows.
    environment: in which the service will start from there.
    """

    backup: Path
    target: Path
    numen_key: Path | None
    schema: int
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """settings: the file to start from.  moved: key -> the path that it had before.

    places: key -> where its file or folder stands now, in the target.
    """

    manifest: Manifest
    settings: Path
    moved: dict[str, str]
    places: dict[str, str]


def restore(wanted: WantedService, told: Told) -> Restored:
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
    said = places_said(wanted.environment, wanted.target)
    said = {name: place for name, place in said.items() if name in manifest.places}
    places = manifest.places | said
    try:
        text = (wanted.backup / SETTINGS).read_text("utf-8")
        in_file = {name: place for name, place in places.items() if name not in said}
        text, moved = moved_settings(text, in_file)
    except CannotRelocate as error:
        raise BadBackup(str(error)) from error
    _refuse(wanted, places)
    tree = PrivateTree(wanted.target, takes_empty_folders=True)
    try:
        copies = _copies(sums, manifest.places, places)
        _fill(tree, wanted.backup, copies, manifest.octets, told)
        if key is not None:
            tree.write(places[NUMEN_KEY], key)
        _finish(tree, places[STORE], text)
    except BaseException:
        tree.discard()
        raise
    finally:
        tree.close()
    settings = wanted.target / SETTINGS
    return Restored(manifest=manifest, settings=settings, moved=moved, places=places)


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


def _refuse(wanted: WantedService, places: Mapping[str, str]) -> None:
    folder = wanted.target
    if is_within(folder, wanted.backup):
        raise BadFolder(f"{folder} is in the backup: name a folder elsewhere")
    if folder.is_dir() and content_of(folder, but_empty_folders=True):
        raise BadFolder(_why_not_empty(folder, places[STORE]))
    if folder.is_dir() and os.geteuid() == 0 and (owner := folder.stat().st_uid):
        raise BadFolder(
            f"{folder} belongs to user {owner}, who could not read what root writes there:"
            f" run this as that user"
        )


def _why_not_empty(folder: Path, store_place: str) -> str:
    if (folder / HALF_RESTORED).exists():
        return f"{folder} holds half a restore, which was interrupted: empty it, or name another"
    for store in (folder / store_place, folder / "store", folder):
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


def _copies(
    sums: list[tuple[str, str]], before: Mapping[str, str], now: Mapping[str, str]
) -> list[tuple[str, str, str]]:
    """(path in the backup, place where it goes, hash), but for the settings file.

    The database gets its name at the end.
    """
    database = database_in(now[STORE])
    copies = []
    for path, wanted_sum in sums:
        if path != SETTINGS:
            place = place_among(path, before, now)
            place = f"{place}.restoring" if place == database else place
            copies.append((path, place, wanted_sum))
    return copies


def _fill(
    tree: PrivateTree,
    backup: Path,
    copies: list[tuple[str, str, str]],
    total_octets: int,
    told: Told,
) -> None:
    free = os.statvfs(tree.folder)
    if free.f_bavail * free.f_frsize < total_octets:
        raise BadFolder(f"{tree.folder} has no room for {total_octets // MIB} MiB")
    done = 0

    def wrote(octets: int) -> None:
        nonlocal done
        done += octets
        told(done, total_octets)

    tree.write(HALF_RESTORED, b"`mailserver restore` was interrupted here: empty this folder.\n")
    for path, place, wanted_sum in copies:
        kept = tree.copy(backup / path, place, wrote)
        if kept.sha256 != wanted_sum:
            raise BadBackup(
                f"{backup / path} was changed since it was written: take another backup"
            )


def database_in(store_place: str) -> str:
    return f"{store_place}/mail.db"


def _finish(tree: PrivateTree, store_place: str, text: str) -> None:
    """Names in this order: the database, the settings, and then no mark any more.

    Raises:
        SettingsError: this program does not understand the settings.
    """
    tree.write(f"{SETTINGS}.restoring", text.encode("utf-8"))
    settings = load_settings(tree.folder / f"{SETTINGS}.restoring", {})
    _give_store(tree, settings, tree.folder / store_place)
    tree.sync()
    database = database_in(store_place)
    tree.rename(f"{database}.restoring", database)
    tree.sync()
    tree.rename(f"{SETTINGS}.restoring", SETTINGS)
    (tree.folder / HALF_RESTORED).unlink()
    tree.sync()


def _give_store(tree: PrivateTree, settings: Settings, store: Path) -> None:
    """As `init` by root does: the store is the service user's, settings and keys stay root's."""
    ids = service_user(settings)
    if ids is None:
        return
    tree.folder.chmod(_ENTERED_MODE)
    for folder, _, names in os.walk(store):
        for path in (Path(folder), *(Path(folder, name) for name in names)):
            os.chown(path, *ids, follow_symlinks=False)
