"""What would fail at start, found before it does.

`check_settings` looks at this machine with these settings and returns
findings; it changes nothing.  An error means that the service will not start,
or must not; a warning is worth a person's look.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations

from mailserver.settings.check.disk import check_disk
from mailserver.settings.check.dkim import check_dkim
from mailserver.settings.check.finding import Finding, error, warning
from mailserver.settings.check.keys import check_keys
from mailserver.settings.check.limits import check_descriptors
from mailserver.settings.check.ports import Ports, Running, check_ports, overlaps
from mailserver.settings.check.relay import check_relay
from mailserver.settings.check.tls import check_tls
from mailserver.settings.check.user import check_user
from mailserver.settings.check.web import check_web
from mailserver.settings.listeners import WantedListener, wanted_listeners
from mailserver.settings.model import Settings
from mailserver.texts.plurals import noun
from mailserver.values.address import fold_domain


def check_settings(
    settings: Settings,
    *,
    now_s: float | None = None,
    ports: Ports = Ports.MAY_BE_OURS,
    doors: frozenset[str] | None = None,
    started_by: int | None = None,
    running: Sequence[Running] = (),
) -> list[Finding]:
    """All findings, of the listeners of these doors (None: of all).

    running: the services of this store that run now.

    started_by: the user id that starts the service; None: that of this process.
    """
    wanted = [w for w in wanted_listeners(settings) if doors is None or w.kind.door in doors]
    findings = [*_check_service(settings), *_check_legacy(settings), *_check_passwords(settings)]
    user_id = os.geteuid() if started_by is None else started_by
    findings += check_user(settings, wanted, started_by=user_id)
    findings += check_keys(settings, started_by=user_id)
    findings += _check_plaintext(settings)
    findings += check_relay(settings)
    findings += _check_twice(wanted)
    findings += check_ports(wanted, ports, running)
    findings += check_descriptors(settings)
    findings += check_tls(settings, now_s=time.time() if now_s is None else now_s)
    findings += check_disk(settings.store)
    findings += check_dkim(settings.dkim)
    findings += check_web(settings)
    return findings


def _check_service(settings: Settings) -> Iterator[Finding]:
    if not wanted_listeners(settings):
        yield error("smtp.mx", "no listener has an address: nothing can reach this service")
    if "." not in settings.service.hostname:
        yield warning(
            "service.hostname",
            f"{settings.service.hostname} has no dot: other servers expect a full name,"
            f" such as mail.{settings.service.domain}",
        )
    ours = set(map(fold_domain, settings.service.domains))
    for domain in settings.service.former_domains:
        if fold_domain(domain) in ours:
            yield error("service.former_domains", f"{domain} is ours, too: write it in one place")


def _check_passwords(settings: Settings) -> Iterator[Finding]:
    passwords = settings.passwords
    days = noun(passwords.grace_days, "day")
    if passwords.change_first and passwords.grace_days:
        yield warning(
            "passwords.change_first",
            f"true: first passwords end for mail programs {passwords.grace_days:g} {days} after"
            " their first use, and people have no page yet where they could choose another one:"
            " somebody must help each of them with `mailserver password change`, or write false",
        )


def _check_plaintext(settings: Settings) -> Iterator[Finding]:
    """A listener that other machines reach must never see a password in clear."""
    if not settings.auth.allow_plaintext_on_loopback:
        return
    for wanted in wanted_listeners(settings):
        if not wanted.bind.is_loopback:
            yield error(
                "auth.allow_plaintext_on_loopback",
                f"true is only for a service bound to 127.0.0.0/8 and ::1, but {wanted.kind.key}"
                f" has {wanted.bind}: write false, or bind loopback addresses only",
            )


def _check_legacy(settings: Settings) -> Iterator[Finding]:
    legacy = settings.legacy
    if not legacy.enabled:
        return
    if not legacy.networks:
        yield error(
            "legacy.networks",
            "legacy listeners need the networks that may use them,"
            ' for instance networks = ["10.0.0.0/8"]',
        )
    if not legacy.submissions and not legacy.pop3s:
        yield error(
            "legacy.enabled", "true, but neither legacy.submissions nor legacy.pop3s is set"
        )
    yield warning(
        "legacy.enabled",
        f"TLS {legacy.minimum} is spoken to {', '.join(map(str, legacy.networks)) or 'nobody'}:"
        " it can be read by others; `mailserver account show` says who still uses it",
    )


def _check_twice(wanted: list[WantedListener]) -> Iterator[Finding]:
    """The same address, or one that the other one holds with all others."""
    for bind, count in Counter(w.bind for w in wanted if w.bind.port).items():
        if count > 1:
            keys = " and ".join(dict.fromkeys(w.kind.key for w in wanted if w.bind == bind))
            yield error(keys, f"{bind} stands {count} times: each listener needs its own port")
    named = {w.bind: w.kind.key for w in wanted if w.bind.port}
    for one, other in combinations(named, 2):
        if overlaps(one, other, v6_only=True):
            keys = " and ".join(dict.fromkeys((named[one], named[other])))
            yield error(keys, f"{one} and {other} overlap: write only one of them, or two ports")
