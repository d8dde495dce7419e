"""`mailserver run`: the real program, with every door, on ports of the system's choice."""

from __future__ import annotations

import json
import os
import poplib
import signal
import smtplib
import socket
import ssl
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from mailserver.supervisor.interpreter import python_command, python_environment
from mailserver.supervisor.limits import MOST_DESCRIPTORS
from tests.cli.conftest import Run
from tests.crash.family import Role, open_files, read_family
from tests.supervisor.service import ports_of, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.e2e]
NUMEN = "13E0245678ABC"
PORTS = {
    f"MAILSERVER_{name}": "127.0.0.1:0"
    for name in ("SMTP__MX", "SMTP__SUBMISSION", "SMTP__SUBMISSIONS", "POP3__POP3", "POP3__POP3S")
}


class Running:
    """`mailserver run` and its events."""

    def __init__(
        self, file: Path, *options: str, pass_fds: Sequence[int] = (), **environment: str
    ) -> None:
        self.process = subprocess.Popen(
            python_command("mailserver.cli.main", "run", "--config", str(file), *options),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=file.parent,
            pass_fds=pass_fds,
            env={**python_environment(), **PORTS, **environment},
        )

    def wait_for(self, event: str) -> dict[str, Any]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            told: dict[str, Any] = json.loads(line)
            if told["event"] == event:
                return told
        assert self.process.stderr is not None
        raise AssertionError(self.process.stderr.read())

    def stop(self) -> int:
        """SIGTERM; the exit status.  What it still says is thrown away."""
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=30)
        return self.process.returncode


@pytest.fixture
def service(service: Path, run: Run) -> Path:
    """With one person in it."""
    file = service
    added = run(
        *("account", "add", "fmarot", "--address", "frederic.marot@a.test", "--name", "F"),
        *("--numen-stdin", "--config", file),
        stdin=NUMEN.encode(),
    )
    assert added.status == 0
    return file


@pytest.fixture
def running(service: Path) -> Iterator[Running]:
    started = Running(service)
    yield started
    if started.process.poll() is None:
        started.process.kill()
    started.process.communicate(timeout=30)


def trusting(service: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(service.parent / "tls/certificate.pem"))


def test_one_numen_sends_and_collects_through_every_door(service: Path, running: Running) -> None:
    ports = ports_of(running.wait_for("ready"))
    assert set(ports) == {"mx", "submission", "submissions", "pop3", "pop3s"}
    me, letter = "frederic.marot@a.test", b"From: frederic.marot@a.test\r\n\r\nBonjour\r\n"
    with smtplib.SMTP_SSL("localhost", ports["submissions"], context=trusting(service)) as smtp:
        smtp.login("fmarot", NUMEN)
        assert smtp.sendmail(me, [me], letter) == {}
    pop3 = poplib.POP3("localhost", ports["pop3"])
    pop3.stls(trusting(service))
    pop3.user("FMAROT")
    pop3.pass_(NUMEN)
    _, lines, _ = pop3.retr(1)
    assert lines[-1] == b"Bonjour"
    pop3.quit()
    assert running.stop() == 0


def roles_below(running: Running) -> Counter[Role]:
    return Counter(member.role for member in read_family(running.process.pid))


def test_the_processes_have_many_descriptors_and_none_that_are_not_theirs(service: Path) -> None:
    """The first fork server is forked by the command itself, with whatever that had open."""
    foreign_fd = os.memfd_create("foreign", 0)
    running = Running(service, pass_fds=[foreign_fd])
    try:
        running.wait_for("ready")
        wait_until(lambda: roles_below(running)[Role.WORKER] >= 2)  # each names itself, in time
        family = read_family(running.process.pid)
        assert roles_below(running)[Role.FORK_SERVER] == 1
        for member in family[1:]:
            rows = Path(f"/proc/{member.pid}/limits").read_text().splitlines()
            soft, hard = next(row for row in rows if row.startswith("Max open files")).split()[3:5]
            assert int(soft) == min(int(hard), MOST_DESCRIPTORS)
            files = open_files(member.pid)
            assert not [file for file in files if "foreign" in file]
            assert not [file for file in files if "mailserver (deleted)" in file], "the plan"
        assert running.stop() == 0
    finally:
        os.close(foreign_fd)
        running.process.kill()
        running.process.communicate(timeout=30)


def test_a_changed_setting_is_taken_at_sighup(service: Path, running: Running) -> None:
    ports = ports_of(running.wait_for("ready"))
    text = service.read_text()
    service.write_text(text.replace("#max_message_mib = 50", "max_message_mib = 1"))
    running.process.send_signal(signal.SIGHUP)
    running.wait_for("reloaded")
    # A worker of the old settings may answer until it has heard that it is to drain.
    wait_until(lambda: announced_size(ports["mx"]) == 1024 * 1024)


def announced_size(port: int) -> int | None:
    """None from a worker that drains: it answers 421, at its banner or after it."""
    try:
        with smtplib.SMTP("localhost", port) as smtp:
            smtp.ehlo()
            size = smtp.esmtp_features.get("size")
    except OSError:  # smtplib's own errors are among them
        return None
    return None if size is None else int(size)


def test_one_door_alone_opens_its_own_ports_only(service: Path) -> None:
    running = Running(service, "--door", "pop3")
    assert set(ports_of(running.wait_for("ready"))) == {"pop3", "pop3s"}
    assert running.stop() == 0


def test_a_port_in_use_is_one_line_that_names_it(service: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        refused = Running(service, MAILSERVER_SMTP__MX=f"127.0.0.1:{port}")
        _, error = refused.process.communicate(timeout=30)
    assert refused.process.returncode == 2
    assert len(error.splitlines()) == 1
    assert f"port {port} is already in use" in error.decode()


def test_an_unknown_door_is_a_mistake(service: Path, run: Run) -> None:
    said = run("run", "--door", "imap", "--config", service)
    assert (said.status, len(said.err.splitlines())) == (2, 1)


def test_the_web_door_alone_needs_a_listener(service: Path, run: Run) -> None:
    said = run("run", "--door", "web", "--config", service)
    assert said.status == 2
    assert "the door web has no listener: give web.https an address" in said.err


def test_a_file_of_the_current_folder_is_never_imported(service: Path) -> None:
    (service.parent / "json.py").write_text("raise SystemExit('imported')\n")
    running = Running(service, "--door", "keeper")
    running.wait_for("ready")
    assert running.stop() == 0
    assert os.path.exists(service.parent / "json.py")
