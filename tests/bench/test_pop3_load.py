"""The POP3 load generator against a server that answers in pieces of any size."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from bench.pop3_load import Load, Pop3LoadError, main

PASSWORD = "secret"
MESSAGE = b"Subject: x\r\n\r\n..a line that begins with a dot\r\n.. \r\nend\r\n"


class Pop3Fake:
    """One thread a session.  `piece`: how many octets go out at a time."""

    def __init__(self, listener: socket.socket, piece: int, counts: dict[str, int]) -> None:
        self._listener = listener
        self._piece = piece
        self.counts = counts  # messages by user name
        self.commands: list[str] = []

    def serve(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(sock,), daemon=True).start()

    def _talk(self, sock: socket.socket) -> None:
        name, deleted = "", 0
        with sock, sock.makefile("rb") as lines, suppress(OSError):
            self._send(sock, b"+OK ready\r\n")
            for line in lines:
                word, _, argument = line.decode().strip().partition(" ")
                self.commands.append(word)
                name = argument if word == "USER" else name
                deleted += word == "DELE"
                self._send(sock, self._answer(word, argument, self.counts.get(name, 0)))
                if word == "QUIT":
                    self.counts[name] = self.counts.get(name, 0) - deleted
                    return

    def _answer(self, word: str, argument: str, count: int) -> bytes:
        match word:
            case "PASS" if argument != PASSWORD:
                return b"-ERR no\r\n"
            case "STAT":
                return b"+OK %d %d\r\n" % (count, count * len(MESSAGE))
            case "UIDL":
                return (
                    b"+OK\r\n" + b"".join(b"%d u%d\r\n" % (n, n) for n in range(count)) + b".\r\n"
                )
            case "RETR":
                return b"+OK here\r\n" + MESSAGE + b".\r\n"
            case _:
                return b"+OK\r\n"

    def _send(self, sock: socket.socket, octets: bytes) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(octets), self._piece):
            sock.sendall(octets[start : start + self._piece])


@contextmanager
def serving(piece: int, counts: dict[str, int]) -> Iterator[tuple[int, Pop3Fake]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fake = Pop3Fake(listener, piece, counts)
        threading.Thread(target=fake.serve, daemon=True).start()
        yield listener.getsockname()[1], fake
        listener.shutdown(socket.SHUT_RDWR)


def load(port: int, program: str, names: list[str], **more: int) -> Load:
    return Load(
        port=port,
        program=program,
        names=names,
        password=PASSWORD,
        session_count=more.get("session_count", len(names)),
        concurrency=more.get("concurrency", 20),
    )


@pytest.mark.parametrize("piece", [1, 2, 7, 65536])
def test_every_message_is_fetched_however_the_answers_are_cut(piece: int) -> None:
    with serving(piece, {"a": 3, "b": 2}) as (port, fake):
        tally = load(port, "retr", ["a", "b"]).run()
    assert (tally.sessions, tally.messages) == (2, 5)
    assert fake.commands.count("RETR") == 5
    assert tally.octets > 5 * len(MESSAGE)


@pytest.mark.parametrize("piece", [1, 65536])
def test_a_login_session_lists_and_leaves(piece: int) -> None:
    with serving(piece, {"a": 3, "b": 3}) as (port, fake):
        tally = load(port, "login", ["a", "b"], session_count=6).run()
    assert (tally.sessions, tally.messages) == (6, 18)
    assert fake.commands.count("UIDL") == 6


def test_concurrent_sessions_are_all_counted() -> None:
    names = [f"user{number}" for number in range(30)]
    with serving(65536, dict.fromkeys(names, 4)) as (port, _):
        assert load(port, "count", names, concurrency=30).run().messages == 120


def test_draining_leaves_nothing() -> None:
    with serving(65536, {"a": 3}) as (port, _):
        assert load(port, "drain", ["a"]).run().messages == 3
        assert load(port, "count", ["a"]).run().messages == 0


def test_a_refusal_ends_the_run() -> None:
    with serving(1, {}) as (port, _):
        refused = load(port, "count", ["a"])
        refused.password = "wrong"
        with pytest.raises(Pop3LoadError, match="-ERR"):
            refused.run()


def test_the_program_prints_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(65536, {"a": 2}) as (port, _):
        status = main(["--port", str(port), "--program", "count", "--password", PASSWORD, "a"])
    assert status == 0
    assert json.loads(capsys.readouterr().out)["messages"] == 2


def test_the_program_says_why_it_failed(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(65536, {}) as (port, _):
        status = main(["--port", str(port), "--program", "count", "--password", "no", "a"])
    assert status == 1
    assert "-ERR" in capsys.readouterr().err
