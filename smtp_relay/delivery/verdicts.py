"""What a transfer came to, recipient by recipient: how `client` answers `agent`.

| kind    | meaning                                     | the copy            |
| ------- | ------------------------------------------- | ------------------- |
| TAKEN   | 250 to the dot (LMTP: of this recipient)    | relayed             |
| REFUSED | 5yz, or a hop that lacks what the mail needs| returned            |
| LATER   | 4yz                                         | next host, deferred |
| BROKEN  | the connection ended or spoke nonsense      | next host, deferred |
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum

from mailserver.store.ports.queue import LeasedCopy, QueuedMessage
from smtp_relay.delivery.plan import Hop


class Kind(Enum):
    TAKEN = "taken"
    REFUSED = "refused"
    LATER = "later"
    BROKEN = "broken"


class Scope(Enum):
    """Whom LATER and BROKEN concern, and so what another host may say (RFC 5321 §5.1)."""

    COPY = "copy"  # recipients of this transaction; the host serves all others
    HOST = "host"  # everybody's mail there
    OURS = "ours"  # trouble of our own, which no other host would mend


class Phase(StrEnum):  # words, which hash fast
    """Where it happened; each has its time-out (RFC 5321 §4.5.3.2)."""

    CONNECT = "connecting"
    TLS = "TLS handshake"
    GREETING = "greeting"
    HELLO = "EHLO"
    AUTH = "AUTH"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    BODY = "message"
    DOT = "end of message"

    @property
    def awaited(self) -> str:
        """What a peer that says nothing here owes us."""
        match self:
            case Phase.TLS:
                return "its answer to STARTTLS"
            case Phase.GREETING:
                return "its greeting"
            case Phase.BODY:
                return "it to take the message"
            case Phase.DOT:
                return "its answer to the end of the message"
            case _:
                return f"its answer to {self.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """status: the remote's enhanced code where it gave one, else ours from its reply's code.

    words: the remote's reply as it came, lines joined, unprintable octets
        escaped, at most 1,000 characters; or ours, for what it did not say.
    is_after_dot: the whole message was sent, so it may have been taken (RFC 1047).
    has_dsn: TAKEN by a hop that took over NOTIFY, so no report of ours is owed.
    is_over_limit: LATER for no other reason than that this transaction was full
        (RFC 5321 §4.5.3.1.10): another one may carry it at once.
    scope: of LATER and BROKEN.
    """

    kind: Kind
    phase: Phase
    status: str
    words: str
    is_after_dot: bool = False
    has_dsn: bool = False
    is_over_limit: bool = False
    scope: Scope = Scope.COPY


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One message for some recipients of one destination: one transaction.

    max_recipients is kept by who makes it, and the message is closed by them.
    """

    message: QueuedMessage
    copies: tuple[LeasedCopy, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionFacts:
    """Of an open connection, for the journey."""

    hop: Hop
    address: str  # IP address and port, as [192.0.2.1]:25
    tls: str  # "TLSv1.3 TLS_AES_256_GCM_SHA384, DANE", "in clear (no STARTTLS offered)"


@dataclass(eq=False, kw_only=True)
class ConnectionFailure(Exception):
    """A connection that could not be opened, or was refused as a whole, before any transaction.

    is_permanent: the host said 5yz to the greeting or EHLO; another host may say better.
    is_policy: a TLS demand was not met; never to be tried in clear.
    may_try_in_clear: the handshake failed where TLS was only wished for: the
        same hop with `TlsLevel.NONE` may do.
    lost_past_dot: the end of a message was answered, and what went out behind it never was.
    lost_behind_mail: what was pipelined behind MAIL was lost: without it, it may go at once.
    """

    phase: Phase
    status: str
    words: str
    is_permanent: bool = False
    is_policy: bool = False
    may_try_in_clear: bool = False
    lost_past_dot: bool = False
    lost_behind_mail: bool = False
