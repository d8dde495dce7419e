"""From one owed report to the write that settles it: who gets it, by what way, what it says.

    sender's address      way                       languages        8-bit
    of a mailbox here     deposited                 its owner's      yes
    of ours, hosted there by its rule               the service's    no
    elsewhere             by its rule or MX         both             no
    nobody here, refused  none: cleared, and logged

Blocks (store, files): runs in a pool.  The original is read from its file piece
by piece, and a large report is written to one; neither is ever in memory.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Protocol, assert_never

from mailserver.dsn.disguise import disguised
from mailserver.dsn.facts import HEADER_LIMIT_OCTETS, Original, Task, cut_block
from mailserver.dsn.report import Report, compose
from mailserver.lists.addresses import next_hop_of as list_hop
from mailserver.queue.schedule import Schedule
from mailserver.routing.local import (
    Elsewhere,
    LocalRoute,
    OurDomains,
    Unknown,
    at_home,
    decide_local,
    find_local,
)
from mailserver.routing.relaying import held_for, make_schedule
from mailserver.routing.rules import match_own, match_rule, next_hop_of
from mailserver.settings.model import KIB, RouteSettings, Settings
from mailserver.store.outside import Outsiders
from mailserver.store.ports.accounts import Account, SignIn
from mailserver.store.ports.bodies import BodyError, Spool, body_chunks
from mailserver.store.ports.lists import ListLookUps, MailingList
from mailserver.store.ports.people import Person
from mailserver.store.ports.queue import OwedReport, QueuedMessage, ReportMade
from mailserver.telemetry.log import get_log
from mailserver.texts.catalogue import Language
from mailserver.values.address import Address, fold_domain, split_plus
from mailserver.values.ids import (
    AcceptId,
    ListId,
    MailboxId,
    MessageId,
    accept_id_text,
    make_accept_id,
)
from mailserver.values.message import (
    Acceptance,
    Body,
    Deposit,
    InlineBody,
    NewCopy,
    Notify,
    Relay,
)
from mailserver.values.moments import mail_date
from mailserver.values.organisation import Organisation
from smtp_relay.delivery.reports.budget import Counts, ReportBudget

DOOR = "reports"
PIECE_OCTETS = 64 * 1024
_RANDOM_OCTETS = 9
_OWN: dict[str, Language] = {"fr": "fr", "en": "en"}
_BOTH: dict[Language, tuple[Language, ...]] = {"fr": ("fr", "en"), "en": ("en", "fr")}


class Sign(Protocol):
    """`Signer.sign_pieces` of `mailserver.dkim`: the lines to put in front, each with CRLF."""

    def __call__(self, header_block: bytes, body: Iterable[bytes], /, *, now_s: float) -> bytes: ...


class OwedReports(Protocol):
    def owed_reports(self, *, limit: int) -> list[OwedReport]: ...

    def open_queued(
        self, message_id: MessageId, *, without_body: bool = False
    ) -> QueuedMessage | None: ...


class Owners(Protocol):
    def find_mailbox(self, address_key: str) -> MailboxId | None: ...

    def find_account(self, identifier: str) -> Account | None: ...

    def find_sign_in(self, user_name_key: str) -> SignIn | None: ...


class PeopleAndOutsiders(Outsiders, Protocol):
    def find_person(self, identifier: str) -> Person | None: ...


class OpensSpool(Protocol):
    def open_spool(self) -> Spool: ...


class ReportStore(Protocol):
    """What reports ask of the store."""

    @property
    def counters(self) -> Counts: ...

    @property
    def queue(self) -> OwedReports: ...

    @property
    def accounts(self) -> Owners: ...

    @property
    def people(self) -> PeopleAndOutsiders: ...

    @property
    def bodies(self) -> OpensSpool: ...

    @property
    def lists(self) -> ListLookUps: ...


class OriginalGone(Exception):
    """A report is owed about a message that is not there: our fault, nobody can be told."""


class ReportMaker:
    """One per process; `make` in one thread at a time."""

    def __init__(
        self,
        *,
        settings: Settings,
        store: ReportStore,
        wall_s: Callable[[], float],
        sign: Sign | None,
        draw: Callable[[int], bytes] = os.urandom,
    ) -> None:
        service = settings.service
        self._store = store
        self._wall_s = wall_s
        self._budget = ReportBudget(store.counters, wall_s=wall_s)
        self._sign = sign
        self._draw = draw
        self._rules = settings.routes
        self._schedule: Schedule = make_schedule(settings.delivery)
        self._domains = tuple(map(fold_domain, service.domains))
        self._ours = OurDomains.of(settings, store.people)
        self._language: Language = service.language
        self._postmaster = service.postmaster
        self._inline_limit_octets = settings.store.inline_limit_kib * KIB
        self._organisation = Organisation(
            hostname=service.hostname,
            domain=self._domains[0],
            help_address=f"postmaster@{self._domains[0]}",
            time_zone=service.time_zone,
        )
        self._log = get_log("reports")

    def make(self, owed: OwedReport) -> ReportMade:
        """The write that settles it; without an acceptance where nobody can be told.

        Raises:
            OriginalGone: see there.
            NotNow: its reader had enough within the hour.
            StoreUnavailable, StoreBroken: see `mailserver.store.ports`.
        """
        try:
            acceptance = self._about(owed, without_body=False)
        except BodyError as error:  # who wrote is told all the same
            self._log.error(
                "a report goes without its original, which cannot be read",
                message_id=owed.message_id,
                error=str(error),
            )
            acceptance = self._about(owed, without_body=True)
        cleared = tuple((copy.ref, copy.kind) for copy in owed.copies)
        return ReportMade(acceptance=acceptance, cleared=cleared)

    def _about(self, owed: OwedReport, *, without_body: bool) -> Acceptance | None:
        message = self._store.queue.open_queued(owed.message_id, without_body=without_body)
        if message is None or not owed.copies:
            raise OriginalGone(f"message {owed.message_id}")
        try:
            return self._acceptance(owed, message)
        finally:
            message.close()

    def _acceptance(self, owed: OwedReport, message: QueuedMessage) -> Acceptance | None:
        now_s = self._wall_s()
        address = parse_address(message.reverse_path)
        place = self._place(address)
        route = self._route(place, address, now_s)
        if route is None:
            self._log.warning(
                "nobody to report to",
                message=accept_id_text(message.accept_id),
                kind=owed.kind.name.lower(),
                sender=message.reverse_path,
            )
            return None
        is_strangers = message.account_id is None and isinstance(place, Elsewhere)
        if is_strangers and not self._budget.take(address, owed.kind):
            self._log.info("not reported: too many for this address", kind=owed.kind.name.lower())
            return None
        accept_id = make_accept_id(now_s, self._draw(_RANDOM_OCTETS))
        task = Task(
            organisation=self._organisation,
            owed=disguised(owed),
            original=read_original(message),
            to=message.reverse_path,
            languages=self._languages(place, address),
            made_at_s=now_s,
            id_text=accept_id_text(accept_id),
            takes_8bit=isinstance(route, Deposit),
        )
        return self._accepted(accept_id, task, compose(task), route)

    def _accepted(
        self, accept_id: AcceptId, task: Task, report: Report, route: Deposit | Relay
    ) -> Acceptance:
        date_text = mail_date(task.made_at_s, "UTC")
        head = f"Received: by {self._organisation.hostname} id {task.id_text};\r\n\t{date_text}\r\n"
        lines = head.encode("ascii")
        if self._sign is not None and isinstance(route, Relay):
            header = report.lead[: report.header_octets]
            signed = self._sign(lines + header, report.body_pieces(), now_s=task.made_at_s)
            lines = signed + lines
        return Acceptance(
            accept_id=accept_id,
            accepted_at_s=task.made_at_s,
            return_path=b"Return-Path: <>\r\n",
            head=lines,
            body=self._keep(report),
            facts=report.facts,
            reverse_path="",
            account_id=None,
            peer="",
            door=DOOR,
            smtputf8=report.smtputf8,
            copies=(NewCopy(recipient=task.to, route=route, notify=Notify.NEVER),),
        )

    def _place(self, address: Address) -> LocalRoute:
        if not address.local or self._list_of(address) is not None:
            return Unknown()  # a list has no mailbox, whatever a catch-all would take
        postmaster = self._store.accounts.find_account(self._postmaster)
        return decide_local(
            address,
            ours=self._ours,
            find_mailbox=self._store.accounts.find_mailbox,
            postmaster_mailbox=None if postmaster is None else postmaster.inbox_id,
        )

    def _route(self, place: LocalRoute, address: Address, now_s: float) -> Deposit | Relay | None:
        match place:
            case Deposit():
                return place
            case Unknown() if (which := self._list_of(address)) is not None:
                return self._to_list(which.list_id, now_s)
            case Unknown():
                rule = match_own(self._rules, recipient=address, sender=None, identifier=None)
                return None if rule is None else self._relay(rule, address, now_s)
            case Elsewhere():
                rule = match_rule(self._rules, recipient=address, sender=None, identifier=None)
                is_refused = rule is not None and rule.via == "refuse"
                return None if is_refused else self._relay(rule, address, now_s)
            case _:
                assert_never(place)

    def _list_of(self, address: Address) -> MailingList | None:
        """Whose bounces address it is, with a member's number or without."""
        base, _ = split_plus(address.local)
        return self._store.lists.find_list(Address(base, address.domain).key)

    def _to_list(self, list_id: ListId, now_s: float) -> Relay:
        return Relay(
            next_hop=list_hop(list_id),
            turn_at_s=now_s,
            tell_at_s=self._schedule.expires_at(now_s),
        )

    def _relay(self, rule: RouteSettings | None, address: Address, now_s: float) -> Relay:
        return Relay(
            next_hop=next_hop_of(rule, address),
            turn_at_s=now_s,
            tell_at_s=self._schedule.expires_at(now_s),  # nobody hears of its delays
            held_for=held_for(rule),
        )

    def _languages(self, place: LocalRoute, address: Address) -> tuple[Language, ...]:
        """Our people's own, where they have said one; of others we know nothing."""
        if isinstance(place, Elsewhere):
            return _BOTH[self._language]
        looked = find_local(
            address, ours=self._ours, find=self._store.accounts.find_sign_in, postmaster=None
        )
        found = at_home(looked)
        person = (
            self._store.people.find_person(found.identifier) if isinstance(found, SignIn) else None
        )
        return (_OWN.get("" if person is None else person.language, self._language),)

    def _keep(self, report: Report) -> Body:
        if report.size_octets <= self._inline_limit_octets:
            return InlineBody(b"".join(report.pieces()))
        spool = self._store.bodies.open_spool()
        try:
            for piece in report.pieces():
                spool.write(piece)
            return spool.commit()
        except BaseException:
            spool.discard()
            raise


