"""Addresses: one key for every spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.values.address import Address, fold_domain, fold_local, quote_local, split_plus

any_text = st.text(st.characters(), max_size=40)  # surrogates included


@given(local=any_text)
def test_whatever_the_local_part_folding_twice_is_folding_once(local: str) -> None:
    assert fold_local(fold_local(local)) == fold_local(local)


@given(domain=any_text)
def test_whatever_the_domain_folding_twice_is_folding_once(domain: str) -> None:
    assert fold_domain(fold_domain(domain)) == fold_domain(domain)


@given(local=any_text, domain=any_text)
def test_whatever_the_address_its_key_is_found(local: str, domain: str) -> None:
    address = Address(local, domain)
    assert address.key == f"{fold_local(local)}@{fold_domain(domain)}"


@given(local=st.text(st.characters(max_codepoint=127), max_size=30))
def test_whatever_the_case_of_an_ascii_local_part_its_key_is_one(local: str) -> None:
    assert fold_local(local.upper()) == fold_local(local.lower()) == fold_local(local)


def test_every_character_alone_folds_to_something_stable() -> None:
    for code in range(0x3000):
        once = fold_local(chr(code))
        assert fold_local(once) == once, hex(code)


@pytest.mark.parametrize(
    ("typed", "folded"),
    [
        ("Frédéric.Marot", "frederic.marot"),
        ("Fre\u0301de\u0301ric", "frederic"),
        ("CÉLINE.ŒUVRARD", "celine.oeuvrard"),
        ("ǽlla", "aella"),
        ("Groß", "gross"),
        ("Øyvind", "oyvind"),
        ("Łukasz", "lukasz"),
        ("Ｊｅａｎ", "jean"),
        ("İnci", "inci"),
        ("a+B", "a+b"),
        ("", ""),
    ],
)
def test_local_parts_compare_without_case_and_accents(typed: str, folded: str) -> None:
    assert fold_local(typed) == folded


@pytest.mark.parametrize(
    ("typed", "folded"),
    [
        ("AC-Exemple.FR", "ac-exemple.fr"),
        ("ac-exemple.fr.", "ac-exemple.fr"),
        ("académie.fr", "xn--acadmie-eya.fr"),
        ("ACADÉMIE.fr", "xn--acadmie-eya.fr"),
        ("XN--ACADMIE-EYA.fr", "xn--acadmie-eya.fr"),
        ("école。fr", "xn--cole-9oa.fr"),
        ("[192.0.2.1]", "[192.0.2.1]"),
        ("[IPv6:2001:DB8::1]", "[ipv6:2001:db8::1]"),
        ("é" * 300, "é" * 300),  # no label is that long: only lowered
        ("", ""),
    ],
)
def test_domains_compare_as_a_labels(typed: str, folded: str) -> None:
    assert fold_domain(typed) == folded


@pytest.mark.parametrize(
    ("local", "written"),
    [
        ("jean.petit", "jean.petit"),
        ("o'brien+ski", "o'brien+ski"),
        ("élodie", "élodie"),
        ("a b", '"a b"'),
        (".jean", '".jean"'),
        ("jean.", '"jean."'),
        ("a..b", '"a..b"'),
        ('a"b\\c', '"a\\"b\\\\c"'),
        ("a@b", '"a@b"'),
        ("", '""'),
    ],
)
def test_a_local_part_is_quoted_when_it_must_be(local: str, written: str) -> None:
    assert quote_local(local) == written
    assert str(Address(local, "d.fr")) == f"{written}@d.fr"


@pytest.mark.parametrize(
    ("local", "relayed"),
    [
        ("a..b", "a..b@x.jp"),
        (".a", ".a@x.jp"),
        ("a.", "a.@x.jp"),
        ("a", "a@x.jp"),
        ("é..b", "é..b@x.jp"),
        ("a b", '"a b"@x.jp'),
        ("a\x7f", '"a\x7f"@x.jp'),  # DEL is no atext (RFC 5321 §4.1.2)
        ("a\x80", "a\x80@x.jp"),
        ("", '""@x.jp'),
    ],
)
def test_a_dot_too_many_stays_without_quotes_where_its_own_servers_write_it_so(
    local: str, relayed: str
) -> None:
    assert Address(local, "x.jp").as_relayed == relayed


def test_the_bare_postmaster_has_no_at_sign() -> None:
    assert str(Address("Postmaster", "")) == "Postmaster"


@pytest.mark.parametrize(
    ("local", "parts"),
    [
        ("jean+ski", ("jean", "ski")),
        ("jean+a+b", ("jean", "a+b")),
        ("jean", ("jean", "")),
        ("jean+", ("jean", "")),
        ("+ski", ("+ski", "")),
        ("", ("", "")),
    ],
)
def test_the_detail_stands_behind_the_first_plus(local: str, parts: tuple[str, str]) -> None:
    assert split_plus(local) == parts
