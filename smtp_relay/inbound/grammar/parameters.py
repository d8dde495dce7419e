"""ESMTP parameters of MAIL and RCPT: keywords without case, values as they came.

    esmtp-param   = esmtp-keyword ["=" esmtp-value]
    esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-")
    esmtp-value   = 1*(%d33-60 / %d62-126)

RFC 5321 §4.1.1.11; SIZE RFC 1870, BODY RFC 6152, SMTPUTF8 RFC 6531, AUTH= RFC 4954 §5;
RET, ENVID, NOTIFY and ORCPT RFC 3461 §4, RFC 6533 §3 for an ORCPT in UTF-8.
A keyword that EHLO did not offer is refused (555 5.5.4).

What ENVID and ORCPT hold is kept as it was typed, and must be printable once
decoded: it stands in reports, where a line break would begin another field.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mailserver.values.message import Notify


class BadParameter(ValueError):
    """Malformed, or twice (501 5.5.4)."""


class UnknownParameter(ValueError):
    """Well formed, but we never offered it (555 5.5.4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailParameters:
    """What MAIL said.  `size_octets` is 0 when it was not declared."""

    size_octets: int = 0
    is_8bit: bool = False
    smtputf8: bool = False
    auth: str = ""  # as typed, still in xtext; kept, not believed
    return_content: str = ""  # FULL, HDRS or empty
    envelope_id: str = ""  # as typed, in xtext


@dataclass(frozen=True, slots=True, kw_only=True)
class RcptParameters:
    """What RCPT said.  `original_recipient` is as typed: its type, a semicolon, xtext."""

    notify: Notify = Notify.UNSAID
    original_recipient: str = ""


NO_PARAMETERS = MailParameters()
NO_RCPT_PARAMETERS = RcptParameters()
MAX_SIZE_DIGITS = 20  # RFC 1870 §3
MAX_ENVELOPE_ID_OCTETS = 100  # RFC 3461 §4.4
MAX_ORIGINAL_RECIPIENT_OCTETS = 500  # RFC 3461 §4.2

_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*+)(?:=([!-<>-~\u0080-\U0010ffff]++))?")
_SIZE = re.compile(rf"[0-9]{{1,{MAX_SIZE_DIGITS}}}")
_XTEXT = re.compile(r"<>|(?:[!-*,-<>-~]|\+[0-9A-F]{2})+")
# RFC 3461 §4.2, §4.4: printable once decoded, which is 20 to 7E.
_PRINTABLE_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+(?:[2-6][0-9A-F]|7[0-9A-E]))+")
_ADDRESS_TYPE = re.compile(r"[A-Za-z0-9!#$%&'*/?^_`{|}~-]++")
# RFC 6533 §3: utf-8-addr-unitext, with \x{HEXPOINT} for what may not stand there itself: a space,
# `+`, `=`, `\`, or a letter outside ASCII, without leading zeros; no control, no half of a pair.
_HEXPOINT = r"20|2B|3D|5C|[A-F][0-9A-F]|[1-9A-F][0-9A-F]{2}|[1-9A-F][0-9A-F]{3,4}|10[0-9A-F]{4}"
_UNITEXT = re.compile(
    r"(?:[!-*,-<>-\[\]-~\u00a0-\U0010ffff]"
    rf"|\\x\{{(?!D[89A-F][0-9A-F]{{2}}\}})(?:{_HEXPOINT})\}})+"
)
_NOTIFY = {"SUCCESS": Notify.SUCCESS, "FAILURE": Notify.FAILURE, "DELAY": Notify.DELAY}


def split_parameters(text: str) -> dict[str, str | None]:
    """Keyword in capitals -> value, None where there was no `=`.

    Raises:
        BadParameter: bad syntax, or a keyword that comes twice.
    """
    parameters: dict[str, str | None] = {}
    for word in text.split():
        found = _PARAMETER.fullmatch(word)
        if found is None:
            raise BadParameter(word)
        keyword = found[1].upper()
        if keyword in parameters:
            raise BadParameter(keyword)
        parameters[keyword] = found[2]
    return parameters


