"""The live door as a process of its own.

`python -m tests.webmail.door FILE` runs one worker as the supervisor would: sockets bound to
port 0, `prepare`, `serve`; its standard input is the life line.  It prints the ports as one line
of JSON.
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
from typing import Any

from mailserver.settings.model import Settings
from mailserver.supervisor.contract import Listener, WorkerContext
from mailserver.telemetry.log import configure
from mailserver.values.secret import Secret
from webmail import worker

PATIENCE_S = 20.0
_ROOT = Path(__file__).parent.parent.parent


@dataclass(slots=True)
class RunningDoor:
    process: subprocess.Popen[bytes]
    ports: dict[str, int]
    authority: Path

    def connect(self, name: str = "http") -> socket.socket:
        """A connection; the handshake of https is the caller's."""
        return socket.create_connection(("127.0.0.1", self.ports[name]), timeout=PATIENCE_S)

    def shake_hands(self, plain: socket.socket) -> ssl.SSLSocket:
        context = ssl.create_default_context(cafile=str(self.authority))
        return context.wrap_socket(plain, server_hostname="localhost")

    def ask(self, octets: bytes, name: str = "http") -> bytes:
        """All that it answers until it closes."""
        with self.connect(name) as plain:
            if name == "http":
                return _say(plain, octets)
            with self.shake_hands(plain) as sock:
                return _say(sock, octets)

    def stop(self) -> int:
        """SIGTERM; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    def log(self) -> str:
        """All that it wrote after its ports.  Only once it has ended."""
        assert self.process.stdout is not None
        return self.process.stdout.read().decode()


def _say(sock: socket.socket, octets: bytes) -> bytes:
    sock.sendall(octets)
    return read_all(sock)


def read_all(sock: socket.socket) -> bytes:
    """Until the door closes, however it does."""
    said = b""
    try:
        while octets := sock.recv(65536):
            said += octets
    except (ConnectionError, ssl.SSLError):
        pass
    return said


@contextmanager
def running_door(task: Path, authority: Path, settings: dict[str, Any]) -> Iterator[RunningDoor]:
    """settings: a tree for `Settings`.  task: a file to write them to."""
    task.write_text(json.dumps(settings))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.webmail.door", str(task)],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        assert select.select([process.stdout], [], [], PATIENCE_S)[0], "the door did not start"
        yield RunningDoor(process, json.loads(process.stdout.readline()), authority)
    finally:
        process.stdin.close()
        if process.poll() is None:
            process.kill()
        process.wait(PATIENCE_S)
        process.stdout.close()


def main(task: str) -> None:
    settings = Settings.model_validate(json.loads(Path(task).read_text()))
    configure(level=settings.log.level, log_format="json")
    prepared = worker.prepare(settings)
    listeners = tuple(_bind(name) for name in ("https", "http"))
    ports = {listener.name: listener.sock.getsockname()[1] for listener in listeners}
    os.write(1, json.dumps(ports).encode() + b"\n")
    context = WorkerContext(
        settings=settings,
        door="web",
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


if __name__ == "__main__":
    main(sys.argv[1])
