"""A small mail program: submits one message, collects one.  Trusts the demo's authority only.

Whatever goes wrong is a `TourError`: one sentence that says what to do.
RFC 6409 (submission), RFC 3207 (STARTTLS), RFC 1939 (POP3), RFC 8314 (POP3S).
"""

from __future__ import annotations

import poplib
import smtplib
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mailserver.demo.cast import CastMember

PATIENCE_S = 30.0
LOOKED_AT = 20
"""Messages, from the newest back, among which ours is looked for."""
_HELLO = "[127.0.0.1]"  # RFC 5321 §4.1.3; a host name would cost a look-up


class TourError(Exception):
    """The tour cannot go on.  The text is one sentence for the person at the terminal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorAddress:
    """One listener of the demo, and the authority (PEM file) whose certificate it shows."""

    name: str
    host: str
    port: int
    authority: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """`reply`: what answered the final dot.  `tls`: the version spoken."""

    reply: str
    tls: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectedMail:
    """One message as RETR gave it, CRLF restored, and what LIST had announced."""

    number: int
    listed_octets: int
    octets: bytes


def submit(
    door: DoorAddress, sender: CastMember, octets: bytes, recipients: Sequence[str]
) -> Submitted:
    """
    octets: the message, ASCII, CRLF.

    Raises:
        TourError: refused, or nobody is there; nothing was accepted.
    """
    with _told(door, sender), _smtp(door) as client:
        client.starttls(context=_trust(door.authority))
        version = client.sock.version() if isinstance(client.sock, ssl.SSLSocket) else None
        client.login(sender.identifier, sender.password)
        _expect(client.mail(sender.address))
        for recipient in recipients:
            _expect(client.rcpt(recipient))
        reply = _expect(client.data(octets))
        return Submitted(reply=reply, tls=version or "no TLS")


def collect(door: DoorAddress, owner: CastMember, marker: bytes) -> CollectedMail:
    """The newest message that contains `marker`; it stays in the mailbox.

    Raises:
        TourError: the mailbox is in use, or the message is not there.
    """
    with _told(door, owner), _pop3(door) as client:
        client.user(owner.identifier)
        client.pass_(owner.password)
        sizes = [line.split() for line in client.list()[1]]
        for number, size in reversed(sizes[-LOOKED_AT:]):
            octets = b"".join(line + b"\r\n" for line in client.retr(int(number))[1])
            if marker in octets:
                return CollectedMail(number=int(number), listed_octets=int(size), octets=octets)
    raise TourError(f"{owner.identifier} has no such message: did somebody remove it just now?")


def _expect(answer: tuple[int, bytes]) -> str:
    """The reply's text with its code.

    Raises:
        smtplib.SMTPResponseException: it is not positive.
    """
    code, text = answer
    if not 200 <= code < 400:
        raise smtplib.SMTPResponseException(code, text)
    return f"{code} {text.decode('ascii', 'replace')}"


def _trust(authority: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority))


def _smtp(door: DoorAddress) -> smtplib.SMTP:
    return smtplib.SMTP(door.host, door.port, local_hostname=_HELLO, timeout=PATIENCE_S)


@contextmanager
def _pop3(door: DoorAddress) -> Iterator[poplib.POP3_SSL]:
    """QUIT at the end, so that the maildrop is free again at once."""
    context = _trust(door.authority)
    client = poplib.POP3_SSL(door.host, door.port, context=context, timeout=PATIENCE_S)
    try:
        yield client
        client.quit()
    finally:
        client.close()


@contextmanager
def _told(door: DoorAddress, who: CastMember) -> Iterator[None]:
    """Turn what the libraries raise into one sentence."""
    place = f"{door.name} (port {door.port})"
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise TourError(
            f"{place} does not show this demo's certificate: another service holds the port?"
        ) from error
    except smtplib.SMTPAuthenticationError as error:
        raise TourError(_refused(place, who, error.smtp_error)) from error
    except smtplib.SMTPResponseException as error:
        raise TourError(f"{place} refused: {error.smtp_code} {_words(error.smtp_error)}") from error
    except poplib.error_proto as error:
        reply = error.args[0] if error.args else b""
        if b"[AUTH]" in _octets(reply):
            raise TourError(_refused(place, who, reply)) from error
        raise TourError(f"{place} refused {who.identifier}: {_words(reply)}") from error
    except smtplib.SMTPException as error:
        raise TourError(f"{place} broke off: {_words(str(error))}") from error
    except (ConnectionRefusedError, TimeoutError) as error:
        raise TourError(
            f"nothing answers on {place}: start the demo with `make run`, then take the tour in"
            " another terminal"
        ) from error
    except OSError as error:
        raise TourError(f"{place} broke off: {error.strerror or error}") from error


def _refused(place: str, who: CastMember, reply: bytes | str) -> str:
    return (
        f"{place} does not let {who.identifier} in ({_words(reply)}): the tour needs the demo's"
        " first passwords"
    )


def _octets(reply: bytes | str) -> bytes:
    return reply if isinstance(reply, bytes) else reply.encode("utf-8", "replace")


def _words(reply: bytes | str) -> str:
    """A peer's text on one line, printable characters only."""
    text = _octets(reply).decode("ascii", "replace")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
