"""A plan as a file: whole, of this service, or refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.directory.deciding.plan import ImportPlan
from mailserver.directory.plan_file import is_plan, read_plan, write_plan
from mailserver.directory.reading.problems import BadFile
from mailserver.store.sqlite.store import SqliteStore
from tests.directory.conftest import DOMAIN, NOW_S, UNITS, plan_of


@pytest.fixture
def octets(tmp_path: Path, bare: SqliteStore) -> bytes:
    file = tmp_path / "a.plan"
    write_plan(file, plan_of(bare, UNITS), domain=DOMAIN, made_at_s=NOW_S)
    return file.read_bytes()


def test_a_plan_is_known_by_its_first_octets(octets: bytes) -> None:
    assert is_plan(octets)
    assert not is_plan(b"numen;nom\n")


def test_an_empty_plan_comes_back(tmp_path: Path) -> None:
    file = tmp_path / "a.plan"
    write_plan(file, ImportPlan(steps=()), domain=DOMAIN, made_at_s=NOW_S)
    assert read_plan(file.read_bytes(), name="a", domain=DOMAIN) == ImportPlan(steps=())


def test_a_plan_of_another_service_is_refused(octets: bytes) -> None:
    with pytest.raises(BadFile, match=r"a plan for ac-exemple\.fr, and this service is a\.test"):
        read_plan(octets, name="a.plan", domain="a.test")


def test_a_plan_that_is_cut_or_damaged_is_refused(octets: bytes) -> None:
    lines = octets.splitlines(keepends=True)
    for bad in (
        octets[:-5],
        b"".join(lines[:-1]),
        b"".join([lines[0], *lines[2:]]),
        octets.replace(b'"unit"', b'"planet"'),
        octets.replace(b'"created"', b'"eaten"'),
        octets.replace(b'{"plan": 1', b'{"plan": 2'),
        octets.replace(b'"after"', b'"later"'),
        b"",
    ):
        with pytest.raises(BadFile, match="plan again"):
            read_plan(bad, name="a.plan", domain=DOMAIN)


@given(st.binary(max_size=200))
def test_whatever_octets_are_a_plan_or_a_refusal(octets: bytes) -> None:
    for one in (octets, b'{"plan": 1, "domain": "ac-exemple.fr"}\n' + octets):
        with pytest.raises(BadFile, match=r"a\.plan"):
            read_plan(one, name="a.plan", domain=DOMAIN)
