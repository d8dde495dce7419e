"""The key under which connections and limits are shared.

Two destinations share a connection only if it would be the same connection:
the same hosts and ports, the same protocol and log-in, and of every host the
same proof.  Two domains with the same MX and different policies never meet.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from smtp_relay.delivery.plan import Hop, Login, Protocol


def site_of(hops: Sequence[Hop], *, protocol: Protocol, login: Login | None, rule: str = "") -> str:
    """`mx1.example.net+2#5f0c...`: the first host by name, how many more, and a digest of it all.

    hops: in any order.  rule: whose own limits hold.
    """
    hosts = sorted((hop.host, hop.port) for hop in hops)
    facts = (
        sorted(_demand_of(hop) for hop in hops),
        protocol.value,
        login.user_name if login else "",
        rule,
    )
    digest = hashlib.blake2b(repr(facts).encode(), digest_size=6).hexdigest()
    more = f"+{len(hosts) - 1}" if len(hosts) > 1 else ""
    return f"{hosts[0][0]}{more}#{digest}"


def _demand_of(
    hop: Hop,
) -> tuple[str, int, int, tuple[str, ...], tuple[tuple[int, int, int, str], ...], bool]:
    tls = hop.tls
    records = tuple((one.usage, one.selector, one.matching, one.data.hex()) for one in tls.tlsa)
    return (
        hop.host,
        hop.port,
        int(tls.level),
        tls.names,
        tuple(sorted(records)),
        tls.is_implicit,
    )
