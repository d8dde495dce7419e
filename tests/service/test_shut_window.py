"""A client that reads nothing for four minutes stays, at full time: nobody's wait ends it.

Virus scanners and printers do that: they shut the window of their TCP and acknowledge its probes.
Its maildrop is asked for meanwhile by another sign-in, and it has it still.
"""

from __future__ import annotations

import hashlib
import poplib
import re
import smtplib
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.findings.whole import Whole, whole_service

pytestmark = [
    pytest.mark.slow,
    pytest.mark.e2e,
    pytest.mark.heavy,
    pytest.mark.timeout(600),
]
SHUT_S = 245.0
ASKED_AGAIN_S = 60.0
PASSWORD = "Quatre minutes, pas une de moins"
LARGE = b"Subject: grand\r\n\r\n" + b"une ligne de texte qui ne dit rien\r\n" * 500_000  # 18 MB


@pytest.fixture
def whole(tmp_path: Path) -> Iterator[Whole]:
    with whole_service(tmp_path / "service", SMTP__MAX_MESSAGE_MIB="40") as whole:
        whole.start()
        whole.wait_for("ready")
        yield whole


def client_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def connect(whole: Whole) -> ssl.SSLSocket:
    """With a window that 20 MB do not fit into."""
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    plain.connect(("127.0.0.1", whole.ports["pop3s"]))
    return client_context().wrap_socket(plain)


def ask(sock: ssl.SSLSocket, line: str) -> bytes:
    sock.sendall(line.encode() + b"\r\n")
    return sock.recv(512)


def is_let_in(whole: Whole) -> bool:
    other = poplib.POP3_SSL("127.0.0.1", whole.ports["pop3s"], context=client_context())
    try:
        other.user("jmartin")
        other.pass_(PASSWORD)
    except poplib.error_proto as refusal:
        return b"[IN-USE]" not in refusal.args[0]
    finally:
        other.close()
    return True


def test_a_client_that_reads_nothing_for_four_minutes_stays(whole: Whole) -> None:
    added = ("account", "add", "jmartin", "--address", "jm@a.test", "--name", "Jeanne Martin")
    made = whole.command(*added, "--password-stdin", stdin=PASSWORD)
    assert made.returncode == 0, made.stderr
    with smtplib.SMTP("127.0.0.1", whole.ports["mx"]) as smtp:
        smtp.sendmail("a@b.example", ["jm@a.test"], LARGE)
    with connect(whole) as holder:
        assert holder.recv(512).startswith(b"+OK")
        ask(holder, "USER jmartin")
        assert ask(holder, f"PASS {PASSWORD}").startswith(b"+OK 1 message")
        holder.sendall(b"RETR 1\r\n")
        started_s = time.monotonic()
        while (left_s := started_s + SHUT_S - time.monotonic()) > 0:
            time.sleep(min(left_s, ASKED_AGAIN_S))
            assert not is_let_in(whole), "it was taken from a client that lives"
        octets = b""
        while not octets.endswith(b"\r\n.\r\n"):
            piece = holder.recv(1 << 20)
            assert piece, "the connection was ended"
            octets += piece
        first, _, text = octets.partition(b"\r\n")
        assert re.fullmatch(rb"\+OK \d+ octets", first)
        body = text.removesuffix(b".\r\n")
        assert hashlib.sha256(body[-len(LARGE) :]).digest() == hashlib.sha256(LARGE).digest()
        assert ask(holder, "DELE 1").startswith(b"+OK")
        assert ask(holder, "QUIT").startswith(b"+OK")
    assert is_let_in(whole)
