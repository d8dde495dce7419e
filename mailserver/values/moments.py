"""Moments as people read them, in the service's time zone: reports, letters, the Date of what we
make.  Logs, trace fields and commands stay in UTC.

zone: an IANA name, as Europe/Paris; empty: as the machine is set (TZ, /etc/localtime).
"""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from email.utils import format_datetime
from functools import lru_cache
from zoneinfo import ZoneInfo


class BadZone(ValueError):
    """There is no such zone here.  The text says what to write, or what is missing."""


@lru_cache(maxsize=8)
def zone_named(zone: str) -> tzinfo | None:
    """None: as the machine is set.

    Raises:
        BadZone: no zone has this name, or the machine knows none at all.
    """
    if not zone:
        return None
    try:
        return ZoneInfo(zone)
    except (ValueError, KeyError, OSError):
        raise BadZone(_told(zone)) from None


def _told(zone: str) -> str:
    try:
        ZoneInfo("Europe/Paris")
    except (KeyError, OSError):
        return f"{zone!r}: this machine knows no time zones: install its package tzdata"
    return f"{zone!r} is no time zone: write the IANA name of one, as Europe/Paris"


def local_time(at_s: float, zone: str) -> datetime:
    return datetime.fromtimestamp(at_s, UTC).astimezone(zone_named(zone))


def mail_date(at_s: float, zone: str) -> str:
    """RFC 5322 §3.3, without half seconds."""
    return format_datetime(local_time(int(at_s), zone))


def day_words(at_s: float, zone: str, *, is_french: bool) -> str:
    """`24/11/2026`, or `2026-11-24`."""
    return local_time(at_s, zone).strftime("%d/%m/%Y" if is_french else "%Y-%m-%d")
