"""Who may send what to whom: every answer to MAIL, RCPT and the final dot.

Each function gets facts and returns None (go on) or the phrase to refuse with.
The open-relay decision is `decide_rcpt`: MX accepts local recipients and
nothing else, whoever asks.  RFC 5321 §3.6.2, RFC 6409.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import assert_never

from mailserver.routing.local import Elsewhere, LocalRoute, Unknown
from mailserver.values.address import Address
from mailserver.values.message import Deposit
from smtp_relay.inbound import replies
from smtp_relay.inbound.headers import BadAddressList, SubmittedFields, parse_authors
from smtp_relay.inbound.parameters import MailParameters
from smtp_relay.inbound.paths import Path
from smtp_relay.inbound.replies import Phrase

OwnsAddress = Callable[[Address], bool]


class Role(Enum):
    MX = "mx"  # strangers bring mail for our people
    SUBMISSION = "submission"  # our people send theirs


def decide_mail(
    path: Path,
    parameters: MailParameters,
    *,
    owns_address: OwnsAddress | None,
    max_octets: int,
    has_room: bool,
) -> Phrase | None:
    """Decide on MAIL.

    owns_address: None on MX.  On submission the account must own the
        reverse-path; the null one is allowed, because return receipts must
        have it (RFC 8098 §3), and From is checked all the same.
    """
    address = path.address
    if address is not None and not parameters.smtputf8 and not path.text.isascii():
        return replies.UTF8_NOT_ASKED
    if parameters.size_octets > max_octets:
        return replies.MESSAGE_TOO_LARGE
    if not has_room:
        return replies.DISK_FULL
    if owns_address is not None and address is not None and not owns_address(address):
        return replies.NOT_YOUR_ADDRESS
    return None


def decide_rcpt(path: Path, route: LocalRoute, *, role: Role, smtputf8: bool) -> Deposit | Phrase:
    """Decide on RCPT, once the route is known."""
    if not smtputf8 and not path.text.isascii():
        return replies.UTF8_NOT_ASKED
    match route:
        case Deposit():
            return route
        case Unknown():
            return replies.NO_SUCH_USER
        case Elsewhere():
            return replies.RELAYING_DENIED if role is Role.MX else replies.NO_RELAY_YET
        case _:
            assert_never(route)


def decide_body(
    *, is_too_large: bool, is_header_too_large: bool, has_bare_cr_or_lf: bool
) -> Phrase | None:
    """Decide after the final dot on what the reader noticed."""
    if is_too_large:
        return replies.MESSAGE_TOO_LARGE
    if is_header_too_large:
        return replies.HEADERS_TOO_LARGE
    if has_bare_cr_or_lf:
        return replies.BARE_CR_OR_LF
    return None


def decide_authors(fields: SubmittedFields, owns_address: OwnsAddress) -> Phrase | None:
    """Every address in From and Sender must be the account's.

    From must be there once, Sender at most once (RFC 5322 §3.6): with two, each
    program shows another one.
    """
    if len(fields.authors) != 1 or len(fields.senders) > 1:
        return replies.NOT_YOUR_FROM
    try:
        for value in (*fields.authors, *fields.senders):
            if not all(owns_address(author) for author in parse_authors(value)):
                return replies.NOT_YOUR_FROM
    except BadAddressList:
        return replies.NOT_YOUR_FROM
    return None


def may_sign_in(*, role: Role, has_tls: bool, plaintext_allowed: bool) -> Phrase | None:
    """May a password travel on this connection?"""
    if role is Role.MX:
        return replies.NOT_IMPLEMENTED
    return None if has_tls or plaintext_allowed else replies.TLS_FIRST
