"""The life of one person's account, from the import to the address that stays theirs.

The service runs; swaks writes, curl collects, pdftotext reads the letter.
"""

from __future__ import annotations

import signal
import smtplib
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mailserver.auth.numen_key import load_key
from mailserver.auth.numens import SLOW, numen_verifier
from mailserver.directory.deciding.moves import take_steps
from mailserver.settings.load import load_settings
from mailserver.store.open import open_store
from mailserver.store.ports.people import Life
from mailserver.store.ports.store import Store
from mailserver.supervisor.interpreter import python_command, python_environment
from tests.cli.conftest import Run
from tests.demo.conftest import free_ports
from tests.programs import needs_program

pytestmark = [pytest.mark.slow, pytest.mark.e2e, pytest.mark.timeout(240)]
DAY_S = 86_400.0
NUMEN = "17E0200001ABC"
UNITS = """code;type;nature;rattachement;nom;code postal;ville
AC;academie;;;Académie d'Exemple;;Poitiers
0170705Z;etablissement;ecole;AC;École Jules Ferry;17100;Saintes
0170706A;etablissement;ecole;AC;École du Port;17000;La Rochelle
"""
HEADERS = "id;prenom;nom;numen;uai;fonction;correspondant\n"
JEANNE = f"1;Jeanne;Martin;{NUMEN};0170705Z;enseignante;\n"
PAUL = "2;Paul;Noir;17E0200002ABC;0170706A;directeur;\n"
HOMONYM = "3;Jeanne;Martin;17E0200003ABC;0170706A;enseignante;\n"
THIRD = "4;Jeanne;Martin;17E0200004ABC;0170706A;enseignante;\n"
VETERAN = "veteran"
CURL_LOGIN_DENIED = 67
PATIENCE_S = 30.0


