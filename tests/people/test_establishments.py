"""Codes of establishments, and their friendlier addresses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.people.establishments import FILE_NAME, BadRules, parse_rules
from mailserver.people.uai import BadUai, find_code, key_letter, official_locals, parse_uai
from mailserver.settings.template import read_config

RULES = parse_rules(read_config(FILE_NAME))


def test_a_code_is_one_with_and_without_its_letter() -> None:
    assert parse_uai("0170705Z") == parse_uai(" 0170705z ") == parse_uai("0170705") == "0170705Z"
    assert official_locals("0170705Z") == ("ce.0170705z", "ce.0170705")


def test_a_wrong_letter_is_named_with_the_right_one() -> None:
    with pytest.raises(BadUai, match="the letter of 0170705 is Z"):
        parse_uai("0170705A")


@pytest.mark.parametrize("text", ["", "017070Z", "01707055Z", "0170705ZZ", "O170705Z", "٠١٧٠٧٠٥Z"])
def test_other_shapes_are_refused(text: str) -> None:
    with pytest.raises(BadUai, match="7 digits and a letter"):
        parse_uai(text)


@pytest.mark.parametrize("name", ["0170705", "0170705Z", "ce.0170705", "CE.0170705z"])
def test_a_code_is_found_in_a_name(name: str) -> None:
    assert find_code(name) == "0170705z"


@pytest.mark.parametrize("name", ["", "ce.", "ce.017070z", "ec.0170705", "0170705z2", "jmarot"])
def test_other_names_are_no_codes(name: str) -> None:
    assert find_code(name) is None


@given(st.integers(0, 9_999_999), st.integers(0, 6), st.integers(1, 9))
def test_one_wrong_digit_is_always_noticed(number: int, place: int, shift: int) -> None:
    digits = f"{number:07}"
    wrong = digits[:place] + str((int(digits[place]) + shift) % 10) + digits[place + 1 :]
    with pytest.raises(BadUai):
        parse_uai(wrong + key_letter(digits))


@pytest.mark.parametrize(
    ("nature", "name", "town", "alias"),
    [
        ("école élémentaire", "École publique Jules Ferry", "Saintes", "e-julesferry-saintes"),
        ("maternelle", "École maternelle Les Tilleuls", "La Rochelle", "em-tilleuls-larochelle"),
        ("COLLEGE", "Collège Émile Combes", "Pons", "clg-emilecombes-pons"),
        ("lycée général et technologique", "Lycée Bellevue", "Saintes", "lyc-bellevue-saintes"),
        ("ecole", "École de Pons", "Pons", "e-pons"),
        ("est", "EREA Théodore Monod", "Saintes", "est-theodoremonod-saintes"),
    ],
)  # fmt: skip
def test_aliases_follow_the_rules(nature: str, name: str, town: str, alias: str) -> None:
    assert RULES.alias(nature=nature, name=name, town=town) == alias


def test_no_alias_without_a_known_nature_or_a_town() -> None:
    assert RULES.alias(nature="caserne", name="Bazeilles", town="Sedan") is None
    assert RULES.alias(nature="ecole", name="Jules Ferry", town=" ") is None


@pytest.mark.parametrize("text", ["", "natures = 3", "[natures.ecole]\nwords = []", "= "])
def test_bad_rules_are_named(text: str) -> None:
    with pytest.raises(BadRules):
        parse_rules(text)
