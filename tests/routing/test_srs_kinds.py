"""Senders of forwarded copies: what is signed as one kind is never good as the other.

Before, both kinds were signed alike, under one key, and a later one (SRS1) had no day.
"""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailserver.routing.srs import DAY_S, Srs
from mailserver.values.address import Address, is_dot_string
from mailserver.values.secret import Secret

NOW_S = 1_795_000_000.0
KEY = b"k" * 32
DIGITS = "abcdefghijklmnopqrstuvwxyz234567"
SRS = Srs(Secret(KEY), domain="ac-exemple.fr", max_days=21)


def day_text(now_s: float) -> str:
    day = int(now_s // DAY_S) % 1024
    return DIGITS[day >> 5] + DIGITS[day & 31]


TODAY = day_text(NOW_S)
PIECES = st.sampled_from(
    ["=", "==", TODAY, "ab", "x.evil.example", "SRS0", "SRS1", "zzzzzz", "a", "+3D", "+2E", " "]
)
SENDERS = st.builds(
    lambda lead, pieces, domain: Address(lead + "".join(pieces), domain),
    st.sampled_from(["", "=", "SRS0=", "SRS1=", "SRS1=zzzzzz=", f"SRS1=zzzzzz={TODAY}="]),
    st.lists(PIECES, max_size=7),
    st.sampled_from(["b.example", "ab", TODAY, f"{TODAY}=x.evil.example"]),
)


def as_before(word: str, told: str) -> str:
    """As it was signed before: without its kind; told: what follows the digest."""
    octets = told.lower().encode("utf-8", "surrogateescape")
    number = int.from_bytes(hmac.digest(KEY, octets, hashlib.sha256)[:8], "big")
    return f"{word}={''.join(DIGITS[number >> 5 * place & 31] for place in range(6))}={told}"


def written_before(sender: Address) -> str:
    kind, _, rest = sender.local.partition("=")
    lead, word = "", "SRS1"
    if kind.lower() == "srs0" and rest:
        told = f"{sender.domain}=={rest}"
    elif kind.lower() == "srs1" and "==" in rest:
        told = rest.partition("=")[2]
    else:
        word, lead, told = "SRS0", f"{TODAY}=", f"{sender.domain}={sender.local}"
    if not is_dot_string(f"{word}={told}"):
        octets = told.encode("utf-8", "surrogateescape")
        plain = b"!#$%&'*/?^_`{|}~=-"
        told = "=" + "".join(
            chr(o) if chr(o).isalnum() or o in plain else f"+{o:02X}" for o in octets
        )
    return as_before(word, lead + told)


def every_reading(written: str) -> list[str]:
    """What somebody may make of one of our addresses without the key."""
    _, stamp, told = written.split("=", 2)
    readings = [
        f"{word}={digest}={rest}"
        for word in ("SRS0", "SRS1")
        for rest in {told, f"{stamp[6:]}={told}", told.partition("=")[2], f"={told}", told[1:]}
        for digest in {stamp[:6], stamp, stamp[:6] + told[:2], stamp[:6] + TODAY}
    ]
    return [reading for reading in readings if reading.lower() != written.lower()]


@given(sender=SENDERS)
@example(sender=Address(f"SRS1=zz={TODAY}=x.evil.example==a", "b.example"))
@example(sender=Address("=a", "x.evil.example"))
@example(sender=Address("SRS0=x.evil.example=a", TODAY))
def test_nothing_that_was_written_leads_anywhere_but_where_it_says(sender: Address) -> None:
    """The kind and the day are signed: no other reading of an address is one of ours."""
    written = SRS.rewrite(sender, now_s=NOW_S)
    assert written is not None
    for reading in every_reading(written.local):
        assert SRS.restore(reading, now_s=NOW_S) is None


@given(sender=SENDERS)
@example(sender=Address(f"SRS1=zz={TODAY}=x.evil.example==a", "b.example"))
@example(sender=Address("=a", "x.evil.example"))
@example(sender=Address("SRS0=x.evil.example=a", TODAY))
@example(sender=Address("a b", "x.evil.example"))
def test_what_was_written_before_is_good_as_one_kind_at_most(sender: Address) -> None:
    written = written_before(sender)
    other = {"SRS0": "SRS1", "SRS1": "SRS0"}[written[:4]] + written[4:]
    assert SRS.restore(other, now_s=NOW_S) is None


@pytest.mark.parametrize("local", ["jean", "jean+ski", "a=b", "x.y", "=", "srs0"])
@pytest.mark.parametrize(("days", "is_good"), [(0, True), (21, True), (22, False)])
def test_a_first_one_as_before_comes_back_while_it_is_good(
    local: str, days: int, is_good: bool
) -> None:
    sender = Address(local, "b.example")
    found = SRS.restore(written_before(sender), now_s=NOW_S + days * DAY_S)
    if local == "=":  # `b.example==`: it might have been signed as a later one
        assert found is None
    else:
        assert found == (sender if is_good else None)


@pytest.mark.parametrize("first", ["HHHH={}=c.example=jean", "HHHH={}=c.example=a..b"])
@pytest.mark.parametrize(("days", "is_good"), [(0, True), (21, True), (22, False)])
def test_a_later_one_as_before_comes_back_while_the_first_forwarders_day_is_good(
    first: str, days: int, is_good: bool
) -> None:
    sender = Address(f"SRS0={first.format(TODAY.upper())}", "one.example")
    written = written_before(sender)
    assert len(written.split("=")[1]) == 6
    if first.endswith("a..b"):
        assert written.split("=")[2] == ""
    found = SRS.restore(written, now_s=NOW_S + days * DAY_S)
    assert found == (sender if is_good else None)


@pytest.mark.parametrize("before", ["HHHH", "HHHH=", "HHHH=9=c.example=a", "HHHH==c.example=a", ""])
def test_a_later_one_as_before_without_a_day_in_it_is_not_good_for_ever(before: str) -> None:
    assert SRS.restore(as_before("SRS1", f"one.example=={before}"), now_s=NOW_S) is None


@pytest.mark.parametrize("local", ["SRS0=HHHH=zz=c.example=a", "SRS1=hhhh=one.example==HHHH=zz=c=a",
                                   "SRS0=anything", "srs1=x=one.example==a..b"])  # fmt: skip
@pytest.mark.parametrize(("days", "is_good"), [(-1, True), (0, True), (21, True), (22, False)])
def test_a_later_one_has_a_day_of_its_own(local: str, days: int, is_good: bool) -> None:
    written = SRS.rewrite(Address(local, "two.example"), now_s=NOW_S)
    assert written is not None
    assert written.local.startswith("SRS1=")
    found = SRS.restore(written.local, now_s=NOW_S + days * DAY_S)
    assert (found is not None) is is_good
    folded = SRS.restore(written.local.lower(), now_s=NOW_S + days * DAY_S)
    assert (folded is not None) is is_good


def test_another_day_than_was_signed_is_not_good() -> None:
    written = SRS.rewrite(Address("SRS0=HHHH=zz=c.example=a", "b.example"), now_s=NOW_S)
    assert written is not None
    word, stamp, told = written.local.split("=", 2)
    assert stamp[6:] == TODAY
    later = day_text(NOW_S + 22 * DAY_S)
    for changed in (stamp[:6] + later, stamp[:6], stamp + "a", stamp[:7]):
        found = SRS.restore(f"{word}={changed}={told}", now_s=NOW_S + 22 * DAY_S)
        assert found is None


def test_the_day_stands_where_other_forwarders_drop_it() -> None:
    """libsrs2, postsrsd: their own digest replaces all up to the second `=` of a later one."""
    first = Address("SRS0=HHHH=zz=c.example=jean", "one.example")
    ours = SRS.rewrite(first, now_s=NOW_S)
    assert ours is not None
    _, _, kept = ours.local.split("=", 2)
    assert kept == "one.example==HHHH=zz=c.example=jean"


def test_a_first_forwarder_that_is_no_domain_gets_nothing() -> None:
    """DNS may hold `tt=x.evil.example`; no host is named so."""
    sender = Address("SRS1=zz=tt=x.evil.example==a", "b.example")
    written = SRS.rewrite(sender, now_s=NOW_S)
    assert written is not None
    assert SRS.restore(written.local, now_s=NOW_S) is None
