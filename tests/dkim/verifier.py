"""An independent verifier over a zone that is a table, and messages to verify."""

from __future__ import annotations

from collections.abc import Mapping

import dkim
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from mailserver.dkim.keys import Algorithm, SigningKey, make_key
from mailserver.dkim.signer import Signer

Zone = Mapping[str, str]


def make_signing_key(algorithm: Algorithm, selector: str) -> SigningKey:
    key = load_pem_private_key(make_key(algorithm), None)
    return SigningKey(selector=selector, key=key)  # type: ignore[arg-type]


KEYS = (make_signing_key(Algorithm.RSA, "mo1"), make_signing_key(Algorithm.ED25519, "mo2"))


def make_signer(*domains: str) -> Signer:
    return Signer(keys=KEYS, domains=frozenset(domains), domain=domains[0])


def zone_of(signer: Signer) -> dict[str, str]:
    """What the DNS says of its keys."""
    return {
        f"{key.selector}._domainkey.{domain}": key.record()
        for key in signer.keys
        for domain in signer.domains
    }


SIGNER = make_signer("a.test", "xn--9ca.test")
ZONE = zone_of(SIGNER)
NOW_S = 1_764_000_000.5


def sign(message: bytes, signer: Signer = SIGNER) -> bytes:
    """The message with its signatures in front."""
    head, _, body = message.partition(b"\r\n\r\n")
    return signer.sign_pieces(head, [body], now_s=NOW_S) + message


def verdicts(message: bytes, zone: Zone = ZONE) -> list[bool]:
    """What dkimpy says of each signature, from the top."""

    def txt(name: bytes | str, timeout: float = 5) -> bytes | None:
        text = name.decode("ascii") if isinstance(name, bytes) else name
        record = zone.get(text.rstrip("."))
        return None if record is None else record.encode("ascii")

    verifier = dkim.DKIM(message, minkey=1024)
    count = sum(name.lower() == b"dkim-signature" for name, _ in verifier.headers)
    return [_is_good(dkim.DKIM(message, minkey=1024), at, txt) for at in range(count)]


def can_read(message: bytes) -> bool:
    """dkimpy gives up on a header block with a line that is no field."""
    try:
        dkim.rfc822_parse(message)
    except dkim.MessageFormatError:
        return False
    return True


def _is_good(verifier: dkim.DKIM, at: int, txt: object) -> bool:
    try:
        return bool(verifier.verify(at, dnsfunc=txt))
    except dkim.DKIMException:
        return False
