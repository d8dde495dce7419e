"""SMTP replies: a code, an enhanced code and one sentence.

RFC 5321 §4.2 (replies), RFC 3463 (enhanced codes), RFC 2034 §4 (where they
stand).  A text that came from us is ASCII and fits in one line.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_REPLY_LINE_OCTETS = 512  # RFC 5321 §4.5.3.1.5


@dataclass(frozen=True, slots=True)
class Reply:
    """One SMTP reply.  `enhanced` is empty where RFC 2034 has none (banner, EHLO, 354, 334)."""

    code: int
    enhanced: str
    text: str

    @property
    def is_positive(self) -> bool:
        return self.code < 400

    def encode(self) -> bytes:
        """The line with its CRLF, cut at 512 octets; line breaks in the text become spaces."""
        lead = f"{self.code} {self.enhanced} " if self.enhanced else f"{self.code} "
        line = (lead + " ".join(self.text.split())).encode("ascii", "replace")
        return line[: MAX_REPLY_LINE_OCTETS - 2] + b"\r\n"
