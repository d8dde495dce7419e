"""What every `CredentialBackend` must do."""

from __future__ import annotations

import unicodedata

import argon2
import pytest
from passlib.context import CryptContext

from mailserver.auth import passwords
from mailserver.auth.accounts import set_numen
from mailserver.auth.backend import name_of_both
from mailserver.store.ports.accounts import AccountState
from mailserver.values.secret import Secret
from tests.auth.backends import Setting
from tests.auth.conftest import CHEAP, Work
from tests.auth.secrets import ACCENTED, NUMEN, OTHER, PASSWORD, WRONG


def give(setting: Setting, password: str, *, must_change: bool = False) -> None:
    setting.backend.set_password(setting.account_id, Secret(password), must_change=must_change)


def verify(setting: Setting, password: str | bytes) -> bool:
    octets = password if isinstance(password, bytes) else password.encode()
    return setting.backend.verify(setting.backend.look_up("fmarot"), Secret(octets))


@pytest.mark.parametrize(
    "user_name",
    [
        "fmarot",
        "FMAROT",
        "  fmarot\t",
        "Frédéric.Marot@ac-exemple.fr",
        "frederic.marot@AC-EXEMPLE.FR",
        " f.marot@ac-exemple.fr ",
        "ACADEMIE\\fmarot",
        " academie \\ FMarot ",
        "ACADEMIE\\f.marot@ac-exemple.fr",
        "ac-exemple.fr\\fmarot",
        "fmarot*f.marot@ac-exemple.fr",
        "ACADEMIE\\fmarot*fmarot",
    ],
)
def test_the_name_is_the_identifier_or_any_address(setting: Setting, user_name: str) -> None:
    sign_in = setting.backend.look_up(user_name)
    assert sign_in is not None
    assert sign_in.account_id == setting.account_id
    assert sign_in.identifier == "fmarot"


@pytest.mark.parametrize(
    "user_name",
    [
        "",
        " ",
        "@",
        "fmarot@",
        "@ac-exemple.fr",
        "inconnu",
        "f marot",
        "\0",
        "\udce9",
        "ACADEMIE\\inconnu",
        "ACADEMIE\\",
        "\\fmarot",
        "A\\B\\fmarot",
        "A\\fmarot\\ce.0170705z",
        "ACADEMIE/fmarot",
        "fmarot\\ACADEMIE",
        "fmarot*inconnu",
        "inconnu*fmarot",
        "ac-exemple.fr\\",
    ],
)
def test_any_other_name_is_nobodys(setting: Setting, user_name: str) -> None:
    assert setting.backend.look_up(user_name) is None


@pytest.mark.parametrize(
    ("authentication", "authorization", "name"),
    [
        ("jmarot", "", "jmarot"),
        ("jmarot", "  ", "jmarot"),
        ("jmarot", "JMarot ", "jmarot"),
        ("jmarot", "ACADEMIE\\jmarot", "jmarot"),
        ("ACADEMIE\\jmarot", "jmarot", "ACADEMIE\\jmarot"),
        ("jmarot", "ce.0170705z", "jmarot*ce.0170705z"),
        ("jmarot*ce.0170705z", "ce.0170705z", "jmarot*ce.0170705z"),
        ("jmarot*ce.0170705z", "jmarot*CE.0170705z", "jmarot*ce.0170705z"),
        ("jmarot*ce.0170705z", "jmarot", "jmarot*ce.0170705z*jmarot"),
        ("jmarot", "jean.marot@ac-exemple.fr", "jmarot*jean.marot@ac-exemple.fr"),
        ("jmarot", "boss", "jmarot*boss"),
    ],
)
def test_two_names_of_sasl_are_one_user_name(
    authentication: str, authorization: str, name: str
) -> None:
    assert name_of_both(authentication.encode(), authorization.encode()) == name.encode()


def test_the_right_password_and_no_other(setting: Setting) -> None:
    give(setting, PASSWORD)
    assert verify(setting, PASSWORD)
    for wrong in (WRONG, "", PASSWORD + " ", " " + PASSWORD, PASSWORD.upper(), PASSWORD + "\0"):
        assert not verify(setting, wrong)


def test_before_a_password_is_set_there_is_none(setting: Setting) -> None:
    assert setting.credential().verifier is None
    assert not verify(setting, "")
    assert not verify(setting, PASSWORD)


def test_a_new_password_ends_the_old_one(setting: Setting) -> None:
    give(setting, PASSWORD, must_change=True)
    before = setting.credential()
    give(setting, OTHER)
    after = setting.credential()
    assert verify(setting, OTHER)
    assert not verify(setting, PASSWORD)
    assert before.must_change
    assert not after.must_change
    assert after.version > before.version


