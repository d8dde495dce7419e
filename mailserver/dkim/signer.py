"""The signer of a service: all its keys, one signature each, at accept.

Signing one message costs about a millisecond of CPU, nearly all of it RSA; see
`docs/dkim.md` for the figures and for the thread on which it is done.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from mailserver.dkim.body_hash import BodyHash
from mailserver.dkim.canonical import parse_fields
from mailserver.dkim.keys import BadKey, SigningKey, load_key
from mailserver.dkim.signature import TooManyFields, draft_signature, select_fields
from mailserver.settings.model import Settings
from mailserver.telemetry.log import get_log
from mailserver.telemetry.reports import DKIM_KEY, DKIM_KEY_COUNT
from mailserver.values.address import fold_domain

_FROM: Final = b"from"
_MOST_AUTHORS: Final = 100
_DOMAIN: Final = re.compile(rb'@[ \t]*+([^\s@<>()\[\]",:;\\]++)')


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Shared by all messages of a process.

    keys: one signature each, in this order from the top.
    domains: ours, as A-labels in lower case; domain: the one that signs what no
    address of ours wrote, such as a report.
    """

    keys: Sequence[SigningKey]
    domains: frozenset[str]
    domain: str

    def sign(self, header_block: bytes, *, body_hash: bytes, now_s: float) -> bytes:
        """The DKIM-Signature fields to put in front, each with CRLF.

        header_block: everything that will stand below them, our own head first, up to
        the empty line or the end.  body_hash: `BodyHash.digest` of what follows it.
        Empty for a message that has no From (RFC 6376 §5.4 wants it signed) or more
        fields than `MAX_SIGNED_FIELDS`: it leaves unsigned.
        """
        fields = list(parse_fields(header_block))
        authors = [value for name, value in fields if name == _FROM]
        if not authors:
            return b""
        try:
            signed = select_fields(fields)
        except TooManyFields:
            return b""
        domain = self._domain_of(authors[0])
        octets = b""
        for key in self.keys:
            draft = draft_signature(
                signed,
                algorithm=key.algorithm.value,
                domain=domain,
                selector=key.selector,
                body_hash=body_hash,
                at_s=int(now_s),
            )
            octets += draft.signed(key.sign(draft.to_sign))
        return octets

    def sign_pieces(self, header_block: bytes, body: Iterable[bytes], *, now_s: float) -> bytes:
        """As `sign`, for a body that is at hand, in pieces of any size."""
        body_hash = BodyHash()
        for octets in body:
            body_hash.feed(octets)
        return self.sign(header_block, body_hash=body_hash.digest(), now_s=now_s)

    def _domain_of(self, author: bytes) -> str:
        """The author's, if it is ours: that is the one that DMARC compares (RFC 9989)."""
        for found in reversed(_DOMAIN.findall(author)[-_MOST_AUTHORS:]):
            domain = fold_domain(found.decode("utf-8", "replace"))
            if domain in self.domains:
                return domain
        return self.domain


def signing_report(signer: Signer | None) -> dict[str, float]:
    """Which keys this process signs with, for `status`."""
    keys = () if signer is None else signer.keys
    told = {DKIM_KEY + key.selector: key.fingerprint() for key in keys}
    return {DKIM_KEY_COUNT: float(len(keys)), **told}


def open_signer(settings: Settings) -> Signer | None:
    """Read the keys; None where signing is off or no key can be read.

    What is missing is said in the log and never stops a start: mail leaves
    unsigned, and `mailserver config check` says so too.
    """
    if not settings.dkim.enabled:
        return None
    keys: list[SigningKey] = []
    for selector in settings.dkim.selectors:
        try:
            keys.append(load_key(settings.dkim.folder, selector))
        except (OSError, BadKey) as error:
            get_log("dkim").warning(
                "no signature with this key: `mailserver dkim keys` makes what is missing",
                selector=selector,
                error=str(error),
            )
    if not keys:
        return None
    domains = [fold_domain(domain) for domain in settings.service.domains]
    return Signer(keys=tuple(keys), domains=frozenset(domains), domain=domains[0])