@dataclass
class Town:
    """A service that runs, and the programs of its people."""

    folder: Path
    ports: dict[str, int]
    run: Run
    log: list[bytes] = field(default_factory=list)

    def typed(self, *words: str | Path, status: int = 0, lines: tuple[str, ...] = ()) -> str:
        """`mailserver WORDS --config ...`: what it printed.  lines: what a pipe gives it."""
        stdin = "".join(f"{line}\n" for line in lines).encode()
        said = self.run(*words, "--config", self.folder / "mailserver.toml", stdin=stdin)
        assert said.status == status, (words, said)
        return said.out + said.err

    def import_people(self, name: str, *rows: str) -> None:
        file = self.folder / name
        file.write_text(HEADERS + "".join(rows), encoding="utf-8")
        self.typed("directory", "apply", file)

    def uidls(self, user: str, password: str) -> list[str] | None:
        """What curl finds over POP3S; None: it may not sign in."""
        port = self.ports["pop3.pop3s"]
        done = subprocess.run(
            [
                *("curl", "--silent", "--cacert", str(self.folder / "tls/certificate.pem")),
                *("--resolve", f"mail.a.test:{port}:127.0.0.1", "--user", f"{user}:{password}"),
                *("--request", "UIDL", f"pop3s://mail.a.test:{port}/"),
            ],
            capture_output=True,
            text=True,
            timeout=30,
        )
        if done.returncode == CURL_LOGIN_DENIED:
            return None
        assert done.returncode == 0, (done.returncode, done.stderr)
        return [line.split()[1] for line in done.stdout.splitlines() if line.split()]

    def write(self, to: str, *more: str) -> None:
        self._swaks("smtp.mx", "--from", "parent@b.test", "--to", to, *more)

    def submit(self, user: str, password: str, sender: str, *, to: str) -> None:
        signed_in = ("--tls-on-connect", "--auth-user", user, "--auth-password", password)
        self._swaks("smtp.submissions", "--from", sender, "--to", to, "--auth", "PLAIN", *signed_in)

    def _swaks(self, listener: str, *words: str) -> None:
        done = subprocess.run(
            ["swaks", "--server", f"127.0.0.1:{self.ports[listener]}", *words],
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert done.returncode == 0, done.stdout

    def rcpt(self, to: str) -> int:
        with smtplib.SMTP("127.0.0.1", self.ports["smtp.mx"], timeout=30) as smtp:
            smtp.ehlo("mx.b.test")
            smtp.mail("parent@b.test")
            return smtp.rcpt(to)[0]

    def open_store(self) -> Store:
        return open_store(load_settings(self.folder / "mailserver.toml"))


@pytest.fixture
def town(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    more = {key: value[0] for key, value in free_ports().items() if isinstance(value, list)}
    for key, value in more.items():
        monkeypatch.setenv("MAILSERVER_" + key.upper().replace(".", "__"), str(value))
    ports = {key: int(str(value).rpartition(":")[2]) for key, value in more.items()}
    town = Town(folder=tmp_path / "s", ports=ports, run=run)
    made = run("init", town.folder, "--domain", "a.test", "--high-ports")
    assert made.status == 0, made.err
    _import_before_the_start(town)
    running = subprocess.Popen(
        python_command(
            "mailserver.cli.main", "run", "--config", str(town.folder / "mailserver.toml")
        ),
        env=python_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert running.stdout is not None
    drain = threading.Thread(target=town.log.extend, args=(running.stdout,))
    drain.start()
    try:
        _wait_for(town, running)
        yield town
    finally:
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 0, b"".join(town.log).decode()[-4000:]
        drain.join()
        running.stdout.close()
    assert NUMEN.encode() not in b"".join(town.log)


def _import_before_the_start(town: Town) -> None:
    """Somebody whose NUMEN waits for the keeper."""
    store = town.open_store()
    account = store.accounts.add_account(
        identifier=VETERAN, name=VETERAN, addresses=[f"{VETERAN}@a.test"], now_s=time.time()
    )
    key = load_key(town.folder / "numen.key")
    verifier = numen_verifier("17E0200008ABC", key)
    store.accounts.write_credential(account.account_id, verifier=verifier, must_change=True)
    store.close()


def _wait_for_the_keeper(town: Town) -> None:
    """Until it has hashed the NUMEN that waited."""
    store = town.open_store()
    patient_until_s = time.monotonic() + PATIENCE_S
    while not (_verifier(store) or "").startswith(SLOW):
        assert time.monotonic() < patient_until_s, _verifier(store)
        threading.Event().wait(0.1)
    store.close()


def _verifier(store: Store) -> str | None:
    sign_in = store.accounts.find_sign_in(VETERAN)
    return None if sign_in is None else sign_in.credential.verifier


def _wait_for(town: Town, running: subprocess.Popen[bytes]) -> None:
    """Until the last of its ports takes connections."""
    patient_until_s = time.monotonic() + PATIENCE_S
    for port in town.ports.values():
        while True:
            assert running.poll() is None, b"".join(town.log).decode()
            assert time.monotonic() < patient_until_s, b"".join(town.log).decode()
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                threading.Event().wait(0.05)


@needs_program("swaks")
@needs_program("curl")
@needs_program("pdftotext")
def test_a_person_from_the_import_to_the_address_that_stays_reserved(town: Town) -> None:
    # Import, and a message before its owner ever signed in.
    (town.folder / "units.csv").write_text(UNITS, encoding="utf-8")
    town.typed("directory", "apply", town.folder / "units.csv")
    town.import_people("people.csv", JEANNE, PAUL)
    town.write("jeanne.martin@a.test")

    # Letters.
    pdf = town.folder / "letters.pdf"
    town.typed("directory", "letters", "--unit", "0170705", "--out", pdf)
    paper = _text_of(pdf)
    assert "jmartin" in paper
    assert NUMEN not in paper
    one_time = next(line for line in paper.splitlines() if "Mot de passe" in line).split()[-1]
    assert town.uidls("0170705z", one_time) == []

    # The first log-in, with the NUMEN, typed as on paper.
    first = town.uidls("jmartin", "17e 02 00001 abc")
    assert first is not None
    assert len(first) == 1

    _change_and_reset(town, first)
    _move_and_homonym(town, first)
    _hold_the_school(town)
    _departure(town)
    _wait_for_the_keeper(town)


def _change_and_reset(town: Town, uidls: list[str]) -> None:
    """Change with the old password; then a correspondent's code, together with the NUMEN."""
    changed, reset = "une phrase de passe à elle", "encore une autre phrase"
    town.typed("password", "change", "jmartin", lines=(NUMEN, changed))
    assert town.uidls("jmartin", NUMEN) is None
    told = town.uidls("jmartin", changed)
    assert told is not None
    assert told[0] == uidls[0]

    town.typed("directory", "correspondent", "add", "pnoir", "--unit", "0170705Z")
    code = town.typed("password", "code", "jmartin", "--by", "pnoir").strip()
    use = ("recovery", "use", "jmartin")
    town.typed(*use, lines=(code, reset), status=2)  # without the NUMEN
    town.typed(*use, "--with-numen", lines=(code, NUMEN, reset))
    assert town.uidls("jmartin", changed) is None
    assert town.uidls("jmartin", reset) is not None
    history = town.typed("account", "history", "jmartin")
    assert history.count("password changed by jmartin") == 2
    assert "log-in: pop3s from 127.0.0.1" in history
    assert NUMEN not in history


def _move_and_homonym(town: Town, uidls: list[str]) -> None:
    town.typed("directory", "move", "jmartin", "--to", "0170706A")
    assert town.rcpt("jeanne.martin@a.test") == 250
    assert "Jeanne Martin" in town.typed("directory", "show", "0170706A")
    town.import_people("homonym.csv", HOMONYM)
    shown = town.typed("directory", "search", "jeanne", "--with-hidden")
    assert "jeanne.martin2@a.test  jmartin2" in shown
    again = town.uidls("jmartin", "encore une autre phrase")
    assert again is not None
    assert again[0] == uidls[0]
    assert town.uidls("jmartin2", "17E0200003ABC") == []


def _hold_the_school(town: Town) -> None:
    """Paul signs in to the school's mailbox as himself, reads and writes; who says so may not."""
    held, own = "pnoir*ce.0170705z", PAUL.split(";")[3]
    town.write("ce.0170705@a.test")  # without the letter
    assert town.rcpt("ce.0170705a@a.test") == 550
    assert town.uidls(held, own) is None
    town.typed("directory", "holder", "add", "pnoir", "--of", "0170705Z")
    assert len(town.uidls(held, own) or ()) == 1
    town.submit(held, own, "ce.0170705z@a.test", to="jeanne.martin@a.test")

    town.typed("directory", "manager", "add", "pnoir", "--of", "jmartin")
    town.submit("pnoir", own, "paul.noir@a.test", to="jeanne.martin@a.test")
    town.write("jeanne.martin@a.test", "--header", "From: Paul Noir <paul.noir@a.test>")
    listed = town.typed("mailbox", "list", "jmartin")
    assert listed.count("paul.noir@a.test") == 2
    only = town.typed("mailbox", "list", "jmartin", "--from-correspondent")
    assert [line.count("[pnoir]") for line in only.splitlines()] == [1]

    town.typed("directory", "holder", "end", "pnoir", "--of", "0170705Z")
    assert town.uidls(held, own) is None
    history = town.typed("account", "history", "0170705z")
    for door in ("pop3s", "submissions"):
        assert f"log-in by pnoir: {door} from 127.0.0.1" in history
    journeys = town.typed("trace", "ce.0170705z@a.test")
    assert (
        "accepted from 0170705z, signed in by pnoir, <ce.0170705z@a.test> [127.0.0.1]" in journeys
    )


def _departure(town: Town) -> None:
    town.typed("directory", "retire", "jmartin", "--on", "2020-01-31")
    assert town.uidls("jmartin", "encore une autre phrase") is None
    assert town.rcpt("jeanne.martin@a.test") == 550
    store = town.open_store()
    try:
        count = take_steps(
            store.people,
            now_s=time.time() + 91 * DAY_S,
            left_s=90 * DAY_S,
            quarantine_s=5 * 365.25 * DAY_S,
            told=lambda doc, conflict: pytest.fail(f"{doc.identifier}: {conflict.words}"),
        )
        gone = store.people.find_person("jmartin")
        assert count == 1
        assert gone is None or gone.life is Life.GONE
    finally:
        store.close()
    refused = town.typed(
        *("account", "add", "autre", "--name", "Autre", "--numen-stdin"),
        *("--address", "jeanne.martin@a.test"),
        status=2,
        lines=("17E0200009ABC",),
    )
    assert "kept" in refused
    town.import_people("third.csv", THIRD)
    assert "jeanne.martin3@a.test  jmartin3" in town.typed(
        "directory", "search", "jeanne", "--with-hidden"
    )
    assert town.rcpt("jeanne.martin@a.test") == 550


def _text_of(pdf: Path) -> str:
    command = ["pdftotext", "-layout", str(pdf), "-"]
    return subprocess.run(command, capture_output=True, timeout=30, check=True).stdout.decode()
