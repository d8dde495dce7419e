"""A POP3 load generator: many sessions at once, in step, as cheap as Python can be.

One process, raw sockets, epoll.  No pipelining: each command waits for its answer, as the usual
mail programs do.  A session is a generator: it yields a command and how its answer ends, and gets
the answer's first octets.  Run as a program (`python -m bench.pop3_load`), so that its CPU time and
its memory are nobody else's; it prints one line of JSON.

Programs:
    login: USER PASS STAT UIDL QUIT
    retr:  USER PASS STAT, RETR of each message, QUIT
    drain: USER PASS STAT, DELE of each message, QUIT
    count: USER PASS STAT QUIT
"""

from __future__ import annotations

import argparse
import json
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, dataclass, field

_LINE = b"\r\n"
_DOT = b"\r\n.\r\n"  # ends a multi-line answer (RFC 1939 §3)
_BUFFER_OCTETS = 256 * 1024
_STALL_S = 60.0

Step = tuple[bytes, bytes]  # the command, and what its answer ends with
Session = Generator[Step, bytes, None]


@dataclass(slots=True)
class Tally:
    """What all sessions of one run did."""

    sessions: int = 0
    messages: int = 0  # STAT's count, of every session
    octets: int = 0  # received, framing included
    elapsed_s: float = 0.0
    generator_cpu_ms: float = 0.0


class Pop3LoadError(Exception):
    """The server refused, or stopped answering."""


@dataclass(slots=True)
class _Client:
    sock: socket.socket
    name: str
    session: Session
    ending: bytes = _LINE
    head: bytes = b""  # what came so far of the answer, when it comes in pieces: its first octets
    tail: bytes = b""  # and its last five


def _sign_in(name: str, password: str) -> Generator[Step, bytes, int]:
    """Up to STAT; returns its count of messages."""
    yield b"", _LINE
    yield b"USER %b\r\n" % name.encode(), _LINE
    yield b"PASS %b\r\n" % password.encode(), _LINE
    answer = yield b"STAT\r\n", _LINE
    return int(answer.split()[1])


def run_login(name: str, password: str, tally: Tally) -> Session:
    count = yield from _sign_in(name, password)
    tally.messages += count  # not `+= yield from`: other sessions count meanwhile
    yield b"UIDL\r\n", _DOT
    yield b"QUIT\r\n", _LINE


def run_retr(name: str, password: str, tally: Tally) -> Session:
    count = yield from _sign_in(name, password)
    for number in range(1, count + 1):
        yield b"RETR %d\r\n" % number, _DOT
    tally.messages += count
    yield b"QUIT\r\n", _LINE


def run_drain(name: str, password: str, tally: Tally) -> Session:
    count = yield from _sign_in(name, password)
    for number in range(1, count + 1):
        yield b"DELE %d\r\n" % number, _LINE
    tally.messages += count
    yield b"QUIT\r\n", _LINE


def run_count(name: str, password: str, tally: Tally) -> Session:
    count = yield from _sign_in(name, password)
    tally.messages += count  # not `+= yield from`: other sessions count meanwhile
    yield b"QUIT\r\n", _LINE


PROGRAMS: dict[str, Callable[[str, str, Tally], Session]] = {
    "login": run_login,
    "retr": run_retr,
    "drain": run_drain,
    "count": run_count,
}


@dataclass(slots=True)
class Load:
    """`session_count` sessions, `concurrency` at a time, over `names` in turn.

    A mailbox is in one session at a time, as its lock demands.
    """

    port: int
    program: str
    names: Sequence[str]
    password: str
    session_count: int
    concurrency: int
    tally: Tally = field(default_factory=Tally)
    _free: deque[str] = field(init=False)
    _clients: dict[int, _Client] = field(default_factory=dict)
    _poll: select.epoll = field(default_factory=select.epoll)
    _buffer: bytearray = field(default_factory=lambda: bytearray(_BUFFER_OCTETS))
    _started: int = 0

    def __post_init__(self) -> None:
        self._free = deque(self.names)

    def run(self) -> Tally:
        """Raises:
        Pop3LoadError: any session was refused or stalled.
        """
        began_s, cpu_s = time.perf_counter(), time.process_time()
        try:
            self._run()
        finally:
            self._close()
        self.tally.elapsed_s = time.perf_counter() - began_s
        self.tally.generator_cpu_ms = (time.process_time() - cpu_s) * 1000
        return self.tally

    def _run(self) -> None:
        for _ in range(min(self.concurrency, len(self.names), self.session_count)):
            self._begin()
        while self._clients:
            events = self._poll.poll(_STALL_S)
            if not events:
                raise Pop3LoadError(f"no answer for {_STALL_S:g} s")
            for descriptor, _ in events:
                self._receive(self._clients[descriptor])

    def _close(self) -> None:
        for client in self._clients.values():
            client.sock.close()
        self._poll.close()

    def _begin(self) -> None:
        name = self._free.popleft()
        sock = socket.socket()
        sock.connect(("127.0.0.1", self.port))
        sock.setblocking(False)
        session = PROGRAMS[self.program](name, self.password, self.tally)
        next(session)
        self._clients[sock.fileno()] = _Client(sock, name, session)
        self._poll.register(sock.fileno(), select.EPOLLIN)
        self._started += 1

    def _receive(self, client: _Client) -> None:
        try:
            count = client.sock.recv_into(self._buffer)
        except BlockingIOError:
            return
        if count == 0:
            raise Pop3LoadError(f"{client.name}: the server closed the connection")
        self.tally.octets += count
        end = bytes(self._buffer[max(0, count - 5) : count])
        client.tail = end if count >= 5 else (client.tail + end)[-5:]
        if len(client.head) < 64:
            client.head += self._buffer[: min(count, 64)]
        ending = _LINE if client.head.startswith(b"-") else client.ending  # -ERR is one line
        if client.tail.endswith(ending):
            self._advance(client)

    def _advance(self, client: _Client) -> None:
        answer, client.head, client.tail = client.head, b"", b""
        if not answer.startswith(b"+OK"):
            raise Pop3LoadError(f"{client.name}: {answer.decode('ascii', 'replace').strip()}")
        try:
            command, client.ending = client.session.send(answer)
        except StopIteration:
            self._finish(client)
        else:
            client.sock.send(command)

    def _finish(self, client: _Client) -> None:
        del self._clients[client.sock.fileno()]
        client.sock.close()  # leaves the epoll set with it
        self.tally.sessions += 1
        self._free.append(client.name)
        if self._started < self.session_count:
            self._begin()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.pop3_load", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--program", choices=sorted(PROGRAMS), required=True)
    parser.add_argument("--sessions", type=int, help="default: one for each name")
    parser.add_argument("--concurrency", type=int, default=20)
    parser.add_argument("--password", required=True)
    parser.add_argument("names", nargs="*", help="user names; with none, one a line on stdin")
    asked = parser.parse_args(arguments)
    names = asked.names or sys.stdin.read().split()
    load = Load(
        port=asked.port,
        program=asked.program,
        names=names,
        password=asked.password,
        session_count=len(names) if asked.sessions is None else asked.sessions,
        concurrency=asked.concurrency,
    )
    try:
        print(json.dumps(asdict(load.run())))
    except (Pop3LoadError, OSError) as error:
        print(f"pop3_load: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
