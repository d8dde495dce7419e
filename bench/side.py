"""One of the two services that are compared, as the rows see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bench.cpu import CpuMeter

DOMAIN = "ac-exemple.fr"

PASSWORD = "0101234567ABC"
"""Of every account, on both sides: a fictional NUMEN."""


class BenchError(Exception):
    """The bench cannot go on; the text is one line for the person who started it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Loopback ports of one service: SMTP from strangers, and POP3 without TLS."""

    smtp: int
    pop3: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Accounts of one kind: `base`, and `1base` to `<count>base`, as smtp-source names them."""

    base: str
    count: int

    @property
    def numbered(self) -> tuple[str, ...]:
        """Whom its option -N writes to, one after the other."""
        return tuple(f"{number}{self.base}" for number in range(1, self.count + 1))

    def together(self, recipients: int) -> tuple[str, ...]:
        """Whom one message of its option -r goes to: the number 1 is not written."""
        return (self.base, *(f"{number}{self.base}" for number in range(2, recipients + 1)))

    @property
    def names(self) -> tuple[str, ...]:
        return (self.base, *self.numbered)


class Side(Protocol):
    """A running mail service.  Every account has the same password."""

    @property
    def label(self) -> str: ...

    @property
    def ports(self) -> Ports: ...

    @property
    def meter(self) -> CpuMeter: ...

    @property
    def notes(self) -> Sequence[str]:
        """How it was set up: what differs from its defaults, one line each."""
        ...

    def start(self) -> None:
        """Returns when both ports answer.

        Raises:
            BenchError: it did not come up.
        """
        ...

    def mark(self, names: Sequence[str]) -> None:
        """Remember what the mailboxes of `names` hold now."""
        ...

    def wait_delivered(self) -> None:
        """Return as soon as everything answered 250 is in its mailboxes.  The clock runs."""
        ...

    def wait_relayed(self) -> None:
        """Return as soon as nothing waits to be relayed.  The clock runs."""
        ...

    def verify(self, names: Sequence[str], count: int) -> None:
        """The clock has stopped: `names` hold `count` copies more than at the last `mark`.

        Raises:
            BenchError: they do not.
        """
        ...

    def stop(self) -> None:
        """End every process of it, and return when they are gone."""
        ...
