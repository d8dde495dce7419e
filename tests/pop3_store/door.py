"""The live door as a process of its own, and a client that reads what it says.

`python -m tests.pop3_store.door FILE` runs one worker as the supervisor would:
sockets bound to port 0, `prepare`, `serve`; its standard input is the life
line.  It prints the ports as one line of JSON.  With `"fake": true` the store,
the gate and the committer are those of `fakes`.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from mailserver.settings.model import Settings
from mailserver.store.ports.errors import StoreBroken
from mailserver.supervisor.contract import Listener, WorkerContext
from mailserver.telemetry.log import configure
from mailserver.values.secret import Secret
from pop3_store import worker

PATIENCE_S = 20.0
_ROOT = Path(__file__).parent.parent.parent


@dataclass(slots=True)
class RunningDoor:
    process: subprocess.Popen[bytes]
    ports: dict[str, int]
    certificate: Path

    def connect(self, name: str) -> Client:
        sock = socket.create_connection(("127.0.0.1", self.ports[name]), timeout=PATIENCE_S)
        client = Client(sock, self.certificate)
        if name != "pop3":
            client.start_tls()
        return client

    def stop(self) -> int:
        """SIGTERM; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    def log(self) -> str:
        """All that it wrote after its ports.  Only once it has ended."""
        assert self.process.stdout is not None
        return self.process.stdout.read().decode()


class Client:
    """A socket that knows lines."""

    def __init__(self, sock: socket.socket, certificate: Path) -> None:
        self.sock = sock
        self._certificate = certificate
        self._unread = b""

    def start_tls(self) -> None:
        context = ssl.create_default_context(cafile=str(self._certificate))
        self.sock = context.wrap_socket(self.sock, server_hostname="localhost")

    def send(self, octets: bytes) -> None:
        self.sock.sendall(octets)

    def line(self) -> bytes:
        """The next line, with its CRLF; what is left at the end of the connection."""
        while b"\n" not in self._unread:
            octets = self.sock.recv(65536)
            if not octets:
                break
            self._unread += octets
        line, newline, self._unread = self._unread.partition(b"\n")
        return line + newline

    def ask(self, command: bytes) -> bytes:
        self.send(command + b"\r\n")
        return self.line()

    def lines(self) -> list[bytes]:
        """Up to the terminator, without it; dots unstuffed."""
        found = []
        while (line := self.line()) != b".\r\n":
            assert line.endswith(b"\r\n"), line
            found.append(line[1:] if line.startswith(b".") else line)
        return found

    def rest(self) -> bytes:
        """All that comes until the server closes."""
        octets, self._unread = self._unread, b""
        while piece := self._receive():
            octets += piece
        return octets

    def _receive(self) -> bytes:
        try:
            return self.sock.recv(65536)
        except (ConnectionResetError, ssl.SSLEOFError):
            return b""

    def close(self) -> None:
        self.sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def running_door(folder: Path, certificate: Path, **options: Any) -> Iterator[RunningDoor]:
    """options: `settings` (a tree for `Settings`), `fake`, `bodies`, `breaks`, `listeners`."""
    task = folder / "door.json"
    task.write_text(json.dumps(options))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.pop3_store.door", str(task)],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        assert select.select([process.stdout], [], [], PATIENCE_S)[0], "the door did not start"
        yield RunningDoor(process, json.loads(process.stdout.readline()), certificate)
    finally:
        process.stdin.close()
        if process.poll() is None:
            process.kill()
        process.wait(PATIENCE_S)
        process.stdout.close()


def main(task_path: str) -> None:
    task = json.loads(Path(task_path).read_text())
    settings = Settings.model_validate(task["settings"])
    configure(level=settings.log.level, log_format="json")
    if task.get("fake"):
        _put_fakes_in(task.get("bodies", []), breaks=task.get("breaks"))
    prepared = worker.prepare(settings)
    assert "twisted.internet.reactor" not in sys.modules  # it would not survive a fork
    listeners = tuple(_bind(name) for name in task.get("listeners", ["pop3", "pop3s"]))
    ports = {listener.name: listener.sock.getsockname()[1] for listener in listeners}
    os.write(1, json.dumps(ports).encode() + b"\n")
    context = WorkerContext(
        settings=settings,
        door="pop3",
        index=0,
        listeners=listeners,
        life_fd=0,
        auth_secret=Secret(b"s" * 32),
    )
    worker.serve(prepared, context)


def _bind(name: str) -> Listener:
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setblocking(False)
    return Listener(name=name, sock=sock)


def _put_fakes_in(bodies: list[str], *, breaks: str | None) -> None:
    from tests.pop3_store.fakes import FakeCommitter, FakeGate, store_of

    store = store_of(*(body.encode("latin-1") for body in bodies))
    if breaks is not None:
        store.broken[breaks] = StoreBroken("the disk of the fake")
    committer = FakeCommitter(store)
    core: Any = worker
    core.open_store = lambda _settings: store
    core.open_gate = lambda *_, **__: FakeGate()
    core.Committer = lambda *_, **__: committer


if __name__ == "__main__":
    main(sys.argv[1])