def parse_address(path: str) -> Address:
    """A reverse-path that a door has accepted.  An empty local part: no address at all."""
    local, _, domain = path.rpartition("@")
    if local.startswith('"') and local.endswith('"') and len(local) > 1:
        unescaped = iter(local[1:-1])
        local = "".join(next(unescaped, "") if c == "\\" else c for c in unescaped)
    return Address(local, domain)


def read_original(message: QueuedMessage) -> Original:
    """What the report needs of it; usable until the message is closed."""
    wanted_octets = min(message.header_octets, HEADER_LIMIT_OCTETS)
    header = b"".join(_pieces(message, end=wanted_octets))
    return Original(
        accepted_at_s=message.accepted_at_s,
        envelope_id=message.envelope_id,
        return_content=message.return_content,
        smtputf8=message.smtputf8,
        size_octets=message.size_octets,
        block=cut_block(message.head + header),
        pieces=lambda: chain((message.head,), _pieces(message, end=message.body_octets)),
    )


def _pieces(message: QueuedMessage, *, end: int) -> Iterator[bytes]:
    """The body's first octets, up to `end`.

    Raises:
        BodyLost, BodyUnreadable: the file is shorter than its row says, or cannot be read.
    """
    return body_chunks(message, PIECE_OCTETS, end=end)
