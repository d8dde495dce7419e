"""Originals and what is owed about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mailserver.dsn.facts import Original, Task, cut_block
from mailserver.queue.reports import ReportKind
from mailserver.store.ports.queue import Attempt, CopyRef, OwedCopy, OwedReport
from mailserver.texts.catalogue import Language
from mailserver.values.ids import MessageId
from mailserver.values.organisation import Organisation

NOW_S = 1_795_000_000.0  # Thursday 18 November 2026, 08:26:40 UTC
SENT_S = NOW_S - 3600.0
ORGANISATION = Organisation(
    hostname="mail.ac-exemple.fr",
    domain="ac-exemple.fr",
    help_address="postmaster@ac-exemple.fr",
    time_zone="UTC",
)
HEAD = b"Received: from [192.0.2.9] by mail.ac-exemple.fr; Thu, 18 Nov 2026 07:26:40 +0000\r\n"
HEADER = (
    b"From: Marie Dupont <marie.dupont@ac-exemple.fr>\r\n"
    b"To: paul@example.net\r\n"
    b"Subject: =?utf-8?q?Sortie_au_mus=C3=A9e?=\r\n"
    b"Message-ID: <sortie@ac-exemple.fr>\r\n"
    b"\r\n"
)
BODY = b"Bonjour,\r\n.point\r\nbon voyage.\r\n"
REFUSED = Attempt(
    at_s=NOW_S - 2,
    host="mx.example.net",
    address="[192.0.2.1]:25",
    tls="TLSv1.3",
    status="5.1.1",
    words="550 5.1.1 <paul@example.net>: Recipient address rejected: User unknown",
)
SILENT = Attempt(
    at_s=NOW_S - 60,
    host="mx.example.net",
    address="[192.0.2.1]:25",
    tls="",
    status="4.4.1",
    words="no answer within 30 s while connecting",
)


def in_pieces(octets: bytes, size_octets: int = 65_536) -> Callable[[], Iterator[bytes]]:
    return lambda: (octets[at : at + size_octets] for at in range(0, len(octets), size_octets))


def original(
    header: bytes = HEADER,
    body: bytes = BODY,
    *,
    head: bytes = HEAD,
    wants: str = "",
    smtputf8: bool = False,
    envelope_id: str = "",
    piece_octets: int = 65_536,
) -> Original:
    """wants: RET."""
    octets = head + header + body
    return Original(
        accepted_at_s=SENT_S,
        envelope_id=envelope_id,
        return_content=wants,
        smtputf8=smtputf8,
        size_octets=len(octets),
        block=cut_block(head + header),
        pieces=in_pieces(octets, piece_octets),
    )


def copy(
    recipient: str = "paul@example.net",
    *,
    kind: ReportKind = ReportKind.FAILED,
    attempt: Attempt | None = REFUSED,
    original_recipient: str = "",
    number: int = 0,
    expires_at_s: float | None = None,
) -> OwedCopy:
    return OwedCopy(
        ref=CopyRef(MessageId(1), number),
        kind=kind,
        owed_at_s=NOW_S - 1,
        recipient=recipient,
        original_recipient=original_recipient,
        attempt=attempt,
        expires_at_s=expires_at_s,
    )


def owed(*copies: OwedCopy) -> OwedReport:
    copies = copies or (copy(),)
    return OwedReport(message_id=MessageId(1), kind=copies[0].kind, copies=copies)


def task(
    about: Original | None = None,
    *copies: OwedCopy,
    to: str = "marie.dupont@ac-exemple.fr",
    languages: tuple[Language, ...] = ("fr",),
    takes_8bit: bool = False,
    made_at_s: float = NOW_S,
) -> Task:
    return Task(
        organisation=ORGANISATION,
        owed=owed(*copies),
        original=about or original(),
        to=to,
        languages=languages,
        made_at_s=made_at_s,
        id_text="aghlfn7xgy3tmojrgaydamjs",
        takes_8bit=takes_8bit,
    )
