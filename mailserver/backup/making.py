"""Making a backup of a service, which may run meanwhile.

    settings and keys   as they are
    the database        at one moment (`Backups.copy_database`)
    bodies in files     those that this moment names; none is removed meanwhile
    SHA256SUMS          then, when all of that is durable, manifest.json

What fails takes away what was written; a kill leaves a folder without a manifest.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from mailserver.auth.numen_key import KeepsNumens, NumenKeyMissing, load_key
from mailserver.backup.manifest import (
    MANIFEST,
    NUMEN_KEY_FILE,
    SETTINGS,
    SUMS,
    KeptFile,
    Manifest,
    sums_of,
)
from mailserver.backup.places import DKIM, NUMEN_KEY, STORE, BackupPlace, places_of
from mailserver.backup.tree import BadFolder, PrivateTree, SourceUnreadable, is_within
from mailserver.keys.making import PRIVATE_MODE, publish_new
from mailserver.settings.load import PREFIX
from mailserver.settings.model import MIB, Settings
from mailserver.store.ports.upkeep import Backups, FiledName, Snapshot, Told

PAUSE_FRACTION: Final = 0.5
_NOT_KEPT: Final = re.compile(r"(mail|scratch|trace)\.db.*|.*\.lock|reserve|.*\.[0-9a-f]{8}")
"""In the store's folder: databases, copied in their own way or made anew; locks; room; drafts."""
_KEY_FILE_OCTETS: Final = 4096


class BackupStore(Protocol):
    """What a backup asks of the store."""

    @property
    def backups(self) -> Backups: ...

    @property
    def recovery(self) -> KeepsNumens: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedBackup:
    """numen_key_to: the folder that gets `numen.key`; None: it is kept apart already."""

    target: Path
    numen_key_to: Path | None
    program: str
    environment: Mapping[str, str]
    now_s: float


def make_backup(
    settings: Settings, store: BackupStore, wanted: WantedBackup, told: Told
) -> Manifest:
    """Write the whole backup, durably.

    Raises:
        BadFolder: it may not be written there.
        NumenKeyMissing: it was to be written, and is not there.
        StoreError, OSError: the store or a disk failed; nothing is left behind.
    """
    refuse_target(settings, wanted.target)
    if wanted.numen_key_to is not None:
        load_key(settings.auth.numen_key)
        refuse_key_folder(wanted.numen_key_to, wanted.target)
    tree = PrivateTree(wanted.target, pause_fraction=PAUSE_FRACTION)
    try:
        if wanted.numen_key_to is not None:
            write_key(settings.auth.numen_key, wanted.numen_key_to, wanted.target)
        return _Making(settings, store, wanted, tree, told).run()
    except BaseException:
        tree.discard()
        raise
    finally:
        tree.close()


def refuse_target(settings: Settings, target: Path) -> None:
    """
    Raises:
        BadFolder: the backup would lie in what it is a backup of.
    """
    for folder in (settings.store.path, settings.dkim.folder):
        if is_within(target, folder):
            raise BadFolder(f"{target} is in {folder}, of which it would be a backup: name another")


def refuse_key_folder(folder: Path, backup: Path) -> None:
    """
    Raises:
        BadFolder: the key would lie with the backup, by whatever links.
    """
    near = folder.resolve()
    if near.is_relative_to(backup.resolve()) or is_within(folder, backup):
        raise BadFolder(
            f"--numen-key {folder} is in the backup {backup}: who steals one must not have both;"
            " name a folder elsewhere, best on another disk"
        )


