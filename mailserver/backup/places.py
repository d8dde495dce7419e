"""The paths that settings name, and where each stands in a backup and in a restored folder.

    a path in the settings' own folder    at the same place
    any other one                         at the place that `init` gives it, such as tls/

So a restored folder holds the whole service, wherever its parts were before, and
never names a part of another one.  Where the environment says a path in the restored
folder (containers, where each kind of key is a mount), what it names goes there.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from mailserver.settings.load import LISTS, PREFIX
from mailserver.settings.model import Settings
from mailserver.settings.template import line_of, toml_value

STORE: Final = "store.path"
DKIM: Final = "dkim.folder"
NUMEN_KEY: Final = "auth.numen_key"
RESERVED: Final = frozenset({"manifest.json", "SHA256SUMS", "mailserver.toml", "numen.key"})
"""Names at the top of a backup, or never in it."""


class CannotRelocate(Exception):
    """The settings file names a path in a form that cannot be rewritten; the text says which."""


@dataclass(frozen=True, slots=True)
class BackupPlace:
    """key: dotted, `routes.0.password_file`.  place: relative, with slashes."""

    key: str
    path: Path
    place: str


def places_of(settings: Settings) -> list[BackupPlace]:
    """Every path that the settings name, but for the settings file itself."""
    assert settings.source is not None, "these came from a file"
    home = settings.source.parent
    taken: dict[Path, str] = {}
    found = []
    for key, path, usual in _named(settings):
        whole = Path(os.path.normpath(home / path))
        if whole not in taken:
            taken[whole] = _place(whole, home, usual, set(taken.values()))
        found.append(BackupPlace(key, whole, taken[whole]))
    return found


def _named(settings: Settings) -> Iterator[tuple[str, Path, str]]:
    """(key, path, where it usually stands)."""
    yield STORE, settings.store.path, "store"
    yield DKIM, settings.dkim.folder, "dkim"
    yield NUMEN_KEY, settings.auth.numen_key, "numen.key"
    for key, path in (("certificate", settings.tls.certificate), ("key", settings.tls.key)):
        yield f"tls.{key}", path, f"tls/{path.name}"
    for number, rule in enumerate(settings.routes):
        if (path_of := rule.password_file) is not None:
            yield f"routes.{number}.password_file", path_of, f"passwords/{path_of.name}"
    if settings.directory.alias_rules:
        rules = Path(settings.directory.alias_rules)
        yield "directory.alias_rules", rules, rules.name


def _place(path: Path, home: Path, usual: str, taken: set[str]) -> str:
    if path != home and path.is_relative_to(home):
        inside = path.relative_to(home).as_posix()
        if inside not in RESERVED - {"numen.key"}:
            return inside
    folder, name = os.path.split(usual)
    number, wanted = 1, usual
    while wanted in taken or wanted in RESERVED - {usual}:
        number += 1
        wanted = str(PurePosixPath(folder, f"{number}-{name}"))
    return wanted


# --- a restored folder whose environment says where things are -----------------------


def places_said(environment: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Key of the settings -> place in that folder, where a variable wins over the file."""
    home = folder.absolute()
    values = {name.upper(): value for name, value in environment.items()}
    said: dict[str, str] = {}
    for key in _DEFAULTS:
        value = values.get(PREFIX + key.upper().replace(".", "__"))
        if value:
            whole = Path(os.path.normpath(home / value))
            if whole != home and whole.is_relative_to(home):
                said[key] = whole.relative_to(home).as_posix()
    return said


def place_among(path: str, before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Where a file of a backup goes, when its places become others.  path: with slashes."""
    within = [key for key, place in before.items() if f"{path}/".startswith(f"{place}/")]
    if not within:
        return path
    nearest = max(within, key=lambda key: len(before[key]))
    return now[nearest] + path.removeprefix(before[nearest])


# --- the settings of a restored folder ---------------------------------------------


def moved_settings(text: str, places: dict[str, str]) -> tuple[str, dict[str, str]]:
    """The settings file with each path at its place; (the text, what moved: key -> its old path).

    Raises:
        CannotMove: a key is written in a form that is not understood here.
    """
    moved: dict[str, str] = {}
    for key, place in places.items():
        said = _value(tomllib.loads(text), key)
        if said is None and place == _DEFAULTS.get(key):
            continue
        if said is not None and os.path.normpath(said) == place:
            continue
        text = _with_key(text, key, place, said)
        moved[key] = "" if said is None else said
    return text, moved


_DEFAULTS: Final = {
    STORE: "store",
    DKIM: "dkim",
    NUMEN_KEY: "numen.key",
    "tls.certificate": "tls/certificate.pem",
    "tls.key": "tls/key.pem",
}


def _value(tree: Any, key: str) -> str | None:
    for part in key.split("."):
        try:
            tree = tree[int(part)] if part.isdigit() else tree[part]
        except (KeyError, IndexError, TypeError):
            return None
    return str(tree)


def _with_key(text: str, key: str, place: str, said: str | None) -> str:
    section, _, last = key.rpartition(".")
    line = f"{last} = {toml_value(place)}"
    if said is not None:
        line += f"  # it was {json.dumps(said)}"
    lines = text.splitlines()
    at = line_of(text, key)
    if at is not None:
        lines[at - 1] = line
    elif (header := line_of(text, section)) is not None:
        lines.insert(header, line)
    elif section.partition(".")[0] not in LISTS:
        lines += ["", f"[{section}]", line]
    changed = "\n".join(lines) + "\n"
    try:
        is_set = _value(tomllib.loads(changed), key) == place
    except tomllib.TOMLDecodeError:
        is_set = False
    if not is_set:
        raise CannotRelocate(
            f"{key} is {said!r} in the backup's mailserver.toml, in a form that cannot be"
            f" rewritten: write `{last} = ...` on a line of its own in [{section}] there"
        )
    return changed
