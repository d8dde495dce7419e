"""What a person is called, in a log-in and in an address."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.people.names import (
    MAX_IDENTIFIER_LENGTH,
    MAX_LOCAL_OCTETS,
    address_base,
    identifier_base,
    numbered,
)
from mailserver.values.words import BadName, search_key, split_words


@pytest.mark.parametrize(
    ("given_name", "surname", "identifier", "local"),
    [
        ("Frédéric", "Marot", "fmarot", "frederic.marot"),
        ("Jean-Pierre", "Lefèvre", "jlefevre", "jean-pierre.lefevre"),
        ("Jean Pierre", "LEFÈVRE", "jlefevre", "jean-pierre.lefevre"),
        ("Anne", "de La Tour", "adelatour", "anne.de-la-tour"),
        ("Charles", "d’Artagnan", "cdartagnan", "charles.dartagnan"),
        ("Charles", "D'Artagnan", "cdartagnan", "charles.dartagnan"),
        ("Éléonore", "Lecœur-Saint Just", "elecoeursaintjust", "eleonore.lecoeur-saint-just"),
        ("Łukasz", "Ørsted", "lorsted", "lukasz.orsted"),
        ("Maëlle", "N'Guyen", "mnguyen", "maelle.nguyen"),
    ],
)
def test_names_fold_by_the_stated_rules(
    given_name: str, surname: str, identifier: str, local: str
) -> None:
    assert identifier_base(given_name, surname) == identifier
    assert address_base(given_name, surname) == local


@pytest.mark.parametrize(("given_name", "surname"), [("", "Marot"), ("Jean", "—"), ("李", "Wang")])
def test_a_name_without_letters_is_refused_in_words(given_name: str, surname: str) -> None:
    with pytest.raises(BadName, match="holds no letter"):
        address_base(given_name, surname)


def test_the_first_has_no_digit_and_a_digit_never_joins_another() -> None:
    assert [numbered("jmartin", n) for n in (1, 2, 10)] == ["jmartin", "jmartin2", "jmartin10"]
    assert numbered("jean.martin1", 2) == "jean.martin1-2"


@given(st.text(max_size=80), st.text(max_size=80))
def test_whatever_is_typed_gives_a_plain_name_or_a_refusal(given_name: str, surname: str) -> None:
    try:
        identifier = identifier_base(given_name, surname)
        local = address_base(given_name, surname)
    except BadName:
        return
    assert set(identifier) <= set(string.ascii_lowercase + string.digits)
    assert set(local) <= set(string.ascii_lowercase + string.digits + "-.")
    assert len(numbered(identifier, 999)) <= MAX_IDENTIFIER_LENGTH
    assert len(numbered(local, 999)) <= MAX_LOCAL_OCTETS
    assert local.count(".") == 1


@given(st.lists(st.sampled_from(["jean", "jean1", "marie2", "a"]), min_size=1), st.data())
def test_two_numbers_never_give_one_name(bases: list[str], data: st.DataObject) -> None:
    named: dict[str, tuple[str, int]] = {}
    for base in bases:
        number = data.draw(st.integers(1, 40))
        name = numbered(base, number)
        assert named.setdefault(name, (base, number)) == (base, number) or number == 1


def test_words_are_searched_without_accents_or_apostrophes() -> None:
    assert split_words("  L’Île-d'Oléron (17) ") == ["lile", "doleron", "17"]
    assert search_key("École", "Jules Ferry") == "ecole jules ferry"
