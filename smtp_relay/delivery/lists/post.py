"""From a post to the message that members get.

The body after the header is the author's, octet for octet, read from its file
and written to another piece by piece; only the header block is in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from email.utils import formatdate
from typing import Protocol

from mailserver.dkim.body_hash import BodyHash
from mailserver.dkim.signer import Signer
from mailserver.lists.addresses import bounces_address
from mailserver.lists.header import Rewriting, list_fields, rewrite
from mailserver.quota.classes import Classes
from mailserver.routing.local import OurDomains
from mailserver.routing.relaying import make_schedule
from mailserver.settings.model import KIB, RouteSettings, Settings
from mailserver.store.outside import Outsiders
from mailserver.store.ports.bodies import Spool, body_chunks
from mailserver.store.ports.lists import MailingList
from mailserver.store.ports.people import Life
from mailserver.store.ports.queue import QueuedMessage
from mailserver.values.ids import AcceptId, accept_id_text
from mailserver.values.message import (
    HOLDS_NUL,
    UNVOUCHED,
    Acceptance,
    Body,
    BodyFacts,
    FiledBody,
    InlineBody,
    NewCopy,
    longest_line_octets,
)

DOOR = "lists"
NO_CLASSES = Classes([], grace_percent=100)
PIECE_OCTETS = 64 * 1024
_DATE_ZONE = "+0000"
_GETS_MAIL = frozenset({Life.PRESENT, Life.ON_LEAVE, Life.LEAVING})


class Sign(Protocol):
    """`Signer.sign` of `mailserver.dkim`."""

    def __call__(self, header_block: bytes, *, body_hash: bytes, now_s: float) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ListContext:
    """What making messages needs, the same for all lists."""

    hostname: str
    ours: OurDomains
    rules: tuple[RouteSettings, ...]
    inline_limit_octets: int
    max_hops: int
    open_spool: Callable[[], Spool]
    sign: Sign | None
    expires_at: Callable[[float], float]
    forwards: bool = True  # may mail be sent on elsewhere?
    classes: Classes = NO_CLASSES
    offers_one_click: bool = False  # see `one_click`
    time_zone: str = ""  # of what we write ourselves

    @property
    def domains(self) -> Collection[str]:
        """Ours, folded."""
        return self.ours.names


def make_list_context(
    settings: Settings,
    *,
    open_spool: Callable[[], Spool],
    signer: Signer | None,
    outsiders: Outsiders | None = None,
) -> ListContext:
    """outsiders: the store, which is read once; see `OurDomains.of`."""
    return ListContext(
        hostname=settings.service.hostname,
        ours=OurDomains.of(settings, outsiders),
        rules=tuple(settings.routes),
        inline_limit_octets=settings.store.inline_limit_kib * KIB,
        max_hops=settings.relay.max_hops,
        open_spool=open_spool,
        sign=None if signer is None else signer.sign,
        expires_at=make_schedule(settings.delivery).expires_at,
        forwards=settings.forwarding.enabled,
        classes=Classes(settings.classes, grace_percent=settings.quota.grace_percent),
        offers_one_click=bool(settings.web.url) and signer is not None,
        time_zone=settings.service.time_zone,
    )


def pieces_of(message: QueuedMessage, begin: int) -> Iterator[bytes]:
    """The message's body from an offset on.

    Raises:
        BodyLost, BodyUnreadable: the file is shorter than its row says, or cannot be read.
    """
    return body_chunks(message, PIECE_OCTETS, begin=begin)


def header_of(message: QueuedMessage) -> bytes:
    """Our own head and the author's header block: all that stands before the text."""
    wanted = message.header_octets
    block = b""
    for piece in pieces_of(message, 0):
        block += piece
        if len(block) >= wanted:
            break
    return message.head + block[:wanted]


def derive(
    context: ListContext,
    message: QueuedMessage,
    how: Rewriting,
    *,
    accept_id: AcceptId,
    now_s: float,
    is_post: bool,
) -> Acceptance:
    """The message that members (or owners) get, without copies.

    is_post: its header block is rewritten; mail to the owners stays as it is.
    """
    before = header_of(message)
    block = rewrite(before, how) if is_post else before
    body, body_hash, has_nul = _keep(context, message, block)
    head = _received(context, how.which, accept_id, now_s)
    if is_post:
        head += b"".join(list_fields(how.which))
    if context.sign is not None:
        head = context.sign(head + block, body_hash=body_hash, now_s=now_s) + head
    reverse_path = bounces_address(how.which)
    dotted = message.dotted_line_count - _dotted(before[len(message.head) :]) + _dotted(block)
    longest_of_block = longest_line_octets(block.split(b"\r\n"))
    return Acceptance(
        accept_id=accept_id,
        accepted_at_s=now_s,
        return_path=f"Return-Path: <{reverse_path}>\r\n".encode(),
        head=head,
        body=body,
        facts=BodyFacts(
            header_octets=len(block),
            ends_with_crlf=message.ends_with_crlf,
            is_8bit=message.is_8bit or not (head.isascii() and block.isascii()),
            has_nul=has_nul,
            longest_line_octets=max(message.longest_line_octets, longest_of_block),
            dotted_line_count=max(dotted, 0),
        ),
        reverse_path=reverse_path,
        account_id=message.account_id,
        peer="",
        door=DOOR,
        smtputf8=message.smtputf8,
    )


def _keep(context: ListContext, message: QueuedMessage, block: bytes) -> tuple[Body, bytes, bool]:
    """(the new body, the hash of what follows its header, has it a NUL?)."""
    rest_octets = message.body_octets - message.header_octets
    body_hash = BodyHash()
    has_nul = b"\0" in block
    if len(block) + rest_octets <= context.inline_limit_octets:
        rest = b"".join(pieces_of(message, message.header_octets))
        body_hash.feed(rest)
        return InlineBody(block + rest), body_hash.digest(), has_nul or b"\0" in rest
    spool = context.open_spool()
    try:
        spool.write(block)
        for piece in pieces_of(message, message.header_octets):
            body_hash.feed(piece)
            has_nul = has_nul or b"\0" in piece
            spool.write(piece)
        filed: FiledBody = spool.commit()
    except BaseException:
        spool.discard()
        raise
    return filed, body_hash.digest(), has_nul


def _received(context: ListContext, which: MailingList, accept_id: AcceptId, now_s: float) -> bytes:
    date = formatdate(int(now_s))[:-5] + _DATE_ZONE
    by = f"Received: by {context.hostname} (list {which.address})"
    by += f"\r\n\tid {accept_id_text(accept_id)}"
    return f"{by}; {date}\r\n".encode()


def _dotted(block: bytes) -> int:
    return block.startswith(b".") + block.count(b"\r\n.")


def why_held(message: QueuedMessage) -> str:
    """What a moderator should know, beside that the list wants to be asked."""
    if message.has_nul:
        return f": {HOLDS_NUL}"
    return f": {UNVOUCHED}" if message.is_unvouched else ""


def with_copies(acceptance: Acceptance, *copies: NewCopy) -> Acceptance:
    return replace(acceptance, copies=copies)
