"""config/demo.toml: the people and schools are as the academy's rules say."""

from __future__ import annotations

import re
import string
import tomllib
from typing import Any

import pytest

from mailserver.demo.cast import CastMember, cast_from, read_cast
from mailserver.settings.names import check_domain, check_identifier
from mailserver.settings.template import read_config
from mailserver.values.address import Address, fold_local
from mailserver.values.numen import parse_numen

CAST = read_cast()
KEY_LETTERS = "abcdefghjklmnprstuvwxyz"  # of a school's code: its number modulo 23


def test_there_are_a_dozen_people_and_five_schools() -> None:
    assert (len(CAST.people), len(CAST.schools)) == (12, 5)


@pytest.mark.parametrize("person", CAST.people, ids=lambda person: person.identifier)
def test_a_person_has_a_pnom_and_a_numen_in_its_one_form(person: CastMember) -> None:
    first_name, _, surname = person.name.partition(" ")
    letters = "".join(c for c in fold_local(surname) if c in string.ascii_lowercase + "-")
    expected = fold_local(first_name)[0] + letters
    assert re.fullmatch(re.escape(expected) + r"\d?", person.identifier)
    assert parse_numen(person.password) == person.password
    assert person.is_numen


@pytest.mark.parametrize("school", CAST.schools, ids=lambda school: school.identifier)
def test_a_school_has_its_code_its_address_and_an_alias(school: CastMember) -> None:
    code = school.identifier
    assert re.fullmatch(r"\d{7}[a-z]", code)
    assert code[-1] == KEY_LETTERS[int(code[:-1]) % 23]
    assert school.address == f"ce.{code}@{CAST.domain}"
    assert re.fullmatch(rf"e-[a-z]+-[a-z]+@{CAST.domain}", school.addresses[1])


def test_no_identifier_address_or_password_is_given_twice() -> None:
    for values in (
        [member.identifier for member in CAST.members],
        [_key(address) for member in CAST.members for address in member.addresses],
        [member.password for member in CAST.members],
    ):
        assert len(set(values)) == len(values)


def test_there_are_accents_a_homonym_with_a_digit_and_compound_names() -> None:
    names = [person.name for person in CAST.people]
    assert any(not name.isascii() for name in names)
    assert any("-" in name.partition(" ")[0] for name in names)
    assert any("-" in name.partition(" ")[2] for name in names)
    homonyms = [person for person in CAST.people if names.count(person.name) > 1]
    assert {person.identifier[-1].isdigit() for person in homonyms} == {True, False}


def test_identifiers_and_the_domain_are_ones_that_the_settings_take() -> None:
    check_domain(CAST.domain)
    for member in CAST.members:
        check_identifier(member.identifier)


def test_the_tour_names_people_who_are_there() -> None:
    assert CAST.member(CAST.tour.sender) in CAST.people
    assert CAST.member(CAST.tour.collector) in CAST.schools
    with pytest.raises(KeyError):
        CAST.member("nobody")


def test_a_key_too_many_is_refused() -> None:
    tree: dict[str, Any] = tomllib.loads(read_config("demo.toml"))
    tree["tour"]["speed"] = "fast"
    with pytest.raises(TypeError, match="speed"):
        cast_from(tree)


def _key(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return Address(local, domain).key
