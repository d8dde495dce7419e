"""A hall small enough to look into: store, gate, writer, disk, transport, clock.

`Stage` puts one `SmtpDoor` on a transport that is a list, over a real asyncio
loop that is turned by hand, so a test says what was sent and reads what came
back, with no socket and no waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from typing import Any

from mailserver.auth.gate import Denied, Granted, Unavailable, Verdict
from mailserver.peers.descriptors import Spares
from mailserver.routing.relaying import Role
from mailserver.routing.srs import Srs
from mailserver.settings.model import Settings
from mailserver.store.outside import NOBODY_OUTSIDE, Outside
from mailserver.store.ports.accounts import Account, AccountState, Credential
from mailserver.store.ports.bodies import DiskRoom, Spool
from mailserver.store.ports.people import Event, Life
from mailserver.store.ports.recovery import Subject
from mailserver.store.ports.shared.repeats import RepeatMemory
from mailserver.store.ports.shared.scratch import LastSeen
from mailserver.store.ports.targets import Target
from mailserver.store.ports.writes import Accepted, Outcome, Write
from mailserver.values.clock import Belief
from mailserver.values.ids import AccountId, MailboxId, MessageId
from mailserver.values.message import Acceptance, FiledBody, InlineBody
from mailserver.values.secret import Secret
from smtp_relay.inbound.door import SmtpDoor
from smtp_relay.inbound.service import Listener, Service
from tests.lists.fakes import FakeLists
from tests.one_object import OneObject
from tests.store.in_memory import CountersInMemory

DOMAIN = "ac-exemple.fr"
GIB = 1024**3
MARIE = AccountId(1)
PIERRE = AccountId(2)
MARIE_INBOX = MailboxId(11)
PIERRE_INBOX = MailboxId(12)
PASSWORD = b"13E0245678ABC"
OWN_ADDRESS = "198.51.100.25"  # that peers connect to


class FakeSpool:
    def __init__(self, store: FakeStore) -> None:
        self._store = store
        self.octets = b""
        self.name = f"file-{len(store.spools)}"
        self.state = "open"
        store.spools.append(self)

    def write(self, octets: bytes) -> None:
        if self._store.fails_at_write:
            raise OSError("the disk is on fire")
        self.octets += octets

    def commit(self) -> FiledBody:
        self.state = "committed"
        self._store.files[self.name] = self.octets
        return FiledBody(self.name, len(self.octets))

    def discard(self) -> None:
        self.state = "discarded"


def make_target(mailbox_id: int | None = None, **facts: Any) -> Target:
    """Somebody who is there and has no limits, but for what is said."""
    plain = Target(
        mailbox_id=None if mailbox_id is None else MailboxId(mailbox_id),
        list_id=None,
        account_id=AccountId(mailbox_id or 0),
        class_name="",
        used_octets=0,
        used_count=0,
        life=Life.PRESENT,
        forward_to="",
        keeps_copy=True,
    )
    return replace(plain, **facts)


class FakeStore(OneObject):
    """Directory, bodies and scratch, as dictionaries."""

    def __init__(self) -> None:
        self.mailboxes = {
            f"marie.dupont@{DOMAIN}": MARIE_INBOX,
            f"marie@{DOMAIN}": MARIE_INBOX,
            f"pierre@{DOMAIN}": PIERRE_INBOX,
        }
        self.owners = {
            f"marie.dupont@{DOMAIN}": MARIE,
            f"marie@{DOMAIN}": MARIE,
            f"pierre@{DOMAIN}": PIERRE,
        }
        self.outside = NOBODY_OUTSIDE
        self.belief: Belief | None = None
        self.spellings: dict[str, str] = {}  # of addresses that were not given as their key
        self.lists = FakeLists()
        self.targets: dict[str, Target] = {}  # those with more than a mailbox
        self.class_name = ""  # of everybody
        self.counted = CountersInMemory()
        self.sent = self.counted.sent
        self.repeats: RepeatMemory = self.counted.repeats
        self.spools: list[FakeSpool] = []
        self.files: dict[str, bytes] = {}
        self.free = 100 * GIB
        self.reusable = 0
        self.fails_at_write = False
        self.breaks_look_up = False
        self.versions = {MARIE: 1, PIERRE: 1}  # of credentials; absent: deleted
        self.seen: list[tuple[AccountId, LastSeen]] = []
        self.reports: dict[str, dict[str, float]] = {}
        self.acts: dict[str, int] = {}  # as if within one window
        self.events: dict[AccountId, list[Event]] = {}
        self.languages: dict[AccountId, str] = {}

    def count_act(self, key: str, *, now_s: float, window_s: float) -> int:
        self.acts[key] = self.acts.get(key, 0) + 1
        return self.acts[key]

    def read_act(self, key: str, *, now_s: float, window_s: float) -> int:
        return self.acts.get(key, 0)

    def history(self, account_id: AccountId, *, limit: int) -> list[Event]:
        return self.events.get(account_id, [])[::-1][:limit]

    def note(self, account_id: AccountId, event: Event) -> None:
        self.events.setdefault(account_id, []).append(event)

    def read_subject(self, account_id: AccountId) -> Subject | None:
        """As `make_target` numbers them: the mailbox's number is the account's."""
        return Subject(
            account_id=account_id,
            kind="person",
            identifier=f"account{account_id}",
            name="",
            given_name="",
            surname="",
            language=self.languages.get(account_id, ""),
            inbox_id=MailboxId(account_id),
            address=f"account{account_id}@{DOMAIN}",
            numen=None,
        )

    def find_target(self, address_key: str) -> Target | None:
        if self.breaks_look_up:
            raise RuntimeError("db password is hunter2")
        known = self.targets.get(address_key)
        if known is not None:
            return known
        mailbox_id = self.mailboxes.get(address_key)
        if mailbox_id is None:
            return None
        owner = self.owners.get(address_key, AccountId(mailbox_id))
        return make_target(mailbox_id, account_id=owner)

    def read_class(self, account_id: AccountId) -> str:
        return self.class_name

    def find_outside(self, ours: Collection[str]) -> Outside:
        return self.outside

    def read_clock(self) -> Belief | None:
        return self.belief

    def answerable_for(self, identifier: str, *, now_s: float) -> list[str]:
        return []

    def owns_address(self, account_id: AccountId, address_key: str) -> bool:
        return self.owners.get(address_key) == account_id

    def spelling_of(self, address_key: str) -> str:
        return self.spellings.get(address_key, address_key if address_key in self.owners else "")

    def find_account(self, identifier: str) -> Account | None:
        if identifier != "postmaster":
            return None
        return Account(
            account_id=PIERRE,
            identifier=identifier,
            name="Pierre",
            state=AccountState.ACTIVE,
            inbox_id=PIERRE_INBOX,
            created_at_s=0.0,
        )

    def read_credential(self, account_id: AccountId) -> Credential | None:
        if account_id not in self.versions:
            return None
        return Credential(
            account_id=account_id,
            version=self.versions[account_id],
            state=AccountState.ACTIVE,
            verifier=None,
            must_change=False,
        )

    def holds(self, account_id: AccountId, mailbox_account: AccountId, *, now_s: float) -> bool:
        return False

    def open_spool(self) -> Spool:
        return FakeSpool(self)

    def disk_room(self) -> DiskRoom:
        return DiskRoom(total_octets=1 << 40, free_octets=self.free, reusable_octets=self.reusable)

    def note_seen(self, account_id: AccountId, seen: LastSeen) -> None:
        self.seen.append((account_id, seen))

    def report(self, source: str, values: dict[str, float], *, now_s: float) -> None:
        self.reports[source] = values


class FakeGate:
    """Marie, with the password PASSWORD.  `is_slow`: the verdict comes through `on_done`."""

    def __init__(self) -> None:
        self.is_slow = False
        self.is_full = False
        self.fixed: Verdict | None = None
        self.asked: list[tuple[bytes, bytes]] = []

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
        verdict = self.fixed or self._verdict(user_name, password.reveal())
        if self.is_slow:
            on_done(verdict)
            return None
        return verdict

    def _verdict(self, user_name: bytes, password: bytes) -> Verdict:
        if self.is_full:
            return Unavailable()
        if user_name.strip().lower() == b"mdupont" and password == PASSWORD:
            return Granted(
                account_id=MARIE,
                identifier="mdupont",
                inbox_id=MARIE_INBOX,
                must_change=False,
                version=1,
            )
        return Denied()


class FakeWriter:
    """Keeps what it is given.  `answers` False: outcomes wait for `answer`."""

    def __init__(self) -> None:
        self.answers = True
        self.outcome: Callable[[int], Outcome] = lambda number: Accepted(MessageId(number))
        self.writes: list[Acceptance] = []
        self._waiting: list[Callable[[], None]] = []

    def submit(self, write: Write, done: Callable[[Outcome], None]) -> None:
        assert isinstance(write, Acceptance)
        self.writes.append(write)
        number = len(self.writes)
        if self.answers:
            done(self.outcome(number))
        else:
            self._waiting.append(lambda: done(self.outcome(number)))

    def answer(self) -> None:
        waiting, self._waiting = self._waiting, []
        for tell in waiting:
            tell()


class NowExecutor(Executor):
    """Runs a job in the moment it is submitted."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class LaterExecutor(Executor):
    """A disk that takes its time: jobs run at `work`."""

    def __init__(self) -> None:
        self.jobs: list[Callable[[], Any]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.jobs.append(lambda: fn(*args, **kwargs))
        return Future()

    def work(self) -> None:
        jobs, self.jobs = self.jobs, []
        for job in jobs:
            job()


class ListTransport:
    """A transport whose other end is a test."""

    def __init__(self, loop: asyncio.AbstractEventLoop, peer: str = "192.0.2.7") -> None:
        self._loop = loop
        self._peer = peer
        self.protocol: Any = None
        self.writes: list[bytes] = []
        self.unread = 0
        self.is_reading = True
        self.is_closed = False
        self.is_aborted = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "sockname":
            return (OWN_ADDRESS, 25)
        return (self._peer, 40000) if name == "peername" else default

    def write(self, octets: bytes) -> None:
        assert isinstance(octets, bytes)
        if not self.is_closed:
            self.writes.append(octets)

    def close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            self._loop.call_soon(self.protocol.connection_lost, None)

    def abort(self) -> None:
        self.is_aborted = True
        self.close()

    def pause_reading(self) -> None:
        assert self.is_reading
        self.is_reading = False

    def resume_reading(self) -> None:
        assert not self.is_reading
        self.is_reading = True

    def get_write_buffer_size(self) -> int:
        return self.unread


def make_settings(
    *,
    relay: Any = None,
    routes: list[dict[str, Any]] | None = None,
    extra_domains: Sequence[str] = (),
    sections: dict[str, Any] | None = None,
    **smtp: Any,
) -> Settings:
    """sections: whole ones, by name; smtp: keys of that section."""
    service = {
        "domain": DOMAIN,
        "hostname": f"mail.{DOMAIN}",
        "extra_domains": tuple(extra_domains),
    }
    return Settings.model_validate(
        {"service": service, "smtp": smtp, "relay": relay or {}, "routes": routes or []}
        | (sections or {})
    )


@dataclass
class Clock:
    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


WALL_S = 1_795_000_000.0


@dataclass
class Hall:
    """The fakes, and the service over them."""

    loop: asyncio.AbstractEventLoop
    settings: Settings = field(default_factory=make_settings)
    store: FakeStore = field(default_factory=FakeStore)
    gate: FakeGate = field(default_factory=FakeGate)
    writer: FakeWriter = field(default_factory=FakeWriter)
    clock: Clock = field(default_factory=Clock)
    pool: Executor = field(default_factory=NowExecutor)
    is_broken: bool = False

    def __post_init__(self) -> None:
        self.service = Service(
            loop=self.loop,
            settings=self.settings,
            store=self.store,
            gate=self.gate,
            writer=self.writer,
            pool=self.pool,
            wall_s=lambda: WALL_S,
            clock_s=self.clock,
            on_broken=self._break,
            srs=Srs(Secret(b"k" * 32), domain=DOMAIN, max_days=21),
            spares=Spares(0),  # a thousand halls in one process would hold all it may have
        )
        self.service.refresh_postmaster()

    def _break(self) -> None:
        self.is_broken = True

    def body(self, number: int = -1) -> bytes:
        """The octets of a message that was stored."""
        body = self.writer.writes[number].body
        return body.octets if isinstance(body, InlineBody) else self.store.files[body.name]


MX = Listener(name="mx", role=Role.MX, language="en")
SUBMISSION = Listener(name="submissions", role=Role.SUBMISSION, language="en", is_tls=True)
CLEAR_SUBMISSION = Listener(name="submission", role=Role.SUBMISSION, language="en")


class Stage:
    """One connection to one listener."""

    def __init__(self, hall: Hall, listener: Listener = MX, *, peer: str = "192.0.2.7") -> None:
        self.hall = hall
        self.transport = ListTransport(hall.loop, peer)
        self.door = SmtpDoor(hall.service, listener)
        self.transport.protocol = self.door
        self._not_read = bytearray()
        self._read = 0
        self.door.connection_made(self.transport)

    def turn(self) -> None:
        """Let the loop run until nothing more happens by itself."""
        for _ in range(12):
            self.hall.loop.run_until_complete(asyncio.sleep(0))

    def send(self, octets: bytes, *, size: int | None = None) -> bytes:
        """Send in pieces of `size` octets (all at once if None); return what was said to it."""
        self._not_read += octets
        self._deliver(size)
        return self.heard()

    def _deliver(self, size: int | None) -> None:
        idle = 0
        while self._not_read and idle < 50:
            if self.transport.is_closed:
                self._not_read.clear()
            elif self.transport.is_reading:
                idle = 0
                piece = bytes(self._not_read[: size or len(self._not_read)])
                del self._not_read[: len(piece)]
                self.door.data_received(piece)
                if size is None:
                    self.turn()
            else:
                idle += 1
                self.turn()
        self.turn()

    def end(self) -> bytes:
        """Half-close."""
        keeps_open = self.door.eof_received()
        if not keeps_open:
            self.transport.close()
        self.turn()
        return self.heard()

    def drop(self) -> None:
        """The connection breaks."""
        self.transport.is_closed = True
        self.door.connection_lost(ConnectionResetError())
        self.turn()

    def heard(self) -> bytes:
        """What was said since the last time."""
        said = b"".join(self.transport.writes)
        new, self._read = said[self._read :], len(said)
        return new

    @property
    def is_closed(self) -> bool:
        return self.transport.is_closed

    # Calls, not properties, for tests that look twice: a type checker remembers an attribute.

    def reads(self) -> bool:
        return self.transport.is_reading

    def was_closed(self) -> bool:
        return self.transport.is_closed

    def was_aborted(self) -> bool:
        return self.transport.is_aborted
