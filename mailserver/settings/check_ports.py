"""Can the wanted addresses be bound?  Tried by binding them, without listening."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from enum import Enum
from pathlib import Path

from mailserver.settings.bind import Bind
from mailserver.settings.finding import Finding, error, warning
from mailserver.settings.listeners import WantedListener

SUPERVISOR_MODULE = b"mailserver.supervisor"
_LISTEN = "0A"  # TCP_LISTEN in /proc/net/tcp
_NO_IPV6 = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})


class Ports(Enum):
    """What is expected of the ports at the time of a check."""

    MUST_BE_FREE = "the service is about to start"
    MAY_BE_OURS = "it may be running: then its ports are no error"
    NOT_LOOKED_AT = "it runs, and this is a reload"


def check_ports(wanted: Iterable[WantedListener], ports: Ports) -> Iterator[Finding]:
    """One finding for each address that cannot be bound now."""
    if ports is Ports.NOT_LOOKED_AT:
        return
    ours: dict[int, list[WantedListener]] = {}
    for listener in wanted:
        failure = try_bind(listener.bind)
        if failure is None:
            continue
        supervisor = _running_supervisor(listener.bind, failure)
        if supervisor is not None and ports is Ports.MAY_BE_OURS:
            ours.setdefault(supervisor, []).append(listener)
        else:
            yield _finding(listener, failure)
    for pid, held in ours.items():
        told = ", ".join(dict.fromkeys(str(listener.bind.port) for listener in held))
        yield warning(held[0].kind.key, f"a mail service (process {pid}) holds the ports {told}")


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
    owner = port_owner(bind.port) if failure.errno == errno.EADDRINUSE else None
    return owner[0] if owner is not None and SUPERVISOR_MODULE in owner[1] else None


def _holder(bind: Bind) -> str:
    owner = port_owner(bind.port)
    if owner is None:
        return ""
    command = owner[1].replace(b"\0", b" ").decode("utf-8", "replace").strip()[:80]
    return f" by process {owner[0]} ({command})"


def port_owner(port: int) -> tuple[int, bytes] | None:
    """(process id, its command line) of who listens on the port, where we may see it."""
    links = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
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


def _listening_inodes(port: int) -> Iterator[str]:
    """Inodes of the sockets that listen on the port, from proc(5)'s net/tcp."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = Path(table).read_text("ascii").splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            columns = row.split()
            if columns[3] == _LISTEN and columns[1].endswith(f":{port:04X}"):
                yield columns[9]
