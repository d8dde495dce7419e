"""What one report is made from.  Values; nothing here is read twice from the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mailserver.store.ports.queue import OwedReport
from mailserver.texts.catalogue import Language
from mailserver.values.organisation import Organisation

HEADER_LIMIT_OCTETS = 64 * 1024
"""Of an original's header block, what is looked at and returned at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """The message that the report is about.

    block: our head and the author's header block, cut at `HEADER_LIMIT_OCTETS`;
        whatever octets the author sent.
    pieces: the whole message (head and body) from its beginning, at each call.
    """

    accepted_at_s: float
    envelope_id: str  # ENVID as typed, in xtext
    return_content: str  # RET: FULL, HDRS or empty
    smtputf8: bool
    size_octets: int
    block: bytes
    pieces: Callable[[], Iterator[bytes]]


def cut_block(octets: bytes) -> bytes:
    """A header block within the limit, whole lines where it has any."""
    if len(octets) <= HEADER_LIMIT_OCTETS:
        return octets
    end = octets.rfind(b"\r\n", 0, HEADER_LIMIT_OCTETS - 2)
    return octets[: HEADER_LIMIT_OCTETS if end < 0 else end + 2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One report to make.

    to: the reverse-path of the original; never empty.
    languages: those of the explanation, in order.
    id_text: unique; ASCII letters and digits.
    takes_8bit: the way to its reader is 8-bit clean (a mailbox of ours).
    """

    organisation: Organisation
    owed: OwedReport
    original: Original
    to: str
    languages: tuple[Language, ...]
    made_at_s: float
    id_text: str
    takes_8bit: bool

    @property
    def smtputf8(self) -> bool:
        """Only where the sender's address leaves no choice: not every server takes it."""
        return not self.to.isascii()

    @property
    def is_8bit_clean(self) -> bool:
        return self.takes_8bit or self.smtputf8

    @property
    def is_international(self) -> bool:
        """RFC 6533: an address that ASCII cannot write, or an original that said so."""
        copies = self.owed.copies
        return (
            self.smtputf8
            or self.original.smtputf8
            or not all(copy.recipient.isascii() for copy in copies)
        )
