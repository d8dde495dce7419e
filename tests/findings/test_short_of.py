"""A disk that is full or read-only, and descriptors that run out, on real mounts and limits."""

from __future__ import annotations

import os
import resource
import smtplib
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count, islice
from pathlib import Path

import pytest

from tests.findings.whole import Whole, whole_service
from tests.supervisor.service import wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.e2e,
    pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root"),
]
MIB = 1024 * 1024
BODY = "Subject: essai\r\n\r\n" + "0123456789\r\n" * 1000


@contextmanager
def mounted(folder: Path, *, mib: int) -> Iterator[Path]:
    """A file system of this size of its own."""
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"no mount here: {made.stderr.decode()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Whole]:
    """Its store has a disk of 32 MiB, of which one is to stay free."""
    with ExitStack() as stack:
        disk = stack.enter_context(mounted(tmp_path / "disk", mib=32))
        whole = stack.enter_context(whole_service(tmp_path / "s"))
        (tmp_path / "s/store").rename(tmp_path / "old")
        subprocess.run(["cp", "-a", str(tmp_path / "old"), str(disk / "store")], check=True)
        whole.environment["MAILSERVER_STORE__PATH"] = str(disk / "store")
        yield whole


def fill(disk: Path, *, leave: int) -> Path:
    """Take all room but so many octets."""
    stat = os.statvfs(disk)
    ballast = disk / "ballast"
    octets = stat.f_bavail * stat.f_frsize - leave
    with suppress(OSError), ballast.open("ab", buffering=0) as file:
        while octets > 0:
            octets -= file.write(bytes(min(octets, MIB)))
    return ballast


def send(whole: Whole, body: str = BODY) -> tuple[int, bytes]:
    """The first reply that is no success, or the last one: its code and its text."""
    try:
        with smtplib.SMTP("127.0.0.1", whole.ports["mx"], timeout=30) as client:
            client.ehlo("client.example")
            code, text = client.mail("a@example.org")
            if code == 250:
                client.rcpt("postmaster@a.test")
                code, text = client.data(body.encode())
    except smtplib.SMTPResponseException as refused:
        code, text = refused.smtp_code, refused.smtp_error  # type: ignore[assignment]
    return code, text


def test_a_disk_that_is_short_puts_mail_off_with_one_warning_and_status_says_so(
    small_disk: Whole, tmp_path: Path
) -> None:
    small_disk.environment["MAILSERVER_STORE__MIN_FREE_MIB"] = "8"
    small_disk.environment["MAILSERVER_SMTP__PROCESSES"] = "1"
    small_disk.start()
    small_disk.wait_for("ready")
    assert send(small_disk)[0] == 250
    ballast = fill(tmp_path / "disk", leave=4 * MIB)
    wait_until(lambda: send(small_disk)[0] == 452)
    for _ in range(20):
        code, text = send(small_disk)
        assert code == 452
        assert text.startswith(b"4.3.1 ")
    short = "the disk is short: mail is put off with 452 until there is room"
    wait_until(lambda: send(small_disk)[0] == 452 and bool(small_disk.events(short)))
    assert len(small_disk.events(short)) == 1
    told = small_disk.command("status")
    assert told.returncode == 1
    assert " MiB are free and 8 are to stay free: no mail will be accepted" in told.stdout
    wait_until(lambda: "messages were put off because the disk was short" in small_disk.findings())
    ballast.unlink()
    wait_until(lambda: send(small_disk)[0] == 250)
    assert small_disk.events("the disk has room again: mail is taken")
    wait_until(lambda: small_disk.command("status").returncode == 0)


def test_a_disk_that_is_full_is_452_also_behind_the_dot(small_disk: Whole, tmp_path: Path) -> None:
    small_disk.environment["MAILSERVER_STORE__MIN_FREE_MIB"] = "0"
    small_disk.start()
    small_disk.wait_for("ready")
    assert send(small_disk)[0] == 250
    fill(tmp_path / "disk", leave=0)
    large = BODY * 60
    wait_until(lambda: send(small_disk, large)[0] == 452)
    code, text = send(small_disk, large)
    assert (code, text[:6]) == (452, b"4.3.1 ")
    assert not small_disk.events("worker died")
    assert not small_disk.events("fault")
    assert small_disk.status()["doors"]["smtp"]["up"]


