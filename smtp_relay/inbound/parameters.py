"""ESMTP parameters of MAIL and RCPT: keywords without case, values as they came.

    esmtp-param   = esmtp-keyword ["=" esmtp-value]
    esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-")
    esmtp-value   = 1*(%d33-60 / %d62-126)

RFC 5321 §4.1.1.11; SIZE RFC 1870, BODY RFC 6152, SMTPUTF8 RFC 6531, AUTH= RFC 4954 §5.
A keyword that EHLO did not offer is refused (555 5.5.4): DSN is not offered yet.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


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


NO_PARAMETERS = MailParameters()
MAX_SIZE_DIGITS = 20  # RFC 1870 §3

_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*+)(?:=([!-<>-~\u0080-\U0010ffff]++))?+")
_SIZE = re.compile(rf"[0-9]{{1,{MAX_SIZE_DIGITS}}}")
_XTEXT = re.compile(r"<>|(?:[!-*,-<>-~]|\+[0-9A-F]{2})++")


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
    )
    if given:
        raise UnknownParameter(next(iter(given)))
    return parameters


def parse_rcpt_parameters(text: str) -> None:
    """Read what follows the forward-path: nothing is offered, so nothing is known.

    Raises:
        BadParameter: 501 5.5.4.
        UnknownParameter: 555 5.5.4.
    """
    for keyword in split_parameters(text):
        raise UnknownParameter(keyword)


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
