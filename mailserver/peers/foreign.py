"""Lines that no mail program sends: another protocol has come to this port.

A browser can be made to post a form to any port, and what stands in the form would be read as
commands (cross-protocol attacks).  A handshake of TLS on a port that begins in clear, a banner
of SSH, a PROXY header: nothing good follows either, so the session ends at the first one.

Asked for lines that are no command, and for the first octet of what makes no line.
"""

from __future__ import annotations

import re

_METHODS = frozenset(
    b"GET POST PUT HEAD DELETE CONNECT OPTIONS TRACE PATCH PRI PROPFIND PROXY".split()
)
# RFC 9110 §6.2: what ends a request line; RTSP and SIP have the same form.
_REQUEST_LINE = re.compile(rb"\s(?:HTTP|RTSP|SIP)/\d(?:\.\d)?\s*\Z", re.IGNORECASE)
_SSH = re.compile(rb"SSH-\d", re.IGNORECASE)
_HTTP_FIELD = re.compile(
    rb"(?:Host|User-Agent|Accept(?:-[A-Z]+)?|Content-(?:Type|Length)|Connection|Cookie|Origin"
    rb"|Referer|Cache-Control|Upgrade):",
    re.IGNORECASE,
)
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# Beyond ASCII: a slip on a keyboard of another language.
_TEXT_STARTS = frozenset(_LETTERS + b" \t\r\n" + bytes(range(0x80, 0x100)))


def begins_foreign(octets: bytes | bytearray) -> bool:
    """Can no command begin so?  Commands begin with a letter; a slip with a space or a line end."""
    return len(octets) > 0 and octets[0] not in _TEXT_STARTS


def is_foreign(line: bytes) -> bool:
    """line: not a command of ours, its line end may be there."""
    if begins_foreign(line):
        return True
    word = line.partition(b" ")[0].strip().upper()
    return (
        word in _METHODS
        or _REQUEST_LINE.search(line) is not None
        or _SSH.match(line) is not None
        or _HTTP_FIELD.match(line) is not None
    )
