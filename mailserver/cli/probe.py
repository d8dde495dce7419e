"""Does a listener answer?  Connect, shake hands where TLS comes first, read the banner.

The web has none: there, a page is asked for.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from mailserver.settings.bind import Bind
from mailserver.settings.check.ports import is_absent_ipv6, try_bind
from mailserver.settings.listeners import DoorName, WantedListener

PATIENCE_S = 3.0
_BANNERS = {"smtp": b"220", "pop3": b"+OK", "web": b"HTTP/1."}
_ASKED_FIRST = {"web": b"HEAD /robots.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"}
"""A door that waits to be asked; any status says that it is up."""
_TO_TLS = {
    "smtp": ((b"EHLO localhost\r\n", b"250"), (b"STARTTLS\r\n", b"220")),
    "pop3": ((b"STLS\r\n", b"+OK"),),
}
"""What is said until TLS begins, and what the door must answer."""
_HERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to try a bind to all


@dataclass(frozen=True, slots=True)
class Answer:
    """`failure` is empty when the listener is up.

    certificate: what a client sees, in DER; empty: none was seen.
    tls_failure: why no handshake is possible where one is offered; empty: it was, or none is.
    """

    wanted: WantedListener
    failure: str
    certificate: bytes = b""
    tls_failure: str = ""

    @property
    def is_up(self) -> bool:
        return not self.failure

    @property
    def is_refused(self) -> bool:
        """Nobody listens there, as far as this machine, or this container, can see."""
        return self.failure == os.strerror(errno.ECONNREFUSED)


def probe_all(wanted: list[WantedListener]) -> list[Answer]:
    """All at once, in order; IPv6 listeners that this machine cannot have are left out."""
    possible = [one for one in wanted if not _is_impossible(one.bind)]
    if not possible:
        return []
    with ThreadPoolExecutor(len(possible)) as pool:
        return list(pool.map(probe, possible))


def probe(wanted: WantedListener) -> Answer:
    """One listener; waits at most a few times PATIENCE_S."""
    try:
        banner, certificate, tls_failure = _visit(wanted)
    except OSError as error:
        return Answer(wanted, _words(error))
    expected = _BANNERS[wanted.kind.door]
    if banner.startswith(expected):
        return Answer(wanted, "", certificate, tls_failure)
    return Answer(
        wanted, f"said {banner[:60]!r}" if banner else "closed without a word", certificate
    )


def _visit(wanted: WantedListener) -> tuple[bytes, bytes, str]:
    """(banner, certificate, why TLS failed)."""
    host = _HERE.get(wanted.bind.host, wanted.bind.host)
    door = wanted.kind.door
    with socket.create_connection((host, wanted.bind.port), PATIENCE_S) as plain:
        if wanted.kind.implicit_tls:
            with _any_certificate().wrap_socket(plain) as tls:
                return _read_and_leave(tls, door), tls.getpeercert(binary_form=True) or b"", ""
        if door not in _TO_TLS:
            return _read_and_leave(plain, door), b"", ""
        banner = plain.recv(512)
        if not banner.startswith(_BANNERS[door]):
            return banner, b"", ""
        try:
            return banner, _start_tls(plain, door), ""
        except OSError as error:
            return banner, b"", _words(error)


def _start_tls(plain: socket.socket, door: DoorName) -> bytes:
    """The certificate that is shown behind STARTTLS or STLS; empty where it is not offered."""
    for words, go_on in _TO_TLS[door]:
        plain.sendall(words)
        if not plain.recv(4096).startswith(go_on):
            return b""
    with _any_certificate().wrap_socket(plain) as tls:
        tls.sendall(b"QUIT\r\n")
        return tls.getpeercert(binary_form=True) or b""


def _read_and_leave(sock: socket.socket, door: DoorName) -> bytes:
    if door in _ASKED_FIRST:
        sock.sendall(_ASKED_FIRST[door])
        return sock.recv(512)
    banner = sock.recv(512)
    if banner:
        sock.sendall(b"QUIT\r\n")
    return banner


def _words(error: OSError) -> str:
    reason = getattr(error, "reason", None)
    return str(reason or error.strerror or str(error) or type(error).__name__)


def _any_certificate() -> ssl.SSLContext:
    """Whatever it is: `status` compares it with the file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _is_impossible(bind: Bind) -> bool:
    """A container may have IPv6 sockets and yet no ::1 to reach them at."""
    failure = try_bind(Bind(_HERE.get(bind.host, bind.host), 0))
    return failure is not None and is_absent_ipv6(bind, failure)
