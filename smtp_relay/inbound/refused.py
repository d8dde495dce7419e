"""For which reason each refusal of this door is counted (`mailserver.peers.refusals`).

Every phrase that refuses stands in one of the two tables.
"""

from __future__ import annotations

from typing import Final

from mailserver.peers.refusals import Why
from smtp_relay.inbound import replies
from smtp_relay.inbound.replies import Phrase

_BY_WHY: Final[dict[Why, tuple[Phrase, ...]]] = {
    Why.UNKNOWN_RECIPIENT: replies.NOBODY_THERE,
    Why.GUESSER: (replies.GUESSER,),
    Why.DOMAIN_NOT_SET: (replies.DOMAIN_NOT_SET,),
    Why.RELAYING: (replies.RELAYING_DENIED,),
    Why.CLOSED_MAILBOX: (replies.HAS_LEFT, replies.MAILBOX_CLOSED, replies.MAILBOX_NOT_OPEN),
    Why.FULL_MAILBOX: (replies.MAILBOX_FULL, replies.MAILBOX_FULL_FOR_NOW),
    Why.RULE: (
        replies.REFUSED_BY_RULE,
        replies.REFUSED_BY_RULE_ALONE,
        replies.REPORTS_ONLY,
        replies.TOO_MUCH_FOR_NOW,
    ),
    Why.LIST: (replies.MAY_NOT_POST,),
    Why.NOT_OWN_ADDRESS: (replies.NOT_YOUR_ADDRESS,),
    Why.TOO_MANY_AT_ONCE: (replies.TOO_MANY_RECIPIENTS,),
    Why.TOO_LARGE: (replies.MESSAGE_TOO_LARGE,),
    Why.MALFORMED_ADDRESS: (
        replies.BAD_SENDER,
        replies.BAD_RECIPIENT,
        replies.BAD_DOMAIN,
        replies.UTF8_NOT_ASKED,
    ),
    Why.SIGN_IN_FIRST: (replies.SIGN_IN_FIRST,),
    Why.TLS_FIRST: (replies.TLS_FIRST,),
    Why.PASSWORD: (replies.WRONG_PASSWORD, replies.SIGN_IN_AGAIN),
    Why.FIRST_PASSWORD_ENDED: (replies.FIRST_PASSWORD_ENDED,),
    Why.SLOWED: (replies.SIGN_IN_SLOWED,),
    Why.NOT_NOW: (replies.SIGN_IN_LATER,),
    Why.COMMAND: (
        replies.LINE_TOO_LONG,
        replies.BARE_LINE_BREAK,
        replies.UNKNOWN_COMMAND,
        replies.AUTH_LINE_TOO_LONG,
        replies.BAD_SYNTAX,
        replies.BAD_PARAMETER,
        replies.BAD_BASE64,
        replies.SASL_CANCELLED,
        replies.TALKED_BEFORE_TLS,
        replies.NOT_IMPLEMENTED,
        replies.HELLO_FIRST,
        replies.EHLO_FIRST,
        replies.MAIL_FIRST,
        replies.RECIPIENT_FIRST,
        replies.TRANSACTION_OPEN,
        replies.TLS_ALREADY,
        replies.SIGNED_IN_ALREADY,
        replies.UNKNOWN_MECHANISM,
        replies.UNKNOWN_PARAMETER,
        replies.NO_TLS,
    ),
}
WHY: Final = {phrase: why for why, phrases in _BY_WHY.items() for phrase in phrases}
COUNTED_ELSEWHERE: Final = frozenset(
    {
        replies.NOT_FROM_THERE,  # refused_connections
        replies.DISK_FULL,  # refused.no_room
        replies.OUR_FAULT,  # faults, failed_messages
        replies.NOT_YOUR_FROM,  # from here on refused_messages
        replies.NO_FROM,
        replies.TWO_FROMS,
        replies.UNREADABLE_FROM,
        replies.NOT_YOUR_NAME,
        replies.BAD_HEADER_LINE,
        replies.BARE_CR_OR_LF,
        replies.HOLDS_NUL,
        replies.NOT_OUR_MAIL,
        replies.TOO_MANY_HOPS,
        replies.HEADERS_TOO_LARGE,
    }
)
