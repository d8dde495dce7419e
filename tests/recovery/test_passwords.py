"""Changing a password, and setting it with a code: who may, what is told, what ends."""

from __future__ import annotations

import dataclasses

import pytest

from mailserver.auth.gate import Granted, is_over
from mailserver.recovery import words
from mailserver.store.ports.accounts import AccountState
from mailserver.store.ports.errors import StoreUnavailable
from mailserver.store.ports.people import RelationKind
from mailserver.values.secret import Secret
from tests.recovery.conftest import NEW, NEWER, NUMEN, OLD, OUTSIDE, Town, refused
from tests.store.crowd import SCHOOL, put


def granted(town: Town, identifier: str = "jmarot") -> Granted:
    sign_in = town.context.backend.look_up(identifier)
    assert sign_in is not None
    return Granted(
        account_id=sign_in.account_id,
        identifier=sign_in.identifier,
        inbox_id=sign_in.inbox_id,
        must_change=False,
        version=sign_in.credential.version,
    )


def change(town: Town, name: str, old: str, new: str, *, peer: str = "") -> None:
    town.service.change(name, Secret(old), Secret(new), peer=peer)


@pytest.mark.parametrize("name", ["jmarot", " JMAROT ", "jmarot@d.fr", "Jmárot"])
def test_a_password_is_changed_with_the_old_one(town: Town, name: str) -> None:
    opened = granted(town)
    change(town, name, OLD, NEW)
    assert town.opens("jmarot", NEW)
    assert not town.opens("jmarot", OLD)
    assert is_over(town.store.accounts, opened, now_s=town.clock())
    assert town.history()[0] == ("password changed", "jmarot", "with the old password")
    assert [one.to for one in town.post.sent] == ["jmarot@d.fr"]


def test_a_numen_changes_itself_into_a_password_and_stays_for_recovery(town: Town) -> None:
    town.context.backend.set_numen(town.account("jmarot"), NUMEN)
    change(town, "jmarot", NUMEN.lower(), NEW)
    credential = town.store.accounts.read_credential(town.account("jmarot"))
    assert credential is not None
    assert not credential.must_change
    assert not town.opens("jmarot", NUMEN)
    assert town.subject("jmarot").numen is not None


def test_a_password_that_would_be_tried_first_is_refused(town: Town) -> None:
    for new, says in {
        "court": "au moins 10",
        "jmarot jmarot": "identifiant",
        "Jeanne.Marot!": "identifiant",
        NUMEN: "NUMEN",
        f"{NUMEN[:5]}-{NUMEN[5:]}!": "NUMEN",
        "17e 02 00001 abc 2026": "NUMEN",
        "qwertyuiop2026!": "plus courants",
        "aaaaaaaaaaaa": "trop peu",
        "un\0deux\0trois quatre": "NUL",
        OLD: "déjà",
    }.items():
        assert says in refused(lambda n=new: change(town, "jmarot", OLD, n))  # type: ignore[misc]
    assert town.opens("jmarot", OLD)
    assert not town.post.sent


@pytest.mark.parametrize(
    "new", ["le chat dort sous la table", "Forêt enneigée 3 loups", "où dort-il ? là-bas"]
)
def test_passphrases_are_welcome(town: Town, new: str) -> None:
    change(town, "jmarot", OLD, new)
    assert town.opens("jmarot", new)


def test_a_wrong_old_password_and_an_unknown_name_get_one_answer_for_the_same_work(
    town: Town,
) -> None:
    said = []
    costs = [
        town.work.of(lambda n=name: said.append(refused(lambda: change(town, n, NEWER, NEW))))  # type: ignore[misc]
        for name in ("jmarot", "inconnu", "inconnu@d.fr", "jmarot*ce.0170705z", "x\0y", "é" * 999)
    ]
    assert set(said) == {words.WRONG_OLD.fr}
    assert set(costs) == {1}


def test_a_suspended_account_is_not_changed(town: Town) -> None:
    town.store.accounts.set_state(town.account("jmarot"), AccountState.SUSPENDED)
    assert refused(lambda: change(town, "jmarot", OLD, NEW)) == words.WRONG_OLD.fr


def test_a_holder_cannot_change_the_password_of_the_mailbox_they_hold(town: Town) -> None:
    mailbox = town.account(SCHOOL)
    town.give(SCHOOL, NEWER)
    town.store.people.relate(
        RelationKind.HOLDER, town.account("jmarot"), of_account=mailbox, since_s=town.clock() - 1
    )
    for name in (f"jmarot*{SCHOOL}", f"jmarot*ce.{SCHOOL}"):
        assert town.context.backend.look_up(name) is not None
        assert refused(lambda n=name: change(town, n, OLD, NEW)) == words.WRONG_OLD.fr  # type: ignore[misc]
        town.service.request_reset(name).carry_out()
    assert town.opens(SCHOOL, NEWER)
    assert not town.post.sent


def test_other_spellings_of_a_name_do_not_buy_more_guesses(town: Town) -> None:
    names = ["jmarot", "JMAROT", " jmarot", "jmárot", "jmàrôt", "jmarót"]
    for number, name in enumerate(names * 10):
        guess = f"essai numéro {number}"
        said = refused(lambda n=name, g=guess: change(town, n, g, NEW, peer="192.0.2.1"))  # type: ignore[misc]
    assert said == words.WAIT.fr
    assert refused(lambda: change(town, "jmarot", OLD, NEW, peer="192.0.2.1")) == words.WAIT.fr
    change(town, "jmarot", OLD, NEW, peer="198.51.100.9")  # its owner is elsewhere


