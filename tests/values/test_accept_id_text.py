"""An accept id and its text, there and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.values.ids import accept_id_text, make_accept_id, parse_accept_id


@given(st.integers(0, 2**47), st.binary(min_size=9, max_size=9))
def test_the_text_of_an_id_gives_the_id_back(now_ms: int, chance: bytes) -> None:
    accept_id = make_accept_id(now_ms / 1000, chance)
    assert parse_accept_id(accept_id_text(accept_id)) == accept_id
    assert parse_accept_id(accept_id_text(accept_id).upper()) == accept_id


@pytest.mark.parametrize("text", ["", "abcd", "a" * 32, "1" * 24, "é" * 24, "2.0.0 Ok"])
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_accept_id(text)


@given(st.text(max_size=40))
def test_whatever_the_text_it_is_an_id_or_a_value_error(text: str) -> None:
    try:
        assert accept_id_text(parse_accept_id(text)) == text.lower()
    except ValueError:
        return
