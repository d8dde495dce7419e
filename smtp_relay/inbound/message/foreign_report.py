"""What another server says became of a message that we sent on: the little that may be told.

Its words, its name, the recipient that it names and the trace of its hosts give away where
somebody's mail goes on to.  So nothing of them is kept but what became of the message, the
bare codes, and three fields of the original that its author wrote.

    multipart/report, message/delivery-status     its fields of the recipient (RFC 3464)
    any other form (qmail, Exim, older ones)      codes in the text above the original

What is no report (an answering machine, a receipt, a complaint) is none of it: such a
message speaks in the holder's name.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from mailserver.dsn.original import find_field, header_lines
from mailserver.lists.notices import FailureNotice, read_failures
from mailserver.queue.reports import ReportKind
from mailserver.routing.srs import is_rewritten
from mailserver.values.address import fold_domain
from mailserver.values.text.header_text import decode_words

_KINDS: Final = {
    "failed": ReportKind.FAILED,
    "delayed": ReportKind.DELAYED,
    "relayed": ReportKind.RELAYED,
    "expanded": ReportKind.EXPANDED,
    "delivered": ReportKind.DELIVERED,
}
"""Of several the first of these: the worst."""
_KEPT: Final = (b"Message-ID", b"Date", b"Subject")
_MAX_FIELD_OCTETS: Final = 998

_OTHER_REPORTS = re.compile(
    rb"report-type[ \t]*=[ \t]*\"?(?!delivery-status)[a-z-]+", re.IGNORECASE
)
_STATUS_PART = re.compile(
    rb"^content-type[ \t]*:[ \t]*message/(?:global-)?delivery-status", re.IGNORECASE | re.MULTILINE
)
_DAEMON = re.compile(
    rb"mailer-?daemon|mail-?daemon|postmaster|mdaemon|daemon@|mail delivery|delivery sub|mailsystem"
    rb"|mail system|administrator|bounce|delivery-?report|majordomo|mail-?router|msp|mta",
    re.IGNORECASE,
)
_ANSWERS = re.compile(
    rb"out of (?:the )?office|auto(?:matic)?[- ]?(?:reply|response)|vacation|absence"
    rb"|r.{1,3}ponse auto|abwesen|fuera de|fuori sede",
    re.IGNORECASE,
)
_SPEAKS_OF_FAILURE = re.compile(
    rb"undeliver|non-?deliver|not (?:be )?deliver|returned (?:mail|to sender|message)"
    rb"|deliver[a-z]* (?:status|failure|failed|problem|error|notification|report|has failed|delay)"
    rb"|mail (?:failure|delivery|error|system error)|failure notice|failed (?:mail|delivery)"
    rb"|message (?:status|lost)|non.{1,4}remis|non.{1,4}distribu|unzustellbar|no entregado"
    rb"|bounce|mail could not",
    re.IGNORECASE,
)
_DELAY = re.compile(
    rb"\b(?:delayed|warning: |not yet been delivered|still being retried|will be retried|retard)",
    re.IGNORECASE,
)
_ORIGINAL = re.compile(
    rb"^content-type[ \t]*:[ \t]*(?:message/(?:rfc822|global)(?!-)|text/rfc822-headers)"
    rb"|^-{2,} (?:below this line is a copy|this is a copy|original|unsent|returned|the header)"
    rb"|^[^\n]{0,80}(?:original message|copy of (?:the|your) message|message header)[^\n]{0,60}$",
    re.IGNORECASE | re.MULTILINE,
)
_FIELD = re.compile(
    rb"^(?:received|return-path|from|message-id|date|subject|to|dkim-signature|x-[a-z-]+):",
    re.IGNORECASE | re.MULTILINE,
)
_MBOX_LINE = re.compile(rb"\AFrom [^\n]*\n")
_BLANK = re.compile(rb"\r?\n[ \t]*\r?\n")
_STATUS = re.compile(rb"(?<![0-9.])([45]\.[0-9]\.[0-9]{1,3})(?![0-9.])")
_CODE = re.compile(rb"(?<![0-9.:/-])([45][0-5][0-9])(?=[ -](?:[45]\.[0-9]\.|[A-Za-z<#\"']))")
_ADDRESS = re.compile(rb"[^\s<>()\[\];:,\"'=|]+@[A-Za-z0-9_.\x80-\xff-]+")


@dataclass(frozen=True, slots=True)
class ForeignReport:
    """status: enhanced; words: bare codes of the remote's answer, or empty.

    block: fields of the original, CRLF lines, without its empty line.
    """

    kind: ReportKind
    status: str
    words: str
    block: bytes


def read_foreign(octets: bytes) -> ForeignReport | None:
    """octets: the beginning of the message, its header first.  None: it is no report."""
    octets = _MBOX_LINE.sub(b"", octets)
    blank = _BLANK.search(octets)
    header, text = (
        (octets, b"") if blank is None else (octets[: blank.start()], octets[blank.end() :])
    )
    lines = header_lines(header.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    if not _is_report(lines, octets):
        return None
    original = _ORIGINAL.search(text)
    told = text if original is None else text[: original.start()]
    block = _block_of(text if original is None else text[original.end() :])
    failures = [one for one in read_failures(octets) if one.action in _KINDS]
    if failures:
        worst = min(failures, key=lambda one: list(_KINDS).index(one.action))
        return _from_fields(worst, told, block)
    subject = _read(lines, b"subject")
    status, code = _STATUS.search(told), _CODE.search(told)
    is_late = _DELAY.search(subject) is not None and (status is None or status[1][:1] != b"5")
    kind = ReportKind.DELAYED if is_late else ReportKind.FAILED
    return ForeignReport(kind, _text(status), _words(_text(code), _text(status)), block)


def addresses_in(octets: bytes, domains: Collection[str]) -> Iterator[str]:
    """What looks like an address at these (folded) domains, anywhere, each spelling once."""
    seen: set[bytes] = set()
    for found in _ADDRESS.finditer(octets):
        if found[0] in seen:
            continue
        seen.add(found[0])
        text = found[0].decode("utf-8", "replace").rstrip(".")
        if fold_domain(text.rpartition("@")[2]) in domains and not is_rewritten(text):
            yield text


def _is_report(lines: list[bytes], octets: bytes) -> bool:
    kind = find_field(lines, b"content-type") or b""
    subject = _read(lines, b"subject")
    if _OTHER_REPORTS.search(kind):
        return False
    if b"multipart/report" in kind.lower() or _STATUS_PART.search(octets):
        return True
    if find_field(lines, b"x-failed-recipients") is not None:
        return True
    if _ANSWERS.search(subject):
        return False
    author = _read(lines, b"from")
    return _DAEMON.search(author) is not None or _SPEAKS_OF_FAILURE.search(subject) is not None


def _read(lines: list[bytes], name: bytes) -> bytes:
    """As a person reads it: encoded words may say what it is."""
    return decode_words(find_field(lines, name) or b"").encode()


def _from_fields(failure: FailureNotice, told: bytes, block: bytes) -> ForeignReport:
    status = failure.statuses[0] if failure.statuses else ""
    code = failure.code or _text(_CODE.search(told))
    kind = _KINDS[failure.action]
    words = _words(code, status) if kind in {ReportKind.FAILED, ReportKind.DELAYED} else ""
    return ForeignReport(kind, status, words, block)


def _words(code: str, status: str) -> str:
    """As our own reports of private targets have them: `550 5.1.1`, or nothing."""
    return f"{code} {status}".strip() if code else ""


def _text(found: re.Match[bytes] | None) -> str:
    return "" if found is None else found[1].decode("ascii")


def _block_of(text: bytes) -> bytes:
    """The few fields of the original that may be shown."""
    begin = _FIELD.search(text)
    if begin is None:
        return b""
    blank = _BLANK.search(text, begin.start())
    block = text[begin.start() : len(text) if blank is None else blank.start()]
    lines = header_lines(block.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    kept = []
    for name in _KEPT:
        value = find_field(lines, name.lower())
        if value and len(name) + len(value) + 2 <= _MAX_FIELD_OCTETS:
            kept.append(name + b": " + value + b"\r\n")
    return b"".join(kept)
