"""Can the wanted addresses be bound?  Tried by binding them, without listening."""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address
from pathlib import Path

from mailserver.settings.bind import Bind
from mailserver.settings.check.finding import Finding, error, note, warning
from mailserver.settings.listeners import WantedListener
from mailserver.values.ip import unmapped

SUPERVISOR_MODULE = b"mailserver.supervisor"
_LISTEN = "0A"  # TCP_LISTEN in /proc/net/tcp
_NO_IPV6 = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})


class Ports(Enum):
    """What is expected of the ports at the time of a check."""

    MUST_BE_FREE = "the service is about to start"
    MAY_BE_OURS = "it may be running: then its ports are no error"
    NOT_LOOKED_AT = "it runs, and this is a reload"


@dataclass(frozen=True, slots=True)
class Running:
    """A service of this store that runs now.  addresses: as `Bind` writes them."""

    pid: int
    config_file: str
    addresses: frozenset[str]


def check_ports(
    wanted: Iterable[WantedListener], ports: Ports, running: Sequence[Running] = ()
) -> Iterator[Finding]:
    """One finding for each address that cannot be bound now, if not because the service runs."""
    if ports is Ports.NOT_LOOKED_AT:
        return
    may_be_ours = ports is Ports.MAY_BE_OURS
    if may_be_ours:
        for one in running:
            yield note(
                "service",
                f"it runs: process {one.pid}, from {one.config_file or 'no file'};"
                " what is found here counts from the next start or reload on",
            )
    ours = {address for one in running for address in one.addresses}
    for listener in wanted:
        failure = try_bind(listener.bind)
        if failure is None or (may_be_ours and str(listener.bind) in ours):
            continue
        supervisor = _running_supervisor(listener.bind, failure)
        if supervisor is not None and may_be_ours:
            yield warning(
                listener.kind.key,
                f"{listener.bind} is held by another mail service (process {supervisor}):"
                " stop it before this one starts, or choose other ports",
            )
        else:
            yield _finding(listener, failure)


def try_bind(bind: Bind) -> OSError | None:
    """None: this address could be bound (it was, for an instant).

    Without SO_REUSEPORT, so that a second service on the same port is seen.
    """
    family = socket.AF_INET6 if ":" in bind.host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((bind.host, bind.port))
    except OSError as failure:
        return failure
    return None


def is_absent_ipv6(bind: Bind, failure: OSError) -> bool:
    """This machine has no IPv6: the any and loopback addresses of it can be left out."""
    return bind.host in {"::", "::1"} and failure.errno in _NO_IPV6


def bind_problem(bind: Bind, failure: OSError) -> str:
    """What to tell a person whose address cannot be bound."""
    match failure.errno:
        case errno.EADDRINUSE:
            return f"port {bind.port} is already in use on {bind.host}{_holder(bind)}"
        case errno.EACCES | errno.EPERM:
            return (
                f"port {bind.port} needs a privilege: start as root, or give the service"
                " CAP_NET_BIND_SERVICE, or use --high-ports with init"
            )
        case errno.EADDRNOTAVAIL:
            return f"{bind.host} is not an address of this machine"
        case _:
            return f"{bind} cannot be bound: {failure.strerror}"


def _finding(listener: WantedListener, failure: OSError) -> Finding:
    if is_absent_ipv6(listener.bind, failure):
        return warning(listener.kind.key, f"{listener.bind} is left out: this machine has no IPv6")
    return error(listener.kind.key, bind_problem(listener.bind, failure))


def _running_supervisor(bind: Bind, failure: OSError) -> int | None:
    """The process that holds the port, if it is a supervisor of this program."""
    owner = port_owner(bind) if failure.errno == errno.EADDRINUSE else None
    return owner[0] if owner is not None and SUPERVISOR_MODULE in owner[1] else None


def _holder(bind: Bind) -> str:
    """Who holds what is in the way, and at which address, if it is not the same one."""
    found = next(iter(_overlapping(bind)), None)
    where = "" if found is None or found[0] == bind else f", as {found[0]},"
    owner = port_owner(bind)
    if owner is None:
        return f"{where} by another user's process" if where else ""
    command = owner[1].replace(b"\0", b" ").decode("utf-8", "replace").strip()[:80]
    return f"{where} by process {owner[0]} ({command})"


def port_owner(bind: Bind) -> tuple[int, bytes] | None:
    """(process id, its command line) of who listens where `bind` would, where we may see it."""
    links = {f"socket:[{inode}]" for _, inode in _overlapping(bind)}
    if not links:
        return None
    for process in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        if links & _open_links(process):
            try:
                return int(process.name), (process / "cmdline").read_bytes()
            except OSError:  # it has just ended
                continue
    return None


def _open_links(process: Path) -> set[str]:
    """What its descriptors point to; nothing for another person's process."""
    links = set()
    try:
        for entry in (process / "fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                links.add(str(entry.readlink()))
    except OSError:
        return set()
    return links


def overlaps(one: Bind, other: Bind, *, v6_only: bool = False) -> bool:
    """Would the second of these be refused?

    The same port at the same address or at all of them; `[::]` is also all of IPv4, unless its
    socket says otherwise (ipv6(7), IPV6_V6ONLY), as ours do: `v6_only`.
    """
    if one.port != other.port:
        return False
    ips = [unmapped(bind.ip) for bind in (one, other)]
    if ips[0].version == ips[1].version:
        return ips[0] == ips[1] or any(ip.is_unspecified for ip in ips)
    return not v6_only and any(ip.version == 6 and ip.is_unspecified for ip in ips)


def _overlapping(bind: Bind) -> Iterator[tuple[Bind, str]]:
    """(address, inode) of the sockets that listen where `bind` would, the same address first."""
    found = [(held, inode) for held, inode in _listening() if overlaps(bind, held)]
    yield from sorted(found, key=lambda one: one[0] != bind)


def _listening() -> Iterator[tuple[Bind, str]]:
    """All sockets that listen, from proc(5)'s net/tcp: `0100007F:0019` is 127.0.0.1:25."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = Path(table).read_text("ascii").splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            columns = row.split()
            if columns[3] == _LISTEN:
                yield _parse_place(columns[1]), columns[9]


def _parse_place(text: str) -> Bind:
    """Each 32 bits of the address as the machine holds them in memory."""
    host, _, port = text.partition(":")
    words = [int(host[start : start + 8], 16) for start in range(0, len(host), 8)]
    octets = b"".join(word.to_bytes(4, sys.byteorder) for word in words)
    return Bind(str(ip_address(octets)), int(port, 16))
