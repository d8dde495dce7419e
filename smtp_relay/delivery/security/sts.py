"""MTA-STS: the record, the policy, and which hosts it allows (RFC 8461).

    _mta-sts.example.org. TXT "v=STSv1; id=20260101;"

    version: STSv1
    mode: enforce
    mx: *.example.net
    max_age: 604800

Lenient where the RFC is: unknown fields are passed over, of a field that comes
twice (except `mx`) the first counts (§3.2), lines end with CRLF or LF.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from mailserver.store.ports.policies import StsPolicy
from mailserver.values.address import fold_domain

MAX_AGE_S: Final = 31_557_600  # §3.2
MAX_PATTERNS: Final = 200
VERSION: Final = "STSv1"
MODES: Final = frozenset({"enforce", "testing", "none"})

# sts-version *(sts-field-delim sts-field) [sts-field-delim]   (§3.1)
_DELIMITER: Final = re.compile(r"[ \t]*;[ \t]*")
_ID: Final = re.compile(r"[A-Za-z0-9]{1,32}")
_NUMBER: Final = re.compile(r"[0-9]{1,10}")


class BadPolicy(ValueError):
    """No policy that we may follow; the text says why."""


def find_policy_id(texts: Iterable[bytes]) -> str | None:
    """The id in the TXT records of `_mta-sts.<domain>`; None: the domain has no MTA-STS (§3.1).

    texts: each record's strings, joined.
    """
    records = [text for text in texts if _DELIMITER.split(_decode(text))[0] == f"v={VERSION}"]
    if len(records) != 1:
        return None
    fields = (field.partition("=") for field in _DELIMITER.split(_decode(records[0]))[1:])
    for key, _, value in fields:
        if key == "id":
            return value if _ID.fullmatch(value) else None
    return None


def parse_policy(octets: bytes, *, domain: str, policy_id: str, now_s: float) -> StsPolicy:
    """Read the body of `mta-sts.txt`.

    Raises:
        BadPolicy: a field is missing or makes no sense.
    """
    single: dict[str, str] = {}
    patterns: list[str] = []
    for key, value in _fields(octets):
        if key == "mx":
            patterns.append(_parse_pattern(value))
        else:
            single.setdefault(key, value)
    if single.get("version") != VERSION:
        raise BadPolicy("its version is not STSv1")
    mode = single.get("mode", "")
    if mode not in MODES:
        raise BadPolicy(f"its mode is {mode[:20]!r}")
    if not patterns and mode != "none":
        raise BadPolicy("it names no mx")
    if len(patterns) > MAX_PATTERNS:
        raise BadPolicy(f"it names more than {MAX_PATTERNS} mx")
    return StsPolicy(
        domain=domain,
        policy_id=policy_id,
        mode=mode,
        hosts=tuple(dict.fromkeys(patterns)),
        max_age_s=_parse_max_age(single.get("max_age", "")),
        fetched_at_s=now_s,
    )


def matches_pattern(host: str, patterns: Iterable[str]) -> bool:
    """`*.example.net` stands for exactly one label more (§4.1)."""
    parent = host.partition(".")[2]
    return any(
        pattern[2:] == parent if pattern.startswith("*.") else pattern == host
        for pattern in patterns
    )


def _fields(octets: bytes) -> Iterator[tuple[str, str]]:
    for line in _decode(octets).replace("\r\n", "\n").split("\n"):
        key, colon, value = line.partition(":")
        if colon:
            yield key.strip(" \t"), value.strip(" \t")


def _parse_pattern(value: str) -> str:
    is_wild = value.startswith("*.")
    name = fold_domain(value[2:] if is_wild else value)
    if not name or "*" in name or not name.isascii():
        raise BadPolicy(f"its mx {value[:60]!r} is no host name")
    return f"*.{name}" if is_wild else name


def _parse_max_age(value: str) -> int:
    if not _NUMBER.fullmatch(value):
        raise BadPolicy(f"its max_age is {value[:20]!r}")
    return min(int(value), MAX_AGE_S)


def _decode(octets: bytes) -> str:
    return octets.decode("utf-8", "replace")
