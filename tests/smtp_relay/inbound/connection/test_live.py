"""The real worker over real sockets, with programs that we did not write."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mailserver.settings.model import Settings
from mailserver.store.open import open_store
from mailserver.store.ports.bodies import read_body
from mailserver.store.ports.operators import QueueFilter
from mailserver.store.ports.queue import Lane
from mailserver.store.ports.store import Store
from mailserver.values.address import Address
from mailserver.values.ids import Uid
from tests.programs import needs_program
from tests.smtp_relay.inbound import house
from tests.supervisor.service import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.e2e]
ROOT = Path(__file__).parents[4]
MARIE = f"marie.dupont@{house.DOMAIN}"
PIERRE = f"pierre.martin@{house.DOMAIN}"
MESSAGE = (
    f"From: Marie <{MARIE}>\r\nTo: {PIERRE}\r\nSubject: essai\r\n\r\nBonjour\r\n.dot\r\n".encode()
)


@dataclass
class House:
    """A running worker."""

    folder: Path
    settings: Settings
    process: subprocess.Popen[bytes]
    ports: dict[str, int]

    @property
    def ca(self) -> str:
        return str(self.folder / "ca.pem")

    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca)

    def stored(self, address: str = PIERRE) -> list[bytes]:
        """What the mailbox holds: each message as POP3 would send it."""
        store = open_store(self.settings)
        try:
            return list(_messages(store, address))
        finally:
            store.close()


def _messages(store: Store, address: str) -> Iterator[bytes]:
    local, _, domain = address.partition("@")
    mailbox_id = store.accounts.find_mailbox(Address(local, domain).key)
    assert mailbox_id is not None
    for uid in store.mail.list_maildrop(store.mail.open_maildrop(mailbox_id)).uids:
        message = store.mail.fetch(mailbox_id, Uid(uid))
        assert message is not None
        body = message.octets
        if body is None:
            assert message.octets is None
            body = read_body(message, message.body_octets, 0)
        message.close()
        yield message.lead + body


@contextlib.contextmanager
def running(folder: Path, **overrides: object) -> Iterator[House]:
    given = {name.replace("__", "."): value for name, value in overrides.items()}
    command = [sys.executable, "-m", "tests.smtp_relay.inbound.house", str(folder)]
    command += [f"{key}={json.dumps(value)}" for key, value in given.items()]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    )
    with process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.stderr and process.stderr.read().decode()
        ports = json.loads(line)
        try:
            yield House(folder, house.make_settings(folder, given), process, ports)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with running(tmp_path_factory.mktemp("house")) as live:
        yield live


def ends_with_message(stored: bytes) -> bool:
    return stored.endswith(MESSAGE)


def test_smtplib_delivers_on_mx(live: House) -> None:
    before = len(live.stored())
    with smtplib.SMTP("127.0.0.1", live.ports["mx"], timeout=10) as client:
        client.sendmail("a@example.org", [PIERRE], MESSAGE)
    (new,) = live.stored()[before:]
    assert ends_with_message(new)
    assert new.startswith(b"Return-Path: <a@example.org>\r\n")
    assert b" with ESMTP id " in new


def test_smtplib_submits_with_starttls(live: House) -> None:
    before = len(live.stored())
    with smtplib.SMTP("127.0.0.1", live.ports["submission"], timeout=10) as client:
        client.ehlo("before.example")
        assert not client.has_extn("auth")
        client.starttls(context=live.trust())
        assert client.docmd("MAIL", f"FROM:<{MARIE}>")[0] == 503  # EHLO is forgotten
        client.login(MARIE.upper(), house.NUMEN)
        client.sendmail(MARIE, [PIERRE], MESSAGE)
    (new,) = live.stored()[before:]
    assert b" with ESMTPSA id " in new
    assert b"\t(using TLSv1.3 with cipher " in new
    assert b"\r\nMessage-ID: <" in new


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_smtplib_submits_over_implicit_tls(live: House, mechanism: str) -> None:
    with smtplib.SMTP_SSL(
        "127.0.0.1", live.ports["submissions"], timeout=10, context=live.trust()
    ) as client:
        client.ehlo()
        assert client.esmtp_features["auth"].split() == ["PLAIN", "LOGIN"]
        client.user, client.password = "mdupont", house.NUMEN
        authobject = getattr(client, f"auth_{mechanism.lower()}")
        assert client.auth(mechanism, authobject)[0] == 235
        client.sendmail(MARIE, [PIERRE], MESSAGE)


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
def test_curl_uploads_a_file_with_unix_lines(live: House, tmp_path: Path) -> None:
    """It sends them as they are, and ends the data with CR LF . CR LF."""
    file = tmp_path / "message"
    text = f"From x\nFrom: Marie <{MARIE}>\nBcc: x@y.fr\nSubject: x\n\nBonjour\n.x\n"
    file.write_text(text, encoding="ascii")
    before = len(live.stored())
    command = ["curl", "--silent", "--show-error", "--cacert", str(live.folder / "ca.pem")]
    command += ["--user", rf"ACADEMIE\mdupont:{house.NUMEN}", "--login-options", "AUTH=PLAIN"]
    command += ["--mail-from", MARIE, "--mail-rcpt", PIERRE, "--upload-file", str(file)]
    url = f"smtps://localhost:{live.ports['submissions']}"
    subprocess.run([*command, url], check=True, timeout=30)
    (new,) = live.stored()[before:]
    header = f"From: Marie <{MARIE}>\r\nSubject: x\r\n\r\n".encode()
    assert new.endswith(b"\r\n" + header + b"Bonjour\r\nx\r\n\r\n")  # its own last line end


def test_a_wrong_password_and_an_unknown_name_get_one_answer(live: House) -> None:
    answers = []
    for name in ("mdupont", "nobody"):
        with smtplib.SMTP_SSL(
            "127.0.0.1", live.ports["submissions"], timeout=10, context=live.trust()
        ) as client:
            with pytest.raises(smtplib.SMTPAuthenticationError) as refusal:
                client.login(name, "wrong")
            answers.append((refusal.value.smtp_code, refusal.value.smtp_error))
    assert answers[0] == answers[1]
    assert answers[0][0] == 535


def test_what_is_pipelined_behind_starttls_is_never_carried_out(live: House) -> None:
    with socket.create_connection(("127.0.0.1", live.ports["submission"]), timeout=10) as sock:
        reader = sock.makefile("rb")
        reader.readline()
        sock.sendall(b"EHLO x\r\n")
        while not reader.readline().startswith(b"250 "):
            pass
        sock.sendall(b"STARTTLS\r\nEHLO evil\r\n")
        assert reader.readline().startswith(b"501 5.5.4")
        assert reader.read() == b""


def test_a_failed_handshake_leaves_no_session(live: House) -> None:
    with socket.create_connection(("127.0.0.1", live.ports["submission"]), timeout=10) as sock:
        reader = sock.makefile("rb")
        reader.readline()
        sock.sendall(b"EHLO x\r\n")
        while not reader.readline().startswith(b"250 "):
            pass
        sock.sendall(b"STARTTLS\r\n")
        assert reader.readline().startswith(b"220")
        sock.sendall(b"this is no handshake at all\r\n" * 10)
        with contextlib.suppress(ConnectionError):
            while reader.read(4096):
                pass
    test_smtplib_delivers_on_mx(live)


def test_a_half_close_behind_the_dot_is_committed_and_answered(live: House) -> None:
    before = len(live.stored())
    with socket.create_connection(("127.0.0.1", live.ports["mx"]), timeout=10) as sock:
        sock.sendall(
            b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<"
            + PIERRE.encode()
            + b">\r\nDATA\r\nSubject: x\r\n\r\nhalf\r\n.\r\n"
        )
        sock.shutdown(socket.SHUT_WR)
        heard = b"".join(iter(lambda: sock.recv(4096), b""))
    assert heard.rstrip(b"\r\n").rsplit(b"\r\n", 1)[1].startswith(b"250 2.0.0 Ok: ")
    assert len(live.stored()) == before + 1


def test_a_large_message_over_tls_comes_out_as_it_went_in(live: House) -> None:
    body = MESSAGE + b"0123456789abcdef" * 4 + b"\r\n" + os.urandom(30).hex().encode() * 30_000
    body += b"\r\n"
    before = len(live.stored())
    with smtplib.SMTP_SSL(
        "127.0.0.1", live.ports["submissions"], timeout=20, context=live.trust()
    ) as client:
        client.login("mdupont", house.NUMEN)
        client.sendmail(MARIE, [PIERRE], body)
    (new,) = live.stored()[before:]
    assert new.endswith(body)


@needs_program("swaks")
@pytest.mark.parametrize(
    ("listener", "options"),
    [
        ("mx", ["--from", "a@example.org"]),
        ("mx", ["--from", "a@example.org", "--tls"]),
        ("submission", ["--from", MARIE, "--tls", "--auth", "PLAIN"]),
        ("submission", ["--from", MARIE, "--tls", "--auth", "LOGIN"]),
        ("submissions", ["--from", MARIE, "--tls-on-connect", "--auth", "LOGIN"]),
    ],
)
def test_swaks_sends(live: House, listener: str, options: list[str]) -> None:
    before = len(live.stored())
    command = ["swaks", "--server", f"localhost:{live.ports[listener]}", "--to", PIERRE, *options]
    if "--auth" in options:
        command += ["--auth-user", "mdupont", "--auth-password", house.NUMEN]
    if listener != "mx":
        command += ["--tls-ca-path", live.ca, "--tls-verify"]
    sent = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert sent.returncode == 0, sent.stdout + sent.stderr
    assert len(live.stored()) == before + 1


@needs_program("swaks")
def test_swaks_sends_elsewhere_for_a_person_and_a_stranger_may_not(live: House) -> None:
    to = ["--to", "x@elsewhere.example", "--from"]
    signed_in = ["--tls", "--auth-user", "mdupont", "--auth-password", house.NUMEN]
    trials = (("submission", [*to, MARIE, *signed_in]), ("mx", [*to, "a@example.org"]))
    said = {}
    for listener, options in trials:
        command = ["swaks", "--server", f"localhost:{live.ports[listener]}", *options]
        said[listener] = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert said["submission"].returncode == 0, said["submission"].stdout
    assert "550 5.7.1 Relaying denied" in said["mx"].stdout
    store = open_store(live.settings)
    try:
        wanted = QueueFilter(recipient="x@elsewhere.example")
        (copy,) = store.queue.list_queue(wanted, after=None, limit=10)
    finally:
        store.close()
    assert (copy.next_hop, copy.reverse_path, copy.lane) == ("elsewhere.example", MARIE, Lane.FIRST)


def test_a_service_that_would_relay_for_strangers_keeps_its_mx_shut(tmp_path: Path) -> None:
    with running(tmp_path, relay__trusted_networks=["0.0.0.0/0", "::/0"]) as live:
        with socket.create_connection(("127.0.0.1", live.ports["mx"]), timeout=10) as sock:
            assert sock.recv(512).startswith(b"421 4.3.2")
        store = open_store(live.settings)
        try:
            wait_until(lambda: "smtp.0" in store.counters.read_reports())
            reports = store.counters.read_reports()
        finally:
            store.close()
    assert reports["smtp.0"][1]["open_relay"] == 1


@needs_program("curl")
@pytest.mark.parametrize("listener", ["submission", "submissions"])
def test_curl_sends(live: House, listener: str, tmp_path: Path) -> None:
    before = len(live.stored())
    (tmp_path / "message").write_bytes(MESSAGE)
    scheme = "smtps" if listener == "submissions" else "smtp"
    sent = subprocess.run(
        ["curl", "-sS", "--ssl-reqd", "--cacert", live.ca, "--user", f"mdupont:{house.NUMEN}",
         "--url", f"{scheme}://localhost:{live.ports[listener]}", "--mail-from", MARIE,
         "--mail-rcpt", PIERRE, "--upload-file", str(tmp_path / "message")],
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert sent.returncode == 0, sent.stderr
    assert ends_with_message(live.stored()[before])


def _sigterm(live: House) -> None:
    live.process.send_signal(signal.SIGTERM)


def _lose_its_parent(live: House) -> None:
    assert live.process.stdin is not None
    live.process.stdin.close()
    live.process.stdin = None


@pytest.mark.parametrize("end", [_sigterm, _lose_its_parent])
def test_a_worker_that_ends_finishes_the_message_that_is_coming_in(
    tmp_path: Path, end: Callable[[House], None]
) -> None:
    with running(tmp_path) as live:
        port = live.ports["mx"]
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as idle,
            socket.create_connection(("127.0.0.1", port), timeout=10) as busy,
        ):
            quiet, reader = idle.makefile("rb"), busy.makefile("rb")
            quiet.readline()
            busy.sendall(
                b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<" + PIERRE.encode() + b">\r\nDATA\r\n"
            )
            while not reader.readline().startswith(b"354"):
                pass
            end(live)
            assert quiet.readline().startswith(b"421 4.3.2")
            busy.sendall(b"Subject: last\r\n\r\nx\r\n.\r\n")
            assert reader.readline().startswith(b"250 2.0.0")
            assert reader.readline().startswith(b"421 4.3.2")
        assert live.process.wait(timeout=20) == 0
        assert len(live.stored()) == 1


def test_a_new_certificate_is_served_after_sighup(tmp_path: Path) -> None:
    with running(tmp_path) as live:
        old = ssl.get_server_certificate(("127.0.0.1", live.ports["submissions"]))
        house.write_certificate(tmp_path)
        live.process.send_signal(signal.SIGHUP)
        for _ in range(1000):
            new = ssl.get_server_certificate(("127.0.0.1", live.ports["submissions"]))
            if new != old:
                break
        assert new != old


def test_eight_large_uploads_at_once_take_bounded_memory(tmp_path: Path) -> None:
    """25 MB each: at most 40 MiB above rest."""
    chunk = b"0123456789abcdef" * 4 + b"\r\n"
    chunk *= 1000
    with running(tmp_path) as live:
        test_smtplib_delivers_on_mx(live)
        rest_kib = _peak_kib(live.ports["pid"])
        clients = [
            socket.create_connection(("127.0.0.1", live.ports["mx"]), timeout=30) for _ in range(8)
        ]
        for sock in clients:
            sock.sendall(
                b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<" + PIERRE.encode() + b">\r\nDATA\r\n"
            )
        for _ in range(25_000_000 // len(chunk)):
            for sock in clients:
                sock.sendall(chunk)
        for sock in clients:
            sock.sendall(b"\r\n.\r\nQUIT\r\n")
        for sock in clients:
            heard = b"".join(iter(lambda s=sock: s.recv(4096), b""))  # type: ignore[misc]
            assert b"\r\n250 2.0.0 Ok: " in heard
            sock.close()
        assert _peak_kib(live.ports["pid"]) - rest_kib < 40 * 1024


def _peak_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise AssertionError("no VmHWM")
