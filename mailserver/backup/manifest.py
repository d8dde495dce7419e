"""A backup on disk.

    manifest.json     written last: without it a backup is half of one
    SHA256SUMS        every other file, as `sha256sum --check` reads it
    mailserver.toml   as it was
    store/mail.db     the database at one moment
    store/bodies/     the bodies in files that it names
    store/srs.key     and what else lies in the store's folder for good
    tls/ dkim/ ...    what the settings name, each at its place (see `places`)

`numen.key` is never in it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path, PurePosixPath
from typing import Any, Final

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
SUMS: Final = "SHA256SUMS"
SETTINGS: Final = "mailserver.toml"
NUMEN_KEY_FILE: Final = "numen.key"
NEEDED_PLACES: Final = frozenset({"store.path", "auth.numen_key"})
_SUM: Final = re.compile(r"([0-9a-f]{64})  (.+)")


class BadBackup(Exception):
    """A folder that cannot be restored; the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class KeptFile:
    """One file.  path: relative to the backup, with slashes."""

    path: str
    octets: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup says of itself.

    format: of the backup.  schema: number of the store's last migration.
    file_count, octets, sums: of what SHA256SUMS names, and its own hash.
    places: key of the settings -> where its file or folder stands.
    environment: variables that won over the settings file.
    numen_key: name of the key of the NUMENs; empty: there was none.
    needs_numen_key: NUMENs are kept.  numen_accounts: those that sign in with theirs.
    missing: what was not there when the backup was made, in words.
    """

    format: int = FORMAT
    program: str
    schema: int
    made_at: str
    domain: str
    file_count: int
    octets: int
    sums: str
    accounts: int
    messages: int
    queued: int
    numen_key: str
    needs_numen_key: bool
    numen_accounts: int
    places: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), indent=2, ensure_ascii=False).encode("utf-8") + b"\n"


def sums_of(kept: Iterable[KeptFile]) -> bytes:
    """The file SHA256SUMS."""
    return b"".join(f"{one.sha256}  {one.path}\n".encode() for one in kept)


def read_manifest(folder: Path, *, schema: int) -> Manifest:
    """The manifest of a whole backup that this program can restore.

    schema: the last migration that this program knows.

    Raises:
        BadBackup: none, half of one, a changed one, or of another version.
    """
    if not folder.is_dir():
        raise BadBackup(f"{folder}: no such folder: name one that `mailserver backup` made")
    try:
        tree = json.loads((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        raise BadBackup(_why_no_manifest(folder)) from None
    except ValueError:
        raise BadBackup(f"{folder / MANIFEST} is spoilt: take another backup") from None
    numbers = [tree.get(name) for name in ("format", "schema")] if isinstance(tree, dict) else []
    if not numbers or not all(isinstance(number, int) for number in numbers):
        raise BadBackup(f"{folder / MANIFEST} is not of a backup: take another one")
    if tree["format"] > FORMAT or tree["schema"] > schema:
        raise BadBackup(
            f"{folder} was made by a newer version ({tree.get('program')}):"
            " install that one, and restore with it"
        )
    known = {one.name for one in fields(Manifest)}
    try:
        manifest = Manifest(**{name: value for name, value in tree.items() if name in known})
    except TypeError:
        manifest = None
    if manifest is None or not _is_sound(manifest):
        raise BadBackup(f"{folder / MANIFEST} is spoilt: take another backup")
    return manifest


def _is_sound(manifest: Manifest) -> bool:
    """Are its values of their kinds, and does each place lie in the folder that is to be filled?"""
    kinds: dict[str, type] = {"int": int, "str": str, "bool": bool}
    plain = [one for one in fields(Manifest) if one.type in kinds]
    if not all(type(getattr(manifest, one.name)) is kinds[str(one.type)] for one in plain):
        return False
    listed: list[tuple[Any, type]] = [
        (manifest.places, dict),
        (manifest.environment, dict),
        (manifest.missing, list),
    ]
    if not all(isinstance(value, kind) for value, kind in listed):
        return False
    places: dict[str, Any] = manifest.places
    return places.keys() >= NEEDED_PLACES and all(
        isinstance(place, str) and is_inside(place) for place in places.values()
    )


def _why_no_manifest(folder: Path) -> str:
    if any((folder / name).exists() for name in ("store", SETTINGS, SUMS)):
        return (
            f"{folder} holds half a backup, which was interrupted: it has no {MANIFEST}."
            " Take another backup, and remove this one"
        )
    return f"{folder} holds no backup: name a folder that `mailserver backup` made"


def read_sums(folder: Path, manifest: Manifest) -> list[tuple[str, str]]:
    """(path, SHA-256) of every file, all of which are there in the size that they had.

    Raises:
        BadBackup: they are not.
    """
    try:
        octets = (folder / SUMS).read_bytes()
    except FileNotFoundError:
        octets = b""
    if hashlib.sha256(octets).hexdigest() != manifest.sums:
        raise BadBackup(f"{folder / SUMS} is missing or was changed: take another backup")
    found = [_SUM.fullmatch(line) for line in octets.decode("utf-8").split("\n")[:-1]]
    named = [(one[2], one[1]) for one in found if one is not None and is_inside(one[2])]
    if len(named) != manifest.file_count:
        raise BadBackup(f"{folder / SUMS} does not fit {MANIFEST}: take another backup")
    total = 0
    for path, _ in named:
        file = folder / path
        if file.is_symlink() or not file.is_file():
            raise BadBackup(f"{file} is missing: take another backup")
        total += file.stat().st_size
    if total != manifest.octets:
        raise BadBackup(
            f"{folder} has {total} octets where {manifest.octets} were written:"
            " a file was cut or changed: take another backup"
        )
    return named


def is_inside(path: str) -> bool:
    """Does it lead to somewhere below, and to none of the names that a backup keeps for itself?"""
    parts = PurePosixPath(path).parts
    return bool(parts) and parts[0] != "/" and ".." not in parts and path not in {MANIFEST, SUMS}