def test_a_file_system_that_became_read_only_is_421_and_an_error(
    small_disk: Whole, tmp_path: Path
) -> None:
    disk = str(tmp_path / "disk")
    small_disk.start()
    small_disk.wait_for("ready")
    for door in ("smtp", "pop3", "delivery", "keeper", "web"):
        for pid in small_disk.workers(door):
            os.kill(pid, 9)  # as they do themselves when the disk fails; open files bar a remount

    def remount() -> bool:
        made = subprocess.run(["mount", "-o", "remount,ro", disk], check=False, capture_output=True)
        if made.returncode:
            for door in ("smtp", "pop3", "delivery", "keeper", "web"):
                for pid in small_disk.workers(door):
                    os.kill(pid, 9)
        return made.returncode == 0

    wait_until(remount)
    for name, words in (("mx", b"421 4.3.0 "), ("pop3", b"-ERR [SYS/TEMP] ")):
        with socket.create_connection(("127.0.0.1", small_disk.ports[name]), 60) as sock:
            assert sock.makefile("rb").read().startswith(words)
    told = small_disk.command("status")
    assert told.returncode == 1
    assert "is read-only: no mail is taken" in told.stdout
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    wait_until(lambda: small_disk.status()["up"], patience_s=90.0)
    assert send(small_disk)[0] == 250


def test_descriptors_that_run_out_turn_connections_away_with_words(tmp_path: Path) -> None:
    with whole_service(tmp_path / "s", SMTP__PROCESSES="1", POP3__MAX_CONNECTIONS="5000") as whole:
        limit = (200, 200)
        whole.start(before=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limit))
        whole.wait_for("ready")
        checked = subprocess.run(
            ["bash", "-c", 'ulimit -n 200; exec "$@"', "-", *_check_words(whole)],
            env=whole.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "warning: smtp.max_connections: 2000 connections" in checked.stdout
        for name, words in (("mx", b"421 4.3.2 "), ("pop3", b"-ERR [SYS/TEMP] ")):
            with ExitStack() as stack:
                heard = b""
                for _ in range(150):
                    sock = stack.enter_context(
                        socket.create_connection(("127.0.0.1", whole.ports[name]), 30)
                    )
                    heard = sock.recv(200)
                    if heard.startswith(words):
                        break
                assert heard.startswith(words)
        wait_until(lambda: "because descriptors ran out" in whole.findings())


def _check_words(whole: Whole) -> list[str]:
    from mailserver.supervisor.interpreter import python_command

    return python_command(
        "mailserver.cli.main", "config", "check", "--config", str(whole.settings_file)
    )


def test_a_process_that_has_no_descriptor_left_says_so_and_does_not_spin(tmp_path: Path) -> None:
    with whole_service(tmp_path / "s", SMTP__PROCESSES="1") as whole:
        whole.start()
        whole.wait_for("ready")
        wait_until(lambda: len(whole.workers("smtp")) == 1)
        wait_until(lambda: send(whole)[0] == 250)  # from now on it opens nothing of its own
        (pid,) = whole.workers("smtp")
        hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]
        # So many numbers are free that one peer's share of connections does not end before them.
        taken = {int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir()}
        free = (number for number in count() if number not in taken)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (next(islice(free, 8, None)), hard))
        with ExitStack() as stack:

            def turned_away() -> bool:
                sock = stack.enter_context(
                    socket.create_connection(("127.0.0.1", whole.ports["mx"]), 30)
                )
                return sock.recv(200).startswith(b"421 ")

            wait_until(turned_away)
        told = "descriptors ran out: connections are turned away with 421"
        wait_until(lambda: bool(whole.events(told)))  # the log is written behind the answer
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))
        wait_until(lambda: send(whole)[0] == 250)
