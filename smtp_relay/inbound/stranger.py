"""The service tries to relay through itself, as a stranger, before it opens its doors.

`find_leaks` holds conversations with our own listeners over a transport in
memory, from an address that no setting trusts and from each address that may
stand for anybody.  Recipients are elsewhere, in every spelling that has fooled
a server; a single 2yz to one of them is a leak.  Nothing is stored, counted or
logged: the conversations have a service of their own, over the same settings,
directory and rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from mailserver.peers.refusals import Refusals
from mailserver.store.commit import Done
from mailserver.store.ports.writes import Write
from mailserver.telemetry.peers import PeerWatch
from smtp_relay.inbound.connection.voice import Voice
from smtp_relay.inbound.door import SmtpDoor
from smtp_relay.inbound.service import Counters, Listener, Service

_ELSEWHERE = "elsewhere.example"
_UNTRUSTED = ("192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1")  # RFC 5737, RFC 3849


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """One command that a stranger should not have got through."""

    listener: str
    peer: str
    sender: str
    recipient: str
    answer: str


def find_leaks(service: Service, listeners: Iterable[Listener]) -> list[Leak]:
    """Play the stranger against each listener.  Blocks for some milliseconds."""
    probe = replace(
        service,
        writer=_NoWriter(),
        sessions=set(),
        counters=Counters(),
        refusals=Refusals(),
        peers=PeerWatch(),
    )
    probe.postmaster = service.postmaster
    return [
        leak
        for listener in listeners
        for peer in stranger_addresses(service)
        for leak in _try_all(probe, listener, peer)
    ]


def stranger_addresses(service: Service) -> list[str]:
    """One that is in no trusted network (any, where all are) and no gateway, and the gateways."""
    plain = [text for text in _UNTRUSTED if not service.is_gateway(text)]
    unknown = [text for text in plain if not service.is_trusted(text)]
    return [*(unknown or plain)[:1], *map(str, service.gateways)]


def recipients(domain: str) -> tuple[str, ...]:
    """What stands behind `RCPT TO:`; `domain` is ours."""
    return (
        f"<relay-test@{_ELSEWHERE}>",
        f"<postmaster@{_ELSEWHERE}>",
        f"<relay-test@{domain}.{_ELSEWHERE}>",
        f"<@{domain}:relay-test@{_ELSEWHERE}>",
        f"<@{domain},@{_ELSEWHERE}:relay-test@{_ELSEWHERE}>",
        f"<relay-test%{_ELSEWHERE}@{domain}>",
        f"<relay-test%{_ELSEWHERE}@[127.0.0.1]>",
        f'<"relay-test@{_ELSEWHERE}"@{domain}>',
        f'<"relay-test@{_ELSEWHERE}">',
        f"<relay-test@{_ELSEWHERE}@{domain}>",
        f"<{_ELSEWHERE}!relay-test@{domain}>",
        f"<{_ELSEWHERE}!relay-test>",
        "<relay-test@[198.51.100.99]>",
        "<relay-test@[IPv6:2001:db8::99]>",
        f"relay-test@{_ELSEWHERE}",
    )


def _try_all(probe: Service, listener: Listener, peer: str) -> Iterator[Leak]:
    domain = probe.settings.service.domain
    listener = replace(listener, tls=None)  # no socket, so no handshake
    for sender in (f"<stranger@{_ELSEWHERE}>", f"<postmaster@{domain}>", "<>"):
        talk = _Conversation(probe, listener, peer)
        talk.say(f"EHLO {_ELSEWHERE}")
        talk.say(f"MAIL FROM:{sender}")
        for recipient in recipients(domain):
            answer = talk.say(f"RCPT TO:{recipient}")
            if answer.startswith("2"):
                yield Leak(
                    listener=listener.name,
                    peer=peer,
                    sender=sender,
                    recipient=recipient,
                    answer=answer,
                )
        talk.end()


class _QuietVoice(Voice):
    """For whom refusals are expected, not news, and no reason to end."""

    __slots__ = ()
    counts_unknown = False

    def spend(self, cost: int) -> None:
        pass

    def note(self, event: str, **facts: Any) -> None:
        pass


class _Conversation:
    """One connection whose transport is a list."""

    def __init__(self, probe: Service, listener: Listener, peer: str) -> None:
        self._peer = peer
        self._heard: list[bytes] = []
        self._door = SmtpDoor(probe, listener, voice=_QuietVoice)
        self._door.connection_made(self)

    def say(self, line: str) -> str:
        """The reply's last line; empty when the connection is closed."""
        self._heard.clear()
        self._door.data_received(line.encode() + b"\r\n")
        heard = b"".join(self._heard).decode("ascii", "replace")
        return heard.rstrip("\r\n").rpartition("\r\n")[2]

    def end(self) -> None:
        self._door.connection_lost(None)

    # What `Connection` asks of a transport.

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return (self._peer, 0) if name == "peername" else default

    def write(self, octets: bytes) -> None:
        self._heard.append(octets)

    def close(self) -> None:
        pass

    abort = pause_reading = resume_reading = close


class _NoWriter:
    """Nothing gets as far as a message."""

    def submit(self, write: Write, done: Done) -> None:  # noqa: ARG002 - the port's names
        raise AssertionError("a stranger's message")
