"""Certificates that prove too little, and peers that lose TLS on the way, under each policy.

From the name servers and the settings to the journey: a real resolver finds
the policy, a real handshake meets it or not, and where a policy demands TLS a
downgrade is a deferral, never a delivery in clear.  One run of
`misdeeds.live_through` for the whole table: PEER.POLICY.test.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache

import pytest
import trustme

from mailserver.queue.copies import CopyState
from mailserver.settings.bind import Bind
from mailserver.settings.model import RouteSettings
from mailserver.store.ports.policies import StsPolicy
from smtp_relay.delivery.client.options import Times
from smtp_relay.delivery.client.trust import make_contexts
from smtp_relay.delivery.dns.answers import Answer
from smtp_relay.delivery.dns.validation import Validation
from smtp_relay.delivery.resolve.hop_resolver import HopResolver
from smtp_relay.delivery.security.sts_keeper import StsKeeper
from tests.smtp_relay.delivery.client.live import run
from tests.smtp_relay.delivery.client.test_trust import der, leaf
from tests.smtp_relay.delivery.dns.table import TableResolver, found, settings_with
from tests.smtp_relay.delivery.misdeeds import PATIENT, Case, Deed, Ported, Story, live_through
from tests.smtp_relay.delivery.peers import LOOPBACK, Wire, server_context
from tests.smtp_relay.delivery.security.policies import KeptPolicies, NoFetch

FAR = datetime(2099, 1, 1, tzinfo=UTC)
PAST = datetime(2020, 1, 1, tzinfo=UTC)
CA = trustme.CA()
STRANGER = trustme.CA()
HASTY = Times(handshake_s=0.1)
OTHER = CA.issue_cert("other.test", not_after=FAR)
TA_RECORD = f"2 0 0 {der(CA.cert_pem.bytes()).hex()}"


async def no_starttls(wire: Wire) -> None:
    await wire.greet("8BITMIME")
    await wire.take_all()


async def refuses_starttls(wire: Wire) -> None:
    await wire.greet("STARTTLS")
    await wire.expect("STARTTLS")
    await wire.say("454 4.7.0 no TLS today")
    await wire.take_all()


async def garbage(wire: Wire) -> None:
    """Whenever it is asked for TLS; who does not ask is served."""
    await wire.greet("STARTTLS")
    if await wire.line() == "STARTTLS":
        await wire.say("220 go")
        await wire.say_octets(b"this is no handshake\r\n" * 9)
        await wire.rest()
    await wire.say("250 2.1.0 ok")
    await wire.take_all()


async def stalls(wire: Wire) -> None:
    """In every handshake; who does not ask for one is served."""
    await wire.greet("STARTTLS")
    if await wire.line() == "STARTTLS":
        await wire.say("220 go")
        await wire.stall()
    await wire.say("250 2.1.0 ok")
    await wire.take_all()


def shows(certificate: trustme.LeafCert) -> Deed:
    async def deed(wire: Wire) -> None:
        await wire.greet("STARTTLS")
        await wire.start_tls(server_context(certificate))
        await wire.answer_hello("8BITMIME")
        await wire.take_all()

    return deed


def deed_of(peer: str, domain: str) -> Deed:
    host = f"mx.{domain}"
    match peer:
        case "good":
            return shows(certificate_of(domain))
        case "expired":
            return shows(CA.issue_cert(host, not_after=PAST))
        case "other":
            return shows(OTHER)
        case "selfsigned":
            return shows(STRANGER.issue_cert(host, not_after=FAR))
        case "nostarttls":
            return no_starttls
        case "refuses":
            return refuses_starttls
        case "stalls":
            return stalls
        case _:
            return garbage


@cache
def certificate_of(domain: str) -> trustme.LeafCert:
    return CA.issue_cert(f"mx.{domain}", not_after=FAR)


# Of each policy, what is said of each peer; what begins with "4." is a deferral.
LAX = {
    "good": ", certificate not checked: 250",
    "expired": ", certificate not checked: 250",
    "other": ", certificate not checked: 250",
    "selfsigned": ", certificate not checked: 250",
    "nostarttls": ", in clear (no STARTTLS offered): 250",
    "refuses": ", in clear (STARTTLS refused: 454 4.7.0 no TLS today): 250",
    "garbage": ", in clear (STARTTLS not tried: the TLS handshake failed): 250",
    "stalls": ", in clear (STARTTLS not tried: the TLS handshake failed): 250",
}


def downgrades(source: str) -> dict[str, str]:
    return {
        "nostarttls": f"4.7.4 TLS handshake: {source} demands TLS: no STARTTLS offered",
        "refuses": f"4.7.4 TLS handshake: {source} demands TLS: STARTTLS refused: 454 4.7.0",
        "garbage": f"4.7.5 TLS handshake: {source} demands TLS, but the TLS handshake failed: ",
        "stalls": f"4.7.5 TLS handshake: {source} demands TLS, but the TLS handshake failed: ",
    }


def verifying(source: str) -> dict[str, str]:
    failed = f"4.7.5 TLS handshake: {source} demands TLS, but the TLS handshake failed"
    return downgrades(source) | {
        "good": f", certificate verified ({source}): 250",
        "expired": f"{failed}: certificate not trusted (certificate has expired)",
        "other": "demands a certificate that can be trusted: its certificate is for other.test",
        "selfsigned": f"{failed}: certificate not trusted (unable to get local issuer",
    }


UNNAMED = "DANE demands a certificate that can be trusted: no TLSA record names its certificate"
POLICIES = {
    "opportunistic": LAX,
    "ststesting": LAX,
    "encrypt": LAX | downgrades("route encrypt"),
    "verify": verifying("route verify"),
    "stsenforce": verifying("MTA-STS enforce"),
    "daneee": downgrades("DANE")
    | {"good": ", DANE: 250", "expired": UNNAMED, "other": UNNAMED, "selfsigned": UNNAMED},
    "daneta": downgrades("DANE")
    | {
        "good": ", DANE: 250",
        "expired": "a certificate of its chain is valid until 2020-01-01 only",
        "other": "its certificate is for other.test, not mx.other.daneta.test",
        "selfsigned": "its certificate was not issued by the one that a TLSA record names",
    },
}
TABLE = [(peer, policy) for policy in POLICIES for peer in LAX]


def is_relayed(peer: str, policy: str) -> bool:
    return POLICIES[policy][peer].endswith(": 250")


def zone() -> dict[str, Answer]:
    """Signed throughout: what is not DANE here has no TLSA record."""
    table: dict[str, Answer] = {}
    for peer, policy in TABLE:
        domain = f"{peer}.{policy}.test"
        table[f"MX {domain}"] = found("MX", f"10 mx.{domain}.", signed=True)
        table[f"A mx.{domain}"] = found("A", LOOPBACK, signed=True)
        digest = hashlib.sha256(leaf(certificate_of(domain))).hexdigest()
        record = {"daneee": f"3 0 1 {digest}", "daneta": TA_RECORD}.get(policy)
        if record is not None:
            table[f"TLSA _25._tcp.mx.{domain}"] = found("TLSA", record, signed=True)
    return table


def policy_of(peer: str, policy: str) -> StsPolicy | None:
    if not policy.startswith("sts"):
        return None
    domain = f"{peer}.{policy}.test"
    return StsPolicy(
        domain=domain,
        policy_id="1",
        mode=policy.removeprefix("sts"),
        hosts=(f"mx.{domain}",),
        max_age_s=86_400,
        fetched_at_s=0,
    )


def open_finder(ports: Mapping[str, int]) -> Ported:
    """The resolver as the agent has it, over name servers that are a table."""
    rules = tuple(
        RouteSettings.model_validate(
            {"name": name, "recipient_domains": [f".{name}.test"], "tls": name}
        )
        for name in ("encrypt", "verify")
    )
    settings = settings_with(routes=rules)
    resolver = TableResolver(zone())
    policies = KeptPolicies(*(policy_of(peer, policy) for peer, policy in TABLE))
    return Ported(
        HopResolver(
            settings,
            resolver,
            validation=Validation(
                resolver, servers=(Bind(LOOPBACK, 53),), validates=settings.dns.validates
            ),
            sts=StsKeeper(policies, NoFetch(), clock=lambda: 1.0),
            is_ours=lambda _address, _port: False,
        ),
        ports,
    )


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Story]:
    folder = tmp_path_factory.mktemp("agency")
    CA.cert_pem.write_to_path(str(folder / "ca.pem"))
    cases = [
        Case(
            name=f"{peer}.{policy}",
            deed=deed_of(peer, f"{peer}.{policy}.test"),
            times=HASTY if peer == "stalls" else PATIENT,
        )
        for peer, policy in TABLE
    ]
    lived: dict[str, Story] = {}

    async def play() -> None:
        trust = make_contexts(folder / "ca.pem")
        lived.update(await live_through(folder, cases, others=open_finder, trust=trust))

    run(play())
    return lived


@pytest.mark.parametrize(("peer", "policy"), TABLE)
def test_what_each_policy_makes_of_each_peer(
    stories: dict[str, Story], peer: str, policy: str
) -> None:
    story = stories[f"{peer}.{policy}"]
    (copy,) = story.copies
    assert POLICIES[policy][peer] in story.told
    if is_relayed(peer, policy):
        assert copy.state is CopyState.RELAYED
        return
    assert copy.state is CopyState.QUEUED, story.told
    assert "deferred by mx." in story.told
    assert not any(line.startswith("MAIL") for line in story.heard), "never in clear"
    assert not any(wire.messages for wire in story.wires)
