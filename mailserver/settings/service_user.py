"""Whom the service's processes become when it is started as root."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path
from typing import Final

from mailserver.settings.model import Settings

NO_SUCH_USER: Final = (
    "this system has no user {name!r}:"
    " `useradd --system --shell /usr/sbin/nologin {name}` makes one"
)


def user_ids(name: str) -> tuple[int, int] | None:
    """(user id, group id); None: the system does not know the name."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return entry.pw_uid, entry.pw_gid


def service_user(settings: Settings) -> tuple[int, int] | None:
    """Whose ids to take; None: nobody is root here, or nobody is named.

    An unknown name is an error of `check_user`, which forbids the start.
    """
    if os.geteuid() != 0 or not settings.service.user:
        return None
    return user_ids(settings.service.user)


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
