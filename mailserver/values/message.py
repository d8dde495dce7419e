"""A message as it travels through the hall: octets, never parsed MIME.

`head` is our own header lines, fixed at accept; `body` is what the peer sent,
octet for octet (headers of the author included), dot-unstuffed, CRLF lines.
What a reader gets is: the Return-Path line, the entry's own prefix, the rest
of the head, the body.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mailserver.values.ids import AcceptId, AccountId, MailboxId


@dataclass(frozen=True, slots=True)
class InlineBody:
    """A small body, kept in its row."""

    octets: bytes

    @property
    def size_octets(self) -> int:
        return len(self.octets)


@dataclass(frozen=True, slots=True)
class FiledBody:
    """A large body, already on disk under `name`, itself and its directory entry synced."""

    name: str
    size_octets: int


Body = InlineBody | FiledBody


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyFacts:
    """What the receive path noticed in passing and later decisions need."""

    header_octets: int  # length of the header block, its final empty line included
    ends_with_crlf: bool
    is_8bit: bool
    has_nul: bool
    longest_line_octets: int  # of those over 998, without CRLF; 0 where no line is so long
    dotted_line_count: int  # lines that begin with a dot: 0 means no stuffing on the way out


@dataclass(frozen=True, slots=True, kw_only=True)
class Deposit:
    """Route of a copy: into this mailbox, in the accepting transaction."""

    mailbox_id: MailboxId


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCopy:
    """One recipient's copy: the recipient as the envelope named it, and its route."""

    recipient: str
    route: Deposit


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """Everything that one `250` after the final dot promises."""

    accept_id: AcceptId
    accepted_at_s: float
    return_path: bytes  # the line `Return-Path: <...>` CRLF
    head: bytes  # Received: and whatever we put in front, each line with CRLF
    body: Body
    facts: BodyFacts
    reverse_path: str  # empty for the null sender
    account_id: AccountId | None  # who submitted it; None from strangers
    peer: str  # the address it came from, for the journey
    door: str  # the listener's name: mx, submission, submissions, lmtp
    smtputf8: bool
    envelope_id: str = ""  # RFC 3461 ENVID
    return_content: str = ""  # RFC 3461 RET: FULL, HDRS or empty
    copies: tuple[NewCopy, ...] = field(default=())


def delivered_to_line(recipient: str) -> bytes:
    """The prefix that tells one recipient's entry from another's."""
    return b"Delivered-To: " + recipient.encode("utf-8") + b"\r\n"
