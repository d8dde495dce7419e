"""Who can read the keys, and the folders that they lie in?

What is in a key, and whether it is there, is looked at where it belongs (`check_tls`,
`check_dkim`, `check_relay`; a lost `numen.key` by who has the store open).
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from mailserver.settings.check.finding import Finding, error, warning
from mailserver.settings.model import SRS_KEY_FILE, Settings

_ROOT = 0
_OTHERS_READ = stat.S_IRGRP | stat.S_IROTH
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def check_keys(settings: Settings, *, started_by: int) -> Iterator[Finding]:
    """started_by: the id of the user who starts the service."""
    hidden = {
        "auth.numen_key": settings.auth.numen_key,
        "store.path": settings.store.path / SRS_KEY_FILE,
    }
    for key, path in hidden.items():
        yield from _check_mode(key, path)
    for key, path in _every_key(settings):
        yield from _check_owner(key, path, started_by)
        yield from _check_folder(key, path.parent)


def _every_key(settings: Settings) -> Iterator[tuple[str, Path]]:
    yield "tls.key", settings.tls.key
    yield "auth.numen_key", settings.auth.numen_key
    if settings.dkim.enabled:
        for selector in settings.dkim.selectors:
            yield "dkim.folder", settings.dkim.folder / f"{selector}.pem"
    for rule in settings.routes:
        if rule.password_file is not None:
            yield "routes.password_file", rule.password_file


def _check_mode(key: str, path: Path) -> Iterator[Finding]:
    mode = _mode(path)
    if mode is None:
        return
    if mode & stat.S_IRWXO:
        yield error(key, f"{path} can be read by everybody (mode {mode:o}): chmod 600 it")
    elif mode & _OTHERS_READ:
        yield warning(key, f"{path} can be read by a group (mode {mode:o}): chmod 600 it")


def _check_owner(key: str, path: Path, started_by: int) -> Iterator[Finding]:
    """Who owns a key reads it, and may put another one in its place."""
    try:
        owner = path.stat().st_uid
    except OSError:
        return
    if owner not in {_ROOT, started_by}:
        yield warning(key, f"{path} belongs to user {owner}, who has nothing to do with it")


def _check_folder(key: str, folder: Path) -> Iterator[Finding]:
    mode = _mode(folder)
    if mode is not None and mode & _OTHERS_WRITE and not mode & stat.S_ISVTX:
        yield warning(
            key, f"others may write in {folder} (mode {mode:o}), and put another key there"
        )


def _mode(path: Path) -> int | None:
    """None: nothing there, or nothing that we may look at."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None
