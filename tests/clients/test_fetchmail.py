"""fetchmail: STLS and POP3S, with and without `keep`, by UIDL."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.clients.academy import BODY, Academy
from tests.programs import needs_program

pytestmark = [pytest.mark.slow, pytest.mark.e2e, needs_program("fetchmail")]

COLLECTED, NOTHING_NEW = 0, 1
"""fetchmail's exit statuses."""
_TLS = {"pop3": "sslproto TLS1.2+", "pop3s": "ssl"}  # sslproto without ssl is STLS, required


class Fetchmail:
    """One person's fetchmail; each message becomes a file."""

    def __init__(self, academy: Academy, home: Path, listener: str, *, who: str, keep: str) -> None:
        self.folder = home / "collected"
        self.folder.mkdir()
        settings = home / "fetchmailrc"
        settings.touch(mode=0o600)
        # `no rewrite` and `invisible`: fetchmail changes no header and adds none.
        settings.write_text(
            f"set invisible\npoll localhost service {academy.port(listener)} protocol POP3 uidl\n"
            f"  auth password user {who} password {academy.password(who)} is {who} here\n"
            f"  {keep} no rewrite fetchall {_TLS[listener]}\n"
            f"  sslcertck sslcertfile {academy.authority}\n"
            f"  mda \"/bin/sh -c 'cat > $(mktemp {self.folder}/XXXXXXXX)'\"\n",
            "utf-8",
        )
        if keep == "keep":
            settings.write_text(settings.read_text("utf-8").replace(" fetchall", ""), "utf-8")
        self._command = ["fetchmail", "--nodetach", "--verbose", "--fetchmailrc", str(settings)]
        self._environment = os.environ | {"HOME": str(home), "FETCHMAILHOME": str(home)}

    def run(self, expected: int) -> str:
        """What it said; its status must be `expected`."""
        done = subprocess.run(
            self._command, env=self._environment, capture_output=True, text=True, timeout=60
        )
        said = done.stdout + done.stderr
        assert done.returncode == expected, said
        return said

    def messages(self) -> list[bytes]:
        return [path.read_bytes() for path in self.folder.iterdir()]


@pytest.mark.parametrize(("listener", "who"), [("pop3", "fmarot"), ("pop3s", "bdecoeur")])
def test_fetchmail_that_keeps_downloads_nothing_twice(
    academy: Academy, tmp_path: Path, listener: str, who: str
) -> None:
    program = Fetchmail(academy, tmp_path, listener, who=who, keep="keep")
    academy.write(who, "first@example.org")
    said = program.run(COLLECTED)
    assert "TLSv1.3" in said
    assert ("POP3> STLS" in said) == (listener == "pop3")
    assert said.count("reading message") == 2
    before = program.messages()
    assert len(before) == 2  # the welcome, and ours
    assert any(message.endswith(b"\n\n" + BODY.replace(b"\r\n", b"\n")) for message in before)
    assert len(academy.mailbox(who)) == 2

    said = program.run(NOTHING_NEW)
    assert "reading message" not in said
    assert sorted(program.messages()) == sorted(before)

    academy.write(who, "second@example.org")
    assert program.run(COLLECTED).count("reading message") == 1
    assert len(program.messages()) == 3


@pytest.mark.parametrize(("listener", "who"), [("pop3", "mlebrun"), ("pop3s", "sdarcy")])
def test_fetchmail_that_does_not_keep_empties_the_mailbox(
    academy: Academy, tmp_path: Path, listener: str, who: str
) -> None:
    program = Fetchmail(academy, tmp_path, listener, who=who, keep="no keep")
    academy.write(who, "only@example.org")
    program.run(COLLECTED)
    assert len(program.messages()) == 2
    assert academy.mailbox(who) == []
    assert "reading message" not in program.run(NOTHING_NEW)
    assert len(program.messages()) == 2
