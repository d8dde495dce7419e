"""The live door over the real store: deletions, locks, large bodies, and curl."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mailserver.auth.backend import StoreBackend
from mailserver.settings.model import Settings
from mailserver.store.open import open_store
from mailserver.store.ports.store import Store
from mailserver.store.ports.writes import Accepted
from mailserver.values.ids import MailboxId, make_accept_id
from mailserver.values.message import (
    Acceptance,
    Body,
    BodyFacts,
    Deposit,
    InlineBody,
    NewCopy,
    delivered_to_line,
)
from mailserver.values.secret import Secret
from tests.pop3_store.conftest import Credentials, make_tree
from tests.pop3_store.door import Client, RunningDoor, running_door
from tests.pop3_store.fakes import PASSWORD
from tests.programs import needs_program

pytestmark = [pytest.mark.slow]

ADDRESS = "francois.rot@ac-exemple.fr"
LEAD = b"Return-Path: <a@b.fr>\r\n" + delivered_to_line(ADDRESS) + b"Received: by us\r\n"
SMALL = b"Subject: small\r\n\r\n.dot\r\nend\r\n"
LARGE = b"Subject: large\r\n\r\n" + b".a line that begins with a dot\r\n" * 40_000 + b"no end"


def acceptance(body: Body, octets: bytes, mailbox_id: MailboxId) -> Acceptance:
    return Acceptance(
        accept_id=make_accept_id(1000.0, os.urandom(9)),
        accepted_at_s=1000.0,
        return_path=b"Return-Path: <a@b.fr>\r\n",
        head=b"Received: by us\r\n",
        body=body,
        facts=BodyFacts(
            header_octets=octets.index(b"\r\n\r\n") + 4,
            ends_with_crlf=octets.endswith(b"\r\n"),
            is_8bit=False,
            has_nul=False,
            longest_line_octets=60,
            dotted_line_count=octets.count(b"\r\n."),
        ),
        reverse_path="a@b.fr",
        account_id=None,
        peer="192.0.2.1",
        door="mx",
        smtputf8=False,
        copies=(NewCopy(recipient=ADDRESS, route=Deposit(mailbox_id=mailbox_id)),),
    )


def fill(store: Store, mailbox_id: MailboxId, bodies: Sequence[bytes]) -> None:
    batch = []
    for octets in bodies:
        body: Body = InlineBody(octets)
        if len(octets) > 256 * 1024:
            spool = store.bodies.open_spool()
            spool.write(octets)
            body = spool.commit()
        batch.append(acceptance(body, octets, mailbox_id))
    outcomes = store.writes.apply(batch)
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)


@contextmanager
def whole_door(
    folder: Path, credentials: Credentials, tree: dict[str, Any], *bodies: bytes
) -> Iterator[RunningDoor]:
    """A service with one person, `frot`, whose maildrop holds `bodies`."""
    store = open_store(Settings.model_validate(tree))
    account = store.accounts.add_account(
        identifier="frot", name="François Rot", addresses=[ADDRESS], now_s=1000.0
    )
    StoreBackend(store).set_password(
        account.account_id, Secret(PASSWORD.decode()), must_change=False
    )
    fill(store, account.inbox_id, bodies)
    store.close()
    with running_door(folder, credentials.authority, settings=tree) as door:
        yield door


@pytest.fixture(scope="module")
def read_door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDoor]:
    """One for the tests that only read."""
    folder = tmp_path_factory.mktemp("door")
    credentials = Credentials(folder)
    with whole_door(folder, credentials, make_tree(folder, credentials), SMALL, LARGE) as door:
        yield door


def sign_in(client: Client, user_name: bytes = b"frot") -> bytes:
    assert client.line().startswith(b"+OK ")
    assert client.ask(b"USER " + user_name).startswith(b"+OK ")
    return client.ask(b"PASS " + PASSWORD)


def total(*bodies: bytes) -> int:
    return sum(len(LEAD) + len(body) for body in bodies)


def test_what_went_in_comes_out_octet_for_octet(read_door: RunningDoor) -> None:
    for how in ("pop3", "pop3s"):
        with read_door.connect(how) as client:
            assert sign_in(client, b"Francois.ROT@ac-exemple.fr").startswith(b"+OK 2 ")
            assert client.ask(b"STAT") == b"+OK 2 %d\r\n" % total(SMALL, LARGE)
            assert client.ask(b"RETR 1") == b"+OK %d octets\r\n" % total(SMALL)
            assert b"".join(client.lines()) == LEAD + SMALL
            assert client.ask(b"LIST 2") == b"+OK 2 %d\r\n" % total(LARGE)
            assert client.ask(b"RETR 2") == b"+OK %d octets\r\n" % total(LARGE)
            received = b"".join(client.lines())
            assert received == LEAD + LARGE + b"\r\n"
            assert client.ask(b"TOP 2 1").startswith(b"+OK ")
            assert len(client.lines()) == 6
            assert client.ask(b"QUIT") == b"+OK Goodbye\r\n"


def test_deletions_last_and_unique_ids_stay(
    tmp_path: Path, credentials: Credentials, settings_tree: dict[str, Any]
) -> None:
    with whole_door(tmp_path, credentials, settings_tree, SMALL, LARGE, SMALL) as door:
        with door.connect("pop3") as client:
            sign_in(client)
            client.ask(b"UIDL")
            before = [line.split()[1] for line in client.lines()]
            client.ask(b"DELE 2")
            client.ask(b"DELE 1")
            assert client.ask(b"STAT") == b"+OK 1 %d\r\n" % total(SMALL)
            assert client.ask(b"QUIT") == b"+OK Goodbye\r\n"
        with door.connect("pop3") as client:
            assert sign_in(client) == b"+OK 1 message (%d octets)\r\n" % total(SMALL)
            client.ask(b"UIDL")
            assert [line.split()[1] for line in client.lines()] == before[2:]
            client.ask(b"DELE 1")
        with door.connect("pop3s") as client:
            reply = sign_in(client)
            while reply.startswith(b"-ERR [IN-USE]"):  # until the loss was noticed
                client.ask(b"USER frot")
                reply = client.ask(b"PASS " + PASSWORD)
            assert reply.startswith(b"+OK 1 ")


def test_a_locked_maildrop_is_in_use(
    tmp_path: Path, credentials: Credentials, settings_tree: dict[str, Any]
) -> None:
    tree = settings_tree | {"pop3": {"lock_wait_s": 0.2}}
    with (
        whole_door(tmp_path, credentials, tree, SMALL) as door,
        door.connect("pop3") as first,
        door.connect("pop3s") as second,
    ):
        assert sign_in(first).startswith(b"+OK ")
        assert sign_in(second).startswith(b"-ERR [IN-USE] ")
        assert first.ask(b"QUIT").startswith(b"+OK ")
        second.ask(b"USER frot")
        assert second.ask(b"PASS " + PASSWORD).startswith(b"+OK ")


def test_a_wrong_password_and_an_unknown_name_get_one_answer_and_no_secret_is_logged(
    tmp_path: Path, credentials: Credentials, settings_tree: dict[str, Any]
) -> None:
    with whole_door(tmp_path, credentials, settings_tree, SMALL) as door:
        with door.connect("pop3s") as client:
            client.line()
            replies = set()
            for name in (b"frot", b"nobody"):
                client.ask(b"USER " + name)
                replies.add(client.ask(b"PASS a secret \xe9"))
            assert replies == {b"-ERR [AUTH] User name or password refused, check both\r\n"}
            client.ask(b"USER frot")
            assert client.ask(b"PASS " + PASSWORD).startswith(b"+OK ")
        assert door.stop() == 0
        log = door.log()
        assert "pop3 session ended" in log
        assert PASSWORD.decode() not in log
        assert "a secret" not in log


def test_a_quit_that_was_sent_before_sigterm_is_finished(
    tmp_path: Path, credentials: Credentials, settings_tree: dict[str, Any]
) -> None:
    with whole_door(tmp_path, credentials, settings_tree, SMALL, SMALL) as door:
        with door.connect("pop3") as client:
            sign_in(client)
            client.send(b"DELE 1\r\nQUIT\r\n")
            assert client.line().startswith(b"+OK Message marked")
            status = door.stop()
            assert client.line() == b"+OK Goodbye\r\n"
        assert status == 0
    store = open_store(Settings.model_validate(settings_tree))
    account = store.accounts.find_account("frot")
    assert account is not None
    assert store.mail.open_maildrop(account.inbox_id).count == 1
    store.close()


@needs_program("curl")
@pytest.mark.parametrize("how", ["pop3", "stls", "pop3s"])
def test_curl_collects(read_door: RunningDoor, how: str) -> None:
    scheme = "pop3" if how == "stls" else how
    url = f"{scheme}://localhost:{read_door.ports[scheme]}/"
    options = ["--cacert", str(read_door.certificate), "--user", f"frot:{PASSWORD.decode()}"]
    if how == "stls":
        options.append("--ssl-reqd")
    listed = curl(*options, url)
    assert listed == b"1 %d\r\n2 %d\r\n" % (total(SMALL), total(LARGE))
    received = curl(*options, url + "2")
    assert hashlib.sha256(received).digest() == hashlib.sha256(LEAD + LARGE + b"\r\n").digest()
    assert curl(*options, "-X", "UIDL", url).count(b"\r\n") == 2


def curl(*arguments: str) -> bytes:
    command = ["curl", "--silent", "--show-error", "--max-time", "20", *arguments]
    return subprocess.run(command, check=True, capture_output=True, timeout=30).stdout
