"""What mail to others needs: a name server that answers, and the keys that sign."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from mailserver.settings.check.finding import Finding, note, warning

if TYPE_CHECKING:
    from mailserver.cli.status.facts import DoorFacts, Facts
    from mailserver.settings.bind import Bind

ASKED_S: Final = 2.0
"""For the one question to each name server: a health check must be quick."""


def check_dns(facts: Facts) -> Iterator[Finding]:
    """Each configured server is asked once, for our own domain; who answers anything is well."""
    from concurrent.futures import ThreadPoolExecutor

    from mailserver.settings.name_servers import find_servers

    if not any(door.name == "delivery" and door.reports for door in facts.doors):
        return
    servers = find_servers(facts.settings.dns)
    domain = facts.settings.service.domain
    with ThreadPoolExecutor(len(servers)) as pool:
        failures = list(pool.map(lambda server: ask(server, domain), servers))
    told = "; ".join(
        f"{server}: {why}" for server, why in zip(servers, failures, strict=True) if why
    )
    if all(failures):
        yield warning(
            "dns.servers",
            f"no name server answers ({told}): mail to other domains waits; start it, let port 53"
            " through over UDP and TCP, or name another one (`servers` in [dns])",
        )
    elif told:
        yield note("dns.servers", f"not every name server answers, the others are asked ({told})")


def ask(server: Bind, domain: str) -> str:
    """Why it is of no use; empty: it answers."""
    import dns.exception
    import dns.message
    import dns.query
    import dns.rcode

    try:
        question = dns.message.make_query(domain, "MX", use_edns=0)
        answer, _ = dns.query.udp_with_fallback(
            question, server.host, timeout=ASKED_S, port=server.port, ignore_unexpected=True
        )
    except dns.exception.Timeout:
        return f"no answer in {ASKED_S:.0f} s"
    except (dns.exception.DNSException, OSError, EOFError) as failure:
        return str(failure) or type(failure).__name__
    if answer.rcode() in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
        return ""
    return f"it answers {dns.rcode.to_text(answer.rcode())}"


def check_signing(facts: Facts) -> Iterator[Finding]:
    """The files of the keys, and whether the processes that run sign with them."""
    from mailserver.dkim.keys import BadKey, load_key
    from mailserver.settings.check.dkim import check_dkim
    from mailserver.telemetry.reports import DKIM_KEY_COUNT

    dkim = facts.settings.dkim
    signing = [
        door
        for door in facts.doors
        if any(DKIM_KEY_COUNT in values for values in door.reports.values())
    ]
    if not dkim.enabled or not signing:
        return
    yield from check_dkim(dkim)
    for selector in dkim.selectors:
        try:
            fingerprint = load_key(dkim.folder, selector).fingerprint()
        except (OSError, BadKey):  # said above
            continue
        for door in signing:
            yield from _check_key(door, selector, fingerprint)


def _check_key(door: DoorFacts, selector: str, fingerprint: float) -> Iterator[Finding]:
    from mailserver.telemetry.reports import DKIM_KEY, DKIM_KEY_COUNT

    used = {
        values.get(DKIM_KEY + selector)
        for values in door.reports.values()
        if DKIM_KEY_COUNT in values
    }
    if None in used:
        yield warning(
            "dkim.folder",
            f"{door.name} does not sign with the key of selector {selector}, which is there now:"
            " SIGHUP to the service reads it",
        )
    elif used != {fingerprint}:
        yield warning(
            "dkim.folder",
            f"{door.name} signs with another key under selector {selector} than stands in its file:"
            " SIGHUP to the service reads the file; `mailserver config dns` says what to publish",
        )
