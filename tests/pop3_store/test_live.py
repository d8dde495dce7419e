"""The same transcripts against the live door, over real sockets: plain, STLS and POP3S."""

from __future__ import annotations

import signal
import socket
import ssl
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.pop3_store.conftest import Credentials, make_tree
from tests.pop3_store.door import Client, RunningDoor, running_door
from tests.pop3_store.fakes import PASSWORD
from tests.pop3_store.transcripts import (
    BODIES,
    GO_ON_AFTER_THE_END,
    TRANSCRIPTS,
    assert_said,
    split,
)

ABOUT_TLS = {"capabilities over TLS", "commands out of place"}  # differ in the clear
pytestmark = [pytest.mark.slow]
LARGE = "Subject: big\r\n\r\n" + ".a line that begins with a dot\r\n" * 60_000
SIGN_IN = b"USER frot\r\nPASS " + PASSWORD + b"\r\n"


def fake_door(folder: Path, credentials: Credentials, tree: dict[str, Any], **options: Any) -> Any:
    bodies = [body.decode("latin-1") for body in BODIES]
    options = {"bodies": bodies, **options}
    return running_door(folder, credentials.authority, fake=True, settings=tree, **options)


def open_session(door: RunningDoor, how: str) -> Client:
    """A connection whose greeting was not read yet."""
    if how != "stls":
        return door.connect(how)
    client = door.connect("pop3")
    greeting = client.line()
    assert client.ask(b"STLS").startswith(b"+OK ")
    client.start_tls()
    client._unread = greeting  # RFC 2595 §4: there is no second greeting
    return client


@pytest.fixture(scope="module")
def shared_door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDoor]:
    """One door for the tests that leave its maildrop as it was."""
    folder = tmp_path_factory.mktemp("door")
    credentials = Credentials(folder)
    with fake_door(folder, credentials, make_tree(folder, credentials)) as door:
        yield door


def play(session: Client, pieces: Iterable[bytes], server: list[str]) -> None:
    for piece in pieces:
        session.send(piece)
    said = b""
    while said.count(b"\r\n") < len(server):
        line = session.line()
        assert line, said
        said += line
    assert_said(said, server)


@pytest.mark.parametrize("name", TRANSCRIPTS)
@pytest.mark.parametrize("how", ["pop3s", "stls"])
def test_transcript_live(shared_door: RunningDoor, name: str, how: str) -> None:
    client, server = split(TRANSCRIPTS[name])
    for pieces in ([b"".join(client)], client):
        if pieces is client and name in GO_ON_AFTER_THE_END:
            continue
        with open_session(shared_door, how) as session:
            play(session, pieces, server)


@pytest.mark.parametrize("name", sorted(TRANSCRIPTS.keys() - GO_ON_AFTER_THE_END - ABOUT_TLS))
def test_transcript_live_in_the_clear_octet_by_octet(shared_door: RunningDoor, name: str) -> None:
    client, server = split(TRANSCRIPTS[name])
    with shared_door.connect("pop3") as session:
        session.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        play(session, [bytes([octet]) for octet in b"".join(client)], server)


def test_octets_that_came_with_stls_are_never_obeyed(shared_door: RunningDoor) -> None:
    with shared_door.connect("pop3") as client:
        client.line()
        client.send(b"STLS\r\nCAPA\r\n")
        assert client.rest() == b"-ERR Nothing may follow STLS, connect again\r\n"


def test_a_half_closed_connection_gets_its_replies(
    tmp_path: Path, credentials: Credentials, settings_tree: dict[str, Any]
) -> None:
    with fake_door(tmp_path, credentials, settings_tree) as door, door.connect("pop3") as client:
        client.send(SIGN_IN + b"DELE 1\r\nQUIT\r\n")
        client.sock.shutdown(socket.SHUT_WR)
        assert client.rest().endswith(b"+OK Goodbye\r\n")


def test_an_incomplete_quit_before_the_end_deletes_nothing(shared_door: RunningDoor) -> None:
    with shared_door.connect("pop3") as client:
        client.send(SIGN_IN + b"DELE 1\r\nQUIT")
        client.sock.shutdown(socket.SHUT_WR)
        assert b"marked" in client.rest()
    with shared_door.connect("pop3") as client:
        client.send(SIGN_IN + b"QUIT\r\n")
        assert b"+OK 3 messages" in client.rest()


def test_a_peer_that_reads_nothing_stops_its_own_commands_and_deletes_nothing(
    tmp_path: Path, credentials: Credentials, settings_tree: dict[str, Any]
) -> None:
    big = "Subject: big\r\n\r\n" + "a line that is long enough\r\n" * 40_000
    with fake_door(tmp_path, credentials, settings_tree, bodies=[big] * 3) as door:
        with door.connect("pop3") as client:
            client.send(SIGN_IN)
            for _ in range(3):
                client.line()
            client.send(b"RETR 1\r\nRETR 2\r\nRETR 3\r\n" * 20 + b"DELE 1\r\nQUIT\r\n")
            client.line()
        with door.connect("pop3") as client:
            client.line()
            while not (reply := sign_in(client)).startswith(b"+OK"):
                assert reply.startswith(b"-ERR [IN-USE]")  # until the first loss is noticed
            assert reply.startswith(b"+OK 3 messages")


def sign_in(client: Client) -> bytes:
    client.ask(b"USER frot")
    return client.ask(b"PASS " + PASSWORD)


@pytest.fixture(scope="module")
def full_door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDoor]:
    """One door with very many messages, of which the first is very large."""
    folder = tmp_path_factory.mktemp("door")
    credentials = Credentials(folder)
    bodies = [LARGE, *["x\r\n"] * 5000]
    tree = make_tree(folder, credentials)
    with fake_door(folder, credentials, tree, bodies=bodies) as door:
        yield door


