"""The worked example of RFC 8463, Appendix A: same key, same octets, same signature."""

from __future__ import annotations

from base64 import b64decode, b64encode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mailserver.dkim.body_hash import BodyHash
from mailserver.dkim.canonical import canonical_line, parse_fields
from mailserver.dkim.keys import SigningKey
from tests.dkim.verifier import verdicts

SECRET = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
PUBLIC = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
BODY_HASH = "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8="
SIGNATURE = (
    "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw=="
)
FIELDS = (
    b"From: Joe SixPack <joe@football.example.com>\r\n"
    b"To: Suzie Q <suzie@shopping.example.net>\r\n"
    b"Subject: Is dinner ready?\r\n"
    b"Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"
    b"Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n"
)
BODY = b"Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n"
UNSIGNED = (
    b"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"
    b" d=football.example.com; i=@football.example.com;\r\n"
    b" q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n"
    b" subject : date : message-id : from : subject : date;\r\n"
    b" bh=" + BODY_HASH.encode() + b";\r\n"
    b" b="
)
KEY = SigningKey(selector="brisbane", key=Ed25519PrivateKey.from_private_bytes(b64decode(SECRET)))


def test_the_body_has_its_hash() -> None:
    body_hash = BodyHash()
    body_hash.feed(BODY)
    assert b64encode(body_hash.digest()).decode() == BODY_HASH


def test_the_canonical_fields_give_its_signature() -> None:
    lines = [canonical_line(*field) for field in parse_fields(FIELDS + UNSIGNED)]
    octets = b"".join(lines).removesuffix(b"\r\n")
    assert b64encode(KEY.sign(octets)).decode() == SIGNATURE


def test_the_key_has_its_record() -> None:
    assert KEY.record() == f"v=DKIM1; k=ed25519; p={PUBLIC}"


def test_the_verifier_of_these_tests_knows_it() -> None:
    message = UNSIGNED + SIGNATURE.encode() + b"\r\n" + FIELDS + b"\r\n" + BODY
    zone = {"brisbane._domainkey.football.example.com": KEY.record()}
    assert verdicts(message, zone) == [True]
    assert verdicts(message.replace(b"game", b"name"), zone) == [False]
