"""`python -m tests.store.postgres.guard PROGRAMS FOLDER PID`: a cluster for as long as PID lives.

It makes the cluster, starts it, writes `ready` and waits for the end of the
run; then nothing of it is left, even where the run was killed.
"""

from __future__ import annotations

import os
import pwd
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

STRANGER: Final = "nobody"  # the server refuses to be root
FRENCH: Final = ("--locale-provider", "icu", "--icu-locale", "fr")
OPTIONS: Final = (
    "listen_addresses=",
    "max_connections=200",
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=off",
    "autovacuum=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "min_wal_size=32MB",
    "max_wal_size=128MB",
    "shared_buffers=32MB",
    "timezone=UTC",
    "client_min_messages=warning",
)


def main() -> None:
    programs, folder, pid = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    run = os.pidfd_open(pid)
    if os.fork():
        os._exit(0)
    os.setsid()  # Ctrl-C is the run's alone: this one ends when the run does
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd)
    folder.mkdir(mode=0o700)
    if os.geteuid() == 0:
        shutil.chown(folder, STRANGER)
    try:
        _serve(programs, folder, run)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        Path(f"{folder}.lock").unlink(missing_ok=True)


def _serve(programs: Path, folder: Path, run: int) -> None:
    data = folder / "data"
    where = ("--pgdata", data, "--username", "mel", "--auth", "trust", "--no-sync")
    made = subprocess.run(
        (programs / "initdb", *where, "--encoding", "UTF8", "--locale", "C.UTF-8", *FRENCH),
        capture_output=True,
        text=True,
        check=False,
        **_as_whom(folder),
    )
    if made.returncode:
        (folder / "failed").write_text(made.stderr)
        select.select([run], [], [])
        return
    settings = [part for option in OPTIONS for part in ("-c", option)]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [programs / "postgres", "-D", data, "-k", folder, *settings],
            stdout=log,
            stderr=log,
            **_as_whom(folder),
        )
    try:
        while not _answers(programs, folder) and server.poll() is None:
            time.sleep(0.02)
        (folder / ("ready" if server.poll() is None else "failed")).touch()
        select.select([run], [], [])
    finally:
        server.send_signal(signal.SIGQUIT)  # nothing of it is wanted any more
        server.wait()


def _answers(programs: Path, folder: Path) -> bool:
    asked = (programs / "pg_isready", "--quiet", "--host", folder)
    return subprocess.run(asked, check=False).returncode == 0


def _as_whom(folder: Path) -> dict[str, Any]:
    home: dict[str, Any] = {"cwd": folder}
    if os.geteuid() == 0:
        stranger = pwd.getpwnam(STRANGER)
        home |= {"user": stranger.pw_uid, "group": stranger.pw_gid, "extra_groups": []}
    return home


if __name__ == "__main__":
    main()
