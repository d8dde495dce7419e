"""Whom the service's processes become when it is started as root."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

from mailserver.settings.model import Settings


def service_user(settings: Settings) -> tuple[int, int] | None:
    """(user id, group id); None: nobody becomes anybody, because nobody is root or none is named.

    Raises:
        KeyError: the system does not know the user; `config check` says so.
    """
    if os.geteuid() != 0 or not settings.service.user:
        return None
    entry = pwd.getpwnam(settings.service.user)
    return entry.pw_uid, entry.pw_gid


def cannot_enter(path: Path, user_id: int, group_id: int) -> Path | None:
    """The first folder on the way to `path`, itself included, that this user may not enter."""
    path = path.resolve()
    for folder in (*reversed(path.parents), path):
        try:
            found = folder.stat()
        except OSError:
            return None  # what is not there yet
        if found.st_uid == user_id:
            may = stat.S_IXUSR
        elif found.st_gid == group_id:
            may = stat.S_IXGRP
        else:
            may = stat.S_IXOTH
        if stat.S_ISDIR(found.st_mode) and not found.st_mode & may:
            return folder
    return None
