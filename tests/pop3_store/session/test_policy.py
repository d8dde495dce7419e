"""Who may send a password in the clear, and who may use the legacy listener."""

from __future__ import annotations

import pytest

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
