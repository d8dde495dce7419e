"""The states of a POP3 session and what it may ask of its shell.

    state          meaning                                        leaves by
    AUTHORIZATION  no maildrop yet (RFC 1939 §4)                  PASS, QUIT
    TRANSACTION    the maildrop is locked (RFC 1939 §5)           QUIT
    UPDATE         QUIT asked for deletions; the commit is awaited  its outcome
    ENDED          nothing more is read or said

A session that leaves TRANSACTION in any other way (lost, idle, drained, our
fault) goes to ENDED and deletes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from mailserver.store.ports.writes import Removal
from mailserver.values.ids import MailboxId
from mailserver.values.secret import Secret


class State(Enum):
    AUTHORIZATION = auto()
    TRANSACTION = auto()
    UPDATE = auto()
    ENDED = auto()


@dataclass(frozen=True, slots=True)
class Authenticate:
    """Ask the gate; answer with `Session.conclude_sign_in`."""

    user_name: bytes
    password: Secret[bytes]


@dataclass(frozen=True, slots=True)
class Remove:
    """Commit this; answer with `Session.conclude_removal`, even when the peer has gone."""

    removal: Removal


@dataclass(frozen=True, slots=True)
class WaitForMaildrop:
    """Another session has it; answer with `Session.conclude_waiting`."""

    mailbox_id: MailboxId


class Signal(Enum):
    FLUSH = auto()  # enough octets wait: send them, come back when they are gone
    START_TLS = auto()  # send what waits, then shake hands, then `Session.begin_tls`
    CLOSE = auto()  # send what waits, then close
    ABORT = auto()  # close at once: what was promised can no longer be sent whole


Action = Authenticate | Remove | WaitForMaildrop | Signal
