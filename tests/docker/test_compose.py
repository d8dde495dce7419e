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
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from mailserver.keys.table import NEEDED, KeyKind
from mailserver.supervisor.doors import DOOR_MODULES
from tests.supervisor.service import wait_until

ROOT = Path(__file__).parents[2]
PROJECT = "melouvert-test"
PATIENCE_S = 60.0
PORTS = {"25": "smtp", "587": "smtp", "465": "smtp", "110": "pop3", "995": "pop3", "443": "web"}
PASSWORD = "une phrase de passe"
PEER = """\
  peer:
    image: melouvert:test
    entrypoint: [python3, -u, -m, aiosmtpd, --nosetuid, --listen, "0.0.0.0:2525"]
    stop_signal: SIGKILL
"""
"""A container beside the others stands for a server elsewhere: it prints what it gets."""
ROUTE = """
[[routes]]
name = "out"
recipient_domains = ["example.net"]
via = "smarthost"
host = "peer"
port = 2525
"""
PROVIDER = """
[[routes]]
name = "provider"
recipient_domains = ["example.org"]
via = "smarthost"
host = "peer"
user_name = "us"
password_file = "smarthosts/peer.txt"
"""
ADMIN = ("run", "--rm", "-T", "admin")
SHELL = ("run", "--rm", "-T", "--entrypoint", "sh", "admin")
PUT = "cat > new.toml && mailserver config check --config new.toml && mv new.toml mailserver.toml"


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

    def __init__(self, folder: Path, project: str = PROJECT) -> None:
        self.ports = free_ports()
        override = folder / "ports.yml"
        override.write_text(self._override(), "utf-8")
        self._command = [
            *("docker", "compose", "-p", project),
            *("-f", str(ROOT / "docker-compose.yml"), "-f", str(override)),
        ]
        self._environment = os.environ | {
            "MAIL_DOMAIN": "ac-essai.fr",
            "MAIL_HOSTNAME": "mail.ac-essai.fr",
            "MELOUVERT_VERSION": "test",
            "COMPOSE_PROFILES": "web",
            "WEB_HTTPS": "0.0.0.0:443",
            "WEB_URL": "https://mail.ac-essai.fr",
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
        for door in ("smtp", "pop3", "web"):
            lines += [f"  {door}:", "    ports: !override"]
            lines += [
                f'      - "127.0.0.1:{self.ports[inside]}:{inside}"'
                for inside, owner in PORTS.items()
                if owner == door
            ]
        return "\n".join(lines) + "\n" + PEER


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


def wait_for(said: Callable[[], str], wanted: str) -> str:
    """What was said, once it has the wanted words."""
    deadline_s = time.monotonic() + PATIENCE_S
    while wanted not in (words := said()) and time.monotonic() < deadline_s:
        time.sleep(0.5)
    assert wanted in words, words
    return words


def send(compose: Compose, recipient: str, text: bytes) -> None:
    """From Paul, by the submission port."""
    with smtplib.SMTP("127.0.0.1", compose.ports["587"], timeout=30) as smtp:
        smtp.starttls(context=any_certificate())
        smtp.login("pdurand", PASSWORD)
        head = b"From: paul.durand@ac-essai.fr\r\nSubject: en boite\r\n\r\n"
        smtp.sendmail("paul.durand@ac-essai.fr", [recipient], head + text + b"\r\n")


def any_certificate() -> ssl.SSLContext:
    """A container makes itself a self-signed one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def test_every_container_is_healthy_and_nobody_is_root(compose: Compose) -> None:
    states = [json.loads(line) for line in compose("ps", "--format", "json").splitlines()]
    health = {state["Service"]: state["Health"] for state in states}
    assert {name: word for name, word in health.items() if name != "peer"} == dict.fromkeys(
        DOOR_MODULES, "healthy"
    )
    assert compose("exec", "-T", "smtp", "id", "-u").strip() == "10001"


@pytest.mark.parametrize("door", DOOR_MODULES)
def test_a_container_reads_its_keys_writes_none_and_sees_no_others(
    compose: Compose, door: str
) -> None:
    files = {
        KeyKind.TLS: "tls/key.pem",
        KeyKind.DKIM: "dkim/mo1.pem",
        KeyKind.NUMEN: "numen/numen.key",
    }
    read = [f"cat {name}" for kind, name in files.items() if kind in NEEDED[door]]
    unseen = [f"! test -e {name}" for kind, name in files.items() if kind not in NEEDED[door]]
    unwritten = [f"! touch {name}" for name in ("x", "mailserver.toml", *files.values())]
    unwritten += ["! touch smarthosts/x" if KeyKind.SMARTHOST in NEEDED[door] else "true"]
    compose("exec", "-T", door, "sh", "-c", " && ".join([*read, *unseen, *unwritten]))


def test_status_knows_of_the_doors_in_other_containers(compose: Compose) -> None:
    said = compose("exec", "-T", "keeper", "mailserver", "status")
    assert "DOWN" not in said
    assert said.count("in another container") == 3


def test_the_log_prints_the_line_that_makes_the_first_account(compose: Compose) -> None:
    log = compose("logs", "--no-log-prefix", "init")
    assert "IN MX 10 mail.ac-essai.fr." in log
    line = re.search(r"mailserver (account add pnom [^\n]*)", log)
    assert line is not None
    assert "--password-stdin" in line[1]


def test_a_message_goes_in_by_submission_and_out_by_pop3(compose: Compose) -> None:
    add = "mailserver account add pdurand --address paul.durand@ac-essai.fr --name Paul"
    compose("exec", "-T", "smtp", *add.split(), "--password-stdin", stdin=PASSWORD + "\n")
    send(compose, "paul.durand@ac-essai.fr", b"dans un conteneur")
    port = compose.ports["995"]
    pop3 = poplib.POP3_SSL("127.0.0.1", port, timeout=30, context=any_certificate())
    pop3.user("pdurand")
    pop3.pass_(PASSWORD)
    assert b"dans un conteneur" in pop3.retr(1)[1]
    pop3.quit()


def test_a_route_that_is_put_into_the_settings_leads_elsewhere(compose: Compose) -> None:
    settings = compose("exec", "-T", "smtp", "cat", "mailserver.toml")
    compose(*SHELL, "-c", "umask 077; cat > smarthosts/peer.txt", stdin="geheim\n")
    compose(*SHELL, "-c", PUT, stdin=settings + ROUTE + PROVIDER)
    for door in DOOR_MODULES:
        compose("exec", "-T", door, "sh", "-c", "kill -HUP 1")
        wait_for(partial(compose, "logs", "--no-log-prefix", door), '"reloaded"')
    send(compose, "pierre@example.net", b"par la route")
    wait_for(partial(compose, "logs", "peer"), "par la route")
    trace = ("exec", "-T", "delivery", "mailserver", "trace", "pierre@example.net")
    wait_for(partial(compose, *trace), "relayed by peer")


def test_a_post_to_a_list_reaches_its_members(compose: Compose) -> None:
    mailserver = ("exec", "-T", "keeper", "mailserver", "list")
    compose(*mailserver, "add", "tous", "--owner", "pdurand")
    compose(*mailserver, "members", "tous", "--add", "pdurand")
    send(compose, "tous@ac-essai.fr", b"a tous")
    trace = ("exec", "-T", "smtp", "mailserver", "trace", "tous@ac-essai.fr")
    wait_for(partial(compose, *trace), "expanded")


def test_the_pages_under_https_answer(compose: Compose) -> None:
    page = f"https://127.0.0.1:{compose.ports['443']}/robots.txt"
    asked = urllib.request.Request(page, headers={"Host": "mail.ac-essai.fr"})
    with urllib.request.urlopen(asked, timeout=30, context=any_certificate()) as answer:
        assert b"Disallow" in answer.read()


def test_a_gateway_in_front_of_everybody_is_told(compose: Compose) -> None:
    for _ in range(60):
        smtplib.SMTP("127.0.0.1", compose.ports["25"], timeout=30).quit()
    status = ("exec", "-T", "smtp", "mailserver", "status", "--door", "smtp")
    wait_for(partial(compose, *status), "every recent client came from one private address")


def test_a_backup_is_restored_on_another_machine(compose: Compose, tmp_path: Path) -> None:
    for name in ("backup", "key"):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(0o777)  # user 10001 writes there
    mounts = [f"-v={tmp_path / name}:/{name}" for name in ("backup", "key")]
    once = ("run", "--rm", "-T", *mounts, "admin")
    compose(*once, "backup", "/backup/one", "--numen-key", "/key/apart")
    other = Compose(tmp_path, f"{PROJECT}-restored")
    try:
        other(*once, "restore", "/backup/one", "--to", ".", "--numen-key", "/key/apart")
        assert "en boite" in other(*ADMIN, "mailbox", "list", "pdurand")
        places = "mailserver.toml mail/store/mail.db numen/numen.key dkim/mo1.pem tls/key.pem"
        other(*SHELL, "-c", f"ls {places} smarthosts/peer.txt && ! ls numen.key store")
        assert "nothing would fail at start" in other(*ADMIN, "config", "check")
    finally:
        other("down", "--volumes")


def test_an_installation_with_everything_in_one_volume_is_separated(
    compose: Compose, tmp_path: Path
) -> None:
    """As it was before; nothing starts, or is made anew, until its keys have been moved."""
    name = f"{PROJECT}-before"
    other = Compose(tmp_path, name)
    volume = f"-v={name}_mail:/var/lib/melouvert"
    put = "umask 077; rmdir mail numen smarthosts; cat >> mailserver.toml; echo geheim > out.txt"
    image = ("docker", "run", "--rm", "-i", volume)
    try:
        subprocess.run(
            [*image, "melouvert:test", "init", ".", "--domain", "ac-essai.fr"], check=True
        )
        add = ["account", "add", "pdurand", "--address", "p@ac-essai.fr", "--name", "P"]
        subprocess.run(
            [*image, "melouvert:test", *add, "--numen-stdin"], input=b"17E0200001ABC\n", check=True
        )
        route = PROVIDER.replace("smarthosts/peer.txt", "out.txt").encode()
        subprocess.run(
            [*image, "--entrypoint", "sh", "melouvert:test", "-c", put], input=route, check=True
        )
        with pytest.raises(AssertionError):
            other("up", "-d", "--wait")
        assert "belongs to the service of" in other("logs", "--no-log-prefix", "init")
        script = (ROOT / "config/docker/separate.sh").read_text("utf-8")
        assert "are in their own volumes" in other(*SHELL, stdin=script)
        assert "nothing to do" in other(*SHELL, stdin=script)
        assert other(*SHELL, "-c", "ls -A mail").split() == ["store"]
        other(*SHELL, "-c", 'test "$(cat smarthosts/out.txt)" = geheim')
        other("up", "-d", "--wait", "smtp", "delivery", "keeper")
        assert "pdurand" in other(*ADMIN, "account", "list")
        assert "nothing would fail at start" in other(*ADMIN, "config", "check")
    finally:
        other("down", "--volumes")


def has_begun(container: str) -> bool:
    """Its first program blocks what it cannot hear yet; just before, the kernel drops it."""
    asked = ["docker", "inspect", "-f", "{{.State.Pid}}", container]
    pid = subprocess.check_output(asked, text=True).strip()
    try:
        status = Path(f"/proc/{pid}/status").read_text("utf-8")
    except OSError:  # the engine is on another machine
        return True
    return (
        "/env" not in os.readlink(f"/proc/{pid}/exe")
        or re.search(r"^SigBlk:\s+0*$", status, re.MULTILINE) is None
    )


@pytest.mark.parametrize("words", [("run", "--door", "keeper"), ("run", "--door", "web")])
def test_a_container_that_is_stopped_while_it_starts_stops_at_once(
    compose: Compose, words: tuple[str, ...]
) -> None:
    begun = compose("run", "-d", "--no-deps", "-T", "smtp", *words).strip()
    try:
        wait_until(partial(has_begun, begun))
        subprocess.run(["docker", "stop", "-t", "60", begun], check=True, timeout=30)
        code = subprocess.check_output(["docker", "inspect", "-f", "{{.State.ExitCode}}", begun])
        assert int(code) in {0, 143}
    finally:
        subprocess.run(["docker", "rm", "-f", begun], check=True, timeout=30)


def test_stopped_containers_have_drained(compose: Compose) -> None:
    compose("stop", *DOOR_MODULES)
    states = [json.loads(line) for line in compose("ps", "-a", "--format", "json").splitlines()]
    codes = {state["Service"]: state["ExitCode"] for state in states if state["Service"] != "peer"}
    assert codes == dict.fromkeys([*DOOR_MODULES, "init"], 0)
