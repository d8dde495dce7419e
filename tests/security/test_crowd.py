"""One peer against a live worker: it cannot shut the ports, guess, or fill the log."""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
from collections.abc import Iterator

import pytest

from tests.smtp_relay.inbound.connection.test_live import House, running

pytestmark = [pytest.mark.slow, pytest.mark.e2e]

CROWD, OTHER = "127.0.0.2", "127.0.0.3"
PORTS = ("mx", "submission", "submissions")
PER_BLOCK = 20
PATIENCE_S = 20.0


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("crowd")
    with running(folder, connections__per_block=PER_BLOCK, smtp__max_connections=100) as live:
        yield live


@pytest.fixture
def sockets() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


def connect(live: House, name: str, source: str) -> socket.socket:
    return socket.create_connection(
        ("127.0.0.1", live.ports[name]), timeout=PATIENCE_S, source_address=(source, 0)
    )


def line(sock: socket.socket) -> bytes:
    """What comes, to the end of a line; nothing: the connection has ended."""
    octets = b""
    with contextlib.suppress(ConnectionResetError):
        while not octets.endswith(b"\r\n") and (piece := sock.recv(1)):
            octets += piece
    return octets


def over_tls(live: House, sock: socket.socket) -> ssl.SSLSocket:
    return live.trust().wrap_socket(sock, server_hostname="localhost")


def banners(live: House, source: str) -> list[bytes]:
    said = []
    for name in PORTS:
        with connect(live, name, source) as sock:
            if name != "submissions":
                said.append(line(sock)[:4])
                continue
            with over_tls(live, sock) as secure:
                said.append(line(secure)[:4])
    return said


@pytest.mark.parametrize("name", PORTS)
def test_a_crowd_of_idle_sockets_shuts_no_port(
    live: House, sockets: contextlib.ExitStack, name: str
) -> None:
    """Also of sockets that never begin the handshake they are waited for."""
    crowd = [sockets.enter_context(connect(live, name, CROWD)) for _ in range(PER_BLOCK + 10)]
    # Before a handshake no reply can be read: an alert (RFC 8446 §6.2) says no.
    said = line(crowd[-1])
    assert said[:3] == b"\x15\x03\x03" if name == "submissions" else said[:9] == b"421 4.7.0"
    assert banners(live, OTHER) == [b"220 "] * 3


def test_many_passwords_at_one_instant_get_few_answers(
    live: House, sockets: contextlib.ExitStack
) -> None:
    clients = [
        sockets.enter_context(over_tls(live, connect(live, "submissions", f"127.0.1.{n}")))
        for n in range(1, 31)
    ]
    for client in clients:
        assert line(client)[:4] == b"220 "
        client.sendall(b"EHLO x\r\n")
    for client in clients:
        while line(client)[3:4] == b"-":
            continue
    for number, client in enumerate(clients):
        guess = base64.b64encode(b"\0pmartin\0essai %d" % number)
        client.sendall(b"AUTH PLAIN " + guess + b"\r\n")
    said = [line(client)[:9] for client in clients]
    assert said.count(b"535 5.7.8") <= 5
    assert said.count(b"454 4.7.0") >= 25


def test_another_protocol_is_not_talked_to(live: House) -> None:
    for octets in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x00\x05hello"):
        with connect(live, "mx", OTHER) as sock:
            line(sock)
            sock.sendall(octets)
            assert line(sock)[:9] == b"421 4.7.0"
            assert line(sock) == b""


def test_a_hundred_thousand_refusals_are_one_end_and_few_lines(live: House) -> None:
    sent = 0
    with connect(live, "mx", OTHER) as sock, contextlib.suppress(OSError):
        sock.sendall(b"EHLO x\r\nMAIL FROM:<a@example.org>\r\n")
        for _ in range(100):
            sock.sendall(b"RCPT TO:<nobody@ac-exemple.fr>\r\n" * 1000)
            sent += 1000
    with connect(live, "mx", OTHER) as sock:
        assert line(sock)[:4] == b"220 "
    assert sent > 0
