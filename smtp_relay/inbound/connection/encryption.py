"""TLS on a connection: implicit from the first octet, or by STARTTLS; what becomes of failures.

Both ways take the same step (`_shake_hands`), so that both send an alert, leave one line in the
log and are counted.  A second descriptor of the socket outlives the loop's for the alert
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


class EncryptedConnection(Connection):
    """What a connection does about TLS."""

    __slots__ = ()

    async def _open_tls(self) -> None:
        """The handshake where TLS comes first, and then the banner."""
        context = self.listener.tls
        assert context is not None
        if await self._shake_hands(context, is_first=True):
            self._greet()

    async def _shake_hands(self, context: ssl.SSLContext, *, is_first: bool) -> bool:
        """False: there is no connection any more, and all is said.

        is_first: nothing was said in clear before.
        """
        raw = self.transport
        self._is_shaking_hands = True
        spare = spare_socket(raw.get_extra_info("socket").fileno())
        try:
            transport = await self.loop.start_tls(
                raw,
                self,
                context,
                server_side=True,
                ssl_handshake_timeout=HANDSHAKE_TIMEOUT_S,
                ssl_shutdown_timeout=SHUTDOWN_TIMEOUT_S,
            )
        except (OSError, ssl.SSLError) as error:
            self._handshake_failed(error, spare, is_first=is_first)
            return False
        if spare is not None:
            spare.close()
        if transport is None or transport.is_closing() or self.transport is None:
            self.connection_lost(None)
            return False
        self.transport = transport
        self._is_shaking_hands = False
        self._is_reading_paused = False
        return True

    def _handshake_failed(self, error: OSError, spare: Any, *, is_first: bool) -> None:
        service = self.service
        now_s = service.clock_s()
        was_silent = is_first and spare is not None and is_silent(spare)
        reason = reason_of(error, has_heard=not was_silent)
        service.handshakes.note(
            reason,
            peer=self.peer,
            listener=self.listener.name,
            now_s=now_s,
            detail=str(getattr(error, "reason", None) or ""),
        )
        if spare is not None:
            in_clear = is_first and reason in _TO_BE_READ
            words = replies.IMPLICIT_TLS.octets[self._language] if in_clear else alert_of(error)
            service.last_words.say(spare, words, now_s=now_s)
        self._task = None
        self._is_working = False
        self.connection_lost(error)

    def _turn_tls_away(self) -> None:
        """The banner has told the client already; whatever else it sends is no command."""
        self.service.handshakes.note(
            Reason.TLS_ON_PLAIN,
            peer=self.peer,
            listener=self.listener.name,
            now_s=self.service.clock_s(),
        )
        self._note("another protocol", code=421)
        self._say(replies.NOT_SMTP)
        self._close()
