"""Who may send a password in the clear, and who may use the legacy listener."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from pop3_store.connection.factory import is_within
from pop3_store.session.authorization import is_clear_allowed


@pytest.mark.parametrize(
    ("allow", "bound", "peer", "expected"),
    [
        (True, "127.0.0.1", "127.0.0.1", True),
        (True, "::1", "::1", True),
        (True, "127.0.0.1", "::ffff:127.0.0.1", True),
        (False, "127.0.0.1", "127.0.0.1", False),
        (True, "0.0.0.0", "127.0.0.1", False),
        (True, "::", "::1", False),
        (True, "127.0.0.1", "192.0.2.7", False),
        (True, "172.17.0.2", "172.17.0.1", False),
        (True, "127.0.0.1", "not an address", False),
    ],
)
def test_a_password_in_the_clear(*, allow: bool, bound: str, peer: str, expected: bool) -> None:
    assert is_clear_allowed(allow_on_loopback=allow, bound_host=bound, peer_host=peer) is expected


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
def test_networks(*, host: str, expected: bool) -> None:
    networks = (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"))
    assert is_within(host, networks) is expected
