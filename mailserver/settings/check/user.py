"""Who runs the service, and what that user may read."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import mailserver
from mailserver.settings.check.finding import Finding, error, warning
from mailserver.settings.listeners import WantedListener
from mailserver.settings.model import Settings
from mailserver.settings.service_user import NO_SUCH_USER, cannot_enter, user_ids

_KEY = "service.user"
_ROOT = 0


def check_user(
    settings: Settings, wanted: list[WantedListener], *, started_by: int
) -> Iterator[Finding]:
    """Never root for what strangers reach; the store is the user's, the keys are not.

    started_by: the id of the user who starts the service.
    """
    name = settings.service.user
    if not name:
        yield from _check_nobody_named(wanted, started_by)
        return
    ids = user_ids(name)
    if ids is None:
        yield error(_KEY, NO_SUCH_USER.format(name=name))
    elif ids[0] == _ROOT:
        yield error(_KEY, f"{name} is root: name a user who has nothing else to do")
    elif started_by == _ROOT:
        yield from _check_places(settings, name, *ids)
    elif started_by != ids[0]:
        yield error(_KEY, f"start the service as root or as {name}, not as user {started_by}")


def _check_nobody_named(wanted: list[WantedListener], started_by: int) -> Iterator[Finding]:
    if started_by != _ROOT:
        return
    open_to_all = [one for one in wanted if not one.bind.is_loopback]
    if open_to_all:
        yield error(
            _KEY,
            f"root is to serve {open_to_all[0].bind}: name the user that does it instead"
            ' (`useradd --system melouvert`, then user = "melouvert" under [service])',
        )


def _check_places(settings: Settings, name: str, user_id: int, group_id: int) -> Iterator[Finding]:
    program = Path(mailserver.__file__).resolve().parent
    for what, place in (("the program", program), ("the store", settings.store.path)):
        if (folder := cannot_enter(place, user_id, group_id)) is not None:
            yield error(_KEY, f"{name} cannot reach {what}: {folder} is closed to that user")
    if settings.store.path.is_dir():
        owner = settings.store.path.stat().st_uid
        if owner != user_id:
            yield error(
                _KEY,
                f"{settings.store.path} belongs to user {owner}:"
                f" `chown -R {name}: {settings.store.path}`, while the service stands still",
            )
    yield from _check_keys(settings, name, user_id, group_id)


def _check_keys(settings: Settings, name: str, user_id: int, group_id: int) -> Iterator[Finding]:
    folder = settings.dkim.folder
    keys = [settings.tls.key, settings.auth.numen_key]
    keys += [folder / f"{selector}.pem" for selector in settings.dkim.selectors]
    keys += [rule.password_file for rule in settings.routes if rule.password_file is not None]
    for path in keys:
        try:
            found = path.stat()
        except OSError:
            continue  # what is missing is named elsewhere
        mode = found.st_mode
        if found.st_uid == user_id or (found.st_gid == group_id and mode & stat.S_IRGRP):
            yield warning(
                _KEY,
                f"{path} can be read by {name}, so by whoever breaks into a worker:"
                f" `chown root: {path}`, chmod 600",
            )