def test_one_wrong_old_password_again_and_again_locks_nobody_out(town: Town) -> None:
    for _ in range(60):
        refused(lambda: change(town, "jmarot", NEWER, NEW))
    change(town, "jmarot", OLD, NEW)


def test_wrong_old_passwords_are_in_the_list_of_log_ins(town: Town) -> None:
    refused(lambda: change(town, "jmarot", NEWER, NEW))
    (log_in,) = town.store.counters.log_ins(town.account("jmarot"))
    assert (log_in.door, log_in.is_success) == ("password change", False)


def test_an_administrators_first_password_is_to_be_changed(town: Town) -> None:
    opened = granted(town)
    town.service.set_by_admin("jmarot", Secret(NEW), by_whom="cli:root", must_change=True)
    credential = town.store.accounts.read_credential(town.account("jmarot"))
    assert credential is not None
    assert credential.must_change
    assert is_over(town.store.accounts, opened, now_s=town.clock())
    assert town.history()[0][:2] == ("password changed", "cli:root")


# With a code


def test_a_mailed_code_sets_a_password_once(town: Town) -> None:
    town.prove()
    opened = granted(town)
    code = town.requested_code()
    town.service.reset("jmarot@d.fr", code.upper().replace("-", " "), Secret(NEW))
    assert town.opens("jmarot", NEW)
    assert is_over(town.store.accounts, opened, now_s=town.clock())
    assert (
        refused(lambda: town.service.reset("jmarot", code, Secret(NEWER))) == words.CODE_REFUSED.fr
    )
    assert town.opens("jmarot", NEW)
    details = "by a one-time code, given by service"
    assert town.history()[:2] == [
        ("password changed", "jmarot", details),
        ("code sent", "service", "to the recovery address"),
    ]
    told = [one for one in town.post.sent if "a été changé" in one.subject]
    assert {one.to for one in told} == {OUTSIDE, "jmarot@d.fr"}


def test_a_handed_code_needs_the_numen_of_a_person(town: Town) -> None:
    code = town.handed_code()
    reset = town.service.reset
    assert refused(lambda: reset("jmarot", code, Secret(NEW))) == words.CODE_REFUSED.fr
    for wrong in ("17E0200002ABC", "", "x" * 2000, "\0", OLD):
        assert (
            refused(lambda w=wrong: reset("pnoir", code, Secret(NEW), numen=Secret(w)))  # type: ignore[misc]
            == words.CODE_REFUSED.fr
        )
    reset("jmarot", code, Secret(NEW), numen=Secret(" 17e 02 00001 abc"))
    assert town.opens("jmarot", NEW)
    assert "given by cli:root" in town.history()[0][2]


def test_a_handed_code_alone_opens_a_schools_mailbox(town: Town) -> None:
    town.service.reset(f"ce.{SCHOOL}@d.fr", town.handed_code(SCHOOL), Secret(NEW))
    assert town.opens(SCHOOL, NEW)


def test_wrong_numens_with_the_right_code_end_the_code(town: Town) -> None:
    code = town.handed_code()
    for number in range(town.context.rules.max_code_tries):
        wrong = Secret(f"17E02{number:05}XYZ")
        refused(lambda w=wrong: town.service.reset("jmarot", code, Secret(NEW), numen=w))  # type: ignore[misc]
    right = Secret(NUMEN)
    said = refused(lambda: town.service.reset("jmarot", code, Secret(NEW), numen=right))
    assert said == words.CODE_REFUSED.fr


def test_a_mistyped_numen_leaves_the_code_good_and_the_answer_says_so(town: Town) -> None:
    code = town.handed_code()
    wrong = Secret("17E0200099XYZ")
    said = refused(lambda: town.service.reset("jmarot", code, Secret(NEW), numen=wrong))
    assert "Relisez-les et réessayez" in said
    no_code = refused(lambda: town.service.reset("jmarot", "aaaa-aaaa", Secret(NEW), numen=wrong))
    assert no_code == said  # nobody learns which of them was wrong
    town.service.reset("jmarot", code, Secret(NEW), numen=Secret(NUMEN))
    assert town.opens("jmarot", NEW)


def test_a_weak_password_leaves_the_code_good(town: Town) -> None:
    town.prove()
    code = town.requested_code()
    for weak in ("court", "jmarot marot", NUMEN):
        refused(lambda w=weak: town.service.reset("jmarot", code, Secret(w)))  # type: ignore[misc]
    town.service.reset("jmarot", code, Secret(NEW))


def test_a_change_of_password_ends_the_codes_that_are_out(town: Town) -> None:
    town.prove()
    mailed, handed = town.requested_code(), town.handed_code()
    change(town, "jmarot", OLD, NEW)
    for code in (mailed, handed):
        said = refused(
            lambda c=code: town.service.reset("jmarot", c, Secret(NEWER), numen=Secret(NUMEN))  # type: ignore[misc]
        )
        assert said == words.CODE_REFUSED.fr


def test_a_change_that_cannot_be_told_is_still_made_and_loud(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> bool:
        raise StoreUnavailable("no post today")

    monkeypatch.setattr(town.post, "send", fails)
    change(town, "jmarot", OLD, NEW)
    assert town.opens("jmarot", NEW)
    assert "a change was not told" in town.log.getvalue()


@pytest.mark.parametrize("language", ["fr", "en"])
def test_a_change_is_told_in_the_accounts_language(town: Town, language: str) -> None:
    doc = town.store.people.find_doc("jmarot")
    assert doc is not None
    assert put(town.store, doc, dataclasses.replace(doc, language=language)) is None
    change(town, "jmarot", OLD, NEW)
    how = {"fr": "avec l'ancien mot de passe", "en": "with the old password"}[language]
    assert how in town.post.sent[-1].text
