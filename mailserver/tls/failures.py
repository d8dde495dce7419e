"""Why a handshake failed: a reason of a fixed set, its words, and who said so in the log.

| reason          | seen as                                                | the peer hears        |
| --------------- | ------------------------------------------------------ | --------------------- |
| OLD_VERSION     | its newest TLS is older than ours allows               | alert                 |
| NO_COMMON       | no cipher, group or signature that both know           | alert                 |
| DISTRUST        | the client refuses our certificate (its own alert)     | nothing: it has gone  |
| REFUSED         | any other alert of the client                          | nothing: it has gone  |
| NOT_TLS         | text where TLS is spoken from the first octet          | one sentence as text  |
| SILENT          | nothing came: mail programs without TLS wait so        | one sentence as text  |
| CLOSED          | the client went in the middle                          | nothing               |
| TOO_SLOW        | not finished in time                                   | nothing               |
| MALFORMED       | octets that are no handshake                           | alert                 |
| TLS_ON_PLAIN    | TLS where the port speaks text first                   | the end               |
| LOOKED_IN       | came and went without an octet: a balancer, a scan     | nothing; debug only   |

An alert is what OpenSSL itself has made of the failure (RFC 8446 §6, RFC 5246 §7.2).
Words of libraries differ (`UNSUPPORTED_PROTOCOL`, `unsupported protocol`): they are folded first.
"""

from __future__ import annotations

import ssl
from enum import Enum
from typing import TYPE_CHECKING, Final

from mailserver.telemetry.hush import Hush

if TYPE_CHECKING:
    from mailserver.telemetry.log import Log

COUNTER: Final = "tls.failed."
"""Begins the name of each reason's counter."""


class Reason(Enum):
    """The value is the counter's name behind `COUNTER`."""

    OLD_VERSION = "old_version"
    NO_COMMON = "nothing_in_common"
    DISTRUST = "certificate_refused"
    REFUSED = "refused"
    NOT_TLS = "not_tls"
    SILENT = "silent"
    CLOSED = "closed"
    TOO_SLOW = "too_slow"
    MALFORMED = "malformed"
    TLS_ON_PLAIN = "tls_on_plain_port"
    LOOKED_IN = "looked_in"


WORDS: Final = {
    Reason.OLD_VERSION: "the client speaks only versions of TLS that are too old here",
    Reason.NO_COMMON: "the client has no cipher or key type in common with our certificate",
    Reason.DISTRUST: "the client does not accept our certificate",
    Reason.REFUSED: "the client refused",
    Reason.NOT_TLS: "the client sent text; this port speaks TLS from the first octet",
    Reason.SILENT: "the client sent nothing; this port speaks TLS from the first octet",
    Reason.CLOSED: "the client went in the middle of the handshake",
    Reason.TOO_SLOW: "the client did not finish the handshake in time",
    Reason.MALFORMED: "what the client sent is no handshake",
    Reason.TLS_ON_PLAIN: "the client began with TLS; this port begins with text",
    Reason.LOOKED_IN: "the client came and went without a word",
}
WORTH_A_LOOK: Final = frozenset(
    {Reason.OLD_VERSION, Reason.NO_COMMON, Reason.DISTRUST, Reason.NOT_TLS, Reason.TLS_ON_PLAIN}
)
"""Many of these are programs that are set up wrongly, or our certificate; the rest is weather."""

ALERT: Final = b"\x15\x03\x03\x00\x02\x02\x50"
"""RFC 8446 §6.2: a fatal internal_error, which may be said before any handshake."""
TLS_RECORD: Final = (
    b"\x16\x03"  # RFC 8446 §5.1: handshake, and the first octet of every version so far
)
_TEXT_FIRST = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST")
_OLD = ("UNSUPPORTED_PROTOCOL", "VERSION_TOO_LOW", "UNKNOWN_PROTOCOL", "WRONG_SSL_VERSION",
        "INAPPROPRIATE_FALLBACK", "NO_PROTOCOLS_AVAILABLE")  # fmt: skip
_COMMON = ("NO_SHARED", "NO_SUITABLE", "NO_CIPHERS", "UNKNOWN_CIPHER", "UNSUPPORTED_ELLIPTIC",
           "NO_COMMON")  # fmt: skip
_CERTIFICATE_ALERTS = ("CERTIFICATE", "UNKNOWN_CA", "NO_CERTIFICATE")
_COMMON_ALERTS = ("HANDSHAKE_FAILURE", "INSUFFICIENT_SECURITY")


def is_tls_record(octets: bytes) -> bool:
    """Does this begin as a ClientHello does?"""
    return octets[:2] == TLS_RECORD


def classify(words: str) -> Reason:
    """What a TLS library says of a handshake that failed, as a reason."""
    folded = words.upper().replace(" ", "_")
    if "_ALERT_" in folded:
        alert = folded.partition("_ALERT_")[2]
        if "PROTOCOL_VERSION" in alert:
            return Reason.OLD_VERSION
        if any(name in alert for name in _CERTIFICATE_ALERTS):
            return Reason.DISTRUST
        return Reason.NO_COMMON if any(name in alert for name in _COMMON_ALERTS) else Reason.REFUSED
    for names, reason in (
        (_TEXT_FIRST, Reason.NOT_TLS),
        (_OLD, Reason.OLD_VERSION),
        (_COMMON, Reason.NO_COMMON),
    ):
        if any(name in folded for name in names):
            return reason
    return Reason.CLOSED if "UNEXPECTED_EOF" in folded else Reason.MALFORMED


def reason_of(error: OSError, *, has_heard: bool) -> Reason:
    """Of what a loop of asyncio raised.  has_heard: any octet of the handshake came."""
    if isinstance(error, ssl.SSLError):
        return classify(getattr(error, "reason", None) or str(error))
    if isinstance(error, ConnectionAbortedError):  # asyncio's for a time that is over
        return Reason.TOO_SLOW if has_heard else Reason.SILENT
    return Reason.CLOSED if has_heard else Reason.LOOKED_IN


class FailedHandshakes:
    """Of one process: counted by reason, told one line each within bounds."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._counts: dict[Reason, int] = {}
        self._hush = Hush()

    def note(
        self, reason: Reason, *, peer: str, listener: str, now_s: float, detail: str = ""
    ) -> None:
        """detail: the library's own words.  now_s: a clock that never steps back."""
        self._counts[reason] = self._counts.get(reason, 0) + 1
        if reason is Reason.LOOKED_IN:
            self._log.debug(
                "TLS handshake failed", peer=peer, listener=listener, reason=reason.value
            )
            return
        kept_back = self._hush.ask((peer, listener, reason), now_s=now_s)
        if kept_back is None:
            return
        more = {"detail": detail} if detail else {}
        if kept_back:
            more["also"] = f"{kept_back} like it were not logged"
        self._log.info(
            "TLS handshake failed", peer=peer, listener=listener, reason=WORDS[reason], **more
        )

    def counters(self) -> dict[str, float]:
        """For the worker's report."""
        return {COUNTER + reason.value: float(n) for reason, n in self._counts.items()}
