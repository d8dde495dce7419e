"""Copies that are offered to no server: what is written about each of them.

As `schedule` says (`Settle`), or because our store does not give the message, or because no
server has to take it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import Final

from mailserver.store.ports.bodies import BodyLost
from mailserver.store.ports.errors import StoreError
from mailserver.store.ports.queue import LeasedCopy, QueuedMessage
from mailserver.telemetry.log import get_log
from mailserver.values.message import HOLDS_NUL
from smtp_relay.delivery.agent.leases import Settler
from smtp_relay.delivery.agent.means import Means
from smtp_relay.delivery.schedule.orders import Fate, RecipientBatch, Settle, Trouble
from smtp_relay.delivery.schedule.outcomes import given_back, held, lost, unroutable

_HAS_NUL: Final = Trouble(status="5.6.0", words=f"it was not sent: {HOLDS_NUL}")
_NO_BODY: Final = Trouble(status="4.3.0", words="the message could not be read from our own store")


class Unoffered:
    """Of one agent, on its loop."""

    def __init__(self, means: Means, settler: Settler) -> None:
        self._means = means
        self._settler = settler
        self._log = get_log("delivery")

    def settle(self, order: Settle) -> None:
        now_s = self._means.wall_s()
        trouble = order.trouble or _NO_BODY
        match order.fate:
            case Fate.GIVE_BACK:
                self._settler.add(given_back(order.copies, order.trouble, now_s))
                self._settler.flush()  # they may be leased next
            case Fate.HOLD:
                self._settler.add(held(order.copies, trouble.words))
            case Fate.DEFER:
                self._defer(order.copies, trouble, now_s)
            case Fate.RETURN:
                self._return(order.copies, trouble, now_s)

    def not_read(self, batch: RecipientBatch, error: StoreError | None) -> None:
        """Our store does not give the message.  None: it has none."""
        now_s, trouble = self._means.wall_s(), _NO_BODY
        if isinstance(error, BodyLost):  # the store has said so in the log
            self._settler.add(lost(batch.copies, error.fault, now_s))
            return
        if error is not None:
            trouble = replace(_NO_BODY, words=f"{_NO_BODY.words}: {error}")
            self._log.error("message not read", message=batch.message_id, error=str(error))
        self._defer(batch.copies, trouble, now_s)

    def has_nul(self, batch: RecipientBatch, message: QueuedMessage) -> None:
        """No server has to take it (RFC 5322 §4.1)."""
        message.close()
        now_s = self._means.wall_s()
        self._settler.add(unroutable(batch.copies, _HAS_NUL, message.reverse_path, now_s))

    def _defer(self, copies: Sequence[LeasedCopy], trouble: Trouble, now_s: float) -> None:
        self._settler.add(self._means.judge.unsent(copies, trouble, now_s))

    def _return(self, copies: Sequence[LeasedCopy], trouble: Trouble, now_s: float) -> None:
        """Whom to tell stands with the message."""
        for message_id, some in groupby(copies, key=lambda copy: copy.ref.message_id):
            try:
                message = self._means.store.open_queued(message_id, without_body=True)
            except StoreError:
                message = None
            if message is None:
                self._defer(tuple(some), _NO_BODY, now_s)
                continue
            message.close()
            self._settler.add(unroutable(some, trouble, message.reverse_path, now_s))