def write_key(key: Path, folder: Path, backup: Path) -> None:
    """A copy of the key, as private as the key itself.

    Raises:
        BadFolder: another key is there already, or the folder came to lie in the backup.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    refuse_key_folder(folder, backup)  # again: both are there now
    target, octets = folder / NUMEN_KEY_FILE, key.read_bytes()
    try:
        publish_new(target, octets, mode=PRIVATE_MODE)
    except FileExistsError:
        if target.read_bytes() == octets:
            return
        raise BadFolder(f"{target} is another key: name a folder without one") from None


class _Making:
    def __init__(
        self,
        settings: Settings,
        store: BackupStore,
        wanted: WantedBackup,
        tree: PrivateTree,
        told: Told,
    ) -> None:
        self._settings = settings
        self._store = store
        self._wanted = wanted
        self._tree = tree
        self._tell = told
        self._places = places_of(settings)
        self._kept: list[KeptFile] = []
        self._missing: list[str] = []
        self._done_octets = 0
        self._total_octets = 0

    def run(self) -> Manifest:
        backups = self._store.backups
        self._total_octets = backups.database_octets() * 2  # written, then read again
        self._want_room(backups.database_octets())
        self._keep_settings()
        with backups.hold_bodies():
            snapshot = self._keep_database(backups)
            self._keep_bodies(backups, snapshot)
        sums = sums_of(self._kept)
        self._tree.write(SUMS, sums)
        self._tree.sync()
        manifest = self._manifest(snapshot, hashlib.sha256(sums).hexdigest())
        self._tree.write(f"{MANIFEST}.new", manifest.to_json())
        self._tree.rename(f"{MANIFEST}.new", MANIFEST)
        self._tree.sync()
        return manifest

    # --- the parts ------------------------------------------------------------------

    def _keep_settings(self) -> None:
        source = self._settings.source
        assert source is not None, "these came from a file"
        self._keep(source, SETTINGS, SETTINGS)
        for path, place, key in dict.fromkeys(self._files()):
            self._keep(path, place, key)

    def _files(self) -> Iterator[tuple[Path, str, str]]:
        """(file, place, key of the settings) of what they name, but for databases and bodies."""
        for one in self._places:
            match one.key:
                case key if key == NUMEN_KEY:
                    continue
                case key if key == STORE:
                    yield from _within(one, lambda name: not _NOT_KEPT.fullmatch(name))
                case key if key == DKIM:
                    yield from _within(one, lambda name: name.endswith(".pem"))
                case _:
                    yield one.path, one.place, one.key

    def _keep(self, path: Path, place: str, key: str) -> None:
        """A file that is not there is noted; one that cannot be read ends the backup."""
        if any(kept.path == place for kept in self._kept):
            return
        if self._is_numen_key(path):
            raise BadFolder(f"{key} leads to {path}, the key for NUMENs, which no backup may hold")
        try:
            self._kept.append(self._tree.copy(path, place, self._wrote))
        except SourceUnreadable as failure:
            raise failure.error from failure
        except FileNotFoundError:
            self._missing.append(f"{key}: {path} is not there")

    def _is_numen_key(self, path: Path) -> bool:
        key = self._settings.auth.numen_key
        try:
            if path.samefile(key):
                return True
            is_small = path.stat().st_size <= _KEY_FILE_OCTETS
            return is_small and path.read_bytes().strip() == key.read_bytes().strip()
        except OSError:
            return False

    def _keep_database(self, backups: Backups) -> Snapshot:
        place = f"{self._place_of(STORE)}/mail.db"
        before, total = self._done_octets, self._total_octets

        def told(done: int, in_all: int) -> None:
            self._done_octets = before + done
            self._tell(self._done_octets, max(total, in_all))

        snapshot = backups.copy_database(self._tree.path(place), told)
        bodies_octets = sum(body.octets for body in snapshot.bodies)
        self._want_room(bodies_octets)
        self._total_octets = total + bodies_octets
        self._kept.append(self._tree.digest(place, self._wrote))
        return snapshot

    def _keep_bodies(self, backups: Backups, snapshot: Snapshot) -> None:
        folder = f"{self._place_of(STORE)}/bodies"
        for body in snapshot.bodies:
            self._keep_body(backups, body, f"{folder}/{body.name[:2]}/{body.name}")

    def _keep_body(self, backups: Backups, body: FiledName, place: str) -> None:
        """One that is lost or spoilt in the store already is no reason to save nothing."""
        path = backups.body_file(body.name)
        try:
            kept = self._tree.copy(path, place, self._wrote)
        except FileNotFoundError:
            self._missing.append(f"the body of message {body.message_id}: {path} is not there")
            return
        except SourceUnreadable as failure:
            backups.note_unreadable(body, failure.error, at_octet=failure.at_octet)
            self._missing.append(
                f"the body of message {body.message_id}: {path} cannot be read: {failure}"
            )
            return
        self._kept.append(kept)
        if kept.octets != body.octets:
            self._missing.append(
                f"the body of message {body.message_id}: {path} has {kept.octets} octets"
                f" of {body.octets}"
            )

    # --- within -----------------------------------------------------------------------

    def _place_of(self, key: str) -> str:
        return next(one.place for one in self._places if one.key == key)

    def _wrote(self, octets: int) -> None:
        self._done_octets += octets
        self._tell(self._done_octets, max(self._total_octets, self._done_octets))

    def _want_room(self, octets: int) -> None:
        free = shutil.disk_usage(self._tree.folder).free
        if free < octets:
            raise BadFolder(
                f"{self._wanted.target} has {free // MIB} MiB of room, and the backup needs"
                f" {octets // MIB}: name a folder on a larger disk"
            )

    def _manifest(self, snapshot: Snapshot, sums: str) -> Manifest:
        try:
            key_name = load_key(self._settings.auth.numen_key).name
        except NumenKeyMissing:
            key_name = ""
        environment = self._wanted.environment
        return Manifest(
            program=self._wanted.program,
            schema=snapshot.schema_number,
            made_at=datetime.fromtimestamp(self._wanted.now_s, UTC).isoformat(timespec="seconds"),
            domain=self._settings.service.domain,
            file_count=len(self._kept),
            octets=sum(kept.octets for kept in self._kept),
            sums=sums,
            accounts=snapshot.account_count,
            messages=snapshot.message_count,
            queued=snapshot.queued_count,
            numen_key=key_name,
            needs_numen_key=self._store.recovery.has_numens(),
            numen_accounts=sum(self._store.recovery.count_numen_passwords().values()),
            places={one.key: one.place for one in self._places},
            environment={
                name: value
                for name, value in environment.items()
                if name.upper().startswith(PREFIX)
            },
            missing=self._missing,
        )


def _within(one: BackupPlace, is_kept: Callable[[str], bool]) -> Iterator[tuple[Path, str, str]]:
    """The files of a folder, not those of folders in it."""
    try:
        found = sorted(one.path.iterdir())
    except FileNotFoundError:
        return
    for path in found:
        if is_kept(path.name) and path.is_file():
            yield path, f"{one.place}/{path.name}", one.key
