"""`python -m tools.trail`: through how many files one message leads, on each of three ways.

    way                     from                      to
    MX to mailbox           the connection's start    250 to the message, with its recipient's entry
    submission to queue     the same, with TLS        250 to the message, with its copy in the queue
    queue to server         before it is queued       the copy is settled

A file counts when a function of it was called in each of the counted messages: so a timer that
fires by chance does not.  The first message of a worker is not counted: it fills caches.  What
libraries do is not counted either.  The figures and what they may be stand in docs/trail.md.
"""

from __future__ import annotations

import argparse
import json
import smtplib
import socketserver
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

MESSAGES = 4
"""That count, after one that does not."""
MOST = {"MX to mailbox": 24, "submission to queue": 32, "queue to server": 24}
PATIENCE_S = 20.0
SETTLING_S = 0.5
PASSWORD = "un-mot-de-passe-1"
HERE = "somebody@a.test"
LETTER = b"From: somebody@a.test\r\nTo: you@b.test\r\nSubject: one\r\n\r\nA line.\r\n"
_STRANGERS = LETTER.replace(b"somebody@a.test", b"someone@b.test")


@dataclass(slots=True)
class Sink:
    """A server that takes everything (a real socket, no real mail store)."""

    taken: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    @contextmanager
    def serving(self) -> Iterator[int]:
        sink = self

        class Session(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                sink.talk(self)

        with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session) as server:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield server.server_address[1]
            server.shutdown()

    def talk(self, session: socketserver.StreamRequestHandler) -> None:
        session.wfile.write(b"220 sink\r\n")
        in_data = False
        for line in session.rfile:
            if in_data:
                if line == b".\r\n":
                    in_data = False
                    session.wfile.write(b"250 taken\r\n")
                    self.taken.release()
            elif line[:4].upper() == b"DATA":
                in_data = True
                session.wfile.write(b"354 go on\r\n")
            elif line[:4].upper() == b"EHLO":
                session.wfile.write(b"250-sink\r\n250 PIPELINING\r\n")
            elif line[:4].upper() == b"QUIT":
                session.wfile.write(b"221 bye\r\n")
            else:
                session.wfile.write(b"250 fine\r\n")


class Worker:
    """One door's worker in a process of its own, and its windows."""

    def __init__(self, folder: Path, door: str) -> None:
        self._flag = folder / f"{door}.flag"
        self._flag.write_bytes(b"\0")
        self._found = folder / f"{door}.json"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tools.trail.worker", folder, door, self._flag, self._found],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        self.ports: dict[str, int] = json.loads(self._process.stdout.readline())

    @contextmanager
    def window(self, number: int) -> Iterator[None]:
        with self._flag.open("r+b") as flag:
            flag.write(bytes([number]))
            flag.flush()
            yield
            flag.seek(0)
            flag.write(b"\0")

    def end(self) -> dict[int, set[str]]:
        """Files by window."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(PATIENCE_S)
        found = json.loads(self._found.read_text("utf-8"))
        return {int(window): set(names) for window, names in found.items()}


def count() -> dict[str, list[str]]:
    """Way -> the files that each counted message led through."""
    with tempfile.TemporaryDirectory() as name, Sink().serving() as port:
        folder = Path(name)
        _make_service(folder, port)
        return _count(folder)


def _make_service(folder: Path, port: int) -> None:
    program = Path(sys.executable).parent / "mailserver"
    run: list[str | Path] = [program, "init", folder, "--domain", "a.test", "--high-ports"]
    subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
    rule = f'\n[[routes]]\nname = "out"\nvia = "smarthost"\nhost = "127.0.0.1"\nport = {port}\n'
    file = folder / "mailserver.toml"
    file.write_text(file.read_text("utf-8") + rule + 'tls = "none"\n', "utf-8")
    add = ["account", "add", "somebody", "--address", HERE, "--name", "Somebody"]
    subprocess.run(
        [program, *add, "--password-stdin", "--config", file],
        input=f"{PASSWORD}\n",
        text=True,
        check=True,
        stdout=subprocess.DEVNULL,
    )


def _count(folder: Path) -> dict[str, list[str]]:
    smtp, delivery = Worker(folder, "smtp"), Worker(folder, "delivery")
    windows = range(1, MESSAGES + 2)
    try:
        for number in windows:
            with smtp.window(number):
                _post(smtp.ports["mx"], _STRANGERS, "someone@b.test", HERE)
        for number in windows:
            with delivery.window(number):
                with smtp.window(number + len(windows)):
                    _post(smtp.ports["submission"], LETTER, HERE, "you@b.test", signs_in=True)
                time.sleep(SETTLING_S)
    finally:
        received, sent = smtp.end(), delivery.end()
    counted = windows[1:]
    ways = {
        "MX to mailbox": [received[number] for number in counted],
        "submission to queue": [received[number + len(windows)] for number in counted],
        "queue to server": [sent[number] for number in counted],
    }
    return {way: sorted(set.intersection(*found)) for way, found in ways.items()}


def _post(port: int, letter: bytes, author: str, reader: str, *, signs_in: bool = False) -> None:
    """Up to the 250; QUIT comes after the window, in the next one's silence."""
    peer = smtplib.SMTP("127.0.0.1", port, timeout=PATIENCE_S)
    if signs_in:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        peer.starttls(context=context)
        peer.login("somebody", PASSWORD)
    peer.sendmail(author, [reader], letter)
    peer.close()


def main() -> int:
    """Exit status 1 when a way leads through more files than it may."""
    parser = argparse.ArgumentParser(prog="python -m tools.trail", description=__doc__)
    parser.add_argument("--files", action="store_true", help="name them, too")
    arguments = parser.parse_args()
    is_over = False
    for way, files in count().items():
        is_over |= len(files) > MOST[way]
        print(f"{way:22}{len(files):4} files   at most {MOST[way]}")
        if arguments.files:
            print("".join(f"    {name}\n" for name in files))
    return int(is_over)


if __name__ == "__main__":
    sys.exit(main())
