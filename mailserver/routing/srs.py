"""Senders of forwarded copies: written so that bounces come back here, and go on to who sent it.

A copy that leaves our domains under its first sender's name fails that
domain's SPF (RFC 7208).  So it leaves under an address of ours which holds the
first one, and a keyed digest that nobody else can make:

    SRS0=HHHHHH=TT=first.example=local@ours              from any sender
    SRS1=HHHHHHTT=forwarder.example==HHHH=TT=...@ours    from one that was rewritten before
    SRS0=HHHHHH=TT==first.example=a+2E+2Eb@ours          the same two, where the local part would
    SRS1=HHHHHHTT==forwarder.example==...@ours           be no dot-string (RFC 5321 §4.1.2)

HHHHHH: 30 bits of HMAC-SHA-256 in base 32, over the kind, the day and all that
follows, in lower case: other servers may change the case of a local part.  TT:
days modulo 1024, in base 32.  An address is good for some days, and for reports
(the null sender) only: who has seen one can send nothing else through it.

The scheme as libsrs2 and postsrsd have it signs both kinds alike, and gives a later
one (SRS1) no day, as the first forwarder looks at its own.  Both are
mended here: what is signed as one kind is never good as the other, and a later
one has a day of ours, in the field of the digest, which whoever rewrites it once
more drops unread.  What was given out before that ("as before") is good for as
long as its day says, and only where it can have been signed as that kind alone.

Where it would be no dot-string (`a..b@`, `"a b"@`, a literal), one more `=` stands
in front, and what is no atom's letter is `+` and two hexadecimal digits, octet
by octet: never a quoted string, which many servers do not read.

A local part may have more than 64 octets: so have the senders that are in it,
and no limit is asked for where none is needed (RFC 5321 §4.5.3.1).  A path has at
most 256 (§4.5.3.1.3); where it would have more, `rewrite` says None, and
postmaster is the sender.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from mailserver.settings.model import SRS_KEY_FILE
from mailserver.store.files.private import new_private_file
from mailserver.values.address import Address, fold_domain, is_dot_string
from mailserver.values.secret import Secret

KEY_OCTETS: Final = 32
MAX_PATH_OCTETS: Final = 256
"""RFC 5321 §4.5.3.1.3, with its angle brackets: what every server must take."""
DAY_S: Final = 86_400
_DAYS: Final = 1024
_DIGEST_LENGTH: Final = 6
_DIGITS: Final = "abcdefghijklmnopqrstuvwxyz234567"
_PLAIN, _AGAIN = "srs0", "srs1"
_NOT_PLAIN = re.compile(
    rb"[^A-Za-z0-9!#$%&'*/?^_`{|}~=\x80-\xff-]"
)  # "+" and dots are escaped, too
_BEGINS_WITH_DAY = re.compile(r"[a-z2-7]{2}=", re.IGNORECASE)
_ESCAPED = re.compile(rb"\+([0-9A-Fa-f]{2})")


class Srs:
    """The rewriting of one service."""

    __slots__ = ("_domain", "_key", "_max_days")

    def __init__(self, key: Secret[bytes], *, domain: str, max_days: int) -> None:
        """domain: ours, to which bounces come.  max_days: an older address is not good."""
        self._key = key.reveal()
        self._domain = fold_domain(domain)
        self._max_days = max_days

    def rewrite(self, sender: Address, *, now_s: float) -> Address | None:
        """The sender of a copy that leaves; None: it would be too long."""
        day = _day_text(now_s)
        kind, _, rest = sender.local.partition("=")
        if kind.lower() == _PLAIN and rest:
            local = self._later(day, f"{sender.domain}=={rest}")
        elif kind.lower() == _AGAIN and "==" in rest:
            # The digest of who rewrote it last is not ours.
            local = self._later(day, rest.partition("=")[2])
        else:
            told = _told("SRS0", f"{sender.domain}={sender.local}")
            local = f"SRS0={self._digest(f'{_PLAIN} {day}={told}')}={day}={told}"
        octets = len(f"<{local}@{self._domain}>".encode("utf-8", "surrogateescape"))
        return None if octets > MAX_PATH_OCTETS else Address(local, self._domain)

    def _later(self, day: str, told: str) -> str:
        told = _told("SRS1", told)
        return f"SRS1={self._digest(f'{_AGAIN} {day}={told}')}{day}={told}"

    def restore(self, local: str, *, now_s: float) -> Address | None:
        """To whom a report for this local part of ours goes on; None: we never wrote it."""
        kind, _, rest = local.partition("=")
        stamp, _, told = rest.partition("=")
        if kind.lower() == _PLAIN:
            day, _, told = told.partition("=")
            is_ours = self._is_signed(stamp, f"{_PLAIN} {day}={told}")
            if not is_ours and not self._is_first_as_before(stamp, f"{day}={told}"):
                return None
            return _first(told) if self._is_recent(day, now_s) else None
        if kind.lower() == _AGAIN:
            digest, day = stamp[:_DIGEST_LENGTH], stamp[_DIGEST_LENGTH:]
            if not day and self._is_later_as_before(stamp, told):
                day = _inner_day(told)
            elif not self._is_signed(digest, f"{_AGAIN} {day}={told}"):
                return None
            return _forwarder(told) if self._is_recent(day, now_s) else None
        return None

    def _is_first_as_before(self, digest: str, told: str) -> bool:
        """A later one always had `==`, a first one only where it was escaped, or its sender had."""
        return "==" not in told and self._is_signed(digest, told)

    def _is_later_as_before(self, digest: str, told: str) -> bool:
        """A first one always began with a day."""
        return not _BEGINS_WITH_DAY.match(told) and self._is_signed(digest, told)

    def _is_signed(self, digest: str, told: str) -> bool:
        given = digest.lower().encode("utf-8", "surrogateescape")
        return hmac.compare_digest(given, self._digest(told).encode("ascii"))

    def _is_recent(self, day: str, now_s: float) -> bool:
        age = _age_in_days(day.lower(), now_s)
        return age is not None and age <= self._max_days

    def mark(self, subject: str) -> str:
        """An opaque name of what forwards, for the header field that ends circles."""
        return self._digest(f"mark {subject} 1") + self._digest(f"mark {subject} 2")

    def _digest(self, told: str) -> str:
        """told: begins with a word and a space, which no address has: what is signed, and as what.

        Without it: as it was before.
        """
        octets = told.lower().encode("utf-8", "surrogateescape")
        number = int.from_bytes(hmac.digest(self._key, octets, hashlib.sha256)[:8], "big")
        return "".join(_DIGITS[number >> 5 * place & 31] for place in range(_DIGEST_LENGTH))


def _told(word: str, told: str) -> str:
    return told if is_dot_string(f"{word}={told}") else f"={_escape(told)}"


def _first(told: str) -> Address | None:
    domain, equals, local = _unescaped(told).partition("=")
    return Address(local, domain) if domain and equals else None


def _forwarder(told: str) -> Address | None:
    domain, _, before = _unescaped(told).partition("==")
    # A domain with "=" is none; somebody may have it in their zone nevertheless.
    return Address(f"SRS0={before}", domain) if domain and before and "=" not in domain else None


def _inner_day(told: str) -> str:
    """Of the first forwarder, where it writes days as everybody does: ours had none before."""
    return "".join(_unescaped(told).partition("==")[2].split("=")[1:2])


def _escape(text: str) -> str:
    octets = text.encode("utf-8", "surrogateescape")
    octets = _NOT_PLAIN.sub(lambda found: b"+%02X" % found[0][0], octets)
    return octets.decode("utf-8", "surrogateescape")


def _unescaped(told: str) -> str:
    """As it was, where it stands behind the mark of `_told`."""
    if not told.startswith("="):
        return told
    octets = told[1:].encode("utf-8", "surrogateescape")
    octets = _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), octets)
    return octets.decode("utf-8", "surrogateescape")


def is_rewritten(local: str) -> bool:
    """Has it the shape of what `Srs.rewrite` makes?"""
    return local[:5].lower() in {"srs0=", "srs1="}


def _day_text(now_s: float) -> str:
    day = int(now_s // DAY_S) % _DAYS
    return _DIGITS[day >> 5] + _DIGITS[day & 31]


def _age_in_days(text: str, now_s: float) -> int | None:
    """None: no day, or one that is still to come (by more than clocks may differ)."""
    if len(text) != 2 or any(digit not in _DIGITS for digit in text):
        return None
    day = _DIGITS.index(text[0]) << 5 | _DIGITS.index(text[1])
    age = (int(now_s // DAY_S) - day) % _DAYS
    return 0 if age == _DAYS - 1 else age


def open_srs_key(folder: Path, *, draw: Callable[[int], bytes] = os.urandom) -> Secret[bytes]:
    """The key in the store's folder, made at the first start.  Several processes may ask at once.

    Raises:
        OSError: it can be neither read nor made, or is not a key.
    """
    path = folder / SRS_KEY_FILE
    if not path.exists():
        _make_key(path, draw(KEY_OCTETS))
    octets = path.read_bytes()
    if len(octets) != KEY_OCTETS:
        raise OSError(f"{path} is no key: {KEY_OCTETS} octets wanted, it has {len(octets)}")
    return Secret(octets)


def _make_key(path: Path, octets: bytes) -> None:
    """Whole or not at all: a link gives it its name, and the first process wins."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    fd = new_private_file(draft, os.O_WRONLY)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
