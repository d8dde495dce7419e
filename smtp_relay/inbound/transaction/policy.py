"""Who may send what to whom: every answer to MAIL, RCPT and the final dot.

Each function gets facts and returns None (go on) or the phrase to refuse with.
The open-relay decision is `mailserver.routing.relaying.decide_relaying`;
`decide_rcpt` asks it for every recipient.  RFC 5321 §3.6.2, RFC 6409.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import assert_never

from mailserver.routing import rules as routes
from mailserver.routing.local import Elsewhere, LocalRoute, Unknown
from mailserver.routing.relaying import (
    Asker,
    Relaying,
    RelayPlace,
    Role,
    decide_relaying,
    held_for,
    is_reachable,
    reply_text,
)
from mailserver.settings.model import RouteSettings
from mailserver.values.address import Address
from mailserver.values.ids import AccountId
from mailserver.values.message import Deposit
from smtp_relay.inbound import replies
from smtp_relay.inbound.authors.fields import (
    MAX_AUTHORS_OCTETS,
    BadAddressList,
    SubmittedFields,
    names_another,
    read_strictly,
)
from smtp_relay.inbound.grammar.parameters import MailParameters
from smtp_relay.inbound.grammar.paths import Path
from smtp_relay.inbound.replies import Phrase

OwnsAddress = Callable[[Address], bool]


@dataclass(frozen=True, slots=True)
class Onward:
    """A recipient that the relay takes: the name of its next hop, and why it is held, or empty.

    recipient: who gets the copy instead of who was named.
    sender: under which it leaves; None: as the message came.
    is_counted: against the sending limits of the account.
    home: where a forwarded copy stays that may not leave; None: there is no such place.
    is_private: where it goes is its holder's business, and not its sender's.
    once: one copy for all recipients of a transaction that have the same; empty: each has its own.
    is_report: on its way back to who sent what we forwarded; alone in its transaction.
    holder: whose mail goes on; None: nobody's, it is no forward.
    """

    next_hop: str
    held_for: str = ""
    recipient: str = ""
    sender: str | None = None
    is_counted: bool = True
    home: Deposit | None = None
    is_private: bool = False
    once: str = ""
    is_report: bool = False
    holder: AccountId | None = None


@dataclass(frozen=True, slots=True)
class RefusedByRule:
    """`reason`: the rule's text, ready for a reply."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """Who sends, as the rules match it.  `sender`: None for the null sender."""

    asker: Asker
    rules: Sequence[RouteSettings]
    sender: Address | None
    identifier: str | None
    smtputf8: bool


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


def decide_rcpt(
    path: Path, address: Address, route: LocalRoute, sending: Sending
) -> Deposit | Onward | RefusedByRule | Phrase:
    """Decide on RCPT, once it is known whether the recipient is ours."""
    if not sending.smtputf8 and not path.text.isascii():
        return replies.UTF8_NOT_ASKED
    rule, place = None, RelayPlace.OURS
    if isinstance(route, Unknown):
        rule = routes.match_own(
            sending.rules,
            recipient=address,
            sender=sending.sender,
            identifier=sending.identifier,
        )
        place = RelayPlace.NOBODY if rule is None else RelayPlace.OURS
    elif isinstance(route, Elsewhere):
        place = RelayPlace.LITERAL if address.domain.startswith("[") else RelayPlace.ELSEWHERE
    match decide_relaying(sending.asker, place):
        case Relaying.DENIED:
            return replies.RELAYING_DENIED
        case Relaying.UNKNOWN:
            return replies.NO_SUCH_USER
        case Relaying.ACCEPT:
            pass
    match route:
        case Deposit():
            return route
        case Unknown():
            return Onward(routes.next_hop_of(rule, address))
        case Elsewhere():
            return _decide_onward(address, sending)
        case _:
            assert_never(route)


def _decide_onward(address: Address, sending: Sending) -> Onward | RefusedByRule | Phrase:
    """The rule for a recipient elsewhere, and what it says."""
    rule = routes.match_rule(
        sending.rules, recipient=address, sender=sending.sender, identifier=sending.identifier
    )
    if rule is not None and rule.via == "refuse":
        reason = reply_text(rule)
        return RefusedByRule(reason) if reason else replies.REFUSED_BY_RULE_ALONE
    if not is_reachable(address, rule):
        return replies.BAD_DOMAIN
    return Onward(routes.next_hop_of(rule, address), held_for(rule))


def decide_body(
    *,
    is_too_large: bool,
    is_header_too_large: bool,
    has_bare_cr_or_lf: bool,
    has_bad_nul: bool,
    has_too_many_hops: bool,
) -> Phrase | None:
    """Decide after the final dot on what the reader noticed.

    has_bad_nul: NUL is in nobody's text (RFC 5322 §4.1), and no server has to pass it on;
        what strangers bring is kept as it came.
    """
    if is_too_large:
        return replies.MESSAGE_TOO_LARGE
    if is_header_too_large:
        return replies.HEADERS_TOO_LARGE
    if has_bare_cr_or_lf:
        return replies.BARE_CR_OR_LF
    if has_bad_nul:
        return replies.HOLDS_NUL
    return replies.TOO_MANY_HOPS if has_too_many_hops else None


def decide_authors(
    fields: SubmittedFields, owns_address: OwnsAddress, own_domains: Collection[str]
) -> Phrase | None:
    """Every author that any program may see must be the account's.

    From must be there once, Sender at most once (RFC 5322 §3.6): with two, each
    program shows another one.  What no line of a header is, some read as one.
    """
    if not any(map(bytes.strip, fields.authors)):
        return replies.NO_FROM
    if len(fields.authors) > 1 or len(fields.senders) > 1:
        return replies.TWO_FROMS
    values = (*fields.authors, *fields.senders, *fields.resenders)
    if sum(map(len, values)) > MAX_AUTHORS_OCTETS:
        return replies.UNREADABLE_FROM
    try:
        for value in values:
            if not all(owns_address(author) for author in read_strictly(value)):
                return replies.NOT_YOUR_FROM
            if names_another(value, owns_address=owns_address, own_domains=own_domains):
                return replies.NOT_YOUR_NAME
    except BadAddressList:
        return replies.UNREADABLE_FROM
    return replies.BAD_HEADER_LINE if fields.has_bad_line else None


def may_sign_in(*, role: Role, has_tls: bool, plaintext_allowed: bool) -> Phrase | None:
    """May a password travel on this connection?"""
    if role is Role.MX:
        return replies.NOT_IMPLEMENTED
    return None if has_tls or plaintext_allowed else replies.TLS_FIRST
