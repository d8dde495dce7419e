"""What a connection says, what it costs the peer, and what of it stands in the log.

Replies wait in `_out` until they are flushed: one write for all commands of one packet.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from aiosmtpd.smtp import SMTP

from mailserver.peers.notices import Repeats
from mailserver.peers.patience import Patience
from mailserver.telemetry.log import get_log
from mailserver.texts.catalogue import Language
from smtp_relay.inbound import replies
from smtp_relay.inbound.connection.idleness import Activity
from smtp_relay.inbound.refused import WHY
from smtp_relay.inbound.replies import Phrase
from smtp_relay.inbound.service import Service

LOG: Final = get_log("smtp")


class Speaker(SMTP):
    """The voice of a `Connection`, which makes these."""

    __slots__ = ()

    loop: asyncio.AbstractEventLoop
    service: Service
    transport: Any
    peer: str
    _activity: Activity
    _is_closing: bool
    _language: Language
    _log: Any
    _out: list[bytes]
    _patience: Patience
    _repeats: Repeats | None

    def _say(self, phrase: Phrase) -> None:
        self._out.append(phrase.octets[self._language])
        if phrase.cost:
            self._count(phrase)
            self._spend(phrase.cost)

    def _count(self, refusal: Phrase) -> None:
        """For `status`; not where another counter has it."""
        why = WHY.get(refusal)
        if why is not None:
            self.service.refusals.note(why, self.peer)

    def _spend(self, cost: int) -> None:
        """A refusal, or a command that led nowhere: there is an end to it."""
        if self._patience.spend(cost) and not self._is_closing:
            self._note("too many errors", code=421)
            self._out.append(replies.TOO_MANY_ERRORS.octets[self._language])
            self._close()

    def _note(self, event: str, **facts: Any) -> None:
        """What a peer was refused, for the log: a few lines, then a number at the end."""
        if self._repeats is None:
            self._repeats = Repeats()
        is_shown = self._repeats.is_shown(event, facts.get("code"))
        if is_shown and self.service.notices.allows(self.peer):
            self._log.info(event, **facts)

    def _note_repeats(self) -> None:
        """At the end: how often it was that a few lines stand for."""
        repeats, self._repeats = self._repeats, None
        for event, code, count in () if repeats is None else repeats.take():
            if self.service.notices.allows(self.peer):
                self._log.info(f"{event}, and again", code=code, repeats=count)

    def _fill(self, phrase: Phrase, place: str, fact: str) -> None:
        self._out.append(phrase.fill(self._language, place, fact))

    async def push(self, status: str | bytes) -> None:
        """aiosmtpd's way to reply; `status` has no CRLF."""
        octets = status.encode("ascii", "replace") if isinstance(status, str) else status
        self._out.append(octets + b"\r\n")

    def _flush(self) -> None:
        out = self._out
        if out and self.transport is not None:
            self.transport.write(out[0] if len(out) == 1 else b"".join(out))
            out.clear()

    def _close(self) -> None:
        """Write what is said and close; the sweep aborts a peer that does not read it."""
        if self.transport is None or self._is_closing:
            return
        self._flush()
        self._is_closing = True
        self._activity.closing_at_s = self.service.clock_s()
        self.transport.close()
