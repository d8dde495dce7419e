"""Bodies that their files do not give: said, noted, and no reason to stop anything else."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from mailserver.store.files.reader import BodySource, FileReader
from mailserver.store.ports.bodies import (
    BodyError,
    BodyFault,
    BodyLost,
    BodyUnreadable,
    OpenedBody,
    read_body,
)
from mailserver.store.ports.errors import StoreUnavailable
from mailserver.store.ports.store import Store
from mailserver.store.sql.counters import faults
from mailserver.store.sql.mail import bodies as bodies_module
from mailserver.store.sql.upkeep import CHECK_BODIES_S
from mailserver.store.sqlite.store import SqliteStore
from mailserver.values.ids import MailboxId, MessageId, Uid, accept_id_text
from mailserver.values.message import FiledBody
from tests.bad_sectors import break_file
from tests.store.letters import (
    NOW_S,
    accept,
    as_fetched,
    fetch,
    letter_to,
    people,
    recipient_of,
    remove,
)
from tests.store.queued import outgoing

BODY = b"Subject: grand\r\nMessage-ID: <a@b.test>\r\n\r\nx\r\n"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with closing(SqliteStore(tmp_path / "store", keep_removed_s=0)) as opened:
        yield opened


def filed(store: Store, octets: bytes = BODY) -> FiledBody:
    spool = store.bodies.open_spool()
    spool.write(octets)
    return spool.commit()


def missing(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def closed(path: Path) -> None:
    """What the system refuses, also to root: a link that leads to itself."""
    path.unlink()
    path.symlink_to(path.name)


Spoil = Callable[[Path], None]
KINDS: list[tuple[Spoil, type[BodyError], str]] = [
    (missing, BodyLost, "is not there"),
    (cut, BodyLost, f"has {len(BODY) - 1} octets where {len(BODY)} were written"),
    (longer, BodyLost, f"has {len(BODY) + 1} octets"),
    (closed, BodyUnreadable, "cannot be read: Too many levels"),
]


@pytest.fixture
def box(store: SqliteStore) -> MailboxId:
    return people(store, 1)[0]


@pytest.mark.parametrize(("spoil", "kind", "words"), KINDS)
def test_a_reader_hears_what_is_wrong_and_others_read_on(
    store: SqliteStore, box: MailboxId, spoil: Spoil, kind: type[BodyError], words: str
) -> None:
    body = filed(store)
    accept(store.writes, letter_to(box, body=body), letter_to(box))
    spoil(store.backups.body_file(body.name))
    with pytest.raises(kind, match=words) as raised:
        store.mail.fetch(box, Uid(1))
    assert raised.value.fault.name == body.name
    assert isinstance(raised.value, StoreUnavailable), "temporary for whoever knows no better"
    assert fetch(store, box, 2) == as_fetched(recipient_of(box))


def test_what_was_freed_a_moment_ago_is_gone_and_not_lost(
    store: SqliteStore, box: MailboxId, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reclaimer came between the row and the file."""
    body = filed(store)
    accept(store.writes, letter_to(box, body=body))
    open_reader = store._files.open_reader

    def reclaimed_first(source: BodySource, size_octets: int) -> FileReader:
        remove(store.writes, box, [1])
        store.upkeep.reclaim(now_s=NOW_S + 10)
        return open_reader(source, size_octets)

    monkeypatch.setattr(store._files, "open_reader", reclaimed_first)
    with capture_logs() as log:
        assert store.mail.fetch(box, Uid(1)) is None
    assert log == []


def test_it_is_said_loudly_and_once(store: SqliteStore, box: MailboxId) -> None:
    body = filed(store)
    accept(store.writes, letter_to(box, body=body))
    store.backups.body_file(body.name).unlink()
    with capture_logs() as log:
        for _ in range(50):
            with pytest.raises(BodyLost):
                store.mail.fetch(box, Uid(1))
    (line,) = log
    assert line["log_level"] == "error"
    assert line["file"] == f"bodies/{body.name[:2]}/{body.name}"


