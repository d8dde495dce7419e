"""Senders of forwarded copies: there and back, and nobody else's."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.routing.srs import (
    DAY_S,
    MAX_PATH_OCTETS,
    Srs,
    is_rewritten,
    open_srs_key,
)
from mailserver.settings.model import SRS_KEY_FILE
from mailserver.values.address import Address, is_dot_string
from mailserver.values.secret import Secret

NOW_S = 1_795_000_000.0
OURS = "ac-exemple.fr"
LOCALS = st.text('abcxyzABC019.+=-_ "\\é@', max_size=70)
DOMAINS = st.sampled_from(["b.example", "my_host.Example", "x.fr", "[192.0.2.1]", "[IPv6:::1]"])


def srs(key: bytes = b"k" * 32, *, domain: str = OURS) -> Srs:
    return Srs(Secret(key), domain=domain, max_days=21)


def rewritten(text: str, *, by: Srs | None = None) -> Address:
    local, _, domain = text.rpartition("@")
    found = (by or srs()).rewrite(Address(local, domain), now_s=NOW_S)
    assert found is not None
    return found


@given(local=LOCALS, domain=DOMAINS, days=st.integers(0, 21))
def test_a_sender_comes_back_as_it_was(local: str, domain: str, days: int) -> None:
    sender = Address(local, domain)
    found = srs().rewrite(sender, now_s=NOW_S)
    if found is None:
        return
    assert found.domain == OURS
    assert is_dot_string(found.local)
    assert len(f"<{found}>".encode()) <= MAX_PATH_OCTETS
    assert is_rewritten(found.local)
    back = srs().restore(found.local, now_s=NOW_S + days * DAY_S)
    if local[:5].lower() not in {"srs0=", "srs1="}:
        assert back == sender


@given(local=LOCALS, domain=DOMAINS, place=st.integers(0, 63), other=st.sampled_from("a7=.@é"))
def test_one_changed_character_is_no_address_of_ours(
    local: str, domain: str, place: int, other: str
) -> None:
    found = srs().rewrite(Address(local, domain), now_s=NOW_S)
    if found is None or place >= len(found.local):
        return
    changed = found.local[:place] + other + found.local[place + 1 :]
    if changed.lower() != found.local.lower():
        assert srs().restore(changed, now_s=NOW_S) is None


@given(text=st.text(max_size=80))
def test_whatever_is_asked_nothing_is_restored_that_was_not_written(text: str) -> None:
    assert srs().restore(text, now_s=NOW_S) is None
    assert srs().restore(f"SRS0={text}", now_s=NOW_S) is None
    assert srs().restore(f"SRS1={text}", now_s=NOW_S) is None


def test_another_key_restores_nothing() -> None:
    assert srs(b"o" * 32).restore(rewritten("a@b.example").local, now_s=NOW_S) is None


def test_a_server_that_changes_the_case_changes_nothing_that_counts() -> None:
    local = rewritten("jean@b.example").local
    assert srs().restore(local.lower(), now_s=NOW_S) == Address("jean", "b.example")
    assert srs().restore(local.upper(), now_s=NOW_S) == Address("JEAN", "B.EXAMPLE")


@pytest.mark.parametrize(("days", "is_good"), [(0, True), (21, True), (22, False), (-1, True)])
def test_it_is_good_for_some_days(days: int, is_good: bool) -> None:
    local = rewritten("jean@b.example").local
    assert (srs().restore(local, now_s=NOW_S + days * DAY_S) is not None) is is_good


def test_a_copy_that_was_forwarded_before_goes_back_to_the_first_forwarder() -> None:
    first = rewritten("jean@b.example", by=srs(b"1" * 32, domain="one.example"))
    second = srs(b"2" * 32, domain="two.example")
    third = srs(b"3" * 32, domain="three.example")
    at_second = rewritten(str(first), by=second)
    at_third = rewritten(str(at_second), by=third)
    assert at_second.local.startswith("SRS1=")
    assert third.restore(at_third.local, now_s=NOW_S) == first
    assert second.restore(at_second.local, now_s=NOW_S) == first


@pytest.mark.parametrize(
    "local",
    ["SRS0", "SRS0=", "srs1", "SRS1=", "SRS1=abc", "SRS1=abc=x.fr=b", "SRS2=a==b", "a=x.fr==b",
     "=b", "==b", "tt=x.fr=b"],
)  # fmt: skip
def test_what_only_looks_rewritten_comes_back_as_it_was(local: str) -> None:
    sender = Address(local, "b.example")
    found = srs().rewrite(sender, now_s=NOW_S)
    assert found is not None
    assert found.local.startswith("SRS0=")
    assert srs().restore(found.local, now_s=NOW_S) == sender


@pytest.mark.parametrize("local", ["SRS1=zz=x.fr==", "SRS1=zz====tt", "SRS1=zz==", "SRS1=zz==x"])
def test_what_names_no_first_forwarder_goes_back_to_nobody(local: str) -> None:
    found = srs().rewrite(Address(local, "b.example"), now_s=NOW_S)
    assert found is not None
    assert srs().restore(found.local, now_s=NOW_S) is None


@pytest.mark.parametrize("local", ["jean", "SRS0=HHH=TT=c.example=a", "SRS1=HHH=ab==HHH=TT=c.fr=a"])
def test_one_kind_is_never_taken_for_the_other(local: str) -> None:
    """They are under one key: what is signed as a later one has no day of its own."""
    written = rewritten(f"{local}@ab").local
    other = {"SRS0": "SRS1", "SRS1": "SRS0"}[written[:4]] + written[4:]
    assert srs().restore(other, now_s=NOW_S) is None


def test_one_that_would_be_too_long_is_not_written() -> None:
    longest = MAX_PATH_OCTETS - len(f"<SRS0=hhhhhh=tt=b.example=@{OURS}>")
    found = srs().rewrite(Address("a" * longest, "b.example"), now_s=NOW_S)
    assert found is not None
    assert srs().restore(found.local, now_s=NOW_S) == Address("a" * longest, "b.example")
    assert srs().rewrite(Address("a" * longest + "a", "b.example"), now_s=NOW_S) is None


@pytest.mark.parametrize(
    ("local", "domain", "told"),
    [
        ("jean", "b.example", "b.example=jean"),
        ("jean+ski", "b.example", "b.example=jean+ski"),
        ("a..b", "b.example", "=b+2Eexample=a+2E+2Eb"),
        (".a", "b.example", "b.example=.a"),  # its dot stands within ours
        ("a.", "b.example", "=b+2Eexample=a+2E"),
        ("a b+c", "b.example", "=b+2Eexample=a+20b+2Bc"),
        ("", "b.example", "b.example="),
        ("jean", "[192.0.2.1]", "=+5B192+2E0+2E2+2E1+5D=jean"),
        ("boss@x", "b.example", "=b+2Eexample=boss+40x"),
    ],
)
def test_what_needs_quotes_is_escaped_so_that_the_address_never_does(
    local: str, domain: str, told: str
) -> None:
    found = srs().rewrite(Address(local, domain), now_s=NOW_S)
    assert found is not None
    assert found.local.split("=", 3)[3] == told
    assert str(found) == f"{found.local}@{OURS}"
    assert srs().restore(found.local, now_s=NOW_S) == Address(local, domain)


def test_one_of_another_forwarder_is_escaped_too_and_comes_back_whole() -> None:
    foreign = Address("SRS0=HHH=TT=c.example=a..b", "one.example")
    found = srs().rewrite(foreign, now_s=NOW_S)
    assert found is not None
    assert is_dot_string(found.local)
    again = srs(b"2" * 32, domain="two.example").rewrite(found, now_s=NOW_S)
    assert again is not None
    assert is_dot_string(again.local)
    assert srs().restore(found.local, now_s=NOW_S) == foreign
    back = srs(b"2" * 32, domain="two.example").restore(again.local, now_s=NOW_S)
    assert back == foreign


def test_the_key_is_made_once_and_nobody_else_reads_it(tmp_path: Path) -> None:
    first = open_srs_key(tmp_path).reveal()
    assert len(first) == 32
    assert open_srs_key(tmp_path, draw=lambda count: b"x" * count).reveal() == first
    assert stat.S_IMODE((tmp_path / SRS_KEY_FILE).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [SRS_KEY_FILE]


def test_two_containers_that_make_the_key_at_once_have_the_same_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each counts its processes from 1, so their numbers tell nothing apart."""
    link, first = os.link, []

    def link_after_another(draft: Path, path: Path) -> None:
        monkeypatch.setattr(os, "link", link)
        first.append(open_srs_key(tmp_path).reveal())
        link(draft, path)

    monkeypatch.setattr(os, "link", link_after_another)
    assert [open_srs_key(tmp_path).reveal()] == first
    assert [path.name for path in tmp_path.iterdir()] == [SRS_KEY_FILE]


def test_a_key_file_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / SRS_KEY_FILE).write_bytes(b"short")
    with pytest.raises(OSError, match="no key"):
        open_srs_key(tmp_path)
