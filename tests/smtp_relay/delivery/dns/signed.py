"""Real name servers: knot serves our zones (one of them signed), unbound validates.

signed.test  signed, and unbound knows its key
plain.test   not signed
bogus.test   not signed, although unbound has a key for it: SERVFAIL
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rdtypes.ANY.DNSKEY

from tests.ports import find_ports

PATIENCE_S = 20.0
_HEAD = "$TTL 60\n@ SOA ns.{zone}. h.{zone}. 1 60 60 600 60\n@ NS ns.{zone}.\nns A 127.0.0.1\n"
_BOGUS_DS = "bogus.test. DS 12345 13 2 " + "A" * 64


@dataclass(frozen=True)
class NameServers:
    """Ports on 127.0.0.1 of the resolver and of the authority behind it."""

    resolver_port: int
    authority_port: int


@contextmanager
def running(
    folder: Path, *, signed: str, plain: str = "", bogus: str = ""
) -> Iterator[NameServers]:
    """Each text: the zone's records below its SOA, as a zone file writes them."""
    (folder / "db").mkdir()
    authority_port, resolver_port = find_ports(2)
    zones = {"signed.test": signed, "plain.test": plain, "bogus.test": bogus}
    for zone, text in zones.items():
        (folder / f"{zone}.zone").write_text(_HEAD.format(zone=zone) + text)
    (folder / "knot.conf").write_text(_knot(folder, authority_port))
    with _started("knotd", "-c", folder / "knot.conf", log=folder / "knot.log"):
        key = _wait_for_key(authority_port)
        (folder / "unbound.conf").write_text(_unbound(folder, authority_port, resolver_port, key))
        with _started("unbound", "-c", folder / "unbound.conf", log=folder / "unbound.log"):
            _wait(lambda: _ask(resolver_port, "signed.test", "SOA"))
            yield NameServers(resolver_port, authority_port)


def _knot(folder: Path, port: int) -> str:
    zones = "".join(f"  - domain: {zone}\n" for zone in ("plain.test", "bogus.test"))
    return f"""server:
  rundir: {folder}
  listen: 127.0.0.1@{port}
database:
  storage: {folder}/db
policy:
  - id: p
    algorithm: ecdsap256sha256
template:
  - id: default
    storage: {folder}
    file: "%s.zone"
    zonefile-load: difference
    zonefile-sync: -1
    journal-content: all
zone:
  - domain: signed.test
    dnssec-signing: on
    dnssec-policy: p
{zones}"""


def _unbound(folder: Path, authority_port: int, port: int, key: str) -> str:
    stubs = "".join(
        f'stub-zone:\n  name: "{zone}."\n  stub-addr: 127.0.0.1@{authority_port}\n'
        for zone in ("signed.test", "plain.test", "bogus.test")
    )
    return f"""server:
  interface: 127.0.0.1
  port: {port}
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "{folder}"
  pidfile: "{folder}/unbound.pid"
  use-syslog: no
  do-not-query-localhost: no
  do-ip6: no
  local-zone: "test." nodefault
  module-config: "validator iterator"
  trust-anchor: "signed.test. DNSKEY {key}"
  trust-anchor: "{_BOGUS_DS}"
  domain-insecure: "plain.test."
{stubs}forward-zone:
  name: "."
  forward-addr: 127.0.0.1@9
remote-control:
  control-enable: no
"""


@contextmanager
def _started(*command: str | Path, log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def _wait_for_key(port: int) -> str:
    """The key-signing key, as a trust anchor writes it."""
    answer = _wait(lambda: _ask(port, "signed.test", "DNSKEY"))
    for rrset in answer.answer:
        for key in rrset:
            if isinstance(key, dns.rdtypes.ANY.DNSKEY.DNSKEY) and key.flags & 1:
                return key.to_text()
    raise AssertionError("the zone has no key-signing key")


def _ask(port: int, name: str, kind: str) -> dns.message.Message | None:
    query = dns.message.make_query(name, kind, want_dnssec=True)
    with suppress(OSError, dns.exception.DNSException):
        answer = dns.query.tcp(query, "127.0.0.1", port=port, timeout=1)
        if answer.rcode() == dns.rcode.NOERROR and answer.answer:
            return answer
    return None


def _wait(ask: object) -> dns.message.Message:
    assert callable(ask)
    until_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < until_s:
        answer = ask()
        if isinstance(answer, dns.message.Message):
            return answer
        time.sleep(0.05)
    raise AssertionError("a name server did not come up; see its log")
