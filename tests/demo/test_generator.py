"""The fictional academy: the same for one seed, valid, and as varied as life."""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter

import pytest

from mailserver.demo.generator import PERSON_HEADER, UNIT_HEADER, make_academy
from mailserver.demo.generator_names import MEN, SCHOOLS, SURNAMES, WOMEN
from mailserver.people.names import address_base
from mailserver.people.uai import parse_uai
from mailserver.values.numen import parse_numen


def _rows(octets: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(octets.decode("utf-8")), delimiter=";"))


def test_one_seed_is_one_academy_on_every_machine() -> None:
    academy = make_academy(people_count=50, seed=7)
    digest = hashlib.sha256(academy.units + academy.people).hexdigest()
    assert digest == "088e1d74c98ad225fb86cdc6df46d1ed08f6ea774da12e004e32dce50f6d9e55"
    assert academy != make_academy(people_count=50, seed=8)


@pytest.mark.slow
@pytest.mark.parametrize(("people_count", "schools"), [(1, 5), (200, 8), (60_000, 2_000)])
def test_there_is_an_establishment_for_25_people_from_5_to_2000(
    people_count: int, schools: int
) -> None:
    units = _rows(make_academy(people_count=people_count, seed=1).units)
    assert sum(row["type"] == "établissement" for row in units) == schools


def test_units_have_valid_codes_each_once_and_parents_that_exist() -> None:
    units = _rows(make_academy(people_count=10_000, seed=1).units)
    codes = [row["uai"] for row in units]
    assert len(set(codes)) == len(codes)
    assert {row["rattachement"] for row in units} <= {*codes, ""}
    for row in units:
        if row["type"] in {"établissement", "circonscription"}:
            assert parse_uai(row["uai"]) == row["uai"]


def test_people_have_numens_of_their_own_and_work_somewhere() -> None:
    academy = make_academy(people_count=3_000, seed=1)
    codes = {row["uai"] for row in _rows(academy.units)}
    rows = _rows(academy.people)
    assert len({parse_numen(row["numen"]) for row in rows}) == 3_000
    assert len(rows) > 3_000  # second posts
    assert {row["uai"] for row in rows} <= codes


def test_names_are_as_varied_as_life() -> None:
    rows = _rows(make_academy(people_count=3_000, seed=1).people)
    addresses = Counter(address_base(row["prenom"], row["nom"]) for row in rows)
    assert addresses.most_common(1)[0][1] > 2  # homonyms
    for mark in ("'", " ", "-", "é", "ü", "œ", "Ø"):
        assert any(mark in row["nom"] + row["prenom"] for row in rows), mark


def test_headers_are_those_that_the_reader_knows() -> None:
    academy = make_academy(people_count=1, seed=1)
    assert tuple(_rows(academy.units)[0]) == UNIT_HEADER
    assert tuple(_rows(academy.people)[0]) == PERSON_HEADER


def test_lists_of_names_hold_none_twice() -> None:
    for names in (SURNAMES, WOMEN, MEN, SCHOOLS):
        assert len(set(names)) == len(names)
        assert all(name.strip() == name and name for name in names)
