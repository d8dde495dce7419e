"""Mail addresses: what was typed, and the key under which it is found.

Two spellings of one address have one key: local parts compare without case
and without accents (`Frédéric.Marot@` is `frederic.marot@`), domains without
case and in their A-label form (RFC 5890).  The spelling that arrived is kept
for the envelope, the key is for look-ups only.
"""

from __future__ import annotations

import string
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import idna

from mailserver.values.text.letters import fold_letters

PLUS = "+"


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox address, `local@domain`, as it stood in the path (RFC 5321 §4.1.2).

    `local` is unquoted: the path `"a b"@d` has the local part `a b`.
    `domain` may be a U-label, an A-label or a literal such as `[192.0.2.1]`;
    it is empty only for the bare `postmaster` of RFC 5321 §4.5.1.
    """

    local: str
    domain: str

    def __str__(self) -> str:
        local = quote_local(self.local)
        return f"{local}@{self.domain}" if self.domain else local

    @property
    def key(self) -> str:
        """The form under which the directory finds this address."""
        return f"{fold_local(self.local)}@{fold_domain(self.domain)}"

    @property
    def as_relayed(self) -> str:
        """As its own servers write it: `a..b@`, `.a@` and `a.@` keep their dots, without quotes.

        Some providers gave such addresses to people (Japanese ones, until 2009), and know
        them in no other form.
        """
        return f"{self.local}@{self.domain}" if is_loose_dot_string(self.local) else str(self)


def key_of(text: str) -> str:
    """The key of an address that is written as `local@domain`, unquoted."""
    local, _, domain = text.rpartition("@")
    return Address(local, domain).key


_ATEXT_DOT = frozenset(string.ascii_letters + string.digits + "!#$%&'*+-/=?^_`{|}~.")


def is_dot_string(local: str) -> bool:
    """Does it stand in a path without quotes (RFC 5321 §4.1.2)?  Letters outside ASCII may."""
    return is_loose_dot_string(local) and f".{local}.".count("..") == 0


def is_loose_dot_string(local: str) -> bool:
    """The letters of a dot-string, with dots anywhere."""
    return local != "" and all(c in _ATEXT_DOT or ord(c) > 127 for c in local)


def quote_local(local: str) -> str:
    """Write a local part as a path needs it: a dot-string, or else a quoted-string."""
    if is_dot_string(local):
        return local
    return '"' + local.replace("\\", "\\\\").replace('"', '\\"') + '"'


def quote_mailbox(text: str) -> str:
    """A mailbox as it stands in a path, for a header field (RFC 5322 §3.4.1): `"a..b"@`."""
    local, _, domain = text.rpartition("@")
    return f"{quote_local(local)}@{domain}" if is_loose_dot_string(local) else text


@lru_cache(maxsize=4096)
def fold_local(local: str) -> str:
    """Lower case, accents removed, others beyond a to z as `values.text.letters` says."""
    if local.isascii():
        return local.lower()
    lowered = unicodedata.normalize("NFKC", local).casefold()
    parts = unicodedata.normalize("NFKD", lowered)
    # Letters last: `ǽ` is an `æ` only once its accent is gone.
    return fold_letters("".join(c for c in parts if not unicodedata.combining(c)))


@lru_cache(maxsize=4096)
def fold_domain(domain: str) -> str:
    """Lower-case A-labels without a final dot; what IDNA refuses is only lowered."""
    lowered = domain.rstrip(".").lower()
    if lowered.isascii():
        return lowered
    try:
        return idna.encode(lowered, uts46=True).decode("ascii").rstrip(".")
    except idna.IDNAError:
        return lowered


def is_spelled_out(domain: str) -> bool:
    """Is it written as A-labels or as U-labels, and not in letters that only lead there?

    RFC 5895 maps full-width letters and dots of other scripts: who reads them sees another name.
    """
    if domain.isascii():
        return True
    try:
        shown = idna.decode(fold_domain(domain))
    except idna.IDNAError:
        return False
    return unicodedata.normalize("NFC", domain.rstrip(".")).lower() == shown


def split_plus(local: str) -> tuple[str, str]:
    """`jean+ski` is mailbox `jean` with detail `ski`; without a plus, the detail is empty."""
    base, _, detail = local.partition(PLUS)
    return (base, detail) if base else (local, "")


def fold_address(text: str) -> str:
    """The one key of all spellings of an address, as `Address.key`."""
    if text.isascii() and text[-1:] != ".":
        return text.lower()
    local, at, domain = text.rpartition("@")
    return f"{fold_local(local)}@{fold_domain(domain)}" if at else fold_local(domain)
