"""Started as root, the service gives up root: a real one, with every door, as `nobody`."""

from __future__ import annotations

import os
import poplib
import pwd
import shutil
import signal
import smtplib
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import mailserver
from mailserver.settings.service_user import cannot_enter
from mailserver.setup.certificate import issue
from mailserver.supervisor.interpreter import python_command, python_environment
from tests.cli.test_run import PORTS, Running
from tests.crash.family import read_family
from tests.supervisor.service import ports_of, wait_until

USER = "nobody"
NUMEN = "13E0245678ABC"
_SECRET = "what a service manager was given"


def _why_not() -> str:
    if os.geteuid() != 0:
        return "only root can give up root"
    try:
        entry = pwd.getpwnam(USER)
    except KeyError:
        return f"needs a user {USER}"
    place = cannot_enter(Path(mailserver.__file__).parent, entry.pw_uid, entry.pw_gid)
    return f"{USER} cannot read {place}" if place else ""


pytestmark = [
    pytest.mark.slow,
    pytest.mark.e2e,
    pytest.mark.skipif(bool(_why_not()), reason=_why_not()),
]


def mailserver_command(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        python_command("mailserver.cli.main", *words),
        env=python_environment(),
        input=stdin,
        capture_output=True,
        text=True,
        umask=0o077,
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def service() -> Iterator[Path]:
    """A service that root made for `nobody`, in a folder that everybody may enter."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    file = folder / "mailserver.toml"
    mailserver_command("init", str(folder), "--domain", "a.test", "--high-ports", "--user", USER)
    mailserver_command(
        *("account", "add", "fmarot", "--address", "frederic.marot@a.test", "--name", "F"),
        *("--numen-stdin", "--config", str(file)),
        stdin=NUMEN,
    )
    yield file
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def running(service: Path) -> Iterator[Running]:
    started = Running(service, A_PASSWORD=_SECRET)
    yield started
    if started.process.poll() is None:
        started.process.kill()
    started.process.communicate(timeout=30)


@pytest.fixture(scope="module")
def ports(running: Running) -> dict[str, int]:
    """Listener -> port, of the service that is ready."""
    return ports_of(running.wait_for("ready"))


def status_of(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def test_only_the_supervisor_stays_root(running: Running, ports: dict[str, int]) -> None:
    assert ports
    user_id = str(pwd.getpwnam(USER).pw_uid)
    others = [one for one in read_family(running.process.pid) if one.pid != running.process.pid]
    assert len(others) > 5
    for member in others:
        status = status_of(member.pid)
        assert set(status["Uid"].split()) == {user_id}
        assert status["Groups"] == ""
        assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
        assert status["NoNewPrivs"] == "1"
        environment = Path(f"/proc/{member.pid}/environ").read_bytes()
        assert _SECRET.encode() not in environment
        assert b"MAILSERVER_" not in environment


def test_every_door_works_with_keys_that_its_workers_cannot_read(
    service: Path, ports: dict[str, int]
) -> None:
    for key in (service.parent / "tls/key.pem", service.parent / "numen.key"):
        assert key.stat().st_uid == 0
        assert key.stat().st_mode & 0o077 == 0
    trust = ssl.create_default_context(cafile=str(service.parent / "tls/certificate.pem"))
    me = "frederic.marot@a.test"
    letter = f"From: {me}\r\n\r\n".encode() + b"large enough for a file\r\n" * 20_000
    with smtplib.SMTP_SSL("localhost", ports["submissions"], context=trust) as smtp:
        smtp.login("fmarot", NUMEN)
        assert smtp.sendmail(me, [me], letter) == {}
    pop3 = poplib.POP3_SSL("localhost", ports["pop3s"], context=trust)
    pop3.user("fmarot")
    pop3.pass_(NUMEN)
    assert pop3.stat()[0] == 1
    pop3.quit()


def test_all_that_is_in_the_store_is_the_users(service: Path, ports: dict[str, int]) -> None:
    assert ports
    mailserver_command("status", "--config", str(service), "--json")
    mailserver_command(
        *("account", "add", "jmartin", "--address", "jeanne.martin@a.test", "--name", "J"),
        *("--numen-stdin", "--config", str(service)),
        stdin="17E0200001ABC",
    )
    store = service.parent / "store"
    user_id = pwd.getpwnam(USER).pw_uid
    found = [store, *store.rglob("*")]
    assert len(found) > 5
    assert {path for path in found if path.stat().st_uid != user_id} == set()
    assert {path for path in found if path.stat().st_mode & 0o077} == set()


def test_a_renewed_certificate_that_is_roots_is_served(
    service: Path, running: Running, ports: dict[str, int]
) -> None:
    folder = service.parent / "tls"
    for name in ("certificate.pem", "key.pem"):
        (folder / name).unlink()
    issue(["localhost"]).write(folder / "certificate.pem", folder / "key.pem")
    running.process.send_signal(signal.SIGHUP)
    running.wait_for("reloaded")
    trust = ssl.create_default_context(cafile=str(folder / "certificate.pem"))

    def is_served() -> bool:
        try:
            poplib.POP3_SSL("localhost", ports["pop3s"], context=trust, timeout=5).quit()
            smtplib.SMTP_SSL("localhost", ports["submissions"], context=trust, timeout=5).quit()
        except ssl.SSLError:
            time.sleep(0.1)
            return False
        return True

    wait_until(is_served)


def test_root_may_not_serve_strangers(service: Path) -> None:
    service.write_text(service.read_text().replace(f'user = "{USER}"', '#user = ""'))
    done = subprocess.run(
        python_command("mailserver.cli.main", "run", "--config", str(service)),
        env={**python_environment(), **PORTS, "MAILSERVER_SMTP__MX": "0.0.0.0:0"},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 2
    assert "service.user: root is to serve 0.0.0.0" in done.stderr