def parse_mail_parameters(text: str) -> MailParameters:
    """Read what follows the reverse-path.

    Raises:
        BadParameter: 501 5.5.4.
        UnknownParameter: 555 5.5.4.
    """
    if not text:
        return NO_PARAMETERS
    given = split_parameters(text)
    parameters = MailParameters(
        size_octets=_size(given.pop("SIZE")) if "SIZE" in given else 0,
        is_8bit=_is_8bit(given.pop("BODY")) if "BODY" in given else False,
        smtputf8=_flag(given.pop("SMTPUTF8")) if "SMTPUTF8" in given else False,
        auth=_xtext(given.pop("AUTH")) if "AUTH" in given else "",
        return_content=_return_content(given.pop("RET")) if "RET" in given else "",
        envelope_id=_envelope_id(given.pop("ENVID")) if "ENVID" in given else "",
    )
    if given:
        raise UnknownParameter(next(iter(given)))
    return parameters


def parse_rcpt_parameters(text: str, *, smtputf8: bool) -> RcptParameters:
    """Read what follows the forward-path.

    Raises:
        BadParameter: 501 5.5.4.
        UnknownParameter: 555 5.5.4.
    """
    given = split_parameters(text)
    notify, original = Notify.UNSAID, ""
    if "NOTIFY" in given:
        notify = _notify(given.pop("NOTIFY"))
    if "ORCPT" in given:
        original = _original_recipient(given.pop("ORCPT"), smtputf8=smtputf8)
    if given:
        raise UnknownParameter(next(iter(given)))
    return RcptParameters(notify=notify, original_recipient=original)


def _size(value: str | None) -> int:
    if value is None or not _SIZE.fullmatch(value):
        raise BadParameter("SIZE")
    return int(value)


def _is_8bit(value: str | None) -> bool:
    kind = (value or "").upper()
    if kind not in {"7BIT", "8BITMIME"}:
        raise BadParameter("BODY")
    return kind == "8BITMIME"


def _flag(value: str | None) -> bool:
    if value is not None:
        raise BadParameter("SMTPUTF8")
    return True


def _xtext(value: str | None) -> str:
    if value is None or not _XTEXT.fullmatch(value):
        raise BadParameter("AUTH")
    return value


def _return_content(value: str | None) -> str:
    content = (value or "").upper()
    if content not in {"FULL", "HDRS"}:
        raise BadParameter("RET")
    return content


def _envelope_id(value: str | None) -> str:
    if (
        value is None
        or len(value) > MAX_ENVELOPE_ID_OCTETS
        or not _PRINTABLE_XTEXT.fullmatch(value)
    ):
        raise BadParameter("ENVID")
    return value


def _notify(value: str | None) -> Notify:
    """`NEVER` stands alone (RFC 3461 §4.1)."""
    words = (value or "").upper().split(",")
    if words == ["NEVER"]:
        return Notify.NEVER
    notify = Notify.UNSAID
    for word in words:
        if word not in _NOTIFY:
            raise BadParameter("NOTIFY")
        notify |= _NOTIFY[word]
    return notify


def _original_recipient(value: str | None, *, smtputf8: bool) -> str:
    kind, semicolon, address = (value or "").partition(";")
    is_utf8 = kind.lower() == "utf-8"
    form = _UNITEXT if is_utf8 else _PRINTABLE_XTEXT
    if (
        not semicolon
        or not _ADDRESS_TYPE.fullmatch(kind)
        or not form.fullmatch(address)
        or not (smtputf8 or address.isascii())
        or len(address.encode()) + len(kind) + 1 > MAX_ORIGINAL_RECIPIENT_OCTETS
    ):
        raise BadParameter("ORCPT")
    return value or ""
