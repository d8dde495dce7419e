"""TLS on a connection: implicit from the first octet, or by STARTTLS; what becomes of failures.

Both ways take the same step, so that both send an alert, leave one line in the log and are
counted.  A second descriptor of the socket outlives the loop's for the alert
(`mailserver.tls.parting`).  RFC 8314 §3, RFC 3207, RFC 8446 §6.2.
"""

from __future__ import annotations

import ssl
from typing import Any, Final

from mailserver.tls.contexts import alert_of
from mailserver.tls.failures import Reason, reason_of
from mailserver.tls.parting import is_silent, spare_socket
from smtp_relay.inbound import replies
from smtp_relay.inbound.connection.connection import Connection

HANDSHAKE_TIMEOUT_S: Final = 30.0
SHUTDOWN_TIMEOUT_S: Final = 5.0
_TO_BE_READ: Final = frozenset({Reason.NOT_TLS, Reason.SILENT})


async def shake_hands(connection: Connection, context: ssl.SSLContext, *, is_first: bool) -> bool:
    """False: there is no connection any more, and all is said.

    is_first: nothing was said in clear before.
    """
    raw = connection.begin_handshake()
    spare = spare_socket(raw.get_extra_info("socket").fileno())
    try:
        transport = await connection.loop.start_tls(
            raw,
            raw.get_protocol(),
            context,
            server_side=True,
            ssl_handshake_timeout=HANDSHAKE_TIMEOUT_S,
            ssl_shutdown_timeout=SHUTDOWN_TIMEOUT_S,
        )
    except (OSError, ssl.SSLError) as error:
        _failed(connection, error, spare, is_first=is_first)
        return False
    if spare is not None:
        spare.close()
    return connection.end_handshake(transport)


def _failed(connection: Connection, error: OSError, spare: Any, *, is_first: bool) -> None:
    service = connection.service
    now_s = service.clock_s()
    was_silent = is_first and spare is not None and is_silent(spare)
    reason = reason_of(error, has_heard=not was_silent)
    service.handshakes.note(
        reason,
        peer=connection.peer,
        listener=connection.listener.name,
        now_s=now_s,
        detail=str(getattr(error, "reason", None) or ""),
    )
    if spare is not None:
        in_clear = is_first and reason in _TO_BE_READ
        language = connection.voice.language
        words = replies.IMPLICIT_TLS.octets[language] if in_clear else alert_of(error)
        service.last_words.say(spare, words, now_s=now_s)
    connection.end_handshake(None)
