"""A connection arrives: a place for it, the handshake of TLS where it comes first, a greeting.

The place is taken before the handshake: who opens a socket and says nothing is counted.
"""

from __future__ import annotations

from mailserver.peers.seats import Refusal, Seat
from mailserver.tls.failures import ALERT
from smtp_relay.inbound import replies
from smtp_relay.inbound.commands.session import SessionCommands


class Arriving(SessionCommands):
    """The beginning of a session."""

    __slots__ = ()

    def _arrive(self) -> None:
        service, counters = self.service, self.service.counters
        if service.settings.relay.trusted_networks:
            self._state = self._first_state()  # now that the peer is known
        counters.connections += 1
        counters.open_connections += 1
        refusal = self._take_seat()
        if not self.is_over_tls or self.listener.tls is None:
            self._greet(refusal)
        elif refusal is None:
            self._begin(self._open_tls())
        else:  # before a handshake no reply can be read
            counters.refused_connections += 1
            self._note("connection refused", code=refusal.code)
            self.transport.write(ALERT)
            self._close()

    def _take_seat(self) -> replies.Phrase | None:
        service = self.service
        if service.spares.is_short:
            service.counters.refused_for_descriptors += 1
            return replies.TOO_MANY_CONNECTIONS
        seat = service.seats.admit(
            self, listener=self.listener.name, peer=self.peer, now_s=service.clock_s()
        )
        if seat is Refusal.FULL:
            if service.is_capped:
                service.counters.refused_for_descriptors += 1
            return replies.TOO_MANY_CONNECTIONS
        if seat is Refusal.TOO_MANY_FROM_THERE:
            return replies.TOO_MANY_FROM_THERE
        assert isinstance(seat, Seat)
        self._seat = seat
        return None

    def _greet(self, refusal: replies.Phrase | None = None) -> None:
        service = self.service
        if not self.listener.admits(self.peer):
            refusal = replies.NOT_FROM_THERE
        elif self.listener.is_shut:
            refusal = replies.SHUT
        elif service.is_draining:
            refusal = replies.STOPPING
        if refusal is None:
            self._fill(replies.BANNER, "hostname", service.hostname)
            return
        service.counters.refused_connections += 1
        self._note("connection refused", code=refusal.code)
        self._say(refusal)
        self._close()
