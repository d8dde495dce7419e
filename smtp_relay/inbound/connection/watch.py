"""What the process asks of each connection: is it silent, too slow, vanished, in the way?"""

from __future__ import annotations

from dataclasses import dataclass

from mailserver.peers.liveness import has_vanished, read_vitals
from smtp_relay.inbound import replies
from smtp_relay.inbound.connection.connection import Connection
from smtp_relay.inbound.connection.idleness import Idleness, decide_idleness


@dataclass(frozen=True, slots=True, eq=False)
class Watch:
    """Over one connection; it owns nothing."""

    connection: Connection

    def check_idleness(self, now_s: float) -> None:
        """Close a connection that is silent, abort one that does not read."""
        connection = self.connection
        if connection.transport is None:
            return
        smtp, incoming = connection.service.settings.smtp, connection.incoming
        verdict = decide_idleness(
            connection.activity,
            now_s=now_s,
            unread_octets=connection.transport.get_write_buffer_size(),
            is_receiving=incoming is not None,
            is_working=connection.is_at_work or (incoming is not None and incoming.is_behind),
            command_timeout_s=smtp.command_timeout_s,
            data_timeout_s=smtp.data_timeout_s,
            received_octets=0 if incoming is None else incoming.received_octets,
            min_octets_per_s=smtp.min_data_octets_per_s,
        )
        if verdict is Idleness.SAY_AND_CLOSE:
            connection.say_last(replies.IDLE_TOO_LONG)
        elif verdict is Idleness.ABORT:
            connection.abort()

    def check_liveness(self, now_s: float) -> None:
        """Abort a silent peer that TCP has lost."""
        connection = self.connection
        bounds, silent_s = connection.service.settings.connections, self._silent_s(now_s)
        if connection.transport is None or silent_s < bounds.keepalive_s:
            return
        vitals = read_vitals(connection.transport.get_extra_info("socket"))
        if vitals is not None and has_vanished(vitals, bounds):
            connection.voice.note("peer vanished")
            connection.abort()

    def idle_s(self, now_s: float) -> float | None:
        """For who needs its place: since when it waits for its peer; None: it is at work."""
        connection = self.connection
        if connection.incoming is not None or connection.is_closing:
            return None
        if connection.is_at_work and not connection.is_shaking_hands:
            return None
        return self._silent_s(now_s)

    def _silent_s(self, now_s: float) -> float:
        return now_s - self.connection.activity.heard_at_s

    def make_room(self) -> None:
        """Somebody else needs its place."""
        connection = self.connection
        connection.service.counters.refused_connections += 1
        connection.voice.note("connection made room", code=421)
        if connection.is_shaking_hands:
            connection.abort()
        else:
            connection.say_last(replies.MAKE_ROOM)

    def drain(self) -> None:
        """The process is to end: close now if no command or message is under way."""
        self.connection.take_turn()

    def abort(self) -> None:
        self.connection.abort()
