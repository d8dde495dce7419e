"""A message as it travels through the core: octets, never parsed MIME.

`head` is our own header lines, fixed at accept; `body` is what the peer sent,
octet for octet (headers of the author included), dot-unstuffed, CRLF lines.
What a reader gets is: the Return-Path line, the entry's own prefix, the rest
of the head, the body.

What makes up an `Acceptance` is written once and never changed.  It is not
frozen all the same: each message would pay three times as much for making it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntFlag
from typing import Final

from mailserver.values.ids import AcceptId, AccountId, MailboxId

MAX_LINE_OCTETS: Final = 998
"""Without CRLF (RFC 5322 §2.1.1); longer ones are measured, and not every server takes them."""
HOLDS_NUL: Final = "it holds a NUL character, which other servers have no way to take"
"""Why a message stays here that came in with one (RFC 5321 §2.3.8, RFC 5322 §4.1)."""
UNVOUCHED: Final = "an address of ours wrote it, it says, and nobody signed in or signed for it"
"""Why a message stays here that a stranger brought under our name."""


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


@dataclass(slots=True, kw_only=True)
class BodyFacts:
    """What the receive path noticed in passing and later decisions need."""

    header_octets: int  # length of the header block, its final empty line included
    ends_with_crlf: bool
    is_8bit: bool
    has_nul: bool
    longest_line_octets: int  # of those over 998, without CRLF; 0 where no line is so long
    dotted_line_count: int  # lines that begin with a dot: 0 means no stuffing on the way out
    is_unvouched: bool = False  # see `UNVOUCHED`
    is_signed_by_us: bool = False  # a stranger's, under our name, and a signature of ours holds


def longest_line_octets(lines: Iterable[bytes]) -> int:
    """Of those over 998 octets, without CRLF; 0 where none is (RFC 5322 §2.1.1)."""
    longest = max(map(len, lines), default=0)
    return longest if longest > MAX_LINE_OCTETS else 0


def facts_of(octets: bytes) -> BodyFacts:
    """Of a message that we wrote ourselves, what receiving it would have noticed.

    octets: header, empty line, body; whole lines, CRLF.
    """
    lines = octets.split(b"\r\n")
    return BodyFacts(
        header_octets=octets.index(b"\r\n\r\n") + 4,
        ends_with_crlf=octets.endswith(b"\r\n"),
        is_8bit=not octets.isascii(),
        has_nul=b"\0" in octets,
        longest_line_octets=longest_line_octets(lines),
        dotted_line_count=sum(line.startswith(b".") for line in lines),
    )


class Notify(IntFlag):
    """What the sender wants to be told about one copy (RFC 3461 §4.1).

    Nothing said (`UNSAID`) means: failure, and delay where we choose to.
    """

    UNSAID = 0
    SUCCESS = 1
    FAILURE = 2
    DELAY = 4
    NEVER = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Deposit:
    """Route of a copy: into this mailbox, in the accepting transaction."""

    mailbox_id: MailboxId


@dataclass(slots=True, kw_only=True)
class Relay:
    """Route of a copy: queued for the delivery agent, under the name of its next hop.

    next_hop: known without DNS; see `mailserver.routing.rules` for its grammar.
    turn_at_s: its place among the first tries to that hop (`mailserver.queue.turns`);
        Unix time, may lie ahead, and delays nothing by itself.
    tell_at_s: when its sender must hear of it if it is still here (`queue.schedule`).
    held_for: not empty: written as held, for this reason.
    """

    next_hop: str
    turn_at_s: float
    tell_at_s: float
    held_for: str = ""


BETWEEN_NAMES: Final = "\n"
"""In `NewCopy.told_as`: no address has it."""


@dataclass(slots=True, kw_only=True)
class NewCopy:
    """One recipient's copy: the recipient as the envelope named it, and its route.

    original_recipient: ORCPT as it was typed, `rfc822;...` in xtext, or empty.
    owes_report: a Deposit whose sender asked to hear of success, and may be told.
    sender: the reverse-path under which this copy leaves; None: the message's.
    note: a line of its journey, of what was decided about it when it was accepted.
    told_as: whom senders are told of instead, where the recipient is nobody's business but
        its holder's: one or more addresses, `BETWEEN_NAMES`; empty: the recipient.
    """

    recipient: str
    route: Deposit | Relay
    notify: Notify = Notify.UNSAID
    original_recipient: str = ""
    owes_report: bool = False
    sender: str | None = None
    note: str = ""
    told_as: str = ""


@dataclass(slots=True, kw_only=True)
class Acceptance:
    """Everything that one `250` after the final dot promises."""

    accept_id: AcceptId
    accepted_at_s: float
    return_path: bytes  # the line `Return-Path: <...>` CRLF
    head: bytes  # Received: and whatever we put in front, each line with CRLF
    body: Body
    facts: BodyFacts
    reverse_path: str  # empty for the null sender
    account_id: AccountId | None  # whose account submitted it; None from strangers
    peer: str  # the address it came from, for the journey
    door: str  # the listener's name: mx, submission, submissions, lmtp
    smtputf8: bool
    envelope_id: str = ""  # RFC 3461 ENVID, as typed (xtext)
    return_content: str = ""  # RFC 3461 RET: FULL, HDRS or empty
    by_account: AccountId | None = None  # the holder who signed in to that account; None: itself
    copies: tuple[NewCopy, ...] = field(default=())

    @property
    def base_octets(self) -> int:
        """What every reader gets of it, whoever they are."""
        return len(self.return_path) + len(self.head) + self.body.size_octets


def delivered_to_line(recipient: str) -> bytes:
    """The prefix that tells one recipient's entry from another's."""
    return b"Delivered-To: " + recipient.encode("utf-8") + b"\r\n"
