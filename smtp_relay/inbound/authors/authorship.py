"""Who a stranger's message says wrote it: somebody of ours, without anybody who vouches?

Newsletters, forwarders and outside lists honestly send under addresses of ours, and so
do forgers.  Nobody here can tell them apart, so such a message is deposited, and goes
nowhere under our name:

    From, Sender or the reverse-path is of ours     and
    nobody signed in, no trusted network            and
    no signature of ours holds                      = unvouched

`feed` sees the octets as they pass; the body is hashed only where a signature of ours
may be there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from mailserver.dkim.body_hash import BodyHash
from mailserver.dkim.own import is_signed_by
from mailserver.dkim.signer import Signer
from mailserver.values.address import Address, fold_domain
from mailserver.values.text.header_text import decode_octets
from smtp_relay.inbound.authors.readings import NOISE, every_reading, squeezed
from smtp_relay.inbound.message.header import HeaderBlock

_FROM = b"\nfrom:"
_LINES = rb"[^\n]*+(?:\n[ \t][^\n]*+)*"  # of one field, folded
# A name, whatever some programs let pass before the colon.
_FIELD = re.compile(
    rb"\n(?:from|sender|resent-from|resent-sender)[^!-9;-~\r\n]*:(" + _LINES + rb")",
    re.IGNORECASE,
)
# A name with an octet that is in none: some program drops it, and reads a field of authors.
_ODD = re.compile(rb"\n((?![ \t])[!-9;-~]*+[^!-~\r\n \t]" + _LINES + rb")")
_DOMAIN = re.compile(r"@\s*([^\s@<>()\[\]\",:;\\]+)")
_MAX_READ_OCTETS = 64 * 1024
"""Of all fields of authors; who writes more has something to hide, and is taken for one of us."""


class OwnAuthors:
    """Finds addresses of ours in fields of authors; made once for a service."""

    __slots__ = ("_octets", "names")

    def __init__(self, names: Iterable[str]) -> None:
        """names: our domains, folded."""
        self.names = frozenset(names)
        self._octets = tuple(name.encode("utf-8") for name in self.names)

    def is_in(self, block: bytes) -> bool:
        """Does a field of authors hold an address of ours, as anybody may read it?"""
        text = b"\n" + block
        lowered = text.lower()
        begin = lowered.find(_FROM)
        odd = _ODD.findall(text)
        if begin >= 0 and not odd and self._is_plain(lowered, begin):
            return False
        values = _FIELD.findall(text) + odd
        if sum(map(len, values)) > _MAX_READ_OCTETS:
            return True
        return any(
            fold_domain(domain) in self.names
            for value in values
            for reading in every_reading(_text(value))
            for text in (reading, *squeezed(reading))
            for domain in _DOMAIN.findall(text)
        )

    def _is_plain(self, lowered: bytes, begin: int) -> bool:
        """One short From, nothing encoded, and no domain of ours in it: as most mail has it."""
        end = lowered.find(b"\n", begin + 1)
        line = lowered[begin : end if end >= 0 else None]
        squeezed = line.translate(None, NOISE)
        return (
            lowered[end + 1 : end + 2] not in {b" ", b"\t"}
            and line.isascii()
            and b"=?" not in line
            and b"(" not in line
            and not any(name in squeezed for name in self._octets)
            and lowered.count(b"\nfrom") == 1
            and b"\nsender" not in lowered
            and b"\nresent-" not in lowered
        )


class Authorship:
    """Of one message from a stranger, fed beside the upload."""

    __slots__ = ("_block", "_body_hash", "_header", "_is_read", "_octets", "_own", "_sender",
                 "_signer", "poses")  # fmt: skip

    def __init__(
        self,
        header: HeaderBlock,
        *,
        own: OwnAuthors,
        sender: Address | None,
        signer: Signer | None,
    ) -> None:
        """header: one that keeps what it sees."""
        self._header = header
        self._own = own
        self._sender = sender
        self._signer = signer
        self._octets = 0  # of the message, so far
        self._is_read = False
        self._block = b""
        self._body_hash: BodyHash | None = None
        self.poses = sender is not None and fold_domain(sender.domain) in own.names

    def feed(self, octets: bytes) -> None:
        """The next octets of the message, which the header block has seen already."""
        begin = self._octets
        self._octets += len(octets)
        if not self._is_read:
            if not self._header.is_complete:
                return
            self.read(self._header.kept())
        if self._body_hash is not None:
            of_header = max(self._header.octets - begin, 0)
            self._body_hash.feed(octets[of_header:] if of_header else octets)

    def read(self, block: bytes) -> None:
        """The header block is there; called once, at the dot at last."""
        self._is_read = True
        self.poses = self.poses or self._own.is_in(block)
        if self.poses and self._signer is not None and b"dkim-signature" in block.lower():
            self._block = block
            self._body_hash = BodyHash()

    def is_by(self, authors: OwnAuthors) -> bool:
        """Once all is read: is it under a name of these?"""
        sender = self._sender
        is_sender = sender is not None and fold_domain(sender.domain) in authors.names
        return is_sender or authors.is_in(self._header.kept())

    def is_unvouched(self) -> bool:
        """After the last octet."""
        if not self._is_read:
            self.read(self._header.kept())
        if not self.poses:
            return False
        if self._body_hash is None or self._signer is None:
            return True
        digest = self._body_hash.digest()
        return not is_signed_by(self._signer.keys, self._signer.domains, self._block, digest)


def _text(value: bytes) -> str:
    return decode_octets(value, most_octets=len(value)).replace("\r\n", "")
