"""What a connection says, what its mistakes cost the peer, and what of them stands in the log.

Replies wait here until the connection writes them: one write for all commands of one packet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from mailserver.peers.notices import NoticeRepeats
from mailserver.peers.patience import Patience
from mailserver.telemetry.log import get_log
from smtp_relay.inbound.refused import WHY
from smtp_relay.inbound.replies import Phrase
from smtp_relay.inbound.service import Listener, Service

LOG: Final = get_log("smtp")


class Voice:
    """Owns what was said and is not yet written, and how much patience with the peer is left."""

    __slots__ = ("_lose_patience", "_patience", "_peer", "_repeats", "_service", "language", "log",
                 "out")  # fmt: skip
    counts_unknown = True  # are recipients that nobody is held against the peer?

    def __init__(
        self, service: Service, listener: Listener, *, lose_patience: Callable[[], None]
    ) -> None:
        """lose_patience: called by the refusal that is one too many."""
        self._service = service
        self._lose_patience = lose_patience
        self._patience = Patience(service.settings.smtp.max_errors)
        self._repeats: NoticeRepeats | None = None
        self._peer = ""
        self.language = listener.language
        self.log: Any = LOG
        self.out: list[bytes] = []

    def meet(self, peer: str, *, session: str) -> None:
        """Who it is that listens."""
        self._peer = peer
        self.log = LOG.bind(session=session, peer=peer)

    def say(self, phrase: Phrase) -> None:
        self.out.append(phrase.octets[self.language])
        if phrase.cost:
            self.count(phrase)
            self.spend(phrase.cost)

    def fill(self, phrase: Phrase, place: str, fact: str) -> None:
        """Say it with its one place filled by what is ours: ASCII, short, one line."""
        octets = phrase.octets[self.language]
        self.out.append(octets.replace(b"{%b}" % place.encode(), fact.encode("ascii")))

    def take(self) -> bytes:
        """All that was said since the last time, to be written."""
        out = self.out
        octets = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        return octets

    def count(self, refusal: Phrase) -> None:
        """For `status`; not where another counter has it."""
        why = WHY.get(refusal)
        if why is not None:
            self._service.refusals.note(why, self._peer)

    def spend(self, cost: int) -> None:
        """A refusal, or a command that led nowhere: there is an end to it."""
        if self._patience.spend(cost):
            self._lose_patience()

    def renew_patience(self) -> None:
        """Something useful was done."""
        self._patience.renew()

    def note(self, event: str, **facts: Any) -> None:
        """What a peer was refused, for the log: a few lines, then a number at the end."""
        if self._repeats is None:
            self._repeats = NoticeRepeats()
        is_shown = self._repeats.is_shown(event, facts.get("code"))
        if is_shown and self._service.notices.allows(self._peer):
            self.log.info(event, **facts)

    def part(self) -> None:
        """Nobody listens any more: say in the log how often it was that a few lines stand for."""
        self.out.clear()
        self._lose_patience = _nothing
        repeats, self._repeats = self._repeats, None
        for event, code, count in () if repeats is None else repeats.take():
            if self._service.notices.allows(self._peer):
                again = f"{event}, and again"
                self.log.info(again, code=code, repeats=count)


def _nothing() -> None:
    """Who has gone cannot be told to go."""
