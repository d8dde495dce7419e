"""One PostgreSQL for a whole run of the tests, started by whoever needs it first.

A private cluster on a socket in a temporary folder, without syncs, its words in
the order of French: what leans on the order of a server would show.  Every process of the run
finds it by `FOLDER`; a guard of its own ends it with the run, however that ends.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # to load the driver takes a tenth of a second, and few processes need it
    import psycopg

ROOT: Final = Path(__file__).resolve().parents[3]
FOLDER: Final = "MEL_TEST_POSTGRES"
"""The variable that names the run's folder; it ends with the number of the run's process."""
USER: Final = "mel"
OLDEST: Final = 15
START_S: Final = 60.0
LONGEST_NAME: Final = 60  # unix(7): 108 with what comes below it


def prepare_run() -> None:
    """In the first process of a run, before it starts others: where the cluster will be."""
    if FOLDER not in os.environ:
        os.environ[FOLDER] = str(_room() / f"mel-postgres-{os.getpid()}")


def _room() -> Path:
    """Where everybody may enter, as the server is not root, and whose name a socket's can have."""
    wanted = Path(tempfile.gettempdir())
    is_open = all(place.stat().st_mode & 0o001 for place in (wanted, *wanted.parents))
    is_short = len(str(wanted)) < LONGEST_NAME
    return wanted if is_short and (is_open or os.geteuid() != 0) else Path("/tmp")


@cache
def find_programs() -> Path | None:
    """The folder of the newest server's programs; None: no server that is new enough."""
    found = {
        int(match[1]): place
        for place in Path("/usr/lib/postgresql").glob("*/bin")
        if (match := re.search(r"/(\d+)/bin$", str(place))) and (place / "initdb").exists()
    }
    newest = max(found, default=0)
    return found[newest] if newest >= OLDEST else None


@cache
def conninfo() -> str:
    """Of a cluster that is ready, without the database's name."""
    folder = Path(os.environ[FOLDER])
    with open(f"{folder}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            shutil.rmtree(folder, ignore_errors=True)
            _start(folder)
    return f"host={folder} user={USER}"


def connect(database: str) -> psycopg.Connection[tuple[object, ...]]:
    """For what tests do behind a store's back."""
    import psycopg

    return psycopg.Connection.connect(f"{conninfo()} dbname={database}", autocommit=True)


def _start(folder: Path) -> None:
    programs = find_programs()
    assert programs is not None, "who has no server skips"
    run_pid = folder.name.rpartition("-")[2]
    command = [sys.executable, "-m", "tests.store.postgres.guard", str(programs), str(folder)]
    subprocess.run([*command, run_pid], cwd=ROOT, check=True)  # it goes on by itself
    until_s = time.monotonic() + START_S
    while not (folder / "ready").exists():
        if (folder / "failed").exists() or time.monotonic() > until_s:
            said = [one for one in (folder / "failed", folder / "log") if one.exists()]
            why = "\n".join(one.read_text() for one in said)
            raise RuntimeError(f"PostgreSQL did not start: {why[-2_000:]}")
        time.sleep(0.02)
