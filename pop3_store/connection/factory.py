"""One listener of this door: who may come in, and over what.

listener      TLS                         who
pop3          by STLS                     anybody
pop3s         from the first octet        anybody
legacy-pop3s  from the first octet, old   the networks of `[legacy]` only
"""

# ruff: noqa: N802 - Twisted chose these names

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.protocol import Factory, Protocol

from mailserver.peers.refusals import Why
from mailserver.settings.model import Network
from mailserver.values.ip import is_in_networks
from pop3_store.connection.connections import Connections
from pop3_store.connection.protocol import Pop3Protocol
from pop3_store.connection.tls import OneReply, ServerTls
from pop3_store.session.authorization import is_clear_allowed
from pop3_store.session.server import Circuit
from pop3_store.session.texts import Say


class ConnectionFactory(Factory):
    """Makes a session for each connection of one listener.

    `networks`: None admits everybody.
    """

    noisy = False

    def __init__(
        self,
        connections: Connections,
        *,
        door: str,
        bound_host: str,
        tls: ServerTls,
        is_implicit_tls: bool,
        allow_clear_on_loopback: bool,
        networks: Sequence[Network] | None = None,
    ) -> None:
        self._connections = connections
        self._door = door
        self._bound_host = bound_host
        self._tls = tls
        self._is_implicit_tls = is_implicit_tls
        self._allow_clear_on_loopback = allow_clear_on_loopback
        self._networks = networks

    def buildProtocol(self, addr: Any) -> Protocol | None:
        """None closes the connection without a word."""
        peer: str = addr.host
        connections = self._connections
        connections.peers.note(peer)
        if self._networks is not None and not is_in_networks(peer, self._networks):
            connections.server.note("peer outside the legacy networks", door=self._door, peer=peer)
            connections.server.refusals.note(Why.CONNECTION, peer)
            return None
        connections.refused_for_descriptors += connections.spares.is_short
        if connections.is_full or connections.is_draining or connections.spares.is_short:
            return self._turn_away(peer, Say.TOO_MANY_SESSIONS)
        circuit = Circuit(
            session_id=connections.next_session_id(),
            door=self._door,
            peer=peer,
            is_tls=self._is_implicit_tls,
            can_start_tls=not self._is_implicit_tls,
            is_clear_allowed=is_clear_allowed(
                allow_on_loopback=self._allow_clear_on_loopback,
                bound_host=self._bound_host,
                peer_host=peer,
            ),
        )
        protocol = Pop3Protocol(connections, circuit, self._tls)
        refusal = connections.seat(protocol, door=self._door, peer=peer)
        return protocol if refusal is None else self._turn_away(peer, refusal)

    def _turn_away(self, peer: str, say: Say) -> Protocol | None:
        """Before a handshake no reply can be read."""
        server = self._connections.server
        server.refusals.note(Why.CONNECTION, peer)
        server.note("connection turned away", door=self._door, peer=peer, why=say.name.lower())
        return None if self._is_implicit_tls else OneReply(server.replies[say])
