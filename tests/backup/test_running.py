"""Backups while other processes write, and backups that are killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from mailserver.backup.manifest import MANIFEST
from mailserver.settings.load import load_settings
from mailserver.store.open import open_store
from mailserver.store.ports.store import Store
from mailserver.store.sqlite.store import SqliteStore
from mailserver.supervisor.interpreter import python_command, python_environment
from tests.backup.conftest import filed
from tests.cli.conftest import Run
from tests.store.letters import accept, letter_to, person, read, remove, uids_of
from tests.store.queued import outgoing
from tests.supervisor.service import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.crash]
ROUNDS = 2


def busy(store: Store, stop: threading.Event) -> None:
    """Large and small mail comes in, is removed and freed, and copies wait and are settled."""
    box = person(store, f"busy{threading.get_ident()}", addresses=[]).inbox_id
    number = 0
    while not stop.is_set():
        number += 1
        body = b"Subject: a\r\n\r\n%d\r\n" % number * 50
        accept(
            store.writes,
            letter_to(box, body=filed(store, body)),
            letter_to(box),
            outgoing("a@b.test"),
        )
        if number % 2:
            remove(store.writes, box, uids_of(store, box)[:3])
        store.upkeep.reclaim(
            now_s=time.time()
        )  # files have the machine's time, whatever letters say


def assert_whole(folder: Path) -> None:
    """Every entry and every copy that waits has its body."""
    with closing(SqliteStore(folder)) as store:
        rows = store._engine.read("SELECT mailbox_id, uid FROM entry WHERE removed_modseq IS NULL")
        for mailbox_id, uid in rows:
            octets = read(store.mail.fetch(mailbox_id, uid))
            assert octets is not None
        for (message_id,) in store._engine.read("SELECT DISTINCT message_id FROM queue"):
            message = store.queue.open_queued(message_id)
            assert message is not None
            message.close()
        assert store._engine.read("PRAGMA integrity_check") == [("ok",)]
        assert len(rows) > 2


@pytest.mark.timeout(120)
def test_every_backup_of_a_store_that_others_write_to_is_whole(
    full: Path, run: Run, tmp_path: Path
) -> None:
    settings = load_settings(full)
    stop = threading.Event()
    with (
        closing(SqliteStore(settings.store.path, keep_removed_s=0)) as one,
        closing(SqliteStore(settings.store.path, keep_removed_s=0)) as other,
    ):
        threads = [threading.Thread(target=busy, args=(store, stop)) for store in (one, other)]
        for thread in threads:
            thread.start()
        try:
            saved = [tmp_path / f"b{number}" for number in range(ROUNDS)]
            done = [run("backup", to, "--config", full) for to in saved]
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    for to, said in zip(saved, done, strict=True):
        assert (said.status, said.err) == (0, "")
        assert json.loads((to / MANIFEST).read_bytes())["missing"] == []
        restored = tmp_path / f"{to.name}-restored"
        assert run("restore", to, "--to", restored, "--without-numen-key").status == 0
        assert_whole(restored / "store")


def begin(full: Path, to: Path) -> subprocess.Popen[bytes]:
    """A backup in a process of its own that has begun to write bodies."""
    with closing(open_store(load_settings(full))) as store:
        box = person(store, "many", addresses=[]).inbox_id
        body = b"Subject: a\r\n\r\n" + os.urandom(400_000)
        accept(store.writes, *[letter_to(box, body=filed(store, body)) for _ in range(150)])
    words = python_command("mailserver.cli.main", "backup", str(to), "--config", str(full))
    process = subprocess.Popen(words, env=python_environment(), stderr=subprocess.DEVNULL)
    wait_until(lambda: len(list(to.glob("store/bodies/*/*"))) > 5)
    return process


def test_a_backup_that_is_killed_is_half_of_one_and_the_next_is_whole(
    full: Path, run: Run, tmp_path: Path
) -> None:
    process = begin(full, tmp_path / "b")
    process.kill()
    process.wait()
    said = run("restore", tmp_path / "b", "--to", tmp_path / "r", "--without-numen-key")
    assert said.status == 2
    assert "half a backup" in said.err
    assert not (tmp_path / "r").exists()
    assert run("backup", tmp_path / "c", "--config", full).status == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_backup_that_is_told_to_stop_takes_away_what_it_wrote(
    full: Path, tmp_path: Path, number: signal.Signals
) -> None:
    process = begin(full, tmp_path / "b")
    process.send_signal(number)
    assert process.wait(30) == 130
    assert not (tmp_path / "b").exists()


def test_two_backups_never_write_into_one_folder(full: Path, run: Run, tmp_path: Path) -> None:
    process = begin(full, tmp_path / "b")
    said = run("backup", tmp_path / "b", "--config", full)
    assert said.status == 2
    assert "somebody else writes there" in said.err
    assert process.wait(60) == 0
    assert (tmp_path / "b" / MANIFEST).exists()
