"""Certificates under each level: what is enough, what is not, and what is said about it."""

from __future__ import annotations

import hashlib
import socket
import ssl
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mailserver.values.secret import Secret
from smtp_relay.delivery.client.options import Times
from smtp_relay.delivery.client.trust import Contexts, Untrusted, check_chain, make_contexts
from smtp_relay.delivery.plan import Login, Tlsa, TlsDemand, TlsLevel
from smtp_relay.delivery.verdicts import Kind, Phase
from tests.smtp_relay.delivery.client.letters import make_transaction
from tests.smtp_relay.delivery.client.live import Listener, connect, refused, run
from tests.smtp_relay.delivery.peers import Peer, Wire, server_context

HOST = "mx.b.test"
NOW = datetime(2030, 1, 1, tzinfo=UTC)
CA = trustme.CA()
GOOD = CA.issue_cert(HOST, not_after=NOW + timedelta(days=3650))
OTHER = CA.issue_cert("other.test", not_after=NOW + timedelta(days=3650))
EXPIRED = CA.issue_cert(HOST, not_after=datetime(2020, 1, 1, tzinfo=UTC))
SELF_SIGNED = trustme.CA().issue_cert(HOST, not_after=NOW + timedelta(days=3650))


def der(pem: bytes) -> bytes:
    return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)


def leaf(certificate: trustme.LeafCert) -> bytes:
    return der(certificate.cert_chain_pems[0].bytes())


def key_of(certificate: bytes) -> bytes:
    key = x509.load_der_x509_certificate(certificate).public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


CA_DER = der(CA.cert_pem.bytes())
RECORDS: dict[str, Callable[[bytes], Tlsa]] = {
    "whole": lambda one: Tlsa(3, 0, 0, one),
    "whole by SHA-256": lambda one: Tlsa(3, 0, 1, hashlib.sha256(one).digest()),
    "key": lambda one: Tlsa(3, 1, 0, key_of(one)),
    "key by SHA-256": lambda one: Tlsa(3, 1, 1, hashlib.sha256(key_of(one)).digest()),
    "key by SHA-512": lambda one: Tlsa(3, 1, 2, hashlib.sha512(key_of(one)).digest()),
}


def by_dane(*records: Tlsa) -> TlsDemand:
    return TlsDemand(level=TlsLevel.DANE, source="DANE", names=(HOST,), tlsa=records)


def at(level: TlsLevel) -> TlsDemand:
    return TlsDemand(level=level, source="MTA-STS enforce", names=(HOST,))


@pytest.fixture
def trust(tmp_path: Path) -> Contexts:
    path = tmp_path / "ca.pem"
    CA.cert_pem.write_to_path(str(path))
    return make_contexts(path)


@pytest.mark.parametrize("make", RECORDS.values(), ids=RECORDS)
def test_dane_ee_takes_a_named_certificate_whatever_its_name_and_dates(
    make: Callable[[bytes], Tlsa],
) -> None:
    for certificate in (GOOD, OTHER, EXPIRED, SELF_SIGNED):
        one = leaf(certificate)
        assert check_chain([one], by_dane(make(one)), NOW) == "DANE"
        assert check_chain([one], by_dane(Tlsa(3, 1, 1, b"x"), make(one)), NOW) == "DANE"
    with pytest.raises(Untrusted, match="no TLSA record names its certificate"):
        check_chain([leaf(GOOD)], by_dane(make(leaf(OTHER))), NOW)


@pytest.mark.parametrize("make", RECORDS.values(), ids=RECORDS)
def test_dane_ta_wants_the_chain_the_dates_and_the_name(make: Callable[[bytes], Tlsa]) -> None:
    demand = by_dane(replace(make(CA_DER), usage=2))
    assert check_chain([leaf(GOOD), CA_DER], demand, NOW) == "DANE"
    with pytest.raises(Untrusted, match=r"is for other\.test, not mx\.b\.test"):
        check_chain([leaf(OTHER), CA_DER], demand, NOW)
    with pytest.raises(Untrusted, match="valid until 2020-01-01 only"):
        check_chain([leaf(EXPIRED), CA_DER], demand, NOW)
    with pytest.raises(Untrusted, match="was not issued by"):
        check_chain([leaf(SELF_SIGNED), CA_DER], demand, NOW)


def test_a_whole_anchor_in_the_record_need_not_be_sent() -> None:
    assert check_chain([leaf(GOOD)], by_dane(Tlsa(2, 0, 0, CA_DER)), NOW) == "DANE"
    digest = hashlib.sha256(CA_DER).digest()
    with pytest.raises(Untrusted):
        check_chain([leaf(GOOD)], by_dane(Tlsa(2, 0, 1, digest)), NOW)


def test_an_intermediate_is_followed_and_may_be_the_anchor() -> None:
    middle = CA.create_child_ca()
    one = middle.issue_cert(HOST, not_after=NOW + timedelta(days=99))
    chain = [der(pem.bytes()) for pem in one.cert_chain_pems]
    assert len(chain) == 2
    assert check_chain(chain, by_dane(Tlsa(2, 0, 0, chain[1])), NOW) == "DANE"
    assert check_chain([*chain, CA_DER], by_dane(Tlsa(2, 0, 0, CA_DER)), NOW) == "DANE"


