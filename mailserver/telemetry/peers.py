"""Are the client addresses that we see real?

Behind a container's gateway or a badly set-up balancer, every connection comes
from one private address.  Then throttles, logs and journeys name the gateway,
not the client, and somebody should be told.  A core: octets of address in,
counters out; memory is bounded.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from mailserver.telemetry.reports import PEERS_DISTINCT, PEERS_PRIVATE, PEERS_RECENT
from mailserver.values.ip import is_loopback, parse_ip

WINDOW_COUNT: Final = 200
ENOUGH_COUNT: Final = 20
"""Fewer connections than this prove nothing."""


class PeerWatch:
    """The addresses of a worker's last connections."""

    def __init__(self, *, window_count: int = WINDOW_COUNT) -> None:
        self._recent: deque[str] = deque(maxlen=window_count)
        self._is_told = False

    def note(self, peer: str) -> None:
        """One more connection; loopback peers (health checks) are left out."""
        if not is_loopback(peer):
            self._recent.append(peer)

    def counters(self) -> dict[str, float]:
        """For the worker's report."""
        distinct = set(self._recent)
        is_private = len(distinct) == 1 and _is_private(next(iter(distinct)))
        return {
            PEERS_RECENT: float(len(self._recent)),
            PEERS_DISTINCT: float(len(distinct)),
            PEERS_PRIVATE: float(is_private),
        }

    def looks_like_a_gateway(self) -> bool:
        """Every recent peer has one private address, and there were enough of them."""
        return len(self._recent) >= ENOUGH_COUNT and bool(self.counters()[PEERS_PRIVATE])

    @property
    def addresses_say_who(self) -> bool:
        """May limits be kept by address?  Not where all clients share a gateway's."""
        return not self.looks_like_a_gateway()

    def is_gateway(self, peer: str) -> bool:
        """Is this the one private address from which every recent peer came?"""
        return peer in self._recent and self.looks_like_a_gateway()

    def is_news(self) -> bool:
        """True once, when it begins to look like a gateway: the moment to log it."""
        was_told, self._is_told = self._is_told, self.looks_like_a_gateway()
        return self._is_told and not was_told


GATEWAY_WARNING: Final = (
    "every recent client came from one private address: it is a gateway's, not theirs."
    " Logs and throttles do not see who connects"
)


def reports_show_a_gateway(reports: list[dict[str, float]]) -> bool:
    """The same judgement over the reports of all workers."""
    seen = [report for report in reports if report.get(PEERS_RECENT)]
    enough = sum(report[PEERS_RECENT] for report in seen) >= ENOUGH_COUNT
    return enough and all(report.get(PEERS_PRIVATE) for report in seen)


def _is_private(peer: str) -> bool:
    ip = parse_ip(peer)
    return ip is not None and ip.is_private
