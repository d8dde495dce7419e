"""Browsing, letters, holders, moves and mailboxes, typed."""

from __future__ import annotations

import json
import stat
import subprocess
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from mailserver.settings.load import load_settings
from mailserver.store.open import open_store
from mailserver.store.ports.people import Life
from mailserver.store.ports.shared.scratch import LastSeen
from mailserver.store.ports.store import Store
from tests.cli.conftest import Run, Said
from tests.programs import needs_program
from tests.store.letters import letter

pytestmark = pytest.mark.slow
UNITS = """code;type;nature;rattachement;nom;adresse;code postal;ville;telephone;site
AC;academie;;;Académie d'Exemple;;;Poitiers;;
0170705Z;etablissement;ecole;AC;École Jules Ferry;12 rue de l'Église;17100;Saintes;0546000000;
0170706A;etablissement;ecole;AC;École du Port;;17000;La Rochelle;;
"""
PEOPLE = """id;prenom;nom;numen;uai;fonction;liste rouge
1;Jeanne;Martin;17E0200001ABC;0170705Z;directrice;
2;Zoé;Lecœur;17E0200002ABC;0170705Z;enseignante;oui
3;Paul;Noir;17E0200003ABC;0170706A;directeur;
"""
NUMENS = ("17E0200001ABC", "17E0200002ABC", "17E0200003ABC")


@pytest.fixture
def school(service: Path, run: Run) -> Path:
    """The settings file of a service with two schools and three people."""
    folder = service.parent
    (folder / "units.csv").write_text(UNITS, encoding="utf-8")
    (folder / "people.csv").write_text(PEOPLE, encoding="utf-8")
    said = run(
        *("directory", "apply", folder / "units.csv", folder / "people.csv"),
        *("--out", folder / "a.plan", "--config", service),
    )
    assert said.status == 0, said
    return service


def typed(run: Run, school: Path, *words: str | Path, stdin: bytes = b"") -> Said:
    """A command that goes well."""
    said = run(*words, "--config", school, stdin=stdin)
    assert said.status == 0, (words, said)
    return said


def life_of(school: Path, identifier: str) -> Life:
    store = open_store(load_settings(school, {}))
    person = store.people.find_person(identifier)
    store.close()
    assert person is not None
    return person.life


# --- browsing ---------------------------------------------------------------------


def test_show_walks_down_the_tree(run: Run, school: Path) -> None:
    assert "AC  Académie d'Exemple" in typed(run, school, "directory", "show").out
    assert "0170705Z  École Jules Ferry" in typed(run, school, "directory", "show", "ac").out
    said = typed(run, school, "directory", "show", "0170705").out
    for text in ("12 rue de l'Église", "17100 Saintes", "0546000000", "Jeanne Martin  directrice"):
        assert text in said


def test_the_liste_rouge_is_shown_only_when_asked_for(run: Run, school: Path) -> None:
    assert "Zoé" not in typed(run, school, "directory", "show", "0170705z").out
    assert run("directory", "search", "lec", "--config", school).status == 1
    hidden = typed(run, school, "directory", "show", "0170705z", "--with-hidden").out
    assert "Zoé Lecœur  enseignante [0170705Z]" in hidden
    assert "liste rouge" in hidden


def test_a_search_takes_beginnings_of_words_units_towns_and_functions(
    run: Run, school: Path
) -> None:
    for words in (["mart", "jea"], ["--town", "saintes", "--function", "directrice"]):
        said = typed(run, school, "directory", "search", *words, "--json")
        (person,) = json.loads(said.out)["people"]
        assert person["name"] == "Jeanne Martin"
        assert "identifier" not in person
    below = typed(run, school, "directory", "search", "--unit", "AC", "--function", "direct")
    assert "Paul Noir" in below.out


def test_a_wrong_key_letter_is_named(run: Run, school: Path) -> None:
    said = run("directory", "show", "0170705A", "--config", school)
    assert said.status == 2
    assert "0170705Z" in said.err


# --- letters ----------------------------------------------------------------------


