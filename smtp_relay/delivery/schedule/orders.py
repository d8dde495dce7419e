"""What `dispatch` is told and what it decides: values only.

| order   | the shell does                             | and tells                               |
| ------- | ------------------------------------------ | --------------------------------------- |
| Resolve | asks the resolver                          | `resolved`                              |
| Ask     | writes a `Lease`                           | `leased`, `lease_failed`                |
| Open    | opens a connection                         | `connection_opened`, `connection_ended` |
| Give    | opens the body, offers the transaction     | `transaction_done`                      |
| Close   | closes the connection when it carries none | `connection_ended`                      |
| Settle  | writes the outcome of copies that stayed   | nothing                                 |
| Note    | writes the `HopNote`                       | `hop_noted`                             |
| Warn    | writes a line of the log                   | nothing                                 |
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from mailserver.store.ports.queue import LeasedCopy
from mailserver.values.ids import DestinationId, MessageId
from smtp_relay.delivery.plan import DeliveryPlan, Hop

EndpointKey = tuple[str, str, int]
"""(host, address, port)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one process, from the settings, with units.

    max_connections: open ones.  site_connections: to one set of hosts.
    max_hosts: asked in one try, where each says "not now".
    max_leased: copies held at once.  max_destinations: looked after at once.
    fallback: the route for what no host of its own takes; empty: none.
    """

    max_connections: int = 200
    site_connections: int = 20
    site_pause_s: float = 0.0
    max_recipients: int = 100
    max_messages: int = 1000
    max_hosts: int = 5
    idle_s: float = 5.0
    max_leased: int = 4000
    max_destinations: int = 1000
    fallback: str = ""


@dataclass(frozen=True, slots=True)
class RecipientBatch:
    """Copies of one message that go in one transaction; its body is not open yet.

    branch, tried, since_s: of what a host said "not now" to, and goes on to the next one
        (`fleet.Onward`): the site where it waits, the endpoints asked, and since when.
    """

    destination_id: DestinationId
    message_id: MessageId
    copies: tuple[LeasedCopy, ...]
    branch: str = ""
    tried: tuple[EndpointKey, ...] = ()
    since_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why copies could not be offered, or a host takes nothing: the words of their attempt.

    before: of other hosts, in the same try.
    """

    status: str
    words: str
    host: str = ""
    address: str = ""
    before: tuple[Trouble, ...] = ()

    @property
    def error(self) -> str:
        """The same in one line, for the note of a hop."""
        return " ".join(filter(None, (self.host, self.address, self.words)))


class Fate(Enum):
    DEFER = "defer"  # an attempt, then the next one by the schedule
    RETURN = "return"  # for good; the report is owed
    HOLD = "hold"  # for a person; the words say why
    GIVE_BACK = "give back"  # to be leased again: untried, or, with a trouble, for another plan


class Result(Enum):
    """What one transaction says of connection and hosts; each copy has a verdict of its own."""

    SERVED = "served"  # answered, whatever it answered
    BUSY = "busy"  # 421, or 4yz to MAIL: it takes nothing from us now
    BROKEN = "broken"
    OURS = "ours"  # trouble of our own, which says nothing about them


@dataclass(frozen=True, slots=True)
class Resolve:
    destination_id: DestinationId
    next_hop: str


@dataclass(frozen=True, slots=True)
class Ask:
    destination_id: DestinationId
    limit: int


@dataclass(frozen=True, slots=True)
class Open:
    """number: under which the connection is spoken of from now on.

    hop: of the plan; in clear where a handshake that nobody demanded failed.
    may_pipeline: the host has not lost what was pipelined.
    """

    number: int
    plan: DeliveryPlan
    hop: Hop
    address: str
    may_pipeline: bool = True


@dataclass(frozen=True, slots=True)
class Give:
    number: int
    batch: RecipientBatch


@dataclass(frozen=True, slots=True)
class Close:
    number: int


@dataclass(frozen=True, slots=True)
class Settle:
    copies: tuple[LeasedCopy, ...]
    fate: Fate
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """failure_count 0: the hop works again."""

    destination_id: DestinationId
    next_hop: str
    failure_count: int
    error: str


@dataclass(frozen=True, slots=True)
class Warn:
    event: str
    host: str
    words: str


Order = Resolve | Ask | Open | Give | Close | Settle | Note | Warn


def temporary(status: str) -> str:
    """Its copies are tried again, so their attempt says so (RFC 3463 §2)."""
    return f"4{status[1:]}" if status.startswith("5") else status
