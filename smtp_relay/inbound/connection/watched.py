"""What the worker's sweep asks of each connection: is it silent, too slow, vanished, in the way?"""

from __future__ import annotations

import asyncio

from mailserver.peers.liveness import has_vanished, read_vitals
from smtp_relay.inbound import replies
from smtp_relay.inbound.connection.idleness import Idleness, decide_idleness
from smtp_relay.inbound.connection.speaking import Speaker


class Watched(Speaker):
    """This part of a `Connection`, which makes these."""

    __slots__ = ()

    _is_receiving: bool
    _is_shaking_hands: bool
    _is_uploading_behind: bool
    _is_working: bool
    _line_waiter: asyncio.Future[bytes | None] | None

    def _received_octets(self) -> int:
        """Of the message that is coming in."""
        raise NotImplementedError

    def check_idleness(self, now_s: float) -> None:
        """Close a connection that is silent, abort one that does not read."""
        if self.transport is None:
            return
        smtp = self.service.settings.smtp
        verdict = decide_idleness(
            self._activity,
            now_s=now_s,
            unread_octets=self.transport.get_write_buffer_size(),
            is_receiving=self._is_receiving,
            is_working=(self._is_working and self._line_waiter is None)
            or self._is_uploading_behind,
            command_timeout_s=smtp.command_timeout_s,
            data_timeout_s=smtp.data_timeout_s,
            received_octets=self._received_octets(),
            min_octets_per_s=smtp.min_data_octets_per_s,
        )
        if verdict is Idleness.SAY_AND_CLOSE:
            self._say(replies.IDLE_TOO_LONG)
            self._close()
        elif verdict is Idleness.ABORT:
            self.transport.abort()

    def check_liveness(self, now_s: float) -> None:
        """Abort a silent peer that TCP has lost."""
        connections = self.service.settings.connections
        if self.transport is None or now_s - self._activity.heard_at_s < connections.keepalive_s:
            return
        vitals = read_vitals(self.transport.get_extra_info("socket"))
        if vitals is not None and has_vanished(vitals, connections):
            self._note("peer vanished")
            self.transport.abort()

    def idle_s(self, now_s: float) -> float | None:
        """For who needs its place: since when it waits for its peer; None: it is at work."""
        if self._is_receiving or self._is_closing:
            return None
        if self._is_working and self._line_waiter is None and not self._is_shaking_hands:
            return None
        return now_s - self._activity.heard_at_s

    def make_room(self) -> None:
        """Somebody else needs its place."""
        self.service.counters.refused_connections += 1
        self._note("connection made room", code=421)
        if self._is_shaking_hands:
            self.abort()
            return
        self._say(replies.MAKE_ROOM)
        self._close()

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()
