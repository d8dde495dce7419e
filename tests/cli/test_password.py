"""`mailserver password`, `recovery` and `account history`, typed, over a real store."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
from pathlib import Path

import pytest
from passlib.context import CryptContext

from mailserver.auth import passwords
from mailserver.auth.backend import StoreBackend
from mailserver.auth.gate import Granted, is_over
from mailserver.auth.numen_key import load_key
from mailserver.cli.directory.subjects import by_whom
from mailserver.cli.main import main
from mailserver.recovery.letters import Post, RecoveryLetter
from mailserver.supervisor.interpreter import python_command, python_environment
from mailserver.values.secret import Secret
from tests.auth.conftest import CHEAP
from tests.cli.conftest import Run, Said
from tests.cli.queued import store_of

pytestmark = pytest.mark.slow
NUMEN = "17E0200001ABC"
OLD, NEW, NEWER = "tournesol jaune vif", "coquelicot rouge sang", "bleuet des champs"
UNITS = """code;type;nature;rattachement;nom;ville
AC;academie;;;Académie d'Exemple;Poitiers
0170705Z;etablissement;ecole;AC;École Jules Ferry;Saintes
0170706A;etablissement;ecole;AC;École du Port;La Rochelle
"""
PEOPLE = f"""id;prenom;nom;numen;uai;fonction
1;Jeanne;Martin;{NUMEN};0170705Z;enseignante
2;Paul;Noir;17E0200002ABC;0170705Z;directeur
3;Zoé;Lamar;17E0200003ABC;0170706A;enseignante
"""


class Town:
    """A service with two schools.  `typed` is a command that goes well, `refused` another one."""

    def __init__(self, service: Path, run: Run, letters: list[RecoveryLetter]) -> None:
        self.service = service
        self.letters = letters
        self._run = run

    def typed(self, *words: str, lines: str = "") -> str:
        said = self.run(*words, lines=lines)
        assert said.status == 0, (words, said)
        return said.out

    def refused(self, *words: str, lines: str = "") -> str:
        said = self.run(*words, lines=lines)
        assert said.status == 2, (words, said)
        assert len(said.err.splitlines()) == 1, said.err
        return said.err

    def run(self, *words: str, lines: str = "") -> Said:
        return self._run(*words, "--config", self.service, stdin=lines.encode())

    def opens(self, identifier: str, password: str) -> bool:
        with store_of(self.service) as store:
            backend = StoreBackend(store, numen_key=load_key(self.service.parent / "numen.key"))
            return backend.verify(backend.look_up(identifier), Secret(password.encode()))

    def session(self, identifier: str = "jmartin") -> Granted:
        """What a door holds of a session that is open."""
        with store_of(self.service) as store:
            sign_in = store.accounts.find_sign_in(identifier)
        assert sign_in is not None
        return Granted(
            account_id=sign_in.account_id,
            identifier=identifier,
            inbox_id=sign_in.inbox_id,
            must_change=False,
            version=sign_in.credential.version,
        )

    def has_ended(self, session: Granted) -> bool:
        with store_of(self.service) as store:
            return is_over(store.accounts, session, now_s=0.0)

    def code_for(self, to: str) -> str:
        """The one of the last letter to this address."""
        text = next(one.text for one in reversed(self.letters) if one.to == to)
        return str(re.findall(r"\b[A-Z0-9]{4}-[A-Z0-9]{4}\b", text)[0])

    def prove(self, identifier: str = "jmartin", address: str = "jeanne@ailleurs.example") -> None:
        self.typed("recovery", "set", identifier, address)
        self.typed("recovery", "prove", identifier, lines=self.code_for(address) + "\n")

    def history(self, identifier: str = "jmartin") -> list[tuple[str, str]]:
        """What, by whom; the latest first."""
        lines = self.typed("account", "history", identifier, "--json").splitlines()
        return [(one["what"], one["by"]) for one in map(json.loads, lines)]


@pytest.fixture
def town(service: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Town:
    """`jmartin` and `pnoir` at one school, with NUMENs; letters are accepted, and kept here."""
    monkeypatch.setattr(passwords, "CONTEXT", CryptContext(schemes=["argon2"], **CHEAP))
    letters: list[RecoveryLetter] = []
    send = Post.send

    def keeping(post: Post, letter: RecoveryLetter, *, now_s: float) -> bool:
        letters.append(letter)
        return send(post, letter, now_s=now_s)

    monkeypatch.setattr(Post, "send", keeping)
    town = Town(service, run, letters)
    files = [service.parent / "units.csv", service.parent / "people.csv"]
    for file, text in zip(files, (UNITS, PEOPLE), strict=True):
        file.write_text(text, encoding="utf-8")
    town.typed("directory", "apply", *map(str, files), "--out", str(service.parent / "a.plan"))
    return town


def test_a_password_is_changed_with_the_old_one_from_a_pipe(town: Town) -> None:
    said = town.typed("password", "change", "jmartin", lines=f"{NUMEN}\n{OLD}\n")
    assert said == "jmartin: password changed\n"
    session = town.session()
    town.typed("password", "change", "jeanne.martin@a.test", lines=f"{OLD}\r\n{NEW}\r\n")
    assert town.opens("jmartin", NEW)
    assert not town.opens("jmartin", OLD)
    assert town.has_ended(session)
    assert town.history()[0] == ("password changed", "jmartin")


def test_a_change_that_cannot_be_is_one_line_and_changes_nothing(town: Town) -> None:
    for lines, says in {
        f"{OLD}\n{NEW}\n": "n'est pas celui-là",
        f"{NUMEN}\ncourt\n": "au moins 10",
        f"{NUMEN}\njmartin jmartin\n": "identifiant",
        f"{NUMEN}\nmotdepasse2026\n": "courants",
        f"{NUMEN}\n{NUMEN}\n": "déjà",
        f"{NUMEN}\n": "New password: nothing came",
        "": "Old password: nothing came",
        f"{'x' * 5000}\n{NEW}\n": "too long",
    }.items():
        assert says in town.refused("password", "change", "jmartin", lines=lines)
    assert town.opens("jmartin", NUMEN)


def test_an_account_whose_password_is_its_name_is_not_made(town: Town) -> None:
    words = ("account", "add", "jneuf", "--name", "Jean Neuf", "--address", "jean.neuf@a.test")
    for password in ("jean.neuf!!", "Jean Neuf 1", "jneuf jneuf"):
        said = town.refused(*words, "--password-stdin", lines=f"{password}\n")
        assert "the name or the address" in said
    assert "jneuf" not in town.typed("account", "list")


def test_an_unknown_identifier_gets_the_answer_of_a_known_one(town: Town) -> None:
    wrong = f"{OLD}\n{NEW}\n"
    assert town.refused("password", "change", "inconnu", lines=wrong) == town.refused(
        "password", "change", "jmartin", lines=wrong
    )
    assert town.typed("recovery", "request", "inconnu") == town.typed(
        "recovery", "request", "jmartin"
    )
    for words in ((), ("--with-numen",)):
        lines = f"{NUMEN}\n{NEW}\n" if words else f"{NEW}\n"
        said = {
            town.refused("recovery", "use", name, *words, lines=f"aaaa-aaaa\n{lines}")
            for name in ("inconnu", "jmartin", "zlamar")
        }
        assert len(said) == 1


def test_a_mailed_code_lets_back_in_once_and_the_old_address_is_told(town: Town) -> None:
    town.prove()
    session = town.session()
    town.typed("recovery", "request", "jmartin")
    code, use = town.code_for("jeanne@ailleurs.example"), ("recovery", "use", "jmartin")
    assert "courants" in town.refused(*use, lines=f"{code}\nmotdepasse2026\n")
    town.typed(*use, lines=f"{code}\n{NEW}\n")
    assert town.opens("jmartin", NEW)
    assert town.has_ended(session)
    assert "demandez-en un autre" in town.refused(*use, lines=f"{code}\n{NEWER}\n")
    assert town.letters[-1].subject == "Le mot de passe de jmartin a été changé"
    assert {one.to for one in town.letters[-2:]} == {
        "jeanne@ailleurs.example",
        "jeanne.martin@a.test",
    }
    assert town.history()[:4] == [
        ("password changed", "jmartin"),
        ("code sent", "service"),
        ("recovery address proved", by_whom()),
        ("recovery address asked for", by_whom()),
    ]


def test_too_many_requests_are_refused_for_any_name_alike(town: Town) -> None:
    for name in ("jmartin", "inconnu"):
        for _ in range(5):
            town.typed("recovery", "request", name)
        assert "réessayez dans une heure" in town.refused("recovery", "request", name)


def test_a_code_that_expired_is_refused(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILSERVER_PASSWORDS__HANDED_CODE_DAYS", "0.0000001")
    code = town.typed("password", "code", "jmartin").strip()
    said = town.refused(
        "recovery", "use", "jmartin", "--with-numen", lines=f"{code}\n{NUMEN}\n{NEW}\n"
    )
    assert "demandez-en un autre" in said


def test_a_correspondent_hands_out_a_code_for_their_own_unit(town: Town) -> None:
    assert "ne pouvez pas" in town.refused("password", "code", "jmartin", "--by", "pnoir")
    town.typed("directory", "correspondent", "add", "pnoir", "--unit", "0170705Z")
    code = town.typed("password", "code", "jmartin", "--by", "pnoir").strip()
    assert "ne pouvez pas" in town.refused("password", "code", "zlamar", "--by", "pnoir")
    assert "no such account" in town.refused("password", "code", "zlamar", "--by", "inconnu")
    use = ("recovery", "use", "jmartin")
    assert "demandez-en un autre" in town.refused(*use, lines=f"{code}\n{NEW}\n")
    town.typed(*use, "--with-numen", lines=f"{code}\n{NUMEN.lower()}\n{NEW}\n")
    assert town.opens("jmartin", NEW)
    assert town.history()[:2] == [
        ("password changed", "jmartin"),
        ("code handed out", f"pnoir, {by_whom()}"),
    ]


def test_a_school_gets_back_in_with_a_code_alone(town: Town) -> None:
    code = town.typed("password", "code", "0170705z").strip()
    town.typed("recovery", "use", "ce.0170705@a.test", lines=f"{code.upper()}\n{NEW}\n")
    assert town.opens("0170705z", NEW)


def test_a_recovery_address_is_shown_replaced_and_removed(town: Town) -> None:
    assert town.typed("recovery", "show", "jmartin") == "jmartin: none\n"
    town.prove()
    assert "jeanne@ailleurs.example, proved 20" in town.typed("recovery", "show", "jmartin")
    town.prove(address="jeanne@maison.example")
    assert town.letters[-1].to == "jeanne@ailleurs.example"
    town.typed("recovery", "remove", "jmartin")
    assert town.letters[-1].to == "jeanne@maison.example"
    for address, says in {"jeanne": "marie@example.org", "pnoir@a.test": "ailleurs"}.items():
        assert says in town.refused("recovery", "set", "jmartin", address)
    assert "demandez-en un autre" in town.refused(
        "recovery", "prove", "jmartin", lines="aaaa-aaaa\n"
    )
    assert "Il n'y a pas ce compte" in town.refused("recovery", "show", "inconnu")


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (("password", "reset", "jmartin"), f"{NEW}\n"),
        (("account", "passwd", "jmartin", "--password-stdin"), f"{NEW}\n"),
        (("account", "passwd", "jmartin", "--numen-stdin"), f"{NUMEN}\n"),
    ],
    ids=["reset", "passwd", "passwd --numen-stdin"],
)
def test_an_administrators_password_ends_sessions_and_is_told_and_noted(
    town: Town, words: tuple[str, ...], lines: str
) -> None:
    town.prove()
    session = town.session()
    town.typed(*words, lines=lines)
    assert town.has_ended(session)
    assert "par l'administration" in town.letters[-1].text
    assert town.history()[0] == ("password changed", by_whom())
    shown = json.loads(town.typed("account", "show", "jmartin", "--json"))
    assert shown["must_change_password"] is (words[1:] != ("passwd", "jmartin", "--password-stdin"))


def test_the_history_shows_acts_log_ins_and_failures(town: Town) -> None:
    town.refused("password", "change", "jmartin", lines=f"{OLD}\n{NEW}\n")
    town.typed("account", "suspend", "jmartin")
    town.typed("account", "resume", "jmartin")
    told = town.history()
    assert told[0] == ("suspension ended", by_whom())
    assert told[1] == ("suspended", by_whom())
    assert told[2] == ("log-in failed", "")
    assert told[-1][0] == "created"
    (line,) = town.typed("account", "history", "jmartin", "--limit", "1").splitlines()
    assert line.endswith(f"suspension ended by {by_whom()}")


def test_a_lost_key_is_told_in_one_line_and_not_made_again(town: Town) -> None:
    key = town.service.parent / "numen.key"
    key.unlink()
    add = ("account", "add", "neuf", "--name", "N", "--address", "neuf@a.test")
    for words in (("password", "code", "jmartin"), (*add, "--numen-stdin")):
        said = town.run(*words, lines=f"{NUMEN}\n")
        assert said.status == 1
        assert "put back the copy" in said.err
    assert not key.exists()
    assert "neuf" not in town.typed("account", "list")
    key.write_text("ff" * 32)
    said = town.run("password", "change", "jmartin", lines=f"{NUMEN}\n{NEW}\n")
    assert said.status == 1
    assert "another one" in said.err


def test_status_and_config_check_tell_what_a_lost_key_means(town: Town) -> None:
    key = town.service.parent / "numen.key"
    kept = key.read_bytes()
    ways = (("config", "check", "--json"), ("status", "--door", "keeper", "--json"))

    def told() -> str:
        checked, status = (json.loads(town.run(*words).out) for words in ways)
        (finding,) = [one for one in checked if one["key"] == "auth.numen_key"]
        assert finding["level"] == "warning"
        assert finding["sentence"] in status["warnings"]
        return str(finding["sentence"])

    key.unlink()
    assert "put back the copy that you keep apart, and restart" in told()
    assert "3 accounts that never chose a password cannot sign in" in told()
    assert told().endswith("If there is no copy, `mailserver password new-key`")
    said = town.typed("password", "new-key")
    assert "3 accounts need another first password" in said
    assert f"{key} is there" in town.refused("password", "new-key")
    assert "not the key of the NUMENs that are kept" in told()
    town.typed("account", "passwd", "jmartin", "--numen-stdin", lines=f"{NUMEN}\n")
    assert town.opens("jmartin", NUMEN)
    assert "2 accounts" in told()

    key.write_bytes(kept)
    town.typed("account", "passwd", "jmartin", "--numen-stdin", lines=f"{NUMEN}\n")
    assert json.loads(town.typed("config", "check", "--json")) == []


def test_new_passwords_are_typed_twice_at_a_terminal(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    def typed(*answers: str) -> int:
        waiting = iter(answers)
        monkeypatch.setattr("sys.stdin", Terminal())
        monkeypatch.setattr("getpass.getpass", lambda _prompt: next(waiting))
        return main(["password", "change", "jmartin", "--config", str(town.service)])

    assert typed(NUMEN, NEW, NEWER) == 2
    assert town.opens("jmartin", NUMEN)
    assert typed(NUMEN, NEW, NEW) == 0
    assert town.opens("jmartin", NEW)


def test_a_terminal_never_shows_what_is_typed(town: Town) -> None:
    parent_fd, child_fd = pty.openpty()
    command = python_command("mailserver.cli.main", "password", "change", "jmartin")
    with subprocess.Popen(
        [*command, "--config", str(town.service)],
        stdin=child_fd,
        stdout=child_fd,
        stderr=child_fd,
        env={**os.environ, **python_environment()},
        start_new_session=True,  # without a terminal of its own: it asks on these three
    ) as running:
        os.close(child_fd)
        seen = b""
        for prompt, answer in ((b"Old", NUMEN), (b"New", NEW), (b"again", NEW)):
            while prompt not in seen:
                seen += os.read(parent_fd, 4096)
            os.write(parent_fd, answer.encode() + b"\n")
        while b"changed" not in seen and running.poll() is None:
            seen += os.read(parent_fd, 4096)
        assert running.wait(60) == 0, seen
    os.close(parent_fd)
    for secret in (NUMEN, NEW):
        assert secret.encode() not in seen
    assert town.opens("jmartin", NEW)


def test_a_person_who_is_renamed_keeps_mailbox_password_and_old_addresses(town: Town) -> None:
    with store_of(town.service) as store:
        before = store.accounts.find_sign_in("jmartin")
    words = ("account", "rename", "jmartin", "--given-name", "Jeanne", "--surname", "Durand")
    said = town.typed(*words, "--address", "jeanne.durand@a.test")
    assert said == "jmartin: Jeanne Durand, jeanne.durand@a.test, jeanne.martin@a.test\n"
    with store_of(town.service) as store:
        for name in ("jmartin", "jeanne.durand@a.test", "jeanne.martin@a.test"):
            after = store.accounts.find_sign_in(name)
            assert before is not None
            assert after is not None
            assert (after.inbox_id, after.credential) == (before.inbox_id, before.credential)
    assert town.opens("jeanne.durand@a.test", NUMEN)
    assert ("renamed", by_whom()) in town.history()
    taken = town.refused(*words, "--address", "paul.noir@a.test")
    assert "paul.noir@a.test" in taken


@pytest.mark.parametrize("words", [("prove", "jmartin"), ("use", "jmartin")])
def test_a_code_in_the_arguments_is_refused_and_not_repeated(
    town: Town, words: tuple[str, ...]
) -> None:
    said = town.refused("recovery", *words, "K7MF-2XQP", lines=f"{NEW}\n")
    assert "seen by every user of this machine" in said
    assert "K7MF" not in said


def test_no_command_takes_a_secret_as_an_argument_or_an_option() -> None:
    """Where one is wanted it comes from the keyboard or a pipe; names end so, or are a file's."""
    page = (Path(__file__).parents[2] / "docs/commands.md").read_text("utf-8")
    options = re.findall(r"^- `([^`]+)`:", page, re.MULTILINE)
    secret = re.compile(r"numen|passw|secret|token|\bpin\b|K7MF", re.IGNORECASE)
    named = {one for one in options if secret.search(one)}
    allowed = {"--password-stdin", "--numen-stdin", "--with-numen", "--without-numen-key"}
    assert named - allowed <= {"--numen-key OTHERDIR"}
    assert "- `CODE`: As it came" not in page
