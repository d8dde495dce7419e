"""msmtp submits, mpop collects: with STARTTLS and STLS, and with TLS from the first octet."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.clients.academy import BODY, Academy
from tests.programs import needs_program

pytestmark = [pytest.mark.slow, pytest.mark.e2e]

STARTTLS = {"submission": "on", "submissions": "off", "pop3": "on", "pop3s": "off"}
"""What `tls_starttls` is for each listener."""


def settings_file(academy: Academy, path: Path, listener: str, who: str, more: str) -> str:
    path.touch(mode=0o600)
    path.write_text(
        f"defaults\nhost localhost\nport {academy.port(listener)}\n"
        f"tls on\ntls_starttls {STARTTLS[listener]}\ntls_trust_file {academy.authority}\n"
        f"auth on\nuser {who}\npassword {academy.password(who)}\n{more}\naccount default\n",
        "utf-8",
    )
    return f"--file={path}"


def run(command: list[str], octets: bytes = b"") -> str:
    done = subprocess.run(command, input=octets, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.decode("utf-8", "replace")


@needs_program("msmtp")
@pytest.mark.parametrize("listener", ["submission", "submissions"])
def test_msmtp_sends_to_a_person_and_a_school(
    academy: Academy, tmp_path: Path, listener: str
) -> None:
    sender, school = academy.address("jmartin"), "e-lesmimosas-saintes@ac-exemple.fr"
    settings = settings_file(academy, tmp_path / "msmtprc", listener, "jmartin", f"from {sender}")
    sent = (
        f"From: {sender}\r\nTo: {academy.address('inunez')}, {school}\r\n"
        f"Date: Mon, 2 Mar 2026 10:00:00 +0100\r\nMessage-ID: <{listener}@ac-exemple.fr>\r\n\r\n"
    ).encode() + BODY
    run(["msmtp", settings, academy.address("inunez"), school], sent)
    assert academy.mailbox("inunez")[-1] == sent
    assert academy.mailbox("0170705z")[-1] == sent


@needs_program("mpop")
@pytest.mark.parametrize(("listener", "who"), [("pop3", "hdelatour"), ("pop3s", "kbenali")])
def test_mpop_downloads_nothing_twice_and_then_empties_the_mailbox(
    academy: Academy, tmp_path: Path, listener: str, who: str
) -> None:
    folder = tmp_path / "collected"
    for name in ("cur", "new", "tmp"):
        (folder / name).mkdir(parents=True)
    settings = settings_file(
        academy,
        tmp_path / "mpoprc",
        listener,
        who,
        f"delivery maildir {folder}\nuidls_file {tmp_path / 'uidls'}\nreceived_header off",
    )
    sent = academy.write(who, "first@example.org")

    assert "RETR" not in run(["mpop", settings, "--serverinfo"])
    assert run(["mpop", settings, "--keep=on", "--debug"]).count("--> RETR") == 2
    collected = [path.read_bytes() for path in (folder / "new").iterdir()]
    assert any(octets.endswith(sent.replace(b"\r\n", b"\n")) for octets in collected)

    assert "--> RETR" not in run(["mpop", settings, "--keep=on", "--debug"])
    assert len(academy.mailbox(who)) == 2

    assert "--> RETR" not in run(["mpop", settings, "--keep=off", "--debug"])
    assert academy.mailbox(who) == []
    assert len(list((folder / "new").iterdir())) == len(collected)