def test_a_folder_of_bodies_that_is_gone_is_no_flood(store: SqliteStore, box: MailboxId) -> None:
    for _ in range(faults.LINES + 10):
        body = filed(store)
        accept(store.writes, letter_to(box, body=body))
        store.backups.body_file(body.name).unlink()
    with capture_logs() as log:
        for uid in range(1, faults.LINES + 11):
            with pytest.raises(BodyLost):
                store.mail.fetch(box, Uid(uid))
    assert len(log) == faults.LINES + 1
    count, shown = store.backups.faulty_bodies(sample=0, shown=3)
    assert (count, len(shown)) == (faults.LINES + 10, 3)


def test_an_hour_later_it_is_said_again() -> None:
    now_s = 0.0
    notes = faults.SqlFaults(lambda _statement, _values: [], clock_s=lambda: now_s)
    fault = BodyFault(message_id=MessageId(1), name="ab12", why="is not there", is_lost=True)
    with capture_logs() as log:
        for now_s in (0.0, faults.AGAIN_S - 1, faults.AGAIN_S + 1):  # noqa: B007 - the clock's
            notes.note(fault)
    assert len(log) == 2


def test_it_is_known_to_other_processes_until_the_file_is_back(
    store: SqliteStore, box: MailboxId, tmp_path: Path
) -> None:
    body = filed(store)
    accept(store.writes, letter_to(box, body=body))
    path = store.backups.body_file(body.name)
    path.rename(tmp_path / "apart")
    with pytest.raises(BodyLost):
        store.mail.fetch(box, Uid(1))
    with closing(SqliteStore(tmp_path / "store")) as other:
        count, (found,) = other.backups.faulty_bodies(sample=0, shown=1)
        assert count == 1
        assert (found.mailboxes, found.queued_count) == (("personne0",), 0)
        assert accept_id_text(found.accept_id)
        (tmp_path / "apart").rename(path)
        assert other.backups.faulty_bodies(sample=0, shown=1) == (0, [])
    assert fetch(store, box, 1) == as_fetched(recipient_of(box), BODY)


def test_what_nobody_has_read_is_found_by_a_look(store: SqliteStore, box: MailboxId) -> None:
    body = filed(store)
    accept(store.writes, letter_to(box, body=body))
    store.backups.body_file(body.name).unlink()
    assert store.backups.faulty_bodies(sample=10, shown=1)[0] == 1


def test_the_keeper_comes_by_all_of_them_a_slice_at_a_time(
    store: SqliteStore, box: MailboxId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies_module, "CHECKED_AT_ONCE", 2)
    bodies = [filed(store) for _ in range(7)]
    accept(store.writes, *[letter_to(box, body=body) for body in bodies])
    for body in bodies[:3]:
        store.backups.body_file(body.name).unlink()
    for number in range(4):
        store.upkeep.reclaim(now_s=NOW_S + number * CHECK_BODIES_S)
        store.upkeep.reclaim(now_s=NOW_S + number * CHECK_BODIES_S)  # too soon for another slice
    assert store.backups.faulty_bodies(sample=0, shown=0)[0] == 3


@pytest.mark.parametrize(("spoil", "kind", "words"), KINDS)
def test_the_queue_says_the_same_and_gives_the_envelope_without_it(
    store: SqliteStore, spoil: Spoil, kind: type[BodyError], words: str
) -> None:
    from dataclasses import replace

    body = filed(store)
    (message_id,) = accept(store.writes, replace(outgoing("a@b.test"), body=body))
    spoil(store.backups.body_file(body.name))
    with pytest.raises(kind, match=words):
        store.queue.open_queued(message_id)
    message = store.queue.open_queued(message_id, without_body=True)
    assert message is not None
    assert (message.reverse_path, message.octets, message.reader) == (
        "jean.petit@ac-exemple.fr",
        b"",
        None,
    )
    assert store.backups.faulty_bodies(sample=0, shown=1)[1][0].queued_count == 1


