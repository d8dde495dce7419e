"""Whose service it is, as its letters and reports say it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from mailserver.values.moments import zone_named


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """hostname, domain: A-labels.  help_address: of a person, for questions; empty: postmaster.

    time_zone: of the dates that people read, an IANA name; empty: as the machine is set.
    """

    hostname: str
    domain: str
    help_address: str = ""
    time_zone: str = ""

    @property
    def help(self) -> str:
        return self.help_address or f"postmaster@{self.domain}"

    def local_time(self, at_s: float) -> datetime:
        return datetime.fromtimestamp(at_s, UTC).astimezone(zone_named(self.time_zone))
