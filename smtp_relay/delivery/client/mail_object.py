"""The mail object of a transaction as it goes out (RFC 5321 §2.3.1): its envelope and its content.

Nothing is ever rewritten for a hop that lacks an extension: such a copy is REFUSED here, with the
code of the extension's own RFC.  The one liberty: the domain of an address whose local part is
ASCII travels as A-labels, which are the same domain (RFC 5890 §2.3.2.1).

Where no line begins with a dot (`mailserver.values.dots`), and the receive path has counted
them, nothing is looked for.  A body in a file is read piece by piece, never whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from mailserver.store.ports.bodies import BodyError, body_chunks, read_body
from mailserver.store.ports.queue import LeasedCopy, QueuedMessage
from mailserver.values.address import fold_domain
from mailserver.values.dots import FINAL_DOT, Stuffer
from mailserver.values.message import Notify
from smtp_relay.delivery.client.offers import Offers
from smtp_relay.delivery.verdicts import Kind, Phase, Scope, Transaction, Verdict

CHUNK_OCTETS: Final = 64 * 1024
_UNSAFE = re.compile(rb"[\x00-\x1f\x7f]")
_XTEXT = re.compile(r"[!-~]+")
_NOTIFY_WORDS = ((Notify.SUCCESS, "SUCCESS"), (Notify.FAILURE, "FAILURE"), (Notify.DELAY, "DELAY"))


@dataclass(slots=True, kw_only=True)
class Envelope:
    """mail, rcpts: whole commands with CRLF.

    copy_nos: to which place in `Transaction.copies` each of `rcpts` belongs.
    verdicts: one for each copy; None where only the peer can tell.
    has_chunking: BDAT instead of DATA.
    """

    mail: bytes = b""
    rcpts: list[bytes] = field(default_factory=list)
    copy_nos: list[int] = field(default_factory=list)
    verdicts: list[Verdict | None]
    has_chunking: bool = False


def write_envelope(transaction: Transaction, offers: Offers) -> Envelope:
    """The commands for what this hop can take, and verdicts for what it cannot."""
    message = transaction.message
    own = transaction.copies[0].sender
    sender = encode_address(message.reverse_path if own is None else own)
    try:
        needs_utf8 = not sender.isascii() or _has_utf8_header(message)
    except BodyError as error:  # the store has said so in the log
        ours = Verdict(
            kind=Kind.LATER,
            phase=Phase.MAIL,
            status="4.3.0",
            words=str(error),
            scope=Scope.OURS,
        )
        return Envelope(verdicts=[ours] * len(transaction.copies))
    refusal = _refusal_of_message(message, sender, offers, needs_utf8=needs_utf8)
    envelope = Envelope(verdicts=[refusal] * len(transaction.copies))
    if refusal is not None:
        return envelope
    may_be_limited = offers.max_recipients is not None
    for copy_no, copy in enumerate(transaction.copies):
        has_wishes = offers.dsn and (copy.notify or copy.original_recipient)
        command = None if has_wishes or may_be_limited else _plain_rcpt(copy.recipient)
        if command is not None:
            envelope.rcpts.append(command)
            envelope.copy_nos.append(copy_no)
            continue
        recipient = encode_address(copy.recipient)
        verdict = _refusal_of_copy(recipient, offers, len(envelope.rcpts))
        if verdict is not None:
            envelope.verdicts[copy_no] = verdict
            continue
        needs_utf8 = needs_utf8 or not recipient.isascii()
        envelope.rcpts.append(_rcpt_command(copy, recipient, offers))
        envelope.copy_nos.append(copy_no)
    envelope.mail = _mail_command(message, sender, offers, needs_utf8=needs_utf8)
    envelope.has_chunking = offers.chunking and _is_changed_by_data(message)
    return envelope


def wire_octets(message: QueuedMessage) -> int:
    """What SIZE declares: with every CRLF, without stuffing (RFC 1870 §5)."""
    return message.size_octets + (0 if is_complete(message) else 2)


def is_complete(message: QueuedMessage) -> bool:
    """Does its last line end?  The head's does, so an empty body is complete."""
    return message.ends_with_crlf or message.body_octets == 0


@lru_cache(maxsize=4096)
def encode_address(address: str) -> bytes:
    """As it goes between the angle brackets; octets over 127 only where the local part has some."""
    if address.isascii():
        return address.encode("ascii")
    local, at, domain = address.rpartition("@")
    if at and local.isascii():
        return f"{local}@{fold_domain(domain)}".encode()
    return address.encode("utf-8", "surrogateescape")


def _is_changed_by_data(message: QueuedMessage) -> bool:
    """DATA doubles dots and ends the last line; BDAT carries the octets as they are (RFC 3030)."""
    return message.dotted_line_count > 0 or not is_complete(message)


def _has_utf8_header(message: QueuedMessage) -> bool:
    """Only mail that came as SMTPUTF8 may need it onward; raw octets in old mail do not."""
    if not message.smtputf8:
        return False
    if not message.head.isascii():
        return True
    if not message.is_8bit:
        return False
    return not read_body(message, message.header_octets, 0).isascii()


