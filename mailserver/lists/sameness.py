"""Is it the same message, brought again?  Message-ID and the octets of the text say so.

Trace fields differ each time, and so may what others do to a header on its way.  A
message without Message-ID is the same only where all of it is, header and text.
"""

from __future__ import annotations

import hashlib

from mailserver.lists.header import find_values, split_fields


class Sameness:
    """Fed with the text of one message, whatever pieces it comes in."""

    def __init__(self, block: bytes) -> None:
        """block: the author's header, as it came, without what we put in front."""
        named = b" ".join(find_values(split_fields(block)[0], b"message-id")).split()
        is_named = b"named" if named else b"whole"
        self._hash = hashlib.sha256(is_named + b"\0")
        self._hash.update(hashlib.sha256(b" ".join(named) or block).digest())

    def feed(self, octets: bytes) -> None:
        self._hash.update(octets)

    def key_for(self, target: str) -> bytes:
        """32 octets, of this message for one target.  May be asked for several."""
        found = self._hash.copy()
        found.update(hashlib.sha256(b"for\0" + target.encode("utf-8", "surrogateescape")).digest())
        return found.digest()
