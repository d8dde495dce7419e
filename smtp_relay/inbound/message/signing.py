"""The DKIM signatures of one message that leaves, begun while it arrives.

Only such a message pays: mail for mailboxes here has no `Signing`.  The body's
hash is fed as the octets come; after the dot the header block is read once and
the keys sign, on the loop's own thread: both signatures take a third of a
millisecond, and a hop to a thread and back would cost as much.
"""

from __future__ import annotations

from mailserver.dkim.body_hash import BodyHash
from mailserver.dkim.signer import Signer
from smtp_relay.inbound.message.header import HeaderBlock


class Signing:
    """Fed beside the upload.  `block`: the header block as it came, known after the dot."""

    __slots__ = ("_body_hash", "_header", "_octets", "_signer", "block")

    def __init__(self, signer: Signer, header: HeaderBlock) -> None:
        self._signer = signer
        self._header = header
        self._body_hash = BodyHash()
        self._octets = 0  # of the message, so far
        self.block = b""

    def feed(self, octets: bytes) -> None:
        """The next octets of the message, which the header block has seen already."""
        begin = self._octets
        self._octets += len(octets)
        if self._header.is_complete:
            of_header = max(self._header.octets - begin, 0)
            self._body_hash.feed(octets[of_header:] if of_header else octets)

    def sign(self, head: bytes, *, now_s: float) -> bytes:
        """The lines that go in front of `head`, our own; called once."""
        return self._signer.sign(head + self.block, body_hash=self._body_hash.digest(), now_s=now_s)