@needs_program("pdftotext")
def test_letters_give_an_establishment_a_password_that_opens_and_print_no_numen(
    run: Run, school: Path
) -> None:
    from mailserver.auth.passwords import verify

    pdf = school.parent / "l.pdf"
    said = typed(run, school, "directory", "letters", "--unit", "0170705z", "--out", pdf)
    assert "4 pages in 1 pile\n" in said.out
    assert stat.S_IMODE(pdf.stat().st_mode) == 0o600
    command = ["pdftotext", "-layout", str(pdf), "-"]
    text = subprocess.run(command, capture_output=True, timeout=30, check=True).stdout.decode()
    assert not any(numen in text for numen in NUMENS)
    line = next(line for line in text.splitlines() if "Mot de passe" in line)
    password = line.split()[-1]
    store = open_store(load_settings(school, {}))
    account = store.accounts.find_account("0170705z")
    assert account is not None
    credential = store.accounts.read_credential(account.account_id)
    history = store.people.history(account.account_id, limit=5)
    store.close()
    assert credential is not None
    assert credential.must_change
    assert credential.verifier is not None
    assert verify(password.encode(), credential.verifier)[0]
    assert history[0].what == "one-time password printed"
    assert password not in repr(history)


def test_a_printed_password_that_is_in_use_is_not_taken_from_a_school(
    run: Run, school: Path
) -> None:
    pdf = school.parent / "l.pdf"
    letters = ("directory", "letters", "--unit", "0170705z", "--out", pdf)
    typed(run, school, *letters)
    with closing(open_store(load_settings(school, {}))) as store:
        account = store.accounts.find_account("0170705z")
        assert account is not None
        store.counters.note_seen(
            account.account_id, LastSeen(door="pop3s", peer="10.0.0.1", at_s=1e9)
        )
        before = store.accounts.read_credential(account.account_id)
        typed(run, school, *letters)
        assert store.accounts.read_credential(account.account_id) == before
        assert "3 pages in 1 pile" in typed(run, school, *letters, "--only", "new").out
        typed(run, school, *letters, "--renew")
        assert store.accounts.read_credential(account.account_id) != before


def test_letters_that_cannot_be_written_leave_no_file(run: Run, school: Path) -> None:
    words = ("directory", "letters", "--out", school.parent / "l.pdf", "--config", school)
    said = run(*words, "--only", "old")
    assert said.status == 2
    assert "--only new" in said.err
    (school.parent / "none.csv").write_text("code;type;nom\nX;service;Vide\n")
    typed(run, school, "directory", "apply", school.parent / "none.csv")
    nobody = run(*words, "--unit", "X")
    assert nobody.status == 1
    assert "nobody to write to" in nobody.err
    assert not list(school.parent.glob("*l.pdf*"))


# --- relations ----------------------------------------------------------------------


def test_a_function_has_holders_who_come_and_go(run: Run, school: Path) -> None:
    typed(
        run,
        school,
        *("directory", "function", "add", "tice", "--name", "Animateur TICE"),
        *("--address", "tice.saintes@a.test", "--holder", "jmartin"),
    )
    assert "tice" in typed(run, school, "directory", "holder", "list", "jmartin").out
    typed(run, school, "directory", "holder", "end", "jmartin", "--of", "tice")
    again = run("directory", "holder", "end", "jmartin", "--of", "tice", "--config", school)
    assert again.status == 2
    assert "until" in typed(run, school, "directory", "holder", "list", "--of", "tice").out


def test_a_persons_mailbox_is_held_by_nobody_else(run: Run, school: Path) -> None:
    said = run("directory", "holder", "add", "pnoir", "--of", "jmartin", "--config", school)
    assert said.status == 2
    assert "is a person" in said.err


def test_a_correspondent_is_added_once_listed_and_ended(run: Run, school: Path) -> None:
    add = ("directory", "correspondent", "add", "jmartin", "--unit", "0170705z")
    typed(run, school, *add, "--until", "2090-01-31")
    assert run(*add, "--config", school).status == 2
    said = typed(run, school, "directory", "correspondent", "list", "--unit", "0170705z")
    assert said.out.rstrip().endswith("until 2090-01-31")
    typed(run, school, "directory", "correspondent", "end", "jmartin", "--unit", "0170705z")


# --- life -----------------------------------------------------------------------------


def test_a_move_keeps_the_addresses_and_says_the_posts(run: Run, school: Path) -> None:
    said = typed(run, school, "directory", "move", "jmartin", "--to", "0170706A")
    assert "directrice in 0170706a" in said.out
    found = typed(run, school, "directory", "show", "0170706a").out
    assert "jeanne.martin@a.test" in found