def _refusal_of_message(
    message: QueuedMessage, sender: bytes, offers: Offers, *, needs_utf8: bool
) -> Verdict | None:
    if _UNSAFE.search(sender):
        return _refuse("5.1.7", "the sender's address cannot be written in a command")
    octet_count = wire_octets(message)
    if offers.max_octets is not None and octet_count > offers.max_octets:
        limit = f"this server takes messages of at most {offers.max_octets} octets"
        return _refuse("5.3.4", f"{limit}; this one has {octet_count}")
    if needs_utf8 and not offers.utf8:
        status = "5.6.9" if sender.isascii() else "5.6.7"
        what = "header lines" if sender.isascii() else "a sender"
        return _refuse(status, f"this server does not take {what} outside ASCII (no SMTPUTF8)")
    if message.is_8bit and not offers.eight_bit:
        return _refuse("5.6.3", "this server does not take 8-bit messages (no 8BITMIME)")
    return None


def _refusal_of_copy(recipient: bytes, offers: Offers, written_count: int) -> Verdict | None:
    if _UNSAFE.search(recipient):
        return _refuse("5.1.3", "this address cannot be written in a command")
    if not offers.utf8 and not recipient.isascii():
        return _refuse("5.6.7", "this server does not take addresses outside ASCII (no SMTPUTF8)")
    if offers.max_recipients is not None and written_count >= offers.max_recipients:
        return Verdict(
            kind=Kind.LATER,
            phase=Phase.RCPT,
            status="4.5.3",
            words=f"this server takes {offers.max_recipients} recipients at a time (LIMITS)",
            is_over_limit=True,
        )
    return None


def _refuse(status: str, words: str) -> Verdict:
    return Verdict(kind=Kind.REFUSED, phase=Phase.MAIL, status=status, words=words)


def _mail_command(
    message: QueuedMessage, sender: bytes, offers: Offers, *, needs_utf8: bool
) -> bytes:
    command = b"MAIL FROM:<" + sender + b">"
    if offers.size:
        command += b" SIZE=%d" % wire_octets(message)
    if message.is_8bit:
        command += b" BODY=8BITMIME"
    if needs_utf8:
        command += b" SMTPUTF8"
    if offers.dsn:
        command += _parameter(" RET=", message.return_content)
        command += _parameter(" ENVID=", message.envelope_id)
    return command + b"\r\n"


@lru_cache(maxsize=4096)
def _plain_rcpt(address: str) -> bytes | None:
    """For every hop, without parameters; None: not every hop takes such an address."""
    if not address.isascii() or _UNSAFE.search(address.encode("ascii")):
        return None
    return b"RCPT TO:<" + address.encode("ascii") + b">\r\n"


def _rcpt_command(copy: LeasedCopy, recipient: bytes, offers: Offers) -> bytes:
    command = b"RCPT TO:<" + recipient + b">"
    if offers.dsn and (copy.notify or copy.original_recipient):
        command += _parameter(" NOTIFY=", _notify_words(copy.notify))
        command += _original_recipient(copy.original_recipient, offers)
    return command + b"\r\n"


def _original_recipient(value: str, offers: Offers) -> bytes:
    """Outside ASCII only under SMTPUTF8 (RFC 6533 §3); else it is left out, as if never said."""
    if value.isascii() or not offers.utf8:
        return _parameter(" ORCPT=", value)
    octets = value.encode("utf-8", "surrogateescape")
    is_safe = not _UNSAFE.search(octets) and b" " not in octets
    return b" ORCPT=" + octets if is_safe else b""


def _notify_words(notify: Notify) -> str:
    if notify & Notify.NEVER:
        return "NEVER"
    return ",".join(word for flag, word in _NOTIFY_WORDS if notify & flag)


def _parameter(lead: str, value: str) -> bytes:
    """As it was typed; what no parameter may hold is left out."""
    return (lead + value).encode() if _XTEXT.fullmatch(value) else b""


class ContentLost(Exception):
    """The body cannot be read, or is shorter than the store says.  Our fault."""


def needs_stuffing(message: QueuedMessage) -> bool:
    head = message.head
    return message.dotted_line_count > 0 or head.startswith(b".") or b"\r\n." in head


def ending(message: QueuedMessage) -> bytes:
    """The final dot; a last line that does not end is ended first."""
    return FINAL_DOT if is_complete(message) else b"\r\n" + FINAL_DOT


def small_content(message: QueuedMessage) -> bytes | None:
    """All that follows 354 but for the final dot; None for a body in a file."""
    if message.octets is None:
        return None
    content = message.head + message.octets
    return Stuffer().feed(content) if needs_stuffing(message) else content


def raw_chunks(message: QueuedMessage) -> Iterator[bytes]:
    """The octets as they are; no chunk is empty.

    Raises:
        ContentLost: the file cannot be read, or ends too early.
    """
    if message.head:
        yield message.head
    try:
        yield from body_chunks(message, CHUNK_OCTETS)
    except BodyError as error:  # the store has said so in the log
        raise ContentLost(str(error)) from error


def stuffed_chunks(message: QueuedMessage) -> Iterator[bytes]:
    """The same for DATA, but for the final dot.  Raises as `raw_chunks`."""
    chunks = raw_chunks(message)
    return map(Stuffer().feed, chunks) if needs_stuffing(message) else chunks
