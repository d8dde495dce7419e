"""From swaks over our submission to a real Postfix, by a smarthost that wants a password and by
DANE, and what `trace`, `queue`, `route` and `status` say of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.test_run import NUMEN, Running
from tests.programs import needs_program
from tests.smtp_relay.delivery import provider
from tests.smtp_relay.delivery.client.test_trust import key_of, leaf
from tests.smtp_relay.delivery.dns import signed
from tests.supervisor.service import ports_of, wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.e2e,
    *map(needs_program, ("swaks", "postfix", "dovecot", "knotd", "unbound")),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may start a private Postfix"),
]
ME = "frederic.marot@a.test"
MX = "mx1.signed.test"
ZONE = """
@ MX 10 mx1
mx1 A 127.0.0.1
_{port}._tcp.mx1 TLSA 3 1 1 {digest}
wrong MX 10 mx2
mx2 A 127.0.0.1
_{port}._tcp.mx2 TLSA 3 1 1 {other}
"""
ROUTE = """
[[routes]]
name = "{name}"
recipient_domains = ["{domain}"]
via = "smarthost"
host = "127.0.0.1"
port = {port}
user_name = "melouvert"
password_file = "{name}.password"
"""


@dataclass(frozen=True)
class World:
    file: Path
    submission: int
    postfix: provider.Provider

    def swaks(self, *recipients: str) -> str:
        """The id under which our service took the message."""
        command = ["swaks", "--server", f"127.0.0.1:{self.submission}", "--tls"]
        command += ["--auth", "PLAIN", "--auth-user", "fmarot", "--auth-password", NUMEN]
        command += ["--from", ME, "--to", ",".join(recipients)]
        sent = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert sent.returncode == 0, sent.stdout
        found = re.search(r"250 2\.0\.0 Ok: ([a-z2-7]{24})", sent.stdout)
        assert found is not None
        return found[1]


@pytest.fixture
def world(service: Path, run: Run, tmp_path: Path) -> Iterator[World]:
    added = run(
        *("account", "add", "fmarot", "--address", ME, "--name", "F", "--numen-stdin"),
        *("--config", service),
        stdin=NUMEN.encode(),
    )
    assert added.status == 0, added.err
    with provider.running("127.0.0.1", MX) as postfix:
        digest = hashlib.sha256(key_of(leaf(postfix.certificate))).hexdigest()
        zone = ZONE.format(port=postfix.port, digest=digest, other="ab" * 32)
        (tmp_path / "dns").mkdir()
        with signed.running(tmp_path / "dns", signed=zone) as names:
            for name, password in (("good", provider.PASSWORD), ("bad", "wrong")):
                file = service.parent / f"{name}.password"
                file.write_text(password)
                file.chmod(0o600)
            text = ROUTE.format(name="good", domain="elsewhere.test", port=postfix.port)
            text += ROUTE.format(name="bad", domain="other.test", port=postfix.port)
            service.write_text(service.read_text() + text)
            running = Running(
                service,
                MAILSERVER_DNS__SERVERS=f"127.0.0.1:{names.resolver_port}",
                MAILSERVER_DNS__VALIDATES="yes",
                MAILSERVER_DELIVERY__PORT=str(postfix.port),
                MAILSERVER_DELIVERY__INTERNAL_NETWORKS="127.0.0.0/8",
                SSL_CERT_FILE=str(postfix.authority),
            )
            try:
                ports = ports_of(running.wait_for("ready"))
                yield World(service, ports["submission"], postfix)
            finally:
                running.stop()


def test_what_a_person_sends_elsewhere_arrives_at_real_servers_and_trace_tells_how(
    world: World, run: Run
) -> None:
    message = world.swaks(
        "a@elsewhere.test", "b@other.test", "jean@signed.test", "c@wrong.signed.test"
    )

    def told(copy_no: int) -> str:
        return run("trace", f"{message}:{copy_no}", "--config", world.file).out

    def is_tried(copy_no: int) -> bool:
        return any(word in told(copy_no) for word in ("relayed by", "deferred by"))

    wait_until(lambda: all(map(is_tried, range(4))))
    at = rf"\[127\.0\.0\.1\]:{world.postfix.port}"
    tls = r"TLSv1\.3 TLS_AES_256_GCM_SHA384"
    verified = r"certificate verified \(route good: it has a password\)"
    queued = r"250 2\.0\.0 Ok: queued as \w+"
    assert re.search(rf"relayed by 127\.0\.0\.1 {at}, {tls}, {verified}: {queued}", told(0))
    assert re.search(rf"deferred by 127\.0\.0\.1 {at}: 4\.7\.8 AUTH: the user name or the", told(1))
    assert re.search(rf"relayed by mx1\.signed\.test {at}, {tls}, DANE: {queued}", told(2))
    assert re.search(
        r"deferred by mx2\.signed\.test .* no TLSA record names its certificate", told(3)
    )
    (landed,) = world.postfix.mailbox.iterdir()
    assert landed.read_bytes().startswith(b"Return-Path: <frederic.marot@a.test>\n")
    assert landed.read_bytes().count(b"DKIM-Signature: ") == 2
    by_address = run("trace", "jean@signed.test", "--config", world.file).out
    assert "accepted from fmarot <frederic.marot@a.test> [127.0.0.1]" in by_address
    waiting = run("queue", "destinations", "--json", "--config", world.file).out
    errors = {
        one["destination"]: one["last_error"] for one in map(json.loads, waiting.splitlines())
    }
    assert "535 5.7.8" in errors["route:bad"]
    wait_until(lambda: "DANE      on" in run("status", "--config", world.file).out)
