"""Where the DNS of strangers may send us, address by address."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.routing.reach import Reach, plain, reach_of

NOWHERE = ("0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.1.1", "169.254.169.254", "224.0.0.1",
           "240.0.0.1", "255.255.255.255", "::", "::1", "::7f00:1", "fe80::1", "fe80::1%eth0",
           "ff02::1", "::ffff:127.0.0.1", "::ffff:0.0.0.0", "64:ff9b::7f00:1", "2002:7f00:1::",
           "100::1")  # fmt: skip
PRIVATE = ("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "198.18.0.1",
           "fc00::1", "fd12::1", "fec0::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::",
           "64:ff9b:1::1")  # fmt: skip
PUBLIC = ("192.0.2.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2001:db8::1", "2a00::1",
          "64:ff9b::c000:201", "1.0.0.0", "126.255.255.255")  # fmt: skip


@pytest.mark.parametrize(
    ("address", "reach"),
    [
        *((one, Reach.NOWHERE) for one in NOWHERE),
        *((one, Reach.PRIVATE) for one in PRIVATE),
        *((one, Reach.PUBLIC) for one in PUBLIC),
    ],
)
def test_each_address_has_its_reach(address: str, reach: Reach) -> None:
    assert reach_of(address) is reach


@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1"])
def test_what_the_settings_name_may_be_reached(address: str) -> None:
    assert reach_of(address, internal=(ip_network("127.0.0.0/8"),)) is Reach.PUBLIC


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_alike_in_every_wrapping(address: object) -> None:
    for wrapped in (f"::ffff:{address}", f"64:ff9b::{address}"):
        assert plain(wrapped) == address
        assert reach_of(wrapped) is reach_of(str(address))
