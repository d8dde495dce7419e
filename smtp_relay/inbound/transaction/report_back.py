"""A report about a message that we sent on, on its way back to who sent it.

Where the mail of one of our people goes on to is their business (`mailserver.dsn.disguise`
says so of our own reports), and the other server's report gives it away in many ways: the
recipient, its host's name and words, the trace in the header that it returns.  So what
goes on is a report of our own, that says what became of the message and names the address
that was written to; only where all who may be meant show where their mail goes (`account
forward --show-target`) the other server's own passes, cut (`message.cutting`).

Who is meant: whose mark stands in the returned header (`X-Loop`), else the only one of our
forwarding addresses that the report names.  None: the report names nobody.  Targets are
not looked for in it, or whoever makes reports up could try which is whose.
What is no report does not go on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from itertools import islice
from typing import Final

from mailserver.dsn.facts import Original, Task
from mailserver.dsn.original import find_field, header_lines
from mailserver.dsn.report import compose
from mailserver.routing.local import at_home, find_local
from mailserver.store.ports.queue import Attempt, CopyRef, OwedCopy, OwedReport
from mailserver.store.ports.targets import Target
from mailserver.texts.catalogue import Language
from mailserver.values.address import Address, fold_domain
from mailserver.values.ids import MessageId
from mailserver.values.organisation import Organisation
from smtp_relay.inbound.message.body import DataReader
from smtp_relay.inbound.message.foreign_report import ForeignReport, addresses_in, read_foreign
from smtp_relay.inbound.message.signing import Signing
from smtp_relay.inbound.service import Service

UNNAMED: Final = "undisclosed"
"""Local part in place of an address that nobody can tell."""
_MAX_ADDRESSES: Final = 100
_BOTH: Final[dict[str, tuple[Language, ...]]] = {"fr": ("fr", "en"), "en": ("en", "fr")}
_DOTTED = re.compile(rb"^\.", re.MULTILINE)
_END: Final = b".\r\n"


@dataclass(frozen=True, slots=True)
class ReportBack:
    """What goes on in the other report's place; octets: all of it, CRLF lines."""

    octets: bytes
    reader: DataReader
    signing: Signing | None


class NoReport(Exception):
    """It is something else, and would speak in the name of whom the mail went on to."""


def report_back(
    service: Service, octets: bytes, *, to: str, id_text: str, now_s: float
) -> ReportBack | None:
    """None: the other server's own goes on.

    octets: its header and the beginning of its text.  to: who gets it.

    Raises:
        NoReport: nothing of it may go on.
    """
    forwarders = _forwarders(service, octets)
    if forwarders and all(target.shows_forward for target in forwarders.values()):
        return None
    foreign = read_foreign(octets)
    if foreign is None:
        raise NoReport
    told = _who_is_meant(service, octets, forwarders)
    organisation = _house_of(service)
    task = _task(
        foreign,
        organisation,
        told=told or f"{UNNAMED}@{organisation.domain}",
        languages=_BOTH[service.settings.service.language],
        to=to,
        id_text=id_text,
        now_s=now_s,
    )
    return _read_again(service, b"".join(compose(task).pieces()))


def _forwarders(service: Service, octets: bytes) -> dict[str, Target]:
    """Addresses of ours that the report names and whose mail goes on, as they stand in it."""
    found: dict[str, Target] = {}
    for text in islice(addresses_in(octets, service.ours.names), _MAX_ADDRESSES):
        local, _, domain = text.rpartition("@")
        looked = find_local(
            Address(local, domain), ours=service.ours, find=service.store.people.find_target,
            postmaster=None,
        )  # fmt: skip
        target = at_home(looked)
        if isinstance(target, Target) and target.forward_to:
            found[text] = target
    return found


def _who_is_meant(service: Service, octets: bytes, forwarders: dict[str, Target]) -> str:
    lowered = octets.lower()
    for text, target in forwarders.items():
        if service.srs.mark(str(target.account_id)).encode("ascii") in lowered:
            return text
    return next(iter(forwarders)) if len(forwarders) == 1 else ""


def _house_of(service: Service) -> Organisation:
    own = service.settings.service
    domain = fold_domain(own.domain)
    return Organisation(
        hostname=own.hostname,
        domain=domain,
        help_address=f"postmaster@{domain}",
        time_zone=own.time_zone,
    )


def _task(
    foreign: ForeignReport,
    organisation: Organisation,
    *,
    told: str,
    languages: tuple[Language, ...],
    to: str,
    id_text: str,
    now_s: float,
) -> Task:
    block = foreign.block + b"\r\n"
    copy = OwedCopy(
        ref=CopyRef(MessageId(0), 0),
        kind=foreign.kind,
        owed_at_s=now_s,
        recipient=told,
        original_recipient="",
        attempt=Attempt(at_s=now_s, status=foreign.status, words=foreign.words),
        expires_at_s=None,
        told_as=told,
    )
    return Task(
        organisation=organisation,
        owed=OwedReport(message_id=MessageId(0), kind=foreign.kind, copies=(copy,)),
        original=Original(
            accepted_at_s=_sent_at(foreign.block, now_s),
            envelope_id="",
            return_content="HDRS",
            smtputf8=False,
            size_octets=len(block),
            block=block,
            pieces=lambda: iter((block,)),
        ),
        to=to,
        languages=languages,
        made_at_s=now_s,
        id_text=id_text,
        takes_8bit=False,
    )


def _sent_at(block: bytes, now_s: float) -> float:
    """The author's Date, if it is one that has been."""
    value = find_field(header_lines(block), b"date") or b""
    try:
        at_s = parsedate_to_datetime(value.decode("ascii", "replace")).timestamp()
    except (ValueError, OverflowError, OSError):
        return now_s
    return at_s if 0 < at_s < now_s else now_s


def _read_again(service: Service, octets: bytes) -> ReportBack:
    """Its facts and its signatures, as of a message that comes in."""
    reader = DataReader(
        max_octets=service.max_octets,
        max_header_octets=service.max_header_octets,
        keep_header=True,
    )
    signing = None if service.signer is None else Signing(service.signer, reader.header)
    kept = reader.feed(_DOTTED.sub(b"..", octets) + _END)
    if signing is not None:
        signing.feed(kept)
        signing.block = reader.header.take()
    return ReportBack(kept, reader, signing)
