"""What every session of one process shares: the core, the limits, the counters.

Made by the worker after the fork; the tests make one over fakes.  Everything
here is used on the loop's thread, but for what says otherwise.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field
from typing import Protocol

from mailserver.auth.gate import Authenticator, Granted
from mailserver.dkim.signer import Signer
from mailserver.peers.board import PeersBoard
from mailserver.peers.descriptors import Spares, descriptors_now
from mailserver.peers.guessers import Guessers, Ledger, PrivateLedger
from mailserver.peers.notices import Notices
from mailserver.peers.refusals import Refusals
from mailserver.peers.seats import Seats, says_who
from mailserver.queue.schedule import Schedule
from mailserver.queue.turns import Turns
from mailserver.quota.classes import Classes
from mailserver.routing.local import OurDomains, always_open
from mailserver.routing.relaying import Role, make_schedule
from mailserver.routing.rules import ask_who_sends
from mailserver.routing.srs import Srs
from mailserver.settings.check.limits import connections_for
from mailserver.settings.model import KIB, MIB, Network, Settings
from mailserver.store.clock import ServiceClock
from mailserver.store.commit import Submitter
from mailserver.store.files.room import RoomRules, room_rules
from mailserver.store.ports.bodies import DiskRoom
from mailserver.store.ports.errors import Shortage
from mailserver.store.ports.shared.scratch import LastSeen
from mailserver.store.ports.targets import Target
from mailserver.telemetry.log import get_log
from mailserver.telemetry.peers import PeerWatch
from mailserver.telemetry.reports import FILE_TOO_LARGE, NO_DESCRIPTORS, NO_QUOTA, NO_ROOM
from mailserver.texts.catalogue import Language
from mailserver.tls.failures import FailedHandshakes
from mailserver.tls.parting import LastWords
from mailserver.values.address import fold_domain
from mailserver.values.ids import AcceptId, AccountId, make_accept_id
from mailserver.values.ip import IpAddress, is_in_networks, parse_ip
from smtp_relay.inbound.authors.authorship import OwnAuthors
from smtp_relay.inbound.message.header import Cleaning
from smtp_relay.inbound.message.trace import DateText
from smtp_relay.inbound.message.upload import Memory, Spooling
from smtp_relay.inbound.store import DoorStore

FREE_CHECK_S = 1.0
SEEN_AGAIN_S = 60.0
LOOK_AGAIN_S = 15.0
"""How often TCP is asked whether a silent peer lives."""
_RANDOM_OCTETS = 9
_RANDOM_DRAW = _RANDOM_OCTETS * 256


class Watched(Protocol):
    """A connection, as the process sees it."""

    def check_idleness(self, now_s: float) -> None: ...

    def check_liveness(self, now_s: float) -> None: ...

    def drain(self) -> None: ...

    def abort(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """What differs from one port to the next."""

    name: str
    role: Role
    language: Language
    tls: ssl.SSLContext | None = None  # for STARTTLS; None: not offered
    is_tls: bool = False  # from the first octet; with tls None the handshake was somebody else's
    allows_plaintext: bool = False  # bound to loopback, and the settings allow it
    networks: tuple[Network, ...] | None = None  # None: open to all
    is_shut: bool = False  # 421 to everybody: it would relay for strangers

    def admits(self, peer: str) -> bool:
        return self.networks is None or is_in_networks(peer, self.networks)


@dataclass(slots=True)
class Counters:
    """Since the process began; `mailserver status` adds the processes up."""

    connections: int = 0
    open_connections: int = 0
    refused_connections: int = 0
    accepted_messages: int = 0
    accepted_copies: int = 0
    accepted_octets: int = 0
    refused_messages: int = 0
    failed_messages: int = 0
    sign_ins: int = 0
    failed_sign_ins: int = 0
    faults: int = 0
    refused_for_room: int = 0
    refused_for_quota: int = 0
    refused_for_file_size: int = 0
    refused_for_descriptors: int = 0

    def note_shortage(self, why: Shortage) -> None:
        """A message was put off for want of room."""
        match why:
            case Shortage.DISK:
                self.refused_for_room += 1
            case Shortage.QUOTA:
                self.refused_for_quota += 1
            case Shortage.FILE_SIZE:
                self.refused_for_file_size += 1

    def values(self) -> dict[str, float]:
        values = {name: float(value) for name, value in asdict(self).items()}
        values[NO_ROOM] = values.pop("refused_for_room")
        values[NO_QUOTA] = values.pop("refused_for_quota")
        values[FILE_TOO_LARGE] = values.pop("refused_for_file_size")
        values[NO_DESCRIPTORS] = values.pop("refused_for_descriptors")
        return values


class AcceptIds:
    """Accept ids, with randomness drawn in advance: one system call for 256 of them."""

    def __init__(self, draw: Callable[[int], bytes] = os.urandom) -> None:
        self._draw = draw
        self._octets = b""
        self._used = 0

    def make(self, now_s: float) -> AcceptId:
        if self._used >= len(self._octets):
            self._octets, self._used = self._draw(_RANDOM_DRAW), 0
        start = self._used
        self._used = start + _RANDOM_OCTETS
        return make_accept_id(now_s, self._octets[start : self._used])


def _is_unknown(_peer: str) -> bool:
    return False


@dataclass(slots=True, kw_only=True)
class Service:
    """One per process."""

    loop: asyncio.AbstractEventLoop
    settings: Settings
    store: DoorStore
    gate: Authenticator
    writer: Submitter
    pool: Executor  # for the disk: spools, who was seen, reports
    wall_s: Callable[[], float]  # Unix time
    clock_s: Callable[[], float]  # never goes back; timeouts only
    on_broken: Callable[[], None]  # the disk failed: the process is to end
    srs: Srs
    signer: Signer | None = None  # None: what leaves is not signed
    sessions: set[Watched] = field(default_factory=set)
    counters: Counters = field(default_factory=Counters)
    refusals: Refusals = field(default_factory=Refusals)
    dates: DateText = field(default_factory=DateText)
    accept_ids: AcceptIds = field(default_factory=AcceptIds)
    peers: PeerWatch = field(default_factory=PeerWatch)
    board: PeersBoard | None = None  # None: this process counts alone, here and below
    ledger: Ledger | None = None
    is_known_block: Callable[[str], bool] = _is_unknown  # did people sign in from there lately?
    listener_names: tuple[str, ...] = ()
    notices: Notices = field(init=False)
    seats: Seats = field(init=False)
    guessers: Guessers = field(init=False)
    turns: Turns = field(default_factory=Turns)
    handshakes: FailedHandshakes = field(default_factory=lambda: FailedHandshakes(get_log("smtp")))
    last_words: LastWords = field(default_factory=LastWords)
    spares: Spares = field(default_factory=lambda: Spares(0))  # the worker keeps some
    gateways: frozenset[IpAddress] = frozenset()  # addresses that may stand for anybody
    is_draining: bool = False
    postmaster: Target | None = None  # who gets postmaster@ and abuse@
    hostname: str = field(init=False)
    max_octets: int = field(init=False)
    max_header_octets: int = field(init=False)
    spooling: Spooling = field(init=False)
    ours: OurDomains = field(init=False)
    own_authors: OwnAuthors = field(init=False, repr=False)
    refused_authors: OwnAuthors = field(init=False, repr=False)  # of strangers
    classes: Classes = field(init=False)
    size_offer: str = field(init=False)  # as EHLO says it
    schedule: Schedule = field(init=False)
    rules_ask_who_sends: bool = field(init=False)
    _cleanings: dict[bool, Cleaning] = field(init=False, repr=False)
    _process: int = field(default_factory=os.getpid)
    _session_count: int = 0
    _room_rules: RoomRules = field(init=False)
    _room: DiskRoom | None = None
    _room_at_s: float = 0.0
    _is_short_of_room: bool = False
    _says_who: Callable[[str], bool] = field(init=False)
    _looked_at_s: float = float("-inf")
    _seen_at_s: dict[tuple[AccountId, str, str, str], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        settings = self.settings
        self.notices = Notices(get_log("smtp"), clock_s=self.clock_s)
        self.guessers = Guessers(
            self.ledger or PrivateLedger(),
            most=settings.smtp.max_unknown_per_hour,
            most_accepted=settings.smtp.max_copies_per_block_per_hour,
            clock_s=self.clock_s,
            wall_s=self.wall_s,
        )
        self._says_who = says_who(
            (*settings.auth.trusted_networks, *settings.relay.trusted_networks),
            {*self.gateways, *settings.connections.gateways},
        )
        self.seats = Seats(
            settings.connections,
            most=min(settings.smtp.max_connections, connections_for(descriptors_now())),
            listeners=self.listener_names,
            board=self.board or PeersBoard(None, now_s=self.clock_s()),
            says_who=self._says_who,
            is_known=self.is_known_block,
        )
        self.hostname = settings.service.hostname
        self.max_octets = int(settings.smtp.max_message_mib * MIB)
        self._room_rules = room_rules(settings.store)
        self.size_offer = f"SIZE {self.max_octets}"
        self.max_header_octets = settings.smtp.max_header_kib * KIB
        self.ours = OurDomains.of(settings, self.store.people)
        own_names = {fold_domain(self.hostname), *self.ours.names}
        self._cleanings = {
            is_submission: Cleaning(own_names, is_submission=is_submission)
            for is_submission in (True, False)
        }
        self.own_authors = OwnAuthors(self.ours.names)
        self.refused_authors = OwnAuthors(map(fold_domain, settings.smtp.refuse_own_domains))
        self.classes = Classes(settings.classes, grace_percent=settings.quota.grace_percent)
        self.schedule = make_schedule(settings.delivery)
        self.rules_ask_who_sends = ask_who_sends(settings.routes)
        self.spooling = Spooling(
            loop=self.loop,
            bodies=self.store.bodies,
            pool=self.pool,
            inline_limit_octets=settings.store.inline_limit_kib * KIB,
            memory=Memory(),
        )

    @property
    def is_capped(self) -> bool:
        """Do descriptors allow fewer connections than the settings?"""
        return connections_for(descriptors_now()) < self.settings.smtp.max_connections

    def believed_s(self) -> float:
        """Unix time by which stamps that outlive a wrong clock are made and read: one read."""
        return ServiceClock(self.store.clock, wall_s=self.wall_s).belief().believed_s

    def next_session_name(self) -> str:
        self._session_count += 1
        return f"{self._process}-{self._session_count}"

    def refresh_postmaster(self) -> None:
        """Look up who gets postmaster@ and abuse@."""
        account = self.store.accounts.find_account(self.settings.service.postmaster)
        self.postmaster = None if account is None else always_open(account)

    def first_tell(self, accepted_at_s: float) -> float:
        """When the sender of a copy that is still queued must hear of it first."""
        return self.schedule.next_tell(accepted_at_s=accepted_at_s, now_s=accepted_at_s)

    def cleaning(self, *, is_submission: bool, is_from_us: bool) -> Cleaning | None:
        """What goes out of a header block; a trusted network at mx may be our own filter."""
        if is_submission:
            return self._cleanings[True]
        return None if is_from_us else self._cleanings[False]

    def is_trusted(self, peer: str) -> bool:
        """Is it in a network that may relay without signing in?"""
        return is_in_networks(peer, self.settings.relay.trusted_networks)

    def may_guess(self, peer: str) -> bool:
        """Is it an address whose unknown recipients are counted?"""
        return bool(peer) and self._says_who(peer)

    def is_gateway(self, peer: str) -> bool:
        """May anybody stand behind this address?"""
        address = parse_ip(peer)
        if address is None:
            return False
        is_named = address in self.gateways or address in self.settings.connections.gateways
        return is_named or self.peers.is_gateway(peer)

    def may_relay_unsigned(self, peer: str) -> bool:
        return self.is_trusted(peer) and not self.is_gateway(peer)

    def has_room(self, expected_octets: int) -> bool:
        """Would the disk keep what is to stay free?  It is asked at most once a second."""
        now_s = self.clock_s()
        if self._room is None or now_s - self._room_at_s >= FREE_CHECK_S:
            self._room, self._room_at_s = self.store.bodies.disk_room(), now_s
            self._note_room(self._room)
        return self._room_rules.takes(self._room, expected_octets)

    def _note_room(self, room: DiskRoom) -> None:
        """One line when the disk becomes short, and one when it is not any more."""
        is_short = not self._room_rules.takes(room, 0)
        if is_short == self._is_short_of_room:
            return
        self._is_short_of_room = is_short
        facts = {
            "free_mib": room.free_octets // MIB,
            "reserve_mib": self.settings.store.min_free_mib,
        }
        if is_short:
            get_log("smtp").warning(
                "the disk is short: mail is put off with 452 until there is room", **facts
            )
        else:
            get_log("smtp").info("the disk has room again: mail is taken", **facts)

    def look_at_descriptors(self) -> None:
        """Once a second."""
        was_short = self.spares.is_short
        if self.spares.look() and not was_short:
            get_log("smtp").warning(
                "descriptors ran out: connections are turned away with 421",
                allowed=descriptors_now(),
            )

    def note_seen(self, granted: Granted, *, door: str, peer: str) -> None:
        """Remember the log-in, in the pool; the same one again within a minute is not news."""
        account_id, by_whom = granted.account_id, granted.by_whom
        key, now_s = (account_id, door, peer, by_whom), self.clock_s()
        seen_at_s = self._seen_at_s.get(key)
        if seen_at_s is not None and now_s - seen_at_s < SEEN_AGAIN_S:
            return
        if len(self._seen_at_s) >= _MAX_SEEN:
            self._seen_at_s.clear()
        self._seen_at_s[key] = now_s
        seen = LastSeen(door=door, peer=peer, at_s=self.wall_s(), by_whom=by_whom)
        self.pool.submit(_note_seen, self.store, account_id, seen)

    def sweep(self) -> None:
        """Look at every connection for silence."""
        now_s = self.clock_s()
        self.last_words.sweep(now_s=now_s)
        self.look_at_descriptors()
        looks = not 0 <= now_s - self._looked_at_s < LOOK_AGAIN_S
        if looks:
            self._looked_at_s = now_s
        for session in tuple(self.sessions):
            session.check_idleness(now_s)
            if looks:
                session.check_liveness(now_s)
        self.notices.sweep()

    def drain(self) -> None:
        """Accept nothing new: 421 at each connection's next command border."""
        self.is_draining = True
        for session in tuple(self.sessions):
            session.drain()


_MAX_SEEN = 10_000


def _note_seen(store: DoorStore, account_id: AccountId, seen: LastSeen) -> None:
    try:
        store.counters.note_seen(account_id, seen)
    except Exception as error:  # noqa: BLE001 - what may be lost never stops a log-in
        get_log("smtp").warning("log-in not noted", exc_info=error)