def test_who_moves_answers_for_the_old_school_no_longer(run: Run, school: Path) -> None:
    for dated in ((), ("--until", "2090-01-31")):
        unit = ("--unit", "0170706A" if dated else "0170705Z")
        typed(run, school, "directory", "correspondent", "add", "jmartin", *unit, *dated)
        to = "0170705Z" if dated else "0170706A"
        typed(run, school, "directory", "move", "jmartin", "--to", to)
        listed = run("directory", "correspondent", "list", "jmartin", "--config", school)
        assert all("until" in line for line in listed.out.splitlines())
        assert "2090" not in listed.out


def test_leave_return_and_retire_change_the_life(run: Run, school: Path) -> None:
    typed(run, school, "directory", "leave", "jmartin", "--until", "2090-01-01")
    assert life_of(school, "jmartin") is Life.ON_LEAVE
    typed(run, school, "directory", "return", "jmartin")
    assert life_of(school, "jmartin") is Life.PRESENT
    typed(run, school, "directory", "retire", "jmartin", "--on", "2090-01-01")
    assert life_of(school, "jmartin") is Life.LEAVING
    typed(run, school, "directory", "return", "jmartin")
    typed(run, school, "directory", "retire", "jmartin", "--on", "2020-01-01")
    assert life_of(school, "jmartin") is Life.LEFT
    refused = run("directory", "move", "jmartin", "--to", "0170706a", "--config", school)
    assert refused.status == 2
    assert "must return first" in refused.err


def test_an_establishment_does_not_retire(run: Run, school: Path) -> None:
    said = run("directory", "retire", "0170705z", "--on", "2090-01-01", "--config", school)
    assert said.status == 2
    assert "not a person" in said.err


# --- mailboxes ------------------------------------------------------------------------


def test_only_a_management_correspondents_own_messages_are_listed(run: Run, school: Path) -> None:
    typed(run, school, "directory", "manager", "add", "pnoir", "--unit", "0170705z")
    store: Store = open_store(load_settings(school, {}))
    deposit(store, by="pnoir", subject=b"=?utf-8?q?Congr=C3=A8s?=")
    deposit(store, by="zlecoeur", subject=b"forged")
    deposit(store, by=None, subject=b"\x1b[2Joutside")
    store.close()
    everything = typed(run, school, "mailbox", "list", "jmartin").out
    assert len(everything.splitlines()) == 3
    assert "\x1b" not in everything
    said = typed(run, school, "mailbox", "list", "jmartin", "--from-correspondent", "--json")
    (one,) = map(json.loads, said.out.splitlines())
    assert (one["submitted_by"], one["subject"]) == ("pnoir", "Congrès")


def deposit(store: Store, *, by: str | None, subject: bytes) -> None:
    """A message to jmartin that says it is from pnoir."""
    inbox = store.accounts.find_mailbox("jeanne.martin@a.test")
    assert inbox is not None
    account = None if by is None else store.accounts.find_account(by)
    body = b"From: Paul Noir <paul.noir@a.test>\r\nSubject: " + subject + b"\r\n\r\nx\r\n"
    made = letter(("jeanne.martin@a.test", inbox), body=body, at_s=time.time())
    facts = replace(made.facts, header_octets=body.index(b"\r\n\r\n") + 4)
    submitter = None if account is None else account.account_id
    store.writes.apply([replace(made, account_id=submitter, facts=facts)])


# --- accounts by hand -------------------------------------------------------------------


def test_an_alias_that_was_taken_away_is_kept_and_its_date_is_said(run: Run, school: Path) -> None:
    typed(run, school, "account", "alias", "jmartin", "jm@a.test")
    typed(run, school, "account", "alias", "jmartin", "jm@a.test", "--remove")
    said = run("account", "alias", "pnoir", "jm@a.test", "--config", school)
    assert said.status == 2
    assert "kept for them until" in said.err


def test_an_account_made_by_hand_is_found_in_the_directory(run: Run, school: Path) -> None:
    typed(
        run,
        school,
        *("account", "add", "ablanc", "--name", "Anne Blanc", "--address", "anne.blanc@a.test"),
        *("--given-name", "Anne", "--surname", "Blanc", "--numen-stdin"),
        *("--unit", "0170706A", "--function", "secrétaire"),
        stdin=b"17E0200009ABC",
    )
    assert "Anne Blanc  secrétaire" in typed(run, school, "directory", "show", "0170706a").out
