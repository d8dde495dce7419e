"""Why peers are refused: a fixed set of reasons, counted, with the block that causes most of each.

What a door says to a peer has a reason here (`Why`), or none where another counter has it:
messages refused after their last dot, connections turned away at SMTP, room, handshakes.
`status` says what to do about hundreds (`WORDS`, `ADVICE`).  What is accepted costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from mailserver.peers.blocks import known_block_of

COUNTER: Final = "refused.because."
"""Begins the name of each reason's counter."""
FROM: Final = ".from."
"""Stands between a reason's counter and the block that caused most of it."""
MOST_BLOCKS: Final = 1_000
_KEPT_BLOCKS: Final = 100


class Why(Enum):
    """The value is the counter's name behind `COUNTER`."""

    UNKNOWN_RECIPIENT = "unknown_recipient"
    GUESSER = "guesser"
    DOMAIN_NOT_SET = "domain_not_set"
    RELAYING = "relaying"
    CLOSED_MAILBOX = "closed_mailbox"
    FULL_MAILBOX = "full_mailbox"
    RULE = "rule"
    LIST = "list"
    NOT_OWN_ADDRESS = "not_own_address"
    TOO_MANY_AT_ONCE = "too_many_at_once"
    TOO_LARGE = "too_large"
    MALFORMED_ADDRESS = "malformed_address"
    SIGN_IN_FIRST = "sign_in_first"
    TLS_FIRST = "tls_first"
    PASSWORD = "password"  # noqa: S105 - a counter's name
    FIRST_PASSWORD_ENDED = "first_password_ended"  # noqa: S105 - as above
    SLOWED = "slowed"
    NOT_NOW = "not_now"
    IN_USE = "in_use"
    CONNECTION = "connection"
    COMMAND = "command"


WORDS: Final = {
    Why.UNKNOWN_RECIPIENT: "recipients refused, whom nobody here is",
    Why.GUESSER: "senders put off, whose network asked for too many unknown recipients",
    Why.DOMAIN_NOT_SET: "addresses put off, which the directory has at a domain that is not ours",
    Why.RELAYING: "recipients elsewhere refused to strangers",
    Why.CLOSED_MAILBOX: "recipients refused, whose mailbox is closed or not open yet",
    Why.FULL_MAILBOX: "recipients refused, whose mailbox is full",
    Why.RULE: "recipients refused by rules of `routes`",
    Why.LIST: "posts refused, whose senders may not write to the list",
    Why.NOT_OWN_ADDRESS: "senders refused, whose address is not that of who signed in",
    Why.TOO_MANY_AT_ONCE: "recipients put off, being too many for one transaction",
    Why.TOO_LARGE: "messages refused for the size that was announced",
    Why.MALFORMED_ADDRESS: "addresses refused, which no mail can have",
    Why.SIGN_IN_FIRST: "commands refused for want of a sign-in",
    Why.TLS_FIRST: "sign-ins refused in clear",
    Why.PASSWORD: "sign-ins refused: a wrong name or password, or a suspended account",
    Why.FIRST_PASSWORD_ENDED: "sign-ins refused, whose first password has ended",
    Why.SLOWED: "sign-ins slowed, after too many wrong passwords",
    Why.NOT_NOW: "sign-ins or commands put off, because of us",
    Why.IN_USE: "sign-ins refused, whose mailbox another program had open",
    Why.CONNECTION: "connections turned away",
    Why.COMMAND: "commands refused, being unknown, malformed or out of place",
}
ADVICE: Final = {
    Why.UNKNOWN_RECIPIENT: "few networks: somebody guesses addresses, and is made to wait by"
    " itself, or a partner has an old list; many: an import or a domain is missing"
    " (`mailserver route ADDRESS`)",
    Why.GUESSER: "a guesser needs nothing; a partner with an old list corrects it, or goes into"
    " `relay.trusted_networks`",
    Why.DOMAIN_NOT_SET: "put the old domain back, or among `service.extra_domains`",
    Why.RELAYING: "strangers who try need nothing; a printer or server of yours signs in on"
    " submission, or goes into `relay.trusted_networks`; a domain of yours that is missing, into"
    " `service.extra_domains`",
    Why.CLOSED_MAILBOX: "`mailserver account show` says why; who still writes to people who left"
    " may be told",
    Why.FULL_MAILBOX: "`mailserver usage` shows whose; they delete, or get a class with more room",
    Why.RULE: "`mailserver route ADDRESS` shows the rule",
    Why.LIST: "`mailserver list show LIST` says who may post",
    Why.NOT_OWN_ADDRESS: "the program's sender address is to be corrected; a shared address needs"
    " its holder (`mailserver directory holder add`)",
    Why.TOO_MANY_AT_ONCE: "servers send the rest in another transaction; if one cannot, raise"
    " `smtp.max_recipients`",
    Why.TOO_LARGE: "the limit is `smtp.max_message_mib`",
    Why.MALFORMED_ADDRESS: "a program or list with spoilt addresses: the log names the peers",
    Why.SIGN_IN_FIRST: "turn on SMTP authentication in these programs; a machine that cannot goes"
    " into `relay.trusted_networks` and uses port 25",
    Why.TLS_FIRST: "choose STARTTLS or SSL/TLS in these programs; those that cannot need a"
    " `[legacy]` listener",
    Why.PASSWORD: "one network is a guesser, or a program with an old password; many after an"
    " import: `mailserver account show` says who can sign in, and why not",
    Why.FIRST_PASSWORD_ENDED: "`mailserver password reset ID`, or a longer `passwords.grace_days`",
    Why.SLOWED: "15 minutes at most; a school's own address goes into `auth.trusted_networks`",
    Why.NOT_NOW: "too many sign-ins for the processors (`auth.hash_threads`), or a key or store"
    " that cannot be read: the log says which",
    Why.IN_USE: "two programs collect one mailbox: one of them is to ask less often",
    Why.CONNECTION: "a school's or a balancer's network goes into `auth.trusted_networks` or"
    " `connections.gateways`; else `pop3.max_connections`",
    Why.COMMAND: "scanners need nothing; a program of yours is set up for another protocol",
}
OURS: Final = frozenset({Why.DOMAIN_NOT_SET, Why.NOT_NOW})
"""What a setting or a failure here has caused."""