def test_a_leaf_may_not_issue() -> None:
    with pytest.raises(Untrusted, match="was not issued by"):
        check_chain([leaf(GOOD), leaf(OTHER)], by_dane(Tlsa(2, 0, 0, leaf(OTHER))), NOW)


@pytest.mark.parametrize(
    ("borne", "wanted", "is_enough"),
    [
        ("mx.b.test", "MX.b.test", True),
        ("*.b.test", "mx.b.test", True),
        ("*.b.test", "b.test", False),
        ("*.b.test", "a.mx.b.test", False),
        ("mx.b.test", "*.b.test", True),
        ("*.b.test", "*.b.test", True),
        ("b.test", "*.b.test", False),
        ("192.0.2.1", "192.0.2.1", True),
    ],
)
def test_which_names_are_enough(borne: str, wanted: str, *, is_enough: bool) -> None:
    certificate = leaf(CA.issue_cert(borne))
    demand = replace(at(TlsLevel.VERIFY), names=("elsewhere.test", wanted))
    if is_enough:
        assert "verified" in check_chain([certificate], demand, NOW)
    else:
        with pytest.raises(Untrusted, match="its certificate is for"):
            check_chain([certificate], demand, NOW)


@pytest.mark.parametrize("chain", [[], [b"junk"], [b""]])
def test_what_is_no_certificate_proves_nothing(chain: list[bytes]) -> None:
    for demand in (at(TlsLevel.VERIFY), by_dane(Tlsa(2, 1, 1, b"x"), Tlsa(3, 1, 1, b"x"))):
        with pytest.raises(Untrusted):
            check_chain(chain, demand, NOW)
    assert check_chain(chain, at(TlsLevel.ENCRYPT), NOW) == "certificate not checked"


def secured(certificate: trustme.LeafCert) -> Callable[[Wire], object]:
    async def script(wire: Wire) -> None:
        await wire.greet("STARTTLS", "PIPELINING")
        await wire.start_tls(server_context(certificate))
        await wire.answer_hello("PIPELINING", "AUTH PLAIN")
        await wire.take_all()

    return script


DIGEST = hashlib.sha256(leaf(GOOD)).digest()
DANE_GOOD = by_dane(Tlsa(3, 0, 1, DIGEST))


@pytest.mark.parametrize(
    ("certificate", "demand", "words"),
    [
        (GOOD, at(TlsLevel.OPPORTUNISTIC), ""),
        (SELF_SIGNED, at(TlsLevel.OPPORTUNISTIC), ""),
        (EXPIRED, at(TlsLevel.OPPORTUNISTIC), ""),
        (OTHER, at(TlsLevel.OPPORTUNISTIC), ""),
        (SELF_SIGNED, at(TlsLevel.ENCRYPT), ""),
        (EXPIRED, at(TlsLevel.ENCRYPT), ""),
        (OTHER, at(TlsLevel.ENCRYPT), ""),
        (GOOD, at(TlsLevel.VERIFY), ""),
        (SELF_SIGNED, at(TlsLevel.VERIFY), "certificate not trusted"),
        (EXPIRED, at(TlsLevel.VERIFY), "certificate has expired"),
        (OTHER, at(TlsLevel.VERIFY), "is for other.test, not mx.b.test"),
        (GOOD, DANE_GOOD, ""),
        (SELF_SIGNED, DANE_GOOD, "no TLSA record names"),
        (EXPIRED, DANE_GOOD, "no TLSA record names"),
        (OTHER, DANE_GOOD, "no TLSA record names"),
    ],
)
def test_each_certificate_under_each_level(
    trust: Contexts, certificate: trustme.LeafCert, demand: TlsDemand, words: str
) -> None:
    async def play() -> None:
        async with Peer(secured(certificate)) as peer:  # type: ignore[arg-type]
            if words:
                failure = await refused(peer.port, host=HOST, tls=demand, trust=trust)
                assert (failure.phase, failure.status) == (Phase.TLS, "4.7.5")
                assert words in failure.words
                assert failure.is_policy
                assert not failure.may_try_in_clear
                assert not any("MAIL" in line or "AUTH" in line for line in peer.heard)
                return
            listener = Listener(more=[make_transaction()])
            connection = await connect(peer.port, listener, host=HOST, tls=demand, trust=trust)
            assert connection.facts.tls.startswith("TLSv1.3 TLS_")
            listener.feed(connection)
            await listener.until_done(1)
            connection.close()
            await listener.until_lost()
            assert listener.kinds() == [Kind.TAKEN]

    run(play())


