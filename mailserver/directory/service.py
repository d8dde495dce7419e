"""What deciding needs to know, from the settings of a service."""

from __future__ import annotations

from typing import Final

from mailserver.auth.numen_key import ensure_key, load_key
from mailserver.auth.numens import numen_verifier
from mailserver.directory.deciding.facts import ImportFacts, NumenDigests
from mailserver.directory.imports import Imports
from mailserver.people.establishments import FILE_NAME, AliasRules, BadRules, parse_rules
from mailserver.settings.model import Settings
from mailserver.settings.template import read_config
from mailserver.values.calendar import Calendar
from mailserver.values.text.written import BadText, decode_utf_8

_DAY_S: Final = 86_400.0
_YEAR_S: Final = 365.25 * _DAY_S


def facts_of(
    settings: Settings, store: Imports, *, now_s: float, is_complete: bool = False
) -> ImportFacts:
    """
    Raises:
        NumenKeyMissing: the key is gone, and nobody could be known again.
        BadRules, OSError: the service's own file of rules is not good, or not there.
    """
    return ImportFacts(
        domain=settings.service.domain,
        rules=_rules(settings),
        digests=_digests(settings, store),
        now_s=now_s,
        left_s=settings.directory.left_days * _DAY_S,
        calendar=Calendar(settings.service.time_zone),
        is_complete=is_complete,
    )


def quarantine_s(settings: Settings) -> float:
    return settings.directory.quarantine_years * _YEAR_S


def _rules(settings: Settings) -> AliasRules:
    own = settings.directory.alias_rules
    if not own:
        return parse_rules(read_config(FILE_NAME))
    assert settings.source is not None, "these came from a file"
    octets = (settings.source.parent / own).read_bytes()
    try:
        return parse_rules(decode_utf_8(octets))
    except BadText as bad:
        where = "" if bad.line_no is None else f"line {bad.line_no}: "
        raise BadRules(f"{where}{bad}") from None


def _digests(settings: Settings, store: Imports) -> NumenDigests:
    """The key is made only where no import could have used one yet."""
    path = settings.auth.numen_key
    key = ensure_key(path) if store.last_import() is None else load_key(path)
    return NumenDigests(
        source=lambda numen: f"numen:{key.digest_source(numen)}",
        verifier=lambda numen: numen_verifier(numen, key),
    )
