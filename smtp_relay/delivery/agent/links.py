"""One link of the agent: opened in a task of its own, then call-backs only.

`Carrier` is the link's listener; it knows which bundle each parcel is, in the
order in which they were offered, and hands everything on to the agent.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from mailserver.telemetry.log import get_log
from smtp_relay.delivery.client.link import Link, LinkListener
from smtp_relay.delivery.schedule.orders import Bundle, Open
from smtp_relay.delivery.verdicts import LinkFacts, LinkFailure, Parcel, Phase, Verdict

OpenLink = Callable[[Open, LinkListener], Awaitable[Link]]
"""`client.link.open_link` with the agent's options."""


class CarrierOwner(Protocol):
    def link_opened(self, carrier: Carrier) -> None: ...

    def parcel_done(
        self, carrier: Carrier, parcel: Parcel, bundle: Bundle, verdicts: Sequence[Verdict]
    ) -> None: ...

    def parcel_not_taken(self, carrier: Carrier, bundle: Bundle) -> None: ...

    def link_lost(
        self, carrier: Carrier, failure: LinkFailure | None, untouched: Sequence[Bundle]
    ) -> None: ...


class Carrier:
    """The agent's side of one link."""

    def __init__(self, owner: CarrierOwner, open_link: OpenLink, order: Open) -> None:
        self.number = order.number
        self.facts = LinkFacts(hop=order.hop, address=order.address, tls="")
        self._owner = owner
        self._open_link = open_link
        self._order = order
        self._link: Link | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_closing = False
        self._load: deque[tuple[Parcel, Bundle]] = deque()

    async def open(self) -> None:
        """Told to the owner either as opened or as lost."""
        self._task = asyncio.current_task()
        try:
            link = await self._open_link(self._order, self)
        except LinkFailure as failure:
            self._owner.link_lost(self, failure, ())
            return
        except asyncio.CancelledError:
            self._owner.link_lost(self, None, ())
            return
        except Exception as error:  # noqa: BLE001 - the top of a task
            get_log("delivery").error("link not opened", exc_info=error)
            ours = _ended(Phase.CONNECT, "4.3.0", "our own failure, see the log")
            self._owner.link_lost(self, ours, ())
            return
        if not link.has_room:  # it ended before this task had its turn
            self._owner.link_lost(self, _ended(Phase.GREETING, "4.4.2", "the host hung up"), ())
            return
        self._task, self._link, self.facts = None, link, link.facts
        self._owner.link_opened(self)
        if self._is_closing:
            link.close()

    def offer(self, parcel: Parcel, bundle: Bundle) -> None:
        link = self._link
        if link is None or not link.has_room:
            # It is being lost, or takes no more: what is offered goes elsewhere.
            parcel.message.close()
            self._owner.parcel_not_taken(self, bundle)
            return
        self._load.append((parcel, bundle))
        link.offer(parcel)

    def close(self) -> None:
        """When what it carries is through."""
        self._is_closing = True
        if self._link is not None:
            self._link.close()

    def stop_opening(self) -> None:
        if self._link is None and self._task is not None:
            self._task.cancel()

    def abort(self) -> None:
        self.stop_opening()
        if self._link is not None:
            self._link.abort()

    # --- as the link's listener --------------------------------------------------------

    def parcel_done(self, _link: Link, parcel: Parcel, verdicts: list[Verdict]) -> None:
        _, bundle = self._load.popleft()
        self._owner.parcel_done(self, parcel, bundle, verdicts)

    def link_lost(self, _link: Link, failure: LinkFailure | None, untouched: list[Parcel]) -> None:
        assert len(untouched) == len(self._load)
        for parcel, _ in self._load:
            parcel.message.close()
        self._owner.link_lost(self, failure, [bundle for _, bundle in self._load])


def _ended(phase: Phase, status: str, words: str) -> LinkFailure:
    return LinkFailure(phase=phase, status=status, words=words)
