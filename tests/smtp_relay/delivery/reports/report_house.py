"""A store that owes reports, and a reporter over it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Collection
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import Any

from mailserver.queue.reports import ReportKind
from mailserver.settings.model import Settings
from mailserver.store.outside import NOBODY_OUTSIDE, Outside
from mailserver.store.ports.accounts import Account, AccountState, Credential, SignIn
from mailserver.store.ports.bodies import Spool
from mailserver.store.ports.people import Kind, Life, Person
from mailserver.store.ports.queue import (
    Attempt,
    CopyRef,
    OwedCopy,
    OwedReport,
    QueuedMessage,
    ReportMade,
    Settled,
)
from mailserver.store.ports.writes import Accepted
from mailserver.values.ids import AccountId, MailboxId, MessageId, make_accept_id
from mailserver.values.message import Acceptance, FiledBody, InlineBody
from smtp_relay.delivery.reports.maker import Sign
from smtp_relay.delivery.reports.reporter import Reporter
from tests.lists.fakes import FakeLists
from tests.one_object import OneObject
from tests.store.opened import reader_of

NOW_S = 1_795_000_000.0
DOMAIN = "ac-exemple.fr"
MARIE_BOX, POSTMASTER_BOX = MailboxId(7), MailboxId(1)
HEAD = b"Received: by mail.ac-exemple.fr; Wed, 18 Nov 2026 10:06:40 +0000\r\n"
HEADER = b"From: marie@ac-exemple.fr\r\nSubject: essai\r\nMessage-ID: <m@ac-exemple.fr>\r\n\r\n"
REFUSED = Attempt(at_s=NOW_S, host="mx.example.net", status="5.1.1", words="550 5.1.1 Unknown")


def make_settings(**sections: Any) -> Settings:
    service = {"domain": DOMAIN, "hostname": f"mail.{DOMAIN}"}
    return Settings.model_validate({"service": service} | sections)


class FakeSpool:
    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = files
        self._pieces: list[bytes] = []
        self.largest_piece_octets = 0
        self.is_discarded = False

    def write(self, octets: bytes) -> None:
        self.largest_piece_octets = max(self.largest_piece_octets, len(octets))
        self._pieces.append(octets)

    def commit(self) -> FiledBody:
        octets = b"".join(self._pieces)
        name = f"report{len(self._files)}"
        self._files[name] = octets
        return FiledBody(name, len(octets))

    def discard(self) -> None:
        self.is_discarded = True


def _filed(octets: bytes) -> int:
    """A descriptor of a file that holds them and has no name."""
    with tempfile.TemporaryFile() as file:
        file.write(octets)
        file.flush()
        return os.dup(file.fileno())


@dataclass
class FakeStore(OneObject):
    """Owes what is added, until a `ReportMade` clears it."""

    messages: dict[MessageId, QueuedMessage] = field(default_factory=dict)
    owed: dict[tuple[MessageId, ReportKind], OwedReport] = field(default_factory=dict)
    lists: FakeLists = field(default_factory=FakeLists)
    language: str = ""  # Marie's
    mailboxes: dict[str, MailboxId] = field(default_factory=lambda: {f"marie@{DOMAIN}": MARIE_BOX})
    spools: list[FakeSpool] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    error: Exception | None = None
    gone: set[MessageId] = field(default_factory=set)
    opened: list[QueuedMessage] = field(default_factory=list)
    outside: Outside = NOBODY_OUTSIDE
    acts: dict[str, int] = field(default_factory=dict)

    def count_act(self, key: str, *, now_s: float, window_s: float) -> int:
        self.acts[key] = self.acts.get(key, 0) + 1
        return self.acts[key]

    def find_outside(self, ours: Collection[str]) -> Outside:
        return self.outside

    def owe(
        self,
        *,
        sender: str = f"marie@{DOMAIN}",
        kind: ReportKind = ReportKind.FAILED,
        body: bytes = b"Bonjour\r\n",
        is_filed: bool = False,
        wants: str = "",
        recipients: tuple[str, ...] = ("paul@example.net",),
    ) -> MessageId:
        message_id = MessageId(len(self.messages) + 1)
        octets = HEADER + body
        self.messages[message_id] = QueuedMessage(
            message_id=message_id,
            accept_id=make_accept_id(NOW_S - 60, bytes(9)),
            accepted_at_s=NOW_S - 60,
            reverse_path=sender,
            account_id=None,
            smtputf8=False,
            is_8bit=not octets.isascii(),
            ends_with_crlf=True,
            header_octets=len(HEADER),
            longest_line_octets=0,
            dotted_line_count=0,
            envelope_id="",
            return_content=wants,
            head=HEAD,
            octets=None if is_filed else octets,
            reader=reader_of(_filed(octets)) if is_filed else None,
            body_octets=len(octets),
        )
        copies = tuple(
            OwedCopy(
                ref=CopyRef(message_id, number),
                kind=kind,
                owed_at_s=NOW_S,
                recipient=recipient,
                original_recipient="",
                attempt=REFUSED,
                expires_at_s=None,
            )
            for number, recipient in enumerate(recipients)
        )
        self.owed[message_id, kind] = OwedReport(message_id=message_id, kind=kind, copies=copies)
        return message_id

    def close(self) -> None:
        for message in self.messages.values():
            message.close()

    def owed_reports(self, *, limit: int) -> list[OwedReport]:
        if self.error is not None:
            raise self.error
        return list(self.owed.values())[:limit]

    def open_queued(
        self, message_id: MessageId, *, without_body: bool = False
    ) -> QueuedMessage | None:
        if message_id in self.gone:
            return None
        message = self.messages[message_id]
        again = replace(message)
        if message.reader is not None and (fd := message.reader.descriptor()) is not None:
            again.reader = reader_of(os.dup(fd), message.body_octets)
        self.opened.append(again)
        return again

    def find_mailbox(self, address_key: str) -> MailboxId | None:
        return self.mailboxes.get(address_key)

    def find_account(self, identifier: str) -> Account | None:
        if identifier != "postmaster":
            return None
        return Account(
            account_id=AccountId(1),
            identifier=identifier,
            name="Postmaster",
            state=AccountState.ACTIVE,
            inbox_id=POSTMASTER_BOX,
            created_at_s=0.0,
        )

    def find_sign_in(self, user_name_key: str) -> SignIn | None:
        if user_name_key not in self.mailboxes:
            return None
        return SignIn(
            account_id=AccountId(2),
            identifier=user_name_key,
            inbox_id=self.mailboxes[user_name_key],
            credential=Credential(
                account_id=AccountId(2),
                version=1,
                state=AccountState.ACTIVE,
                verifier=None,
                must_change=False,
            ),
        )

    def find_person(self, identifier: str) -> Person | None:
        if identifier not in self.mailboxes:
            return None
        return Person(
            account_id=AccountId(2),
            kind=Kind.PERSON,
            identifier=identifier,
            given_name="Marie",
            surname="Dupont",
            name="Marie Dupont",
            address=identifier,
            life=Life.PRESENT,
            is_hidden=False,
            telephone="",
            posts=(),
            language=self.language,
        )

    def open_spool(self) -> Spool:
        self.spools.append(FakeSpool(self.files))
        return self.spools[-1]


class FakeCommitter:
    """Keeps what is made and clears what owed it; `outcome` answers in its place where set."""

    def __init__(self, store: FakeStore) -> None:
        self._store = store
        self.accepted: list[Acceptance] = []
        self.outcome: Callable[[ReportMade], object] | None = None
        self.answers = True
        self.waiting: list[Callable[[], None]] = []

    def submit(self, made: ReportMade, done: Callable[[object], None]) -> None:
        if not self.answers:
            self.waiting.append(lambda: done(self._answer(made)))
        else:
            done(self._answer(made))

    def _answer(self, made: ReportMade) -> object:
        if self.outcome is not None:
            return self.outcome(made)
        keys = {(ref.message_id, kind) for ref, kind in made.cleared}
        if not keys <= self._store.owed.keys():
            return Settled(tuple(ref for ref, _ in made.cleared))
        for key in keys:
            del self._store.owed[key]
        if made.acceptance is None:
            return Settled()
        self.accepted.append(made.acceptance)
        return Accepted(MessageId(1000 + len(self.accepted)))


@dataclass
class Office:
    """A reporter over the fakes."""

    pool: Executor
    settings: Settings = field(default_factory=make_settings)
    store: FakeStore = field(default_factory=FakeStore)
    sign: Sign | None = None
    is_broken: bool = False
    now_s: float = NOW_S

    def __post_init__(self) -> None:
        self.committer = FakeCommitter(self.store)
        self.reporter = Reporter(
            settings=self.settings,
            store=self.store,
            submit=self.committer.submit,
            pool=self.pool,
            wall_s=lambda: self.now_s,
            on_broken=self._break,
            sign=self.sign,
        )

    def _break(self) -> None:
        self.is_broken = True

    def octets(self, number: int = -1) -> bytes:
        """Of a report that was accepted."""
        body = self.committer.accepted[number].body
        return body.octets if isinstance(body, InlineBody) else self.store.files[body.name]
