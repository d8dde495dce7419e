"""`docker compose up -d --wait`, as an operator types it.

Needs a Docker engine and its compose plug-in; skips with a message elsewhere.
Images are built from this checkout, containers and volumes are removed at the
end.  Ports are moved, so that a service on this machine is not in the way.
"""

from __future__ import annotations

import json
import os
import poplib
import re
import smtplib
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = "melouvert-test"
PORTS = {"25": "smtp", "587": "smtp", "465": "smtp", "110": "pop3", "995": "pop3"}
PASSWORD = "une phrase de passe"


def has_engine() -> bool:
    try:
        asked = ["docker", "compose", "version"], ["docker", "info"]
        return all(
            subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == 0
            for command in asked
        )
    except (OSError, subprocess.TimeoutExpired):
        return False


pytestmark = [
    pytest.mark.slow,
    pytest.mark.e2e,
    pytest.mark.heavy,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not has_engine(), reason="no Docker engine with compose answers here"),
]


class Compose:
    """`docker compose` for one project of its own."""

    def __init__(self, folder: Path) -> None:
        self.ports = free_ports()
        override = folder / "ports.yml"
        override.write_text(self._override(), "utf-8")
        self._command = [
            *("docker", "compose", "-p", PROJECT),
            *("-f", str(ROOT / "docker-compose.yml"), "-f", str(override)),
        ]
        self._environment = os.environ | {
            "MAIL_DOMAIN": "ac-essai.fr",
            "MAIL_HOSTNAME": "mail.ac-essai.fr",
            "MELOUVERT_VERSION": "test",
        }

    def __call__(self, *words: str, stdin: str = "") -> str:
        done = subprocess.run(
            [*self._command, *words],
            cwd=ROOT,
            env=self._environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _override(self) -> str:
        lines = ["services:"]
        for door in ("smtp", "pop3"):
            lines += [f"  {door}:", "    ports: !override"]
            lines += [
                f'      - "127.0.0.1:{self.ports[inside]}:{inside}"'
                for inside, owner in PORTS.items()
                if owner == door
            ]
        return "\n".join(lines) + "\n"


def free_ports() -> dict[str, int]:
    with ExitStack() as held:
        sockets = {inside: held.enter_context(socket.socket()) for inside in PORTS}
        for sock in sockets.values():
            sock.bind(("127.0.0.1", 0))
        return {inside: sock.getsockname()[1] for inside, sock in sockets.items()}


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    up = Compose(tmp_path_factory.mktemp("compose"))
    up("down", "--volumes")
    try:
        up("up", "-d", "--wait", "--build")
        yield up
    finally:
        up("down", "--volumes")


def test_every_container_is_healthy_and_nobody_is_root(compose: Compose) -> None:
    states = [json.loads(line) for line in compose("ps", "--format", "json").splitlines()]
    assert {state["Service"]: state["Health"] for state in states} == {
        "smtp": "healthy",
        "pop3": "healthy",
        "keeper": "healthy",
    }
    assert compose("exec", "-T", "smtp", "id", "-u").strip() == "10001"


def test_the_log_prints_the_line_that_makes_the_first_account(compose: Compose) -> None:
    log = compose("logs", "--no-log-prefix", "init")
    assert "IN MX 10 mail.ac-essai.fr." in log
    line = re.search(r"mailserver (account add pnom [^\n]*)", log)
    assert line is not None
    assert "--password-stdin" in line[1]


def test_a_message_goes_in_by_submission_and_out_by_pop3(compose: Compose) -> None:
    add = "mailserver account add pdurand --address paul.durand@ac-essai.fr --name Paul"
    compose("exec", "-T", "smtp", *add.split(), "--password-stdin", stdin=PASSWORD + "\n")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # a container makes itself a self-signed one
    with smtplib.SMTP("127.0.0.1", compose.ports["587"], timeout=30) as smtp:
        smtp.starttls(context=context)
        smtp.login("pdurand", PASSWORD)
        smtp.sendmail(
            "paul.durand@ac-essai.fr",
            ["paul.durand@ac-essai.fr"],
            b"From: paul.durand@ac-essai.fr\r\nSubject: en boite\r\n\r\ndans un conteneur\r\n",
        )
    pop3 = poplib.POP3_SSL("127.0.0.1", compose.ports["995"], timeout=30, context=context)
    pop3.user("pdurand")
    pop3.pass_(PASSWORD)
    assert b"dans un conteneur" in pop3.retr(1)[1]
    pop3.quit()


def test_a_gateway_in_front_of_everybody_is_told(compose: Compose) -> None:
    for _ in range(60):
        smtplib.SMTP("127.0.0.1", compose.ports["25"], timeout=30).quit()
    told = "every recent client came from one private address"
    for _ in range(120):
        if told in compose("exec", "-T", "smtp", "mailserver", "status", "--door", "smtp"):
            return
    pytest.fail("status does not say that the addresses are a gateway's")