@pytest.mark.parametrize(("spoil", "kind", "words"), KINDS)
def test_lists_searches_and_the_index_go_on_without_it(
    store: SqliteStore, box: MailboxId, spoil: Spoil, kind: type[BodyError], words: str
) -> None:
    body = filed(store)
    first = letter_to(box, body=body)
    accept(store.writes, first, letter_to(box))
    spoil(store.backups.body_file(body.name))
    assert [item.uid for item in store.mail.list_items(box, before=None, limit=9)] == [2, 1]
    while store.upkeep.index_journeys():
        continue
    journey = store.history.journey(first.accept_id)
    assert journey is not None
    assert len(store.history.journeys_of(recipient_of(box), limit=9).journeys) == 2


def test_an_envelope_without_a_body_is_that_of_small_mail_too(store: SqliteStore) -> None:
    (message_id,) = accept(store.writes, outgoing("a@b.test"))
    message = store.queue.open_queued(message_id, without_body=True)
    assert message is not None
    assert message.octets == b""


LONG = b"Subject: grand\r\n\r\n" + b"une ligne\r\n" * 100_000
BROKEN_AT = 300_000


def read_all(message: OpenedBody) -> bytes:
    octets = b""
    while piece := read_body(message, 65_536, len(octets)):
        octets += piece
    return octets


def test_a_disk_that_refuses_in_the_middle_is_noted_and_found_at_once_the_next_time(
    store: SqliteStore, box: MailboxId, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = filed(store, LONG)
    accept(store.writes, letter_to(box, body=body))
    message = store.mail.fetch(box, Uid(1))
    assert message is not None
    with monkeypatch.context() as patch, capture_logs() as log:
        break_file(patch, store.backups.body_file(body.name), at_octet=BROKEN_AT)
        with pytest.raises(BodyUnreadable, match=f"Input/output error .octet {BROKEN_AT} of"):
            read_all(message)
        message.close()
        (line,) = log
        assert line["log_level"] == "error"
        assert line["file"] == f"bodies/{body.name[:2]}/{body.name}"
        with closing(SqliteStore(tmp_path / "store")) as other:  # status, or another worker
            assert other.backups.faulty_bodies(sample=0, shown=1)[0] == 1
            with pytest.raises(BodyUnreadable, match="Input/output error"):
                other.mail.fetch(box, Uid(1))  # before a word is said of it
    assert store.backups.faulty_bodies(sample=0, shown=1)[0] == 0, "it is well by now"
    assert fetch(store, box, 1) == as_fetched(recipient_of(box), LONG)


def test_a_file_that_is_cut_while_it_is_read_is_lost(store: SqliteStore, box: MailboxId) -> None:
    body = filed(store, LONG)
    accept(store.writes, letter_to(box, body=body))
    message = store.mail.fetch(box, Uid(1))
    assert message is not None
    os.truncate(store.backups.body_file(body.name), BROKEN_AT)
    with pytest.raises(BodyLost, match=f"ends after {BROKEN_AT} of {len(LONG)} octets"):
        read_all(message)
    message.close()
    assert store.backups.faulty_bodies(sample=0, shown=1)[0] == 1


def test_what_is_to_be_sent_is_noted_in_the_middle_too(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    body = filed(store, LONG)
    (message_id,) = accept(store.writes, replace(outgoing("a@b.test"), body=body))
    message = store.queue.open_queued(message_id)
    assert message is not None
    break_file(monkeypatch, store.backups.body_file(body.name), at_octet=BROKEN_AT)
    with pytest.raises(BodyUnreadable):
        read_all(message)
    message.close()
    (count, (found,)) = store.backups.faulty_bodies(sample=0, shown=1)
    assert (count, found.queued_count) == (1, 1)


def test_nobody_reads_a_body_but_by_what_notes_its_faults() -> None:
    """`read_body`, and who opens files: any other pread is of no body."""
    own = {"mailserver/store/files/reader.py",
           "mailserver/keys/files.py"}  # fmt: skip
    root = Path(__file__).parents[3]
    readers = {
        str(path.relative_to(root))
        for room in ("mailserver", "smtp_relay", "pop3_store", "webmail")
        for path in (root / room).rglob("*.py")
        if "os.pread(" in path.read_text("utf-8") or "os.sendfile(" in path.read_text("utf-8")
    }
    assert readers <= own
