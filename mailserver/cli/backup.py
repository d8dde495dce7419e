"""`mailserver backup` and `mailserver restore`."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mailserver.cli.access import opened_store, read_settings
from mailserver.cli.mistake import Failure, Mistake
from mailserver.cli.options import ConfigOption
from mailserver.texts.plurals import counted

if TYPE_CHECKING:
    from mailserver.backup.manifest import Manifest
    from mailserver.backup.restoring import Restored
    from mailserver.store.ports.upkeep import Told

NICENESS = 10


def backup(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A folder that is new or empty; best elsewhere.")
    ],
    *,
    numen_key: Annotated[
        Path | None,
        typer.Option(
            "--numen-key",
            metavar="OTHERDIR",
            help="Write numen.key there, apart from the backup, which never holds it.",
        ),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Save the whole service while it runs: mail, people, settings and keys, of one moment."""
    from mailserver import __version__
    from mailserver.auth.numen_key import NumenKeyMissing
    from mailserver.backup.making import WantedBackup, make_backup
    from mailserver.backup.tree import BadFolder

    settings = read_settings(config)
    wanted = WantedBackup(
        target=folder,
        numen_key_to=numen_key,
        program=__version__,
        environment=os.environ,
        now_s=time.time(),
    )
    # Not in addition to what is asked for already: a process may save more than once.
    os.setpriority(os.PRIO_PROCESS, 0, max(NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))
    with opened_store(settings) as store, _interruptible(), _progress("saving") as told:
        try:
            manifest = make_backup(settings, store, wanted, told)
        except BadFolder as error:
            raise Mistake(str(error)) from error
        except NumenKeyMissing as error:
            raise Failure(f"--numen-key: {error}") from error
    _tell_saved(folder, numen_key, manifest)


def _tell_saved(folder: Path, numen_key: Path | None, manifest: Manifest) -> None:
    print(
        f"{folder}: {_what(manifest)}, {_size(manifest.octets)} in"
        f" {counted(manifest.file_count, 'file')}"
    )
    if numen_key is not None:
        print(f"{numen_key / 'numen.key'}: keep it apart from the backup")
    elif manifest.needs_numen_key:
        print("numen.key is not in it, on purpose: keep a copy elsewhere (--numen-key OTHERDIR)")
    for line in manifest.missing:
        print(f"warning: not in the backup: {line}", file=sys.stderr)


def restore(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="What `mailserver backup` has written.")
    ],
    *,
    to: Annotated[
        Path,
        typer.Option("--to", metavar="FOLDER", help="The service's folder, new or empty."),
    ],
    numen_key: Annotated[
        Path | None,
        typer.Option(
            "--numen-key",
            metavar="OTHERDIR",
            help="The folder that holds the copy of numen.key, or the file itself.",
        ),
    ] = None,
    without_numen_key: Annotated[
        bool,
        typer.Option("--without-numen-key", help="The key is lost: go without it."),
    ] = False,
) -> None:
    """Make a service of a backup, in a folder of its own; start it from there."""
    from mailserver.auth.numen_key import NumenKeyMissing
    from mailserver.backup.manifest import BadBackup, read_manifest
    from mailserver.backup.restoring import WantedService
    from mailserver.backup.restoring import restore as restore_backup
    from mailserver.backup.tree import BadFolder
    from mailserver.store.open import last_migration

    schema = last_migration()
    if numen_key is not None and without_numen_key:
        raise Mistake("--numen-key and --without-numen-key: write one of them")
    wanted = WantedService(
        backup=folder, target=to, numen_key=numen_key, schema=schema, environment=os.environ
    )
    try:
        manifest = read_manifest(folder, schema=schema)
        if numen_key is None and not without_numen_key and manifest.needs_numen_key:
            raise Mistake(_ask_for_key(manifest))
        with _interruptible(), _progress("restoring") as told:
            restored = restore_backup(wanted, told)
    except (BadBackup, BadFolder) as error:
        raise Mistake(str(error)) from error
    except NumenKeyMissing as error:
        raise Mistake(f"--numen-key: {error}") from error
    _tell_restored(to, restored, has_key=numen_key is not None)


def _ask_for_key(manifest: Manifest) -> str:
    return (
        "name the folder that holds numen.key with --numen-key OTHERDIR: it is kept apart from"
        f" backups. Without it (--without-numen-key) {_who_is_out(manifest)}"
    )


def _what(manifest: Manifest) -> str:
    accounts, messages = manifest.accounts, manifest.messages
    return f"{counted(accounts, 'account')}, {counted(messages, 'message')}"


def _who_is_out(manifest: Manifest) -> str:
    accounts = counted(manifest.numen_accounts, "account")
    return (
        f"{accounts} that never chose a password cannot sign in, and no"
        " NUMEN and no code of before gets anybody back in; chosen passwords go on"
    )


def _tell_restored(folder: Path, restored: Restored, *, has_key: bool) -> None:
    manifest = restored.manifest
    print(f"{folder}: {_what(manifest)}, as they were at {manifest.made_at}")
    for key, before in restored.moved.items():
        named = f"was {before}" if before else "came from the environment"
        print(f"{key} {named}: it is {restored.places[key]} now, in that folder")
    for name, value in sorted(manifest.environment.items() - os.environ.items()):
        print(f"the environment said {name}={value}: set it again where it still holds")
    if manifest.queued:
        waiting = counted(manifest.queued, "copy waits", "copies wait")
        print(
            f"{waiting} for other servers; what was sent since the backup goes"
            " out again. If that was long ago, `mailserver queue hold --all` before you start"
        )
    if manifest.needs_numen_key and not has_key:
        new_key = "`mailserver password new-key` makes another key"
        print(f"warning: without numen.key {_who_is_out(manifest)}; {new_key}", file=sys.stderr)
    for line in manifest.missing:
        print(f"warning: it was not in the backup: {line}", file=sys.stderr)
    print(f"next: mailserver config check --config {restored.settings}")
    print(f"      mailserver run --config {restored.settings}")


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM is as Ctrl-C: what was written is taken away."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _progress(word: str) -> Iterator[Told]:
    """A bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(word), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(word, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _size(octets: int) -> str:
    size = float(octets)
    for unit in ("octets", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.4g} {unit}"
        size /= 1024
    return f"{size:.4g} GiB"
