"""A whole service on fixed ports of loopback, its log, and what `mailserver status` says of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trustme

from mailserver.cli.main import main
from mailserver.supervisor.interpreter import python_command, python_environment
from tests.ports import find_ports
from tests.supervisor.service import wait_until

LISTENERS = ("mx", "submission", "submissions", "pop3", "pop3s", "https")
KEYS = ("SMTP__MX", "SMTP__SUBMISSION", "SMTP__SUBMISSIONS", "POP3__POP3", "POP3__POP3S",
        "WEB__HTTPS")  # fmt: skip
STOP_WITHIN_S = 60.0


@dataclass(slots=True)
class Whole:
    """A folder with settings, and the service that runs from it."""

    folder: Path
    ports: dict[str, int]
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    _seen: int = field(default=0)

    @property
    def settings_file(self) -> Path:
        return self.folder / "mailserver.toml"

    @property
    def certificate(self) -> Path:
        return self.folder / "tls/certificate.pem"

    @property
    def key(self) -> Path:
        return self.folder / "tls/key.pem"

    def command(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """One `mailserver` command in a process of its own."""
        return subprocess.run(
            python_command("mailserver.cli.main", *words, "--config", str(self.settings_file)),
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def status(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.command("status", "--json").stdout)
        return told

    def findings(self) -> str:
        """What `status` found, a line each: level, key, sentence."""
        return "\n".join(
            f"{one['level']}: {one['key']}: {one['sentence']}" for one in self.status()["findings"]
        )

    def start(self, *, before: Callable[[], None] | None = None) -> None:
        log = (self.folder / "log").open("ab")
        with log:
            self.process = subprocess.Popen(
                python_command("mailserver.cli.main", "run", "--config", str(self.settings_file)),
                stdout=log,
                stderr=log,
                env=self.environment,
                preexec_fn=before,  # noqa: PLW1509 - limits of the child alone
            )

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_WITHIN_S)

    def log(self) -> list[dict[str, Any]]:
        """Every event so far."""
        lines = (self.folder / "log").read_text("utf-8", "replace").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def events(self, event: str, **facts: Any) -> list[dict[str, Any]]:
        return [
            line
            for line in self.log()
            if line.get("event") == event and facts.items() <= line.items()
        ]

    def wait_for(self, event: str, *, patience_s: float = 60.0, **facts: Any) -> dict[str, Any]:
        wait_until(lambda: bool(self.events(event, **facts)), patience_s=patience_s)
        return self.events(event, **facts)[-1]

    def workers(self, door: str) -> list[int]:
        """Process ids, by the names that they give themselves."""
        assert self.process is not None
        own = _descendants(self.process.pid)
        return sorted(
            pid for pid in own if _name(pid).startswith(f"{door} ") and _name(pid)[-1:].isdigit()
        )

    def named(self, name: str) -> list[int]:
        """Process ids of those with exactly this name."""
        assert self.process is not None
        return sorted(pid for pid in _descendants(self.process.pid) if _name(pid) == name)

    def certify(self, key_type: trustme.KeyType, authority: trustme.CA | None = None) -> bytes:
        """Write another certificate and its key; the certificate in DER."""
        import ssl

        issued = (authority or trustme.CA()).issue_cert(
            "mail.a.test", "localhost", "127.0.0.1", key_type=key_type
        )
        self.key.write_bytes(issued.private_key_pem.bytes())
        self.certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        return ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())


@contextmanager
def whole_service(folder: Path, **settings: str) -> Iterator[Whole]:
    """Made with `init`, not started; ended when the test is over."""
    assert main(["init", str(folder), "--domain", "a.test", "--high-ports"]) == 0
    ports = dict(zip(LISTENERS, find_ports(len(LISTENERS)), strict=True))
    places = {
        f"MAILSERVER_{key}": f"127.0.0.1:{ports[name]}"
        for key, name in zip(KEYS, LISTENERS, strict=True)
    }
    given = {f"MAILSERVER_{name}": value for name, value in settings.items()}
    quiet = {
        "MAILSERVER_SMTP__PROCESSES": "2",
        "MAILSERVER_POP3__PROCESSES": "1",
        "MAILSERVER_DELIVERY__DANE": "false",
        "MAILSERVER_STORE__MIN_FREE_MIB": "1",
    }
    environment = {**python_environment(), **places, **quiet, **given}
    whole = Whole(folder, ports, environment)
    try:
        yield whole
    finally:
        if whole.process is not None and whole.process.poll() is None:
            for pid in _descendants(whole.process.pid):
                os.kill(pid, signal.SIGCONT)
            if whole.stop() not in {0, -signal.SIGTERM}:
                raise AssertionError((folder / "log").read_text()[-4000:])


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _descendants(pid: int) -> set[int]:
    found: set[int] = set()
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(child) for child in path.read_text().split()]
        except OSError:
            continue
        for child in children:
            found |= {child, *_descendants(child)}
    return found