def test_a_suspended_account_has_no_right_password(setting: Setting) -> None:
    give(setting, PASSWORD)
    setting.set_state(AccountState.SUSPENDED)
    assert not verify(setting, PASSWORD)
    setting.set_state(AccountState.ACTIVE)
    assert verify(setting, PASSWORD)


def test_a_deleted_account_is_nobody(setting: Setting) -> None:
    give(setting, PASSWORD)
    setting.delete()
    assert setting.backend.look_up("fmarot") is None
    assert not verify(setting, PASSWORD)


def test_an_accent_is_the_same_however_it_is_sent(setting: Setting) -> None:
    give(setting, unicodedata.normalize("NFD", ACCENTED))
    assert verify(setting, unicodedata.normalize("NFC", ACCENTED))
    assert verify(setting, unicodedata.normalize("NFD", ACCENTED))
    assert verify(setting, ACCENTED.encode("latin-1"))
    assert not verify(setting, ACCENTED.encode("utf-16"))


@pytest.mark.parametrize(
    "password", ["  two  spaces ", "p:ss@w/rd%20", "мышь", "🌻🌻", "a\u00a0b", "x" * 500]
)
def test_any_text_can_be_a_password(setting: Setting, password: str) -> None:
    give(setting, password)
    assert verify(setting, password)
    assert not verify(setting, password.strip()[:-1])


@pytest.mark.parametrize(
    "octets", [b"\0", b"\0" * 50, b"\xff\xfe", bytes(range(256)), b"x" * 1024, "é".encode() * 500]
)
def test_whatever_octets_come_they_are_only_wrong(setting: Setting, octets: bytes) -> None:
    give(setting, PASSWORD)
    assert not verify(setting, octets)


@pytest.mark.parametrize("typed", [NUMEN, NUMEN.lower(), "13 e 0245678 abc", f" {NUMEN}\t"])
def test_a_numen_is_good_in_any_case_and_with_spaces(setting: Setting, typed: str) -> None:
    set_numen(setting.backend, setting.account_id, NUMEN.lower())
    assert setting.credential().must_change
    assert verify(setting, typed)


def test_a_password_that_looks_like_a_numen_is_good_as_it_was_typed(setting: Setting) -> None:
    give(setting, NUMEN.lower())
    assert verify(setting, NUMEN.lower())
    assert not verify(setting, NUMEN)


@pytest.mark.parametrize("password", [PASSWORD, WRONG, "", NUMEN.lower(), "\0", "\xff"])
def test_no_and_nobody_cost_the_same_work(setting: Setting, work: Work, password: str) -> None:
    backend, octets = setting.backend, Secret(password.encode("latin-1"))
    unknown = work.of(lambda: backend.verify(None, octets))
    without_password = work.of(lambda: backend.verify(backend.look_up("fmarot"), octets))
    give(setting, OTHER)
    wrong = work.of(lambda: backend.verify(backend.look_up("fmarot"), octets))
    setting.set_state(AccountState.SUSPENDED)
    suspended = work.of(lambda: backend.verify(backend.look_up("fmarot"), octets))
    give(setting, password or "x")
    suspended_and_right = work.of(lambda: verify(setting, password or "x"))
    expected = 2 if password == NUMEN.lower() else 1
    assert [unknown, without_password, wrong, suspended] == [expected] * 4
    assert suspended_and_right == 1


def test_what_stands_in_for_nobodys_verifier_is_like_any_other_and_costs_no_hash(
    monkeypatch: pytest.MonkeyPatch, work: Work
) -> None:
    def hash_nothing(*_arguments: object) -> bytes:
        raise AssertionError("a hash")

    context: CryptContext = work.context
    real = context.hash(PASSWORD)
    with monkeypatch.context() as patch:
        patch.setattr(argon2.low_level, "hash_secret", hash_nothing)
        made = passwords.stand_in(context)
    assert not context.needs_update(made)
    assert [len(part) for part in made.split("$")] == [len(part) for part in real.split("$")]
    assert made.split("$")[:4] == real.split("$")[:4]
    assert made != passwords.stand_in(context)
    assert not context.verify(PASSWORD, made)


def test_looking_a_name_up_costs_no_hash(setting: Setting, work: Work) -> None:
    give(setting, PASSWORD)
    assert work.of(lambda: setting.backend.look_up("fmarot")) == 0
    assert work.of(lambda: setting.backend.look_up("inconnu")) == 0


def test_a_weaker_verifier_is_replaced_at_the_next_log_in(setting: Setting) -> None:
    earlier = CryptContext(schemes=["argon2"], **CHEAP | {"argon2__memory_cost": 16})
    setting.set_verifier(earlier.hash(PASSWORD))
    before = setting.credential()
    assert not verify(setting, WRONG)
    assert setting.credential() == before
    assert verify(setting, PASSWORD)
    after = setting.credential()
    assert after.verifier != before.verifier
    assert after.version == before.version
    assert verify(setting, PASSWORD)
