"""The embedded store: everything of one service in one folder.

    mail.db, mail.db-wal, mail.db-shm   accounts, messages, copies, entries
    bodies/                             large bodies (see `mailserver.store.files.bodies`)
    scratch.db                          what may be lost
    trace.db                            the index of journeys, made from mail.db
    locks/<mailbox>                     maildrop locks
    locks/agent-<n>                     delivery agents that live
    wakeup                              a FIFO that tells them that something is due
    write.lock, keeper.lock             the write turn; who keeps house
    backup.lock                         held by a backup: no body's file is removed meanwhile

Open it once per process, after the fork.  SQLite's rules hold: nothing else in
the process opens these files by other means, and the folder is on a local disk.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from mailserver.settings.model import MIB, Settings
from mailserver.store.files.bodies import HOLD_LOCK, BodyFiles, sync_folder
from mailserver.store.files.private import make_private_file, make_private_folder
from mailserver.store.files.reserve import Reserve
from mailserver.store.files.room import LOGS, RoomRules, room_rules
from mailserver.store.moments import DEFAULT_RULES, MomentRules, moment_rules
from mailserver.store.ports.accounts import Account, AccountState, Credential, SignIn
from mailserver.store.ports.bodies import Spool
from mailserver.store.ports.errors import StoreFull
from mailserver.store.ports.history import Collection, Journey, Sightings
from mailserver.store.ports.mail import Listing, Maildrop, MaildropLock
from mailserver.store.ports.shared.scratch import LastSeen
from mailserver.store.ports.writes import Outcome, Write
from mailserver.store.sql.clock import SqlClock
from mailserver.store.sql.history.journeys import SqlJourneys
from mailserver.store.sql.history.tracing import SqlTracing
from mailserver.store.sql.lists.lists import SqlLists
from mailserver.store.sql.mail.bodies import SqlBodies
from mailserver.store.sql.mail.listing import SqlMailboxContents
from mailserver.store.sql.mail.mailboxes import SqlMailboxes
from mailserver.store.sql.mail.reclaim import SqlReclaimer
from mailserver.store.sql.mail.removed import SqlRemoved
from mailserver.store.sql.mail.writes import SqlWrites
from mailserver.store.sql.migrations import migrate
from mailserver.store.sql.moments import SqlMoments
from mailserver.store.sql.people.accounts import SqlDirectory
from mailserver.store.sql.people.recovery import SqlFirstPasswords, SqlRecovery
from mailserver.store.sql.people.targets import SqlTargets
from mailserver.store.sql.queue.acts import SqlQueueActs
from mailserver.store.sql.queue.agents import SqlAgents
from mailserver.store.sql.queue.policies import SqlPolicies
from mailserver.store.sql.queue.reads import SqlQueueReads
from mailserver.store.sql.queue.reports import SqlOwedReports
from mailserver.store.sql.queue.search import SqlQueueSearch
from mailserver.store.sqlite.engine import DATABASE, SqliteEngine
from mailserver.store.sqlite.locks import MaildropLocks
from mailserver.store.sqlite.log_index import is_in_use
from mailserver.store.sqlite.people import SqliteStoreOfPeople
from mailserver.store.sqlite.scratch import SqliteScratch
from mailserver.store.sqlite.slots import AgentSlots
from mailserver.store.sqlite.snapshot import SqliteBackups
from mailserver.store.sqlite.trace_index import SqliteTraceIndex
from mailserver.store.sqlite.upkeep import SqliteStoreUpkeep
from mailserver.store.sqlite.wakeup import WakeupPipe
from mailserver.values.ids import AcceptId, AccountId, MailboxId, MessageId, Uid

DAY_S = 86_400.0
RESERVE_FRACTION = 1 / 8
"""The reserve is as large as `LOGS` logs at their limit; never more than this part of the disk."""
START_OCTETS = 2 * MIB
"""What the first process needs: logs and their indexes, of three databases."""
DEFAULT_ROOM = RoomRules()
YEAR_S = 365.25 * DAY_S


def open_store(settings: Settings) -> SqliteStore:
    """Open the store that the settings name, made and migrated if need be.

    Raises:
        StoreUnavailable, StoreBroken: see `mailserver.store.ports`.
        OSError: the folder cannot be made or read.
    """
    return SqliteStore(
        settings.store.path,
        wal_limit_octets=settings.store.wal_limit_mib * MIB,
        keep_removed_s=settings.store.keep_removed_days * DAY_S,
        keep_history_s=settings.store.keep_history_days * DAY_S,
        room=room_rules(settings.store),
        sign_in_lifetime_s=settings.auth.cache_hours * 3600.0,
        expire_after_s=settings.delivery.expire_hours * 3600.0,
        quarantine_s=settings.directory.quarantine_years * YEAR_S,
        moments=moment_rules(settings.delivery, settings.passwords, settings.directory),
    )


class SqliteStore(SqliteStoreOfPeople, SqliteStoreUpkeep):
    """The `Store` port.  Its parts are made here and handed out as methods."""

    def __init__(
        self,
        folder: Path,
        *,
        wal_limit_octets: int = 64 * MIB,
        keep_removed_s: float = 7 * DAY_S,
        keep_history_s: float = 30 * DAY_S,
        sign_in_lifetime_s: float = DAY_S,
        expire_after_s: float = 5 * DAY_S,
        quarantine_s: float = 5 * YEAR_S,
        moments: MomentRules = DEFAULT_RULES,
        room: RoomRules = DEFAULT_ROOM,
    ) -> None:
        """quarantine_s: names of a deleted account are nobody's for so long."""
        self._folder = folder
        self._wal_limit_octets = wal_limit_octets
        self._keep_removed_s = keep_removed_s
        self._keep_history_s = keep_history_s
        self._sign_in_lifetime_s = sign_in_lifetime_s
        self._expire_after_s = expire_after_s
        self._files = BodyFiles(folder / "bodies")
        self._prepare_folder()
        self._room_rules = room
        wanted_octets = min(LOGS * wal_limit_octets, int(self._files.room()[1] * RESERVE_FRACTION))
        self._reserve = Reserve(folder / "reserve", wanted_octets=wanted_octets)
        self._engine = self._opened_engine()
        self._scratch = SqliteScratch(folder / "scratch.db")
        self._locks = MaildropLocks(folder / "locks", make_room=self._reserve.release)
        self._wakeup = WakeupPipe(folder / "wakeup")
        self._slots = AgentSlots(folder / "locks")
        self._writes = SqlWrites(self._engine, wake=self._wakeup.wake)
        self._bodies = SqlBodies(self._engine, self._files, self._scratch.faults)
        self._mailboxes = SqlMailboxes(self._engine, self._bodies.open)
        self._index = SqliteTraceIndex(folder / "trace.db")
        self._tracing = SqlTracing(
            self._engine, self._index, read_beginning=self._bodies.read_beginning
        )
        self._journeys = SqlJourneys(self._engine, self._tracing, collected=self._scratch.collected)
        self._directory = SqlDirectory(self._engine, quarantine_s=quarantine_s)
        self.lists = SqlLists(self._engine, wake=self._wakeup.wake)
        self._reclaimer = SqlReclaimer(
            self._engine, lock_maildrop=self._locks.lock_maildrop, unlink_all=self._files.unlink_all
        )
        self.backups = SqliteBackups(folder, self._files, self._bodies, self._scratch.faults)
        self._keeper_fd = -1
        self._next_shard = 0
        self._bind_hot_paths()
        self._bind_queue()
        self._bind_operators()
        self._bind_credentials()
        self._bind_people()
        self._bind_directory()
        clock = SqlClock(self._engine)
        self.read_clock = clock.read_clock
        self.write_clock = clock.write_clock
        self.newest_message = clock.newest_message
        self._moments = SqlMoments(self._engine, moments, wake=self._wakeup.wake)
        self.lift_moments = self._moments.lift_moments

    def _bind_hot_paths(self) -> None:
        """Calls that happen per command skip one frame."""
        self.find_mailbox = self._directory.find_mailbox
        targets = SqlTargets(self._engine)
        self.find_target = targets.find_target
        self.read_class = targets.read_class
        self.answerable_for = targets.answerable_for
        self.list_usage = targets.list_usage
        self.read_forward = targets.read_forward
        self.set_forward = targets.set_forward
        self.sent = self._scratch.sent
        self.repeats = self._scratch.repeats
        self.fetch = self._mailboxes.fetch
        self.open_maildrop = self._mailboxes.open_maildrop
        self.lock_maildrop: Callable[[MailboxId], MaildropLock | None] = self._locks.lock_maildrop
        contents = SqlMailboxContents(self._engine, self._bodies.read_beginning)
        self.list_items = contents.list_items
        removed = SqlRemoved(self._engine, as_item=contents.as_item)
        self.list_removed = removed.list_removed
        self.removed_uids = removed.removed_uids
        self.restore_removed = removed.restore_removed
        self.removed_room = removed.removed_room

    def _bind_queue(self) -> None:
        agents = SqlAgents(self._engine, self._slots, wake=self._wakeup.wake)
        self.register_agent = agents.register_agent
        self.renew_agent = agents.renew_agent
        self.take_over = agents.take_over
        self.resign_agent = agents.resign_agent
        reads = SqlQueueReads(self._engine, open_body=self._bodies.open)
        self.due_destinations = reads.due_destinations
        self.next_due = reads.next_due
        self.open_queued = reads.open_queued
        self.read_small = reads.read_small
        self.overdue = reads.overdue
        reports = SqlOwedReports(self._engine, expire_after_s=self._expire_after_s)
        self.owed_reports = reports.owed_reports
        self.wake_agents = self._wakeup.wake
        self.wakeup_fd = self._wakeup.fd

    def _bind_operators(self) -> None:
        search = SqlQueueSearch(self._engine)
        self.list_queue = search.list_queue
        self.count_queue = search.count_queue
        self.list_destinations = search.list_destinations
        acts = SqlQueueActs(self._engine, wake=self._wakeup.wake)
        self.act_on = acts.act_on
        self.suspend = acts.suspend
        self.resume = acts.resume
        policies = SqlPolicies(self._engine)
        self.read_sts_policy = policies.read_sts_policy
        self.write_sts_policy = policies.write_sts_policy
        self.forget_sts_policy = policies.forget_sts_policy

    def _bind_credentials(self) -> None:
        self.holds = self._directory.holds
        attempts = self._scratch.attempts
        self.read_failures = attempts.read_failures
        self.count_failing = attempts.count_failing
        self.note_failure = attempts.note_failure
        self.clear_failures = attempts.clear_failures
        self.take_turn = attempts.take_turn
        self.reserve_failure = attempts.reserve_failure
        self.return_failure = attempts.return_failure
        self.name_key = attempts.name_key
        self.read_asked = attempts.read_asked
        self.note_asked = attempts.note_asked
        self.count_act = attempts.count_act
        self.read_act = attempts.read_act
        self.note_log_in = attempts.note_log_in
        self.log_ins = attempts.log_ins
        recovery = SqlRecovery(self._engine)
        self.read_subject = recovery.read_subject
        self.read_recovery_address = recovery.read_recovery_address
        self.prove_address = recovery.prove_address
        self.remove_recovery_address = recovery.remove_recovery_address
        self.add_code = recovery.add_code
        self.try_code = recovery.try_code
        self.count_try = recovery.count_try
        self.use_code = recovery.use_code
        self.end_codes = recovery.end_codes
        self.forget_codes = recovery.forget_codes
        first_passwords = SqlFirstPasswords(self._engine)
        self.start_grace = first_passwords.start_grace
        self.due_warnings = first_passwords.due_warnings
        self.mark_warned = first_passwords.mark_warned
        self.has_numens = first_passwords.has_numens
        self.count_numen_passwords = first_passwords.count_numen_passwords
        self.read_quick_numens = first_passwords.read_quick_numens
        self.replace_numens = first_passwords.replace_numens

    def _opened_engine(self) -> SqliteEngine:
        """Also on a full disk: people must be able to remove what fills it."""
        is_first = not is_in_use(str(self._folder / DATABASE))
        if is_first and self._files.room()[0] < START_OCTETS:
            self._reserve.release()
        try:
            return self._open_engine()
        except StoreFull:
            if not self._reserve.release():
                raise
        return self._open_engine()

    def _open_engine(self) -> SqliteEngine:
        limit_octets = self._wal_limit_octets
        engine = SqliteEngine(self._folder, log_limit_octets=limit_octets, reserve=self._reserve)
        try:
            migrate(engine)
        except BaseException:
            engine.close()
            raise
        return engine

    def _prepare_folder(self) -> None:
        if not self._folder.is_dir():
            self._folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            make_private_folder(self._folder)
            sync_folder(str(self._folder.parent))
        make_private_folder(self._folder / "locks")
        self._files.prepare()
        make_private_file(self._folder / HOLD_LOCK)  # now: on a full disk there may be no room
        sync_folder(str(self._folder))

    # Writes

    def apply(self, batch: Sequence[Write]) -> list[Outcome]:
        return self._writes.apply(batch)

    def apply_waiting(self, take: Callable[[], Sequence[Write]]) -> list[Outcome]:
        return self._writes.apply_waiting(take)

    def find_accepted(self, accept_id: AcceptId) -> MessageId | None:
        return self._writes.find_accepted(accept_id)

    # Bodies

    def open_spool(self) -> Spool:
        return self._files.open_spool()

    # Mailboxes

    def list_maildrop(self, maildrop: Maildrop) -> Listing:
        return self._mailboxes.list_maildrop(maildrop)

    # Journeys

    def journey(self, accept_id: AcceptId) -> Journey | None:
        return self._journeys.journey(accept_id)

    def journeys_of(self, address: str, *, limit: int) -> Sightings:
        return self._journeys.journeys_of(address, limit=limit)

    def journeys_named(self, header_id: str, *, limit: int) -> Sightings:
        return self._journeys.journeys_named(header_id, limit=limit)

    # Directory and credentials

    def find_sign_in(self, user_name_key: str) -> SignIn | None:
        return self._directory.find_sign_in(user_name_key)

    def owns_address(self, account_id: AccountId, address_key: str) -> bool:
        return self._directory.owns_address(account_id, address_key)

    def spelling_of(self, address_key: str) -> str:
        return self._directory.spelling_of(address_key)

    def find_account(self, identifier: str) -> Account | None:
        return self._directory.find_account(identifier)

    def list_accounts(self) -> Iterator[Account]:
        return self._directory.list_accounts()

    def count_accounts(self) -> int:
        return self._directory.count_accounts()

    def add_account(
        self, *, identifier: str, name: str, addresses: Sequence[str], now_s: float
    ) -> Account:
        return self._directory.add_account(
            identifier=identifier, name=name, addresses=addresses, now_s=now_s
        )

    def add_address(self, account_id: AccountId, address: str, *, now_s: float) -> None:
        self._directory.add_address(account_id, address, now_s=now_s)

    def set_state(self, account_id: AccountId, state: AccountState) -> None:
        self._directory.set_state(account_id, state)

    def delete_account(self, account_id: AccountId, *, now_s: float) -> None:
        self._directory.delete_account(account_id, now_s=now_s)

    def read_credential(self, account_id: AccountId) -> Credential | None:
        return self._directory.read_credential(account_id)

    def write_credential(
        self, account_id: AccountId, *, verifier: str, must_change: bool
    ) -> Credential:
        return self._directory.write_credential(
            account_id, verifier=verifier, must_change=must_change
        )

    def replace_verifier(self, account_id: AccountId, *, version: int, verifier: str) -> None:
        self._directory.replace_verifier(account_id, version=version, verifier=verifier)

    # Scratch

    def recall_sign_in(self, digest: bytes, *, now_s: float, lifetime_s: float) -> bool:
        return self._scratch.recall_sign_in(digest, now_s=now_s, lifetime_s=lifetime_s)

    def keep_sign_in(self, digest: bytes, *, now_s: float) -> None:
        self._scratch.keep_sign_in(digest, now_s=now_s)

    def note_seen(self, account_id: AccountId, seen: LastSeen) -> None:
        self._scratch.note_seen(account_id, seen)

    def knows_block(self, peer: str, *, since_s: float) -> bool:
        return self._scratch.knows_block(peer, since_s=since_s)

    def last_seen(self, account_id: AccountId) -> tuple[LastSeen, ...]:
        return self._scratch.last_seen(account_id)

    def note_collected(
        self, mailbox_id: MailboxId, uids: Iterable[int], collection: Collection
    ) -> None:
        self._scratch.note_collected(mailbox_id, uids, collection)

    def collected(self, mailbox_id: MailboxId, uid: Uid) -> tuple[Collection, ...]:
        return self._scratch.collected(mailbox_id, uid)

    def report(self, source: str, values: dict[str, float], *, now_s: float) -> None:
        self._scratch.report(source, values, now_s=now_s)

    def read_reports(self) -> dict[str, tuple[float, dict[str, float]]]:
        return self._scratch.read_reports()

    def close(self) -> None:
        self._scratch.close()
        self._index.close()
        self._slots.close()
        self._wakeup.close()
        self._engine.close()
        if self._keeper_fd >= 0:
            os.close(self._keeper_fd)
            self._keeper_fd = -1
