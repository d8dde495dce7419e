"""Peers whose network vanished, for real: POP3, SMTP and the web; and one that only does not read.

The times are shortened by settings; `test_live.py` of each door looks at the defaults.
"""

from __future__ import annotations

import os
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailserver.demo.academy import DemoService, create
from mailserver.settings.template import Value
from mailserver.supervisor.interpreter import python_command, python_environment
from tests.security.networks import LOST, OTHER, SERVICE, Row, needs_namespaces

pytestmark = [needs_namespaces, pytest.mark.heavy, pytest.mark.e2e, pytest.mark.timeout(180)]

MX, SUBMISSION, SUBMISSIONS, POP3, POP3S, HTTPS = 2525, 2587, 2465, 2110, 2995, 2443
KEEPALIVE_S, PROBE_S, PROBES = 3, 1, 20
YIELD_S = 6
SWEEP_S = 6.0
MORE: dict[str, Value] = {
    "auth.allow_plaintext_on_loopback": False,
    "smtp.mx": [f"{SERVICE}:{MX}"],
    "smtp.submission": [f"{SERVICE}:{SUBMISSION}"],
    "smtp.submissions": [f"{SERVICE}:{SUBMISSIONS}"],
    "pop3.pop3": [f"{SERVICE}:{POP3}"],
    "pop3.pop3s": [f"{SERVICE}:{POP3S}"],
    "pop3.processes": 2,
    "pop3.yield_s": YIELD_S,
    "web.https": [f"{SERVICE}:{HTTPS}"],
    "connections.keepalive_s": KEEPALIVE_S,
    "connections.keepalive_probe_s": PROBE_S,
    "connections.keepalive_probes": PROBES,
}
PATIENCE_S = 60.0
NOBODY = 65534


@pytest.fixture(scope="module")
def row() -> Iterator[Row]:
    row = Row()
    yield row
    row.close()


@pytest.fixture(scope="module")
def demo() -> Iterator[DemoService]:
    """A folder that the user may enter who runs the service: root never does."""
    with tempfile.TemporaryDirectory(prefix="vanished-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        demo = create(folder / "academy", more=MORE)
        for path in (demo.folder, *demo.folder.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
        yield demo


@pytest.fixture(scope="module")
def log(row: Row, demo: DemoService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The service runs; what it writes."""
    path = tmp_path_factory.mktemp("log") / "log"
    command = python_command("mailserver.cli.main", "run", "--config", str(demo.settings_file))
    with path.open("wb") as out:
        process = subprocess.Popen(
            row.in_service(*command, user_id=NOBODY),
            stdout=out,
            stderr=out,
            env=python_environment(),
        )
    try:
        wait_for(path, '"ready"')
        yield path
    finally:
        process.terminate()
        process.wait(30)


def wait_for(log: Path, text: str, *, count: int = 1) -> float:
    """Seconds until the log has it so often."""
    began_s = time.monotonic()
    while time.monotonic() - began_s < PATIENCE_S:
        if log.read_text(errors="replace").count(text) >= count:
            return time.monotonic() - began_s
        time.sleep(0.2)
    raise AssertionError(f"{text} never came:\n{log.read_text(errors='replace')[-3000:]}")


class Pop3:
    def __init__(self, row: Row, *, source: str = LOST, receive_octets: int = 0) -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        raw = row.connect(POP3S, source=source, receive_octets=receive_octets)
        self.sock = context.wrap_socket(raw)
        self.file = self.sock.makefile("rb")
        assert self.file.readline().startswith(b"+OK")

    def ask(self, line: str) -> bytes:
        self.sock.sendall(line.encode() + b"\r\n")
        return self.file.readline()

    def sign_in(self, demo: DemoService) -> bytes:
        member = demo.cast.members[0]
        self.ask(f"USER {member.identifier}")
        return self.ask(f"PASS {member.password}")

    def close(self) -> None:
        self.file.close()
        self.sock.close()


def test_a_vanished_holder_makes_room_for_the_next_sign_in(
    row: Row, demo: DemoService, log: Path
) -> None:
    """Whichever process has it, and long before keepalive ends it."""
    lost = Pop3(row)
    assert lost.sign_in(demo).startswith(b"+OK")
    with row.vanished():
        first = Pop3(row, source=OTHER)
        assert first.sign_in(demo).startswith(b"-ERR [IN-USE]")  # it may live: it waited 5 s
        first.close()
        time.sleep(YIELD_S)
        again = Pop3(row, source=OTHER)
        assert again.sign_in(demo).startswith(b"+OK")
        wait_for(log, "another sign-in waits")
        assert again.ask("QUIT").startswith(b"+OK")
        again.close()
    lost.close()


def test_an_idle_pop3_client_that_vanished_is_noticed(
    row: Row, demo: DemoService, log: Path
) -> None:
    lost = Pop3(row)
    assert lost.sign_in(demo).startswith(b"+OK")
    with row.vanished():
        wait_for(log, '"vanished"')
        again = Pop3(row, source=OTHER)
        assert again.sign_in(demo).startswith(b"+OK")
        again.close()
    lost.close()


def test_a_client_that_reads_nothing_stays(row: Row, demo: DemoService, log: Path) -> None:
    before = log.read_text(errors="replace").count("vanished")
    reader = Pop3(row, receive_octets=4096)
    assert reader.sign_in(demo).startswith(b"+OK")
    reader.sock.sendall(b"CAPA\r\n" * 900)  # more answers than its buffer holds
    time.sleep(KEEPALIVE_S + PROBES * PROBE_S + SWEEP_S)
    second = Pop3(row, source=OTHER)
    assert second.sign_in(demo).startswith(b"-ERR [IN-USE]")  # it waited, and nobody yielded
    assert log.read_text(errors="replace").count("vanished") == before
    reader.close()
    second.close()


def test_an_smtp_client_that_vanished_is_noticed(row: Row, log: Path) -> None:
    sock = row.connect(MX)
    sock.recv(1000)
    sock.sendall(b"EHLO lost.example\r\n")
    sock.recv(1000)
    with row.vanished():
        wait_for(log, "peer vanished")
    sock.close()


@pytest.mark.parametrize("port", [MX, SUBMISSION, SUBMISSIONS, POP3, POP3S, HTTPS])
def test_the_kernel_asks_on_every_door(row: Row, log: Path, port: int) -> None:
    with row.connect(port):
        told = subprocess.run(
            row.in_service("ss", "-tno", "state", "established", f"( sport = :{port} )"),
            capture_output=True,
            text=True,
        )
        assert "keepalive" in told.stdout


def test_the_web_keeps_no_peer_that_vanished(row: Row, log: Path) -> None:
    """Its deadlines are shorter than any keepalive: the connection ends."""
    sock = row.connect(HTTPS)
    with row.vanished():
        began_s = time.monotonic()
        while _established(row, HTTPS) and time.monotonic() - began_s < PATIENCE_S:
            time.sleep(0.5)
        assert not _established(row, HTTPS)
    sock.close()


def _established(row: Row, port: int) -> bool:
    told = subprocess.run(
        row.in_service("ss", "-tn", "state", "established", f"( sport = :{port} )"),
        capture_output=True,
        text=True,
    )
    return f":{port}" in told.stdout
