"""A new store, copied: to make one, with all its migrations, takes ten times as long."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from mailserver.store.sqlite.store import SqliteStore


def put_new_store(folder: Path) -> Path:
    """`folder` as `SqliteStore(folder).close()` would leave it: with what it had, or new."""
    if not (folder / "mail.db").exists():
        shutil.copytree(_template(), folder, dirs_exist_ok=True)
    return folder


@cache
def _template() -> Path:
    """One for each process of the tests; gone with it."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    SqliteStore(folder / "store").close()
    return folder / "store"
