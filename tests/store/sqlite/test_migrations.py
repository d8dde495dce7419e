"""A store that an older program made, with mail in it, opened by this one."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from mailserver.queue.copies import CopyState
from mailserver.store.ports.accounts import AccountState
from mailserver.store.ports.errors import NameTaken
from mailserver.store.ports.mail import RemovedRoom
from mailserver.store.ports.people import Kind, Life, Search
from mailserver.store.sql import migrations
from mailserver.store.sql.migrations import migrations_to_run
from mailserver.store.sqlite.engine import SqliteEngine
from mailserver.store.sqlite.store import SqliteStore
from mailserver.values.address import Address
from mailserver.values.ids import MailboxId, Uid
from tests.store.letters import (
    BODY,
    HEAD,
    NOW_S,
    RETURN_PATH,
    accept,
    fetch,
    letter_to,
    new_accept_id,
    unique_ids_of,
)
from tests.store.queued import Agent, outgoing

PREFIX = b"Delivered-To: un@d\r\n"
BOX = MailboxId(1)
NONCE_MIGRATION = 8
LISTS_MIGRATION = 4


def trunk_store(folder: Path, monkeypatch: pytest.MonkeyPatch, *, up_to: int = 1) -> None:
    """What an older release wrote: one account, one message in its INBOX."""
    folder.mkdir()
    engine = SqliteEngine(folder, log_limit_octets=1_000_000)
    with monkeypatch.context() as patched:
        patched.setattr(
            migrations,
            "migrations_to_run",
            lambda v, names: migrations_to_run(v, names)[: up_to - v],
        )
        migrations.migrate(engine)
    octets = len(RETURN_PATH + PREFIX + HEAD + BODY)
    message = (1, new_accept_id(), NOW_S, None, "a@b", "mx", "192.0.2.1", 1, "", "", 18, 0, 0)
    body = (len(BODY), None, RETURN_PATH, HEAD, BODY)
    rows = {
        "account (account_id, identifier, identifier_key, name, state, inbox_id, created_at_s,"
        " deleted_at_s, verifier, credential_version, must_change)": (
            1,
            "un",
            "un",
            "Un",
            "active",
            1,
            NOW_S,
            None,
            None,
            1,
            0,
        ),
        "mailbox": (1, 1, "INBOX", "e", 2, 0, 1, octets),
        "message (message_id, accept_id, accepted_at_s, account_id, reverse_path, door, peer,"
        " flags, envelope_id, return_content, header_octets, longest_line_octets,"
        " dotted_line_count, body_octets, file_name, return_path, head, body)": (*message, *body),
        "copy (message_id, copy_no, recipient, state, mailbox_id, uid, settled_at_s)": (
            1,
            0,
            "un@d",
            CopyState.DEPOSITED.value,
            1,
            1,
            NOW_S,
        ),
        "address (address_key, address, account_id, mailbox_id, position)": (
            "un@d",
            "Un@d",
            1,
            1,
            0,
        ),
        "entry (mailbox_id, uid, message_id, octets, prefix)": (1, 1, 1, octets, PREFIX),
    }
    with engine.write_turn(), engine.transaction() as connection:
        for table, row in rows.items():
            marks = ",".join("?" * len(row))
            connection.execute(f"INSERT INTO {table} VALUES ({marks})", row)
        connection.execute("UPDATE counter SET value = 1")
    engine.close()


def test_the_queue_is_added_once_beside_the_mail_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "store"
    trunk_store(folder, monkeypatch)
    for _ in range(2):
        store = SqliteStore(folder)
        assert fetch(store, BOX, 1) == RETURN_PATH + PREFIX + HEAD + BODY
        agent = Agent(store)
        (message_id,) = accept(store.writes, outgoing())
        assert [ref.message_id for ref in agent.lease()] == [message_id]
        numbers = store._engine.read("SELECT number FROM migration ORDER BY number")
        assert numbers[:2] == [(1,), (2,)]
        assert len(set(numbers)) == len(numbers)
        store.queue.resign_agent(agent.agent_id)
        agent = Agent(store)
        agent.relay(agent.lease())
        store.close()


@pytest.mark.parametrize("up_to", range(1, NONCE_MIGRATION))
def test_what_an_older_release_stored_keeps_its_unique_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, up_to: int
) -> None:
    folder = tmp_path / "store"
    trunk_store(folder, monkeypatch, up_to=up_to)
    store = SqliteStore(folder)
    assert unique_ids_of(store, BOX) == [b"e.1"]
    accept(store.writes, letter_to(BOX))
    older, newer = unique_ids_of(store, BOX)
    assert older == b"e.1"
    assert newer.startswith(b"e.2.")
    store.close()


def test_what_was_removed_before_there_were_totals_is_counted_and_can_be_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "store"
    trunk_store(folder, monkeypatch, up_to=7)
    database = apsw.Connection(str(folder / "mail.db"))
    database.execute("UPDATE entry SET removed_modseq = 1, removed_at_s = ?", (NOW_S,))
    database.execute("UPDATE mailbox SET modseq = 1, entry_count = 0, octets = 0")
    database.close()
    store = SqliteStore(folder)
    octets = len(RETURN_PATH + PREFIX + HEAD + BODY)
    assert store.mail.removed_room() == RemovedRoom(1, octets)
    (found,) = store.mail.list_removed(BOX, since_s=0.0, limit=9)
    assert (found.item.uid, found.by) == (1, None)
    assert store.mail.restore_removed(BOX, [Uid(1)], as_new=False) == [1]
    assert unique_ids_of(store, BOX) == [b"e.1"]
    assert store.mail.removed_room() == RemovedRoom(0, 0)
    store.close()


def test_accounts_older_than_the_directory_keep_their_names_and_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "store"
    trunk_store(folder, monkeypatch, up_to=2)
    store = SqliteStore(folder)
    assert fetch(store, BOX, 1) == RETURN_PATH + PREFIX + HEAD + BODY
    assert store.accounts.find_mailbox("un@d") == BOX
    assert [store.people.who_had(name, now_s=NOW_S) for name in ("un", "un@d", "deux")] == [
        1,
        1,
        None,
    ]
    (found,) = store.people.search_people(Search(name="un"), after="", limit=9)
    assert (found.identifier, found.kind, found.life) == ("un", Kind.PERSON, Life.PRESENT)
    doc = store.people.find_doc("un")
    assert doc is not None
    assert (doc.source_key, doc.surname, doc.addresses) == ("", "Un", ("Un@d",))
    sign_in = store.accounts.find_sign_in("un@d")
    assert sign_in is not None
    assert sign_in.credential.state is AccountState.ACTIVE
    with pytest.raises(NameTaken, match="already taken, by un"):
        store.accounts.add_account(identifier="un", name="", addresses=(), now_s=NOW_S)
    store.close()


def test_names_that_fold_further_than_before_are_found_under_both_spellings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys as they were written before: `ı` whole in names, and dropped from words of search."""
    folder = tmp_path / "store"
    trunk_store(folder, monkeypatch, up_to=LISTS_MIGRATION)
    engine = SqliteEngine(folder, log_limit_octets=1_000_000)
    with engine.write_turn(), engine.transaction() as connection:
        for statement in (
            "UPDATE account SET identifier_key = 'ayıldız', name = 'Ali Yıldız', name_key = 'yldz'",
            "UPDATE address SET address_key = 'ali.yıldız@d', address = 'ali.Yıldız@d'",
            "INSERT INTO given_name (name_key, account_id, given_at_s) VALUES ('ayıldız', 1, 1.0)",
            """INSERT INTO given_name (name_key, account_id, given_at_s)
                VALUES ('ali.yıldız@d', 1, 1)""",
            """INSERT INTO list_member (list_id, address, address_key, gets_mail, stopped_why,
                bounce_count) VALUES (1, 'ŋa@e', 'ŋa@e', 1, '', 0)""",
        ):
            connection.execute(statement)
    engine.close()
    store = SqliteStore(folder)
    for spelling in ("ayildiz", "ayıldız"):
        assert store.accounts.find_account(spelling) is not None
    for key in ("ali.yildiz@d", Address("Ali.Yıldız", "d").key):
        assert store.accounts.find_mailbox(key) == BOX
    assert [
        one.name for one in store.people.search_people(Search(name="yıld"), after="", limit=9)
    ] == ["Ali Yıldız"]
    assert store.people.who_had("ayildiz", now_s=NOW_S) == 1
    assert store._engine.read("SELECT address_key FROM list_member") == [("na@e",)]
    store.close()