class Refusals:
    """Of one process; one thread.  A few microseconds each."""

    __slots__ = ("_by_block", "_counts")

    def __init__(self) -> None:
        self._counts: dict[Why, int] = {}
        self._by_block: dict[tuple[Why, str], int] = {}

    def note(self, why: Why, peer: str) -> None:
        self._counts[why] = self._counts.get(why, 0) + 1
        key = (why, known_block_of(peer))
        if key not in self._by_block and len(self._by_block) >= MOST_BLOCKS:
            self._forget_the_few()
        self._by_block[key] = self._by_block.get(key, 0) + 1

    def _forget_the_few(self) -> None:
        """Whoever refuses to be many is no block to name: those with the largest counts stay."""
        ranked = sorted(self._by_block.items(), key=lambda one: -one[1])
        self._by_block = dict(ranked[:_KEPT_BLOCKS])

    def counters(self) -> dict[str, float]:
        """For the worker's report: each reason, and the block that causes most of it."""
        told = {COUNTER + why.value: float(count) for why, count in self._counts.items()}
        first: dict[Why, tuple[int, str]] = {}
        for (why, block), count in self._by_block.items():
            if block and count > first.get(why, (0, ""))[0]:
                first[why] = (count, block)
        for why, (count, block) in first.items():
            told[f"{COUNTER}{why.value}{FROM}{block}"] = float(count)
        return told


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """What several processes have counted of one reason.  block: empty where none stands out."""

    why: Why
    count: float
    block: str = ""
    block_count: float = 0.0


def read_refused(counters: Mapping[str, float]) -> Iterator[Refused]:
    """From summed reports, in the order of `Why`; blocks are at least as busy as they say."""
    for why in Why:
        name = COUNTER + why.value
        if not (count := counters.get(name, 0.0)):
            continue
        start = name + FROM
        blocks = [(n, one[len(start) :]) for one, n in counters.items() if one.startswith(start)]
        most, block = max(blocks, default=(0.0, ""))
        yield Refused(why=why, count=count, block=block, block_count=most)


def total(refused: Iterable[Refused]) -> float:
    return sum(one.count for one in refused)
