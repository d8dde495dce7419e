"""Which passwords may be set, and what octets from the wire stand for."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zxcvbn.frequency_lists import FREQUENCY_LISTS  # type: ignore[import-untyped]

from mailserver.auth.accounts import BadPassword, check_password, set_numen, set_password
from mailserver.auth.passwords import CONTEXT, MAX_PASSWORD_OCTETS, candidates, password_text
from mailserver.values.numen import BadNumen
from mailserver.values.secret import Secret
from tests.auth.backends import Setting
from tests.auth.secrets import NUMEN, PASSWORD


def test_a_password_is_set_and_need_not_be_changed(setting: Setting) -> None:
    set_password(setting.backend, setting.account_id, Secret(PASSWORD))
    sign_in = setting.backend.look_up("fmarot")
    assert setting.backend.verify(sign_in, Secret(PASSWORD.encode()))
    assert not setting.credential().must_change


@pytest.mark.parametrize(
    ("password", "says"),
    [
        ("", "at least 10"),
        ("nine-char", "at least 10"),
        ("x" * (MAX_PASSWORD_OCTETS // 2 + 1), "at most"),
        ("é" * (MAX_PASSWORD_OCTETS // 4 + 1), "at most"),
        ("with\0nul-inside", "NUL"),
        ("with\nline-break", "line break"),
        ("with\rreturn-in-it", "line break"),
        ("half-a-character\udce9", "half a character"),
    ],
)
def test_what_no_program_can_send_is_refused(setting: Setting, password: str, says: str) -> None:
    before = setting.credential()
    with pytest.raises(BadPassword, match=says) as refused:
        set_password(setting.backend, setting.account_id, Secret(password))
    assert not password or password not in str(refused.value)
    assert setting.credential() == before


def test_the_ten_thousand_most_common_passwords_are_refused() -> None:
    """Also with digits and signs behind, and where the settings ask for the fewest characters."""
    least = 8
    words = FREQUENCY_LISTS["passwords"][:10_000]
    for word in words:
        with pytest.raises(BadPassword):
            check_password(Secret(word), min_characters=least)
    for word in [word for word in words if len(word) >= least][::40]:
        with pytest.raises(BadPassword):
            check_password(Secret(f"{word.title()}2026!"), min_characters=least)


def test_what_is_no_numen_is_not_set(setting: Setting) -> None:
    before = setting.credential()
    with pytest.raises(BadNumen):
        set_numen(setting.backend, setting.account_id, NUMEN[:-1])
    assert setting.credential() == before


def test_passwords_are_kept_as_argon2id_of_the_owasp_profile() -> None:
    assert CONTEXT.hash(PASSWORD).startswith("$argon2id$v=19$m=19456,t=2,p=1$")


@given(octets=st.binary(max_size=200))
def test_whatever_the_octets_they_are_some_text_in_form_c(octets: bytes) -> None:
    text = password_text(octets)
    assert unicodedata.is_normalized("NFC", text)
    assert text in candidates(octets)
    assert len(candidates(octets)) <= 2


@given(text=st.text(max_size=100))
def test_whatever_the_text_utf8_and_both_forms_are_the_same_password(text: str) -> None:
    composed = unicodedata.normalize("NFC", text)
    assert password_text(text.encode()) == composed
    assert password_text(unicodedata.normalize("NFD", text).encode()) == composed
