"""By what a message is found again: its accept id, its addresses, its Message-ID.

Each is a number of 64 bits, so that the index is small and holds no names.
Octets only: the header block is searched, never decoded, and never further
than `HEADER_LIMIT_OCTETS`.

    message-id = "Message-ID:" msg-id CRLF      ; RFC 5322 §3.6.4
    obs-message-id = "Message-ID" *WSP ":" msg-id CRLF

Whatever stands between the colon and the end of the field is taken, without
its folds and brackets: real programs write ids that no grammar allows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from mailserver.values.address import fold_address
from mailserver.values.ids import AcceptId

HEADER_LIMIT_OCTETS: Final = 64 * 1024
"""Further down nobody looks for a Message-ID."""
MAX_ID_OCTETS: Final = 998  # RFC 5322 §2.1.1: a line holds no more

_NAME: Final = b"\nmessage-id"
_VALUE = re.compile(rb"[ \t]*+:([^\r\n]{0,998}+(?:\r?\n[ \t][^\r\n]{0,998}+){0,4})")


def find_header_id(block: bytes) -> bytes:
    """The Message-ID of a header block, without brackets; empty where there is none."""
    block = b"\n" + block[:HEADER_LIMIT_OCTETS]
    lowered = block.lower()
    at = lowered.find(_NAME)
    while at >= 0:
        value = _VALUE.match(block, at + len(_NAME))
        if value is not None:
            return bare_id(value[1])
        at = lowered.find(_NAME, at + 1)
    return b""


def bare_id(value: bytes) -> bytes:
    """A msg-id as it is compared: without folds, outer space and brackets."""
    return b"".join(value.split()).removeprefix(b"<").removesuffix(b">")[:MAX_ID_OCTETS]


def of_accept_id(accept_id: AcceptId) -> int:
    """Its random part is as good as any digest."""
    return int.from_bytes(accept_id[-8:], "big", signed=True)


@lru_cache(maxsize=4096)  # people write to the same people
def of_address(text: str) -> int:
    return _digest(b"a" + fold_address(text).encode("utf-8", "surrogateescape"))


def of_header_id(bare: bytes) -> int:
    return _digest(b"m" + bare)


def of_message(
    accept_id: AcceptId, reverse_path: str, recipients: Iterable[str], header_id: bytes
) -> set[int]:
    """Everything by which one message is found."""
    found = {of_accept_id(accept_id)}
    found.update(map(of_address, recipients))
    if reverse_path:
        found.add(of_address(reverse_path))
    if header_id:
        found.add(of_header_id(header_id))
    return found


def _digest(octets: bytes) -> int:
    return int.from_bytes(blake2b(octets, digest_size=8).digest(), "big", signed=True)
