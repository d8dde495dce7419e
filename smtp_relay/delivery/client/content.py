"""A message as it goes out: head, body, and what DATA makes of them.

Where no line begins with a dot (`mailserver.values.dots`), and the receive path has counted
them, nothing is looked for.  A body in a file is read piece by piece, never whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mailserver.store.ports.bodies import BodyError, body_chunks
from mailserver.store.ports.queue import QueuedMessage
from mailserver.values.dots import FINAL_DOT, Stuffer
from smtp_relay.delivery.client.envelope import is_complete

CHUNK_OCTETS: Final = 64 * 1024


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
