"""A name server of our own in the test's loop: it answers from zone text, or as badly as told.

async with lying({"a.test": "..."}) as server: ... server.bind ...
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import cast

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from mailserver.settings.bind import Bind

Change = Callable[[dns.message.Message], dns.message.Message | None]


class Server(asyncio.DatagramProtocol):
    """records: "name type" to RDATA texts.  changes: what is done to the answer of a name."""

    def __init__(self, records: dict[str, list[str]]) -> None:
        self.records = records
        self.changes: dict[str, Change] = {}
        self.over_tcp: list[str] = []
        self.asked: list[str] = []
        self.ad = False
        self.bind = Bind("127.0.0.1", 0)
        self._late: list[tuple[str, bytes, tuple[str, int]]] = []
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        assert self._transport is not None
        query = dns.message.from_wire(data)
        name, kind = _question(query)
        self.asked.append(f"{name} {kind}")
        answer = self.answer(query)
        change = self.changes.get(name)
        changed = change(answer) if change else answer
        if changed is None:
            self._late.append((name, answer.to_wire(max_size=65535), addr))
        else:
            self._transport.sendto(changed.to_wire(max_size=65535), addr)

    def send_late(self, about: str = "") -> int:
        """Send what was kept silent, of one name or all; returns how much."""
        assert self._transport is not None
        due = [(wire, addr) for name, wire, addr in self._late if about in {"", name}]
        for wire, addr in due:
            self._transport.sendto(wire, addr)
        return len(due)

    async def serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            length = int.from_bytes(await reader.readexactly(2), "big")
            query = dns.message.from_wire(await reader.readexactly(length))
            self.over_tcp.append(_question(query)[0])
            wire = self.answer(query).to_wire(max_size=65535)
            writer.write(len(wire).to_bytes(2, "big") + wire)
            await writer.drain()
        writer.close()

    def answer(self, query: dns.message.Message) -> dns.message.Message:
        reply = dns.message.make_response(query, recursion_available=True)
        reply.flags |= query.flags & dns.flags.CD  # RFC 4035 §3.2.2
        if self.ad:
            reply.flags |= dns.flags.AD
        name, kind = _question(query)
        here = [key for key in self.records if key.startswith(f"{name} ")]
        if not here:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        seen: set[str] = set()
        while name not in seen:
            seen.add(name)
            self._add(reply, name, kind)
            alias = self.records.get(f"{name} CNAME")
            if alias is None or kind == "CNAME":
                break
            self._add(reply, name, "CNAME")
            name = alias[0].rstrip(".")
        if not reply.answer:
            self._add_soa(reply)
        return reply

    def _add(self, reply: dns.message.Message, name: str, kind: str) -> None:
        texts = self.records.get(f"{name} {kind}")
        if texts:
            reply.answer.append(dns.rrset.from_text(f"{name}.", 120, "IN", kind, *texts))

    def _add_soa(self, reply: dns.message.Message) -> None:
        soa = dns.rrset.from_text("test.", 60, "IN", "SOA", "ns.test. h.test. 1 60 60 600 60")
        reply.authority.append(soa)


def _question(query: dns.message.Message) -> tuple[str, str]:
    one = query.question[0]
    return one.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(one.rdtype)


def servfail(reply: dns.message.Message) -> dns.message.Message:
    reply.answer.clear()
    reply.set_rcode(dns.rcode.SERVFAIL)
    return reply


def refused(reply: dns.message.Message) -> dns.message.Message:
    reply.answer.clear()
    reply.set_rcode(dns.rcode.REFUSED)
    return reply


def silence(_reply: dns.message.Message) -> None:
    """No answer at all."""


def wrong_id(reply: dns.message.Message) -> dns.message.Message:
    reply.id ^= 1
    return reply


def wrong_question(reply: dns.message.Message) -> dns.message.Message:
    one = reply.question[0]
    other = dns.name.from_text("elsewhere.test.")
    reply.question[0] = dns.rrset.RRset(other, one.rdclass, one.rdtype)
    return reply


def other_name(reply: dns.message.Message) -> dns.message.Message:
    """Records, of a name that nobody asked for."""
    reply.answer = [dns.rrset.from_text("elsewhere.test.", 120, "IN", "A", "192.0.2.66")]
    return reply


def malformed_tlsa(reply: dns.message.Message) -> dns.message.Message:
    """A SHA-256 digest of two octets."""
    one = reply.question[0]
    rrset = dns.rrset.RRset(one.name, one.rdclass, one.rdtype)
    rrset.add(dns.rdata.GenericRdata(one.rdclass, one.rdtype, bytes([3, 1, 1, 0xAB, 0xCD])), 120)
    reply.answer = [rrset]
    return reply


def truncated(reply: dns.message.Message) -> dns.message.Message:
    reply.answer.clear()
    reply.flags |= dns.flags.TC
    return reply


@asynccontextmanager
async def lying(records: dict[str, list[str]]) -> AsyncIterator[Server]:
    """UDP and TCP on one free port."""
    loop = asyncio.get_running_loop()
    server = Server(records)
    tcp = await asyncio.start_server(server.serve_tcp, "127.0.0.1", 0)
    port = tcp.sockets[0].getsockname()[1]
    udp, _ = await loop.create_datagram_endpoint(lambda: server, local_addr=("127.0.0.1", port))
    server.bind = Bind("127.0.0.1", port)
    try:
        yield server
    finally:
        udp.close()
        tcp.close()
        await tcp.wait_closed()
