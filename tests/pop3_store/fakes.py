"""The core as this door sees it, in memory: a store, a gate, a committer, and a shell.

`Shell` does with a session what the Twisted protocol does, without a socket.
"""

from __future__ import annotations

import os
import tempfile
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Self

import structlog

from mailserver.auth.gate import Denied, Granted, Verdict
from mailserver.store.ports.accounts import AccountState, Credential
from mailserver.store.ports.errors import StoreUnavailable
from mailserver.store.ports.history import Collection
from mailserver.store.ports.mail import Listing, Maildrop, StoredMessage
from mailserver.store.ports.shared.scratch import LastSeen
from mailserver.store.ports.writes import Failed, Outcome, Removal, Removed, Write
from mailserver.texts.catalogue import Language
from mailserver.values.ids import AccountId, MailboxId, Uid
from mailserver.values.secret import Secret
from pop3_store.session.commands import COMMANDS
from pop3_store.session.listing import Collected
from pop3_store.session.server import Circuit, Server, Tally
from pop3_store.session.session import Session
from pop3_store.session.states import Authenticate, Remove, Signal
from pop3_store.session.texts import speak
from tests.one_object import OneObject
from tests.store.opened import reader_of

INBOX = MailboxId(7)
LEAD = b"Return-Path: <a@b.fr>\r\n"
PASSWORD = b"13E0245678ABC"
MAX_FAILURES = 3


@dataclass(slots=True)
class FakeEntry:
    uid: int
    body: bytes
    is_filed: bool = False
    nonce: int = 0


class FakeLock:
    def __init__(self, held: set[MailboxId], mailbox_id: MailboxId) -> None:
        self._held = held
        self._mailbox_id = mailbox_id

    def release(self) -> None:
        """Once more, and it is no longer ours to release."""
        self._held.discard(self._mailbox_id)
        self._held = set()


@dataclass
class FakeStore(OneObject):
    """One mailbox.  `broken` names the calls that raise."""

    entries: list[FakeEntry] = field(default_factory=list)
    held: set[MailboxId] = field(default_factory=set)
    broken: dict[str, Exception] = field(default_factory=dict)
    seen: list[LastSeen] = field(default_factory=list)
    collected_uids: list[tuple[MailboxId, tuple[int, ...], Collection]] = field(
        default_factory=list
    )
    version: int = 1  # of everybody's credential
    listed_count: int = 0
    open_fds: list[int] = field(default_factory=list)

    @property
    def writes(self) -> Self:
        return self

    @property
    def history(self) -> Self:
        return self

    def _check(self, name: str) -> None:
        if name in self.broken:
            raise self.broken[name]

    def lock_maildrop(self, mailbox_id: MailboxId) -> FakeLock | None:
        self._check("lock_maildrop")
        if mailbox_id in self.held:
            return None
        self.held.add(mailbox_id)
        return FakeLock(self.held, mailbox_id)

    def open_maildrop(self, mailbox_id: MailboxId) -> Maildrop:
        self._check("open_maildrop")
        return Maildrop(
            mailbox_id=mailbox_id,
            count=len(self.entries),
            octets=sum(len(LEAD) + len(entry.body) for entry in self.entries),
            next_uid=1000,
            modseq=1,
            epoch="e5",
        )

    def list_maildrop(self, maildrop: Maildrop) -> Listing:
        self._check("list_maildrop")
        self.listed_count += 1
        return Listing(
            array("Q", [entry.uid for entry in self.entries]),
            array("Q", [len(LEAD) + len(entry.body) for entry in self.entries]),
            array("Q", [entry.nonce for entry in self.entries]),
        )

    def fetch(self, mailbox_id: MailboxId, uid: Uid) -> StoredMessage | None:
        self._check("fetch")
        for entry in self.entries:
            if entry.uid == uid:
                return self._message(entry)
        return None

    def _message(self, entry: FakeEntry) -> StoredMessage:
        fd = None
        if entry.is_filed:
            with tempfile.TemporaryFile() as file:
                file.write(entry.body)
                file.flush()
                fd = os.dup(file.fileno())
            self.open_fds.append(fd)
        body = entry.body
        return StoredMessage(
            lead=LEAD,
            octets=None if entry.is_filed else body,
            reader=None if fd is None else reader_of(fd),
            body_octets=len(body),
            dotted_line_count=body.count(b"\r\n.") + body.startswith(b"."),
            ends_with_crlf=body.endswith(b"\r\n"),
        )

    def note_seen(self, account_id: AccountId, seen: LastSeen) -> None:
        self._check("note_seen")
        self.seen.append(seen)

    def read_credential(self, account_id: AccountId) -> Credential | None:
        self._check("read_credential")
        return Credential(
            account_id=account_id,
            version=self.version,
            state=AccountState.ACTIVE,
            verifier=None,
            must_change=False,
        )

    def holds(self, account_id: AccountId, mailbox_account: AccountId, *, now_s: float) -> bool:
        return False

    def note_collected(
        self, mailbox_id: MailboxId, uids: Iterable[int], collection: Collection
    ) -> None:
        self._check("note_collected")
        self.collected_uids.append((mailbox_id, tuple(uids), collection))

    def collected(self, mailbox_id: MailboxId, uid: Uid) -> tuple[Collection, ...]:
        return tuple(
            at for box, uids, at in self.collected_uids if box == mailbox_id and uid in uids
        )

    def report(self, source: str, values: dict[str, float], *, now_s: float) -> None:
        self._check("report")

    def close(self) -> None:
        self.entries.clear()


