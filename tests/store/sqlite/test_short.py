"""A disk quota and a limit on the size of files: want of room as any other, not a broken disk."""

from __future__ import annotations

import errno
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import apsw
import pytest

from mailserver.store.ports.errors import Shortage, StoreFull
from mailserver.store.ports.writes import Accepted, Failed
from mailserver.store.sqlite.engine import shortage
from mailserver.store.sqlite.store import SqliteStore
from tests.store.letters import fetch, letter_to, people, remove, uids_of

LETTER = b"Subject: large\r\n\r\n" + b"x" * 100_000 + b"\r\n"
MIB = 1024 * 1024


@contextmanager
def file_limit(octets: int) -> Iterator[None]:
    """As `ulimit -f`, which Python answers with EFBIG instead of a signal."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


def test_a_log_that_may_not_grow_puts_mail_off_and_the_store_goes_on(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store", wal_limit_octets=64 * MIB, keep_removed_s=1e6)
    (box,) = people(store, 1)
    with file_limit(4 * MIB):
        outcomes = [store.writes.apply([letter_to(box, body=LETTER)])[0] for _ in range(60)]
        accepted = [one for one in outcomes if isinstance(one, Accepted)]
        (words,) = {str(one.error) for one in outcomes if isinstance(one, Failed)}
        assert words == "a limit on the size of files is reached (ulimit -f): disk I/O error"
        assert uids_of(store, box) == list(range(1, len(accepted) + 1))
        newest = fetch(store, box, len(accepted))
        assert newest is not None
        assert newest.endswith(LETTER)
        spool = store.bodies.open_spool()
        with pytest.raises(StoreFull) as raised:
            spool.write(b"x" * 5 * MIB)
        assert raised.value.why is Shortage.FILE_SIZE
        spool.discard()
    (outcome,) = store.writes.apply([letter_to(box, body=LETTER)])
    assert isinstance(outcome, Accepted), "nothing is broken: it goes on where it can"
    remove(store.writes, box, [1])
    store.close()


def io_error(extended: int) -> Any:
    error: Any = apsw.IOError("disk I/O error")
    error.extendedresult = extended
    return error


@pytest.mark.parametrize(
    ("extended", "number", "why"),
    [
        (apsw.SQLITE_IOERR_WRITE, errno.EDQUOT, Shortage.QUOTA),
        (apsw.SQLITE_IOERR_WRITE, errno.EFBIG, Shortage.FILE_SIZE),
        (apsw.SQLITE_IOERR_WRITE, errno.EIO, None),
        (apsw.SQLITE_IOERR_FSYNC, errno.EDQUOT, None),  # what the disk holds is not known
        (apsw.SQLITE_IOERR_READ, errno.EDQUOT, None),
    ],
)
def test_only_a_write_that_was_refused_is_want_of_room(
    extended: int, number: int, why: Shortage | None
) -> None:
    connection: Any = SimpleNamespace(system_errno=number)
    assert shortage(io_error(extended), connection) is why
