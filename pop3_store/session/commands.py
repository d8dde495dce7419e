"""The commands of this door: one table.

`usable in` says where RFC 1939 §3, RFC 2449 §5 and RFC 2595 §4 allow a
command.  `raw` commands take the rest of the line as it is, spaces and any
octet included; the others take words, of printable ASCII.
"""

from __future__ import annotations

from typing import Any, Final

from pop3_store.session import authorization, transaction
from pop3_store.session.lines import MAX_PASSWORD_LINE_OCTETS
from pop3_store.session.session import CommandRow as Row
from pop3_store.session.session import Commands
from pop3_store.session.states import State

_AUTHORIZATION = (State.AUTHORIZATION,)
_TRANSACTION = (State.TRANSACTION,)
_BOTH = (State.AUTHORIZATION, State.TRANSACTION)

_SECRET: dict[str, Any] = {"raw": True, "carries_password": True}
_LONG_SECRET: dict[str, Any] = {**_SECRET, "max_line_octets": MAX_PASSWORD_LINE_OCTETS}

COMMANDS: Final[Commands] = {
    # word       handler                     usable in       args   RFC
    b"USER": Row(authorization.give_user, _AUTHORIZATION, 1, 1, **_SECRET),  # 1939 §7
    b"PASS": Row(authorization.give_password, _AUTHORIZATION, 1, 1, **_LONG_SECRET),  # 1939 §7
    b"STLS": Row(authorization.start_tls, _BOTH, 0, 0),  # 2595 §4
    b"CAPA": Row(authorization.list_capabilities, _BOTH, 0, 0),  # 2449 §5
    b"STAT": Row(transaction.tell_state, _TRANSACTION, 0, 0),  # 1939 §5
    b"LIST": Row(transaction.list_sizes, _TRANSACTION, 0, 1),  # 1939 §5
    b"UIDL": Row(transaction.list_unique_ids, _TRANSACTION, 0, 1),  # 1939 §7
    b"RETR": Row(transaction.retrieve, _TRANSACTION, 1, 1),  # 1939 §5
    b"TOP": Row(transaction.retrieve_top, _TRANSACTION, 2, 2),  # 1939 §7
    b"DELE": Row(transaction.delete, _TRANSACTION, 1, 1),  # 1939 §5
    b"RSET": Row(transaction.reset, _TRANSACTION, 0, 0),  # 1939 §5
    b"NOOP": Row(transaction.do_nothing, _TRANSACTION, 0, 0),  # 1939 §5
    b"QUIT": Row(transaction.quit_session, _BOTH, 0, 0, is_last=True),  # 1939 §4, §6
}