@dataclass
class FakeNotebook:
    noted: list[Collected] = field(default_factory=list)

    def note(self, collected: Collected) -> None:
        self.noted.append(collected)


@dataclass
class FakeGate:
    """`frot` with PASSWORD is granted.  `holds_back`: answers wait for `release`."""

    holds_back: bool = False
    fixed: Verdict | None = None
    asked: list[tuple[bytes, bytes]] = field(default_factory=list)
    waiting: list[tuple[Verdict, Callable[[Verdict], None]]] = field(default_factory=list)

    def authenticate(
        self,
        user_name: bytes,
        password: Secret[bytes],
        *,
        peer: str,
        door: str,
        on_done: Callable[[Verdict], None],
    ) -> Verdict | None:
        self.asked.append((user_name, password.reveal()))
        verdict = self.fixed or self._judge(user_name, password.reveal())
        if not self.holds_back:
            return verdict
        self.waiting.append((verdict, on_done))
        return None

    def release(self) -> None:
        for verdict, on_done in self.waiting:
            on_done(verdict)
        self.waiting.clear()

    def _judge(self, user_name: bytes, password: bytes) -> Verdict:
        if user_name.lower() == b"frot" and password == PASSWORD:
            return Granted(
                account_id=AccountId(1),
                identifier="frot",
                inbox_id=INBOX,
                must_change=False,
                version=1,
            )
        return Denied()


@dataclass
class FakeCommitter:
    """Removes from a FakeStore.  `holds_back`: outcomes wait for `release`."""

    store: FakeStore
    holds_back: bool = False
    fails: bool = False
    written: list[Write] = field(default_factory=list)
    waiting: list[tuple[Write, Callable[[Outcome], None]]] = field(default_factory=list)

    def start(self) -> None:
        assert not self.waiting

    def stop(self) -> None:
        self.release()

    def submit(self, write: Write, done: Callable[[Outcome], None]) -> None:
        self.written.append(write)
        self.waiting.append((write, done))
        if not self.holds_back:
            self.release()

    def release(self) -> None:
        waiting, self.waiting = self.waiting, []
        for write, done in waiting:
            done(self._apply(write))

    def _apply(self, write: Write) -> Outcome:
        if self.fails:
            return Failed(StoreUnavailable("the fake was told to fail"))
        assert isinstance(write, Removal)
        kept = [entry for entry in self.store.entries if entry.uid not in write.uids]
        count = len(self.store.entries) - len(kept)
        self.store.entries = kept
        return Removed(count)


def make_server(
    store: FakeStore,
    *,
    language: Language = "en",
    on_broken: Callable[[], None] = lambda: None,
    clock: Callable[[], float] = lambda: 1000.0,
) -> Server:
    return Server(
        store=store,
        replies=speak(language, hostname="mail.ac-exemple.fr"),
        max_failures=MAX_FAILURES,
        clock=clock,
        on_broken=on_broken,
        log=structlog.get_logger(),
        tally=Tally(),
    )


def make_circuit(
    *, is_tls: bool = True, can_start_tls: bool = False, clear: bool = False
) -> Circuit:
    return Circuit(
        session_id="t-1",
        door="pop3s",
        peer="192.0.2.1",
        is_tls=is_tls,
        can_start_tls=can_start_tls,
        is_clear_allowed=clear,
    )


class Shell:
    """Drives one session; `said` is all it has sent."""

    def __init__(
        self,
        store: FakeStore,
        *,
        circuit: Circuit | None = None,
        gate: FakeGate | None = None,
        committer: FakeCommitter | None = None,
        server: Server | None = None,
    ) -> None:
        self.gate = gate or FakeGate()
        self.committer = committer or FakeCommitter(store)
        self.session = Session(server or make_server(store), circuit or make_circuit(), COMMANDS)
        self.said = b""
        self.largest_output = 0
        self.is_closed = False
        self.is_aborted = False
        self.run()

    def feed(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.session.receive(piece)
            self.run()

    def run(self) -> None:
        """As the protocol's pump, for a peer that always reads."""
        while (action := self.session.advance()) is not None:
            match action:
                case Authenticate(user_name, password):
                    verdict = self.gate.authenticate(
                        user_name, password, peer="192.0.2.1", door="pop3s", on_done=self._verdict
                    )
                    if verdict is not None:
                        self.session.conclude_sign_in(verdict)
                case Remove(removal):
                    self._take()
                    self.committer.submit(removal, self._removed)
                case Signal.START_TLS:
                    self._take()
                    self.session.begin_tls()
                case Signal.CLOSE:
                    self.is_closed = True
                case Signal.ABORT:
                    self.is_aborted = True
                case Signal.FLUSH:
                    self._take()
        self._take()

    def lose(self) -> None:
        self.session.lose()

    def _take(self) -> None:
        octets = self.session.take_output()
        self.largest_output = max(self.largest_output, len(octets))
        self.said += octets

    def _verdict(self, verdict: Verdict) -> None:
        self.session.conclude_sign_in(verdict)
        self.run()

    def _removed(self, outcome: Outcome) -> None:
        self.session.conclude_removal(outcome)
        self.run()


def store_of(*bodies: bytes, filed: Sequence[int] = ()) -> FakeStore:
    """Messages with UIDs 11, 12, ...; those at the places in `filed` (1-based) are files."""
    return FakeStore(
        entries=[
            FakeEntry(10 + place, body, is_filed=place in filed)
            for place, body in enumerate(bodies, 1)
        ]
    )
