"""Addresses of machines in their one form."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from mailserver.values.ip import is_in_networks, is_loopback, parse_ip, unmapped


@pytest.mark.parametrize(
    ("text", "ip"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::FFFF:c000:207", "192.0.2.7"),
        ("::ffff:192.0.2.7%eth0", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::1"),
        ("::192.0.2.7", "::c000:207"),  # compatible, not mapped (RFC 4291 §2.5.5.1)
    ],
)
def test_one_form_of_an_address(text: str, ip: str) -> None:
    assert parse_ip(text) == ip_address(ip)


@pytest.mark.parametrize("text", ["", "unknown", "192.0.2", "192.0.2.7:25", "%eth0", "0192.0.2.7"])
def test_what_is_no_address(text: str) -> None:
    assert parse_ip(text) is None
    assert not is_loopback(text)
    assert not is_in_networks(text, (ip_network("0.0.0.0/0"), ip_network("::/0")))


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("127.8.9.1", True), ("::1", True), ("::ffff:127.0.0.1", True), ("::ffff:10.0.0.1", False)],
)
def test_loopback(text: str, *, is_one: bool) -> None:
    assert is_loopback(text) is is_one


def test_an_address_that_is_not_mapped_is_itself() -> None:
    assert unmapped(ip_address("2001:db8::1")) == ip_address("2001:db8::1")


def test_nobody_else_unmaps() -> None:
    root = Path(__file__).parents[2]
    rooms = ("mailserver", "smtp_relay", "pop3_store", "webmail")
    sources = [path for room in rooms for path in (root / room).rglob("*.py")]
    found = [
        path.name for path in sources if re.search(r"\bipv4_mapped\b", path.read_text("utf-8"))
    ]
    assert found == ["ip.py"]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("192.0.2.7", True),
        ("::ffff:192.0.2.7", True),
        ("192.0.3.1", False),
        ("2001:db8::5", True),
        ("2001:db9::5", False),
        ("fe80::1%eth0", False),
        ("nonsense", False),
    ],
)
def test_networks_of_both_families(*, host: str, expected: bool) -> None:
    networks = (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"))
    assert is_in_networks(host, networks) is expected