@pytest.mark.parametrize("how", ["pop3", "pop3s", "stls"])
def test_long_replies_arrive_whole(full_door: RunningDoor, how: str) -> None:
    with open_session(full_door, how) as client:
        client.send(SIGN_IN + b"UIDL\r\nRETR 1\r\nLIST\r\nQUIT\r\n")
        for _ in range(4):
            client.line()
        assert len(client.lines()) == 5001
        client.line()
        assert b"".join(client.lines()[1:]).decode() == LARGE
        client.line()
        assert len(client.lines()) == 5001
        assert client.line() == b"+OK Goodbye\r\n"


def test_too_many_connections_are_turned_away_in_the_protocols_terms(
    tmp_path: Path, credentials: Credentials, settings_tree: dict[str, Any]
) -> None:
    settings_tree["pop3"]["max_connections"] = 1
    with fake_door(tmp_path, credentials, settings_tree) as door, door.connect("pop3") as first:
        first.line()
        with door.connect("pop3") as second:
            assert second.rest().startswith(b"-ERR [SYS/TEMP] Too many connections")
        with pytest.raises((ssl.SSLError, OSError)):
            door.connect("pop3s")
        assert first.ask(b"QUIT") == b"+OK Goodbye\r\n"


@pytest.mark.parametrize(
    ("networks", "is_let_in"), [(["127.0.0.0/8"], True), (["192.0.2.0/24"], False)]
)
def test_the_legacy_listener_is_for_its_networks_only(
    tmp_path: Path,
    credentials: Credentials,
    settings_tree: dict[str, Any],
    networks: list[str],
    is_let_in: bool,
) -> None:
    settings_tree["legacy"] = {"enabled": True, "networks": networks, "pop3s": ["127.0.0.1:0"]}
    listeners = ["legacy-pop3s"]
    with fake_door(tmp_path, credentials, settings_tree, listeners=listeners) as door:
        if is_let_in:
            with old_client(door, "legacy-pop3s") as client:
                assert client.line().startswith(b"+OK ")
        else:
            with pytest.raises((ssl.SSLError, OSError)):
                door.connect("legacy-pop3s")
        assert door.stop() == 0
        assert "no longer safe" in door.log()


def old_client(door: RunningDoor, name: str) -> Client:
    """Speaks TLS 1.0, as programs of 2009 do."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(door.certificate)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.maximum_version = ssl.TLSVersion.TLSv1
    sock = socket.create_connection(("127.0.0.1", door.ports[name]), timeout=20)
    try:
        return Client(context.wrap_socket(sock, server_hostname="localhost"), door.certificate)
    except (ssl.SSLError, OSError):
        sock.close()
        raise


def test_old_tls_is_refused_on_the_usual_listener(shared_door: RunningDoor) -> None:
    with pytest.raises((ssl.SSLError, OSError)):
        old_client(shared_door, "pop3s")


def test_sigterm_ends_idle_sessions_and_the_process(
    tmp_path: Path, credentials: Credentials, settings_tree: dict[str, Any]
) -> None:
    with (
        fake_door(tmp_path, credentials, settings_tree) as door,
        door.connect("pop3") as client,
        door.connect("pop3s") as secure,
    ):
        client.line()
        secure.line()
        assert door.stop() == 0
        assert client.rest() == b""
        assert secure.rest() == b""


def test_a_worker_whose_parent_is_gone_finishes_the_answer_that_is_going_out(
    tmp_path: Path, credentials: Credentials, settings_tree: dict[str, Any]
) -> None:
    big = "Subject: big\r\n\r\n" + "a line that is long enough\r\n" * 300_000
    with (
        fake_door(tmp_path, credentials, settings_tree, bodies=[big]) as door,
        door.connect("pop3") as idle,
        door.connect("pop3") as client,
    ):
        idle.line()
        client.send(SIGN_IN + b"RETR 1\r\n")
        assert [client.line()[:3] for _ in range(4)] == [b"+OK"] * 4
        assert door.process.stdin is not None
        door.process.stdin.close()
        assert idle.rest() == b""
        assert door.process.poll() is None
        assert len(client.lines()) == 300_003
        assert door.process.wait(20) == 0


def test_a_store_whose_disk_fails_ends_the_worker_after_the_answer(
    tmp_path: Path, credentials: Credentials, settings_tree: dict[str, Any]
) -> None:
    options = {"breaks": "fetch"}
    with fake_door(tmp_path, credentials, settings_tree, **options) as door:
        with door.connect("pop3") as client:
            client.send(SIGN_IN + b"RETR 1\r\n")
            said = client.rest()
        assert said.endswith(b"-ERR [SYS/TEMP] Service unavailable, try again later\r\n")
        assert door.process.wait(20) == 1
        assert "the disk of the fake" in door.log()


def test_sighup_loads_a_renewed_certificate(
    tmp_path: Path, credentials: Credentials, settings_tree: dict[str, Any]
) -> None:
    with (
        fake_door(tmp_path, credentials, settings_tree) as door,
        door.connect("pop3s") as client,
    ):
        before = shown_certificate(client)
        assert client.line().startswith(b"+OK ")
        credentials.renew()
        door.process.send_signal(signal.SIGHUP)
        after = before
        while after == before:  # until the signal was handled
            with door.connect("pop3s") as later:
                after = shown_certificate(later)
        assert client.ask(b"QUIT") == b"+OK Goodbye\r\n"


def shown_certificate(client: Client) -> bytes | None:
    assert isinstance(client.sock, ssl.SSLSocket)
    return client.sock.getpeercert(binary_form=True)