@pytest.mark.parametrize(
    ("certificate", "words"), [(GOOD, ""), (OTHER, "is for other.test"), (SELF_SIGNED, "trusted")]
)
def test_tls_from_the_first_octet(
    trust: Contexts, certificate: trustme.LeafCert, words: str
) -> None:
    demand = replace(at(TlsLevel.VERIFY), is_implicit=True)

    async def script(wire: Wire) -> None:
        await wire.greet("PIPELINING", "AUTH PLAIN")
        await wire.expect("AUTH PLAIN")
        await wire.say("235 welcome")
        await wire.take_all()

    async def play() -> None:
        login = Login(user_name="us", password=Secret("secret"))
        async with Peer(script, tls=server_context(certificate)) as peer:
            how = {"host": HOST, "tls": demand, "trust": trust, "login": login}
            if words:
                failure = await refused(peer.port, **how)
                assert failure.is_policy
                assert words in failure.words
                assert not any("AUTH" in line for line in peer.heard)
                return
            listener = Listener()
            connection = await connect(peer.port, listener, **how)  # type: ignore[arg-type]
            assert connection.facts.tls.endswith("certificate verified (MTA-STS enforce)")
            connection.close()
            await listener.until_lost()

    run(play())


@pytest.mark.parametrize("level", [TlsLevel.OPPORTUNISTIC, TlsLevel.ENCRYPT, TlsLevel.VERIFY])
@pytest.mark.parametrize("junk", [b"garbage, no handshake\r\n" * 9, b""])
def test_starttls_then_garbage(level: TlsLevel, junk: bytes) -> None:
    async def script(wire: Wire) -> None:
        await wire.greet("STARTTLS")
        await wire.expect("STARTTLS")
        await wire.say("220 go")
        await wire.octets(10)  # the handshake has begun
        if junk:
            await wire.say_octets(junk)
        else:
            wire.cut()

    async def play() -> None:
        async with Peer(script) as peer:
            failure = await refused(peer.port, tls=at(level))
            assert failure.phase is Phase.TLS
            is_wished = level is TlsLevel.OPPORTUNISTIC
            assert failure.may_try_in_clear is is_wished
            assert failure.is_policy is not is_wished
            assert "the TLS handshake failed" in failure.words

    run(play())


@pytest.mark.parametrize("level", [TlsLevel.OPPORTUNISTIC, TlsLevel.ENCRYPT, TlsLevel.VERIFY])
@pytest.mark.parametrize(
    "behind", [b"250-peer\r\n250 AUTH PLAIN\r\n", b"250 half", b"\0\1\2", b"no reply\r\n", b""]
)
def test_nothing_behind_the_answer_to_starttls_is_believed(level: TlsLevel, behind: bytes) -> None:
    """In one packet with it, so before any handshake: it fails as it would a moment later."""

    async def script(wire: Wire) -> None:
        await wire.greet("STARTTLS")
        await wire.expect("STARTTLS")
        await wire.say_octets(b"220 go\r\n" + behind)
        if behind:
            await wire.rest()

    async def play() -> None:
        async with Peer(script) as peer:
            failure = await refused(peer.port, tls=at(level))
            assert failure.phase is Phase.TLS
            assert failure.status == "4.7.5"
            assert "the TLS handshake failed" in failure.words
            is_wished = level is TlsLevel.OPPORTUNISTIC
            assert failure.may_try_in_clear is is_wished
            assert failure.is_policy is not is_wished
            assert peer.heard == ["EHLO us.test", "STARTTLS"]

    run(play())


def test_the_server_hears_which_name_is_wanted(trust: Contexts) -> None:
    names: list[str | None] = []
    context = server_context(GOOD)
    context.sni_callback = lambda _, name, __: names.append(name)

    async def play() -> None:
        async with Peer(lambda wire: wire.greet(), tls=context) as peer:
            demand = replace(at(TlsLevel.ENCRYPT), is_implicit=True)
            for host in (HOST, "127.0.0.1"):
                connection = await connect(peer.port, host=host, tls=demand, trust=trust)
                connection.abort()

    run(play())
    assert names == [HOST, None]


def test_a_peer_in_clear_where_tls_comes_first() -> None:
    async def script(wire: Wire) -> None:
        await wire.say("220 peer in clear")
        await wire.rest()

    async def play() -> None:
        demand = TlsDemand(level=TlsLevel.OPPORTUNISTIC, source="route", is_implicit=True)
        async with Peer(script) as peer:
            failure = await refused(peer.port, tls=demand)
            assert failure.phase is Phase.TLS
            assert not failure.may_try_in_clear

    run(play())


def test_a_server_that_knows_only_old_tls_is_good_enough_for_wishes(trust: Contexts) -> None:
    assert trust.of(TlsLevel.OPPORTUNISTIC).minimum_version is ssl.TLSVersion.TLSv1
    for level in (TlsLevel.ENCRYPT, TlsLevel.VERIFY, TlsLevel.DANE):
        assert trust.of(level).minimum_version is ssl.TLSVersion.TLSv1_2


def test_a_handshake_that_never_ends_is_given_up() -> None:
    async def play() -> None:
        with socket.create_server(("127.0.0.1", 0)) as sock:
            demand = replace(at(TlsLevel.ENCRYPT), is_implicit=True)
            times = Times(connect_s=0.05, handshake_s=0.05)
            failure = await refused(sock.getsockname()[1], tls=demand, times=times)
            assert failure.status in {"4.4.1", "4.7.5"}

    run(play())
