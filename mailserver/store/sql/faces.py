"""The parts of a store that statements make up, put together: the same for every engine.

A part hands out the methods of what it is made of as its own, so that a call
that happens per command skips one frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from mailserver.store.moments import MomentRules
from mailserver.store.ports.history import Collections
from mailserver.store.ports.shared.locks import Slots
from mailserver.store.sql.clock import SqlClock
from mailserver.store.sql.engine import Engine
from mailserver.store.sql.history.journeys import SqlJourneys
from mailserver.store.sql.history.tracing import SqlTracing
from mailserver.store.sql.mail.bodies import SqlBodies
from mailserver.store.sql.mail.listing import SqlMailboxContents
from mailserver.store.sql.mail.mailboxes import SqlMailboxes
from mailserver.store.sql.mail.removed import SqlRemoved
from mailserver.store.sql.moments import SqlMoments
from mailserver.store.sql.people.imports import SqlPeople
from mailserver.store.sql.people.kinds import SqlKinds
from mailserver.store.sql.people.names import SqlNames
from mailserver.store.sql.people.outside import SqlOutsiders
from mailserver.store.sql.people.recovery import SqlFirstPasswords, SqlRecovery
from mailserver.store.sql.people.relations import SqlRelations
from mailserver.store.sql.people.search import SqlPeopleSearch
from mailserver.store.sql.people.targets import SqlTargets
from mailserver.store.sql.queue.acts import SqlQueueActs
from mailserver.store.sql.queue.agents import SqlAgents
from mailserver.store.sql.queue.reads import SqlQueueReads
from mailserver.store.sql.queue.reports import SqlOwedReports
from mailserver.store.sql.queue.search import SqlQueueSearch
from mailserver.values.calendar import Calendar


class MailFace:
    """The `Mail` port."""

    def __init__(self, engine: Engine, bodies: SqlBodies) -> None:
        mailboxes = SqlMailboxes(engine, bodies.open)
        self.fetch = mailboxes.fetch
        self.open_maildrop = mailboxes.open_maildrop
        self.list_maildrop = mailboxes.list_maildrop
        contents = SqlMailboxContents(engine, bodies.read_beginning)
        self.list_items = contents.list_items
        removed = SqlRemoved(engine, as_item=contents.as_item)
        self.list_removed = removed.list_removed
        self.removed_uids = removed.removed_uids
        self.restore_removed = removed.restore_removed
        self.removed_room = removed.removed_room


class Wakeup(Protocol):
    """How agents are told that something may be due."""

    def wake(self) -> None: ...

    def fd(self) -> int: ...


class QueueFace:
    """The `QueueAndOperators` port."""

    def __init__(
        self,
        engine: Engine,
        bodies: SqlBodies,
        *,
        slots: Slots,
        wakeup: Wakeup,
        expire_after_s: float,
    ) -> None:
        agents = SqlAgents(engine, slots, wake=wakeup.wake)
        self.register_agent = agents.register_agent
        self.renew_agent = agents.renew_agent
        self.take_over = agents.take_over
        self.resign_agent = agents.resign_agent
        reads = SqlQueueReads(engine, open_body=bodies.open)
        self.due_destinations = reads.due_destinations
        self.next_due = reads.next_due
        self.open_queued = reads.open_queued
        self.read_small = reads.read_small
        self.overdue = reads.overdue
        reports = SqlOwedReports(engine, expire_after_s=expire_after_s)
        self.owed_reports = reports.owed_reports
        self.wake_agents = wakeup.wake
        self.wakeup_fd = wakeup.fd
        search = SqlQueueSearch(engine)
        self.list_queue = search.list_queue
        self.count_queue = search.count_queue
        self.list_destinations = search.list_destinations
        acts = SqlQueueActs(engine, wake=wakeup.wake)
        self.act_on = acts.act_on
        self.suspend = acts.suspend
        self.resume = acts.resume


class PeopleFace:
    """The `PeopleAndUnits` port."""

    def __init__(self, engine: Engine, calendar: Calendar) -> None:
        self._bind_imports(engine, calendar)
        self._bind_directory(engine)
        targets = SqlTargets(engine)
        self.find_target = targets.find_target
        self.read_class = targets.read_class
        self.answerable_for = targets.answerable_for
        self.list_usage = targets.list_usage
        self.read_forward = targets.read_forward
        self.set_forward = targets.set_forward
        outsiders = SqlOutsiders(engine)
        self.find_outside = outsiders.find_outside
        self.note_served = outsiders.note_served

    def _bind_imports(self, engine: Engine, calendar: Calendar) -> None:
        names = SqlNames(engine)
        self.who_had = names.who_had
        self.last_homonym = names.last_homonym
        self.given_to = names.given_to
        people = SqlPeople(engine, calendar)
        self.read_subjects = people.read_subjects
        self.read_person = people.read_person
        self.read_unit = people.read_unit
        self.find_doc = people.find_doc
        self.due_lives = people.due_lives
        self.begin_import = people.begin_import
        self.apply_changes = people.apply_changes
        self.end_import = people.end_import
        self.last_import = people.last_import
        self.list_imports = people.list_imports
        self.begin_undo = people.begin_undo
        self.read_changes = people.read_changes
        self.undo_changes = people.undo_changes
        self.put = people.put

    def _bind_directory(self, engine: Engine) -> None:
        search = SqlPeopleSearch(engine)
        self.find_unit = search.find_unit
        self.child_units = search.child_units
        self.search_people = search.search_people
        self.search_units = search.search_units
        self.find_person = search.find_person
        relations = SqlRelations(engine)
        self.relate = relations.relate
        self.end_relation = relations.end_relation
        self.relations_of = relations.relations_of
        self.relations_over = relations.relations_over
        self.is_below = relations.is_below
        self.note = relations.note
        self.history = relations.history
        kinds = SqlKinds(engine)
        self.set_kind = kinds.set_kind
        self.name_over = kinds.name_over


class RecoveryFace:
    """The `RecoveryAndFirstPasswords` port."""

    def __init__(self, engine: Engine) -> None:
        recovery = SqlRecovery(engine)
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
        first_passwords = SqlFirstPasswords(engine)
        self.start_grace = first_passwords.start_grace
        self.due_warnings = first_passwords.due_warnings
        self.mark_warned = first_passwords.mark_warned
        self.has_numens = first_passwords.has_numens
        self.count_numen_passwords = first_passwords.count_numen_passwords
        self.read_quick_numens = first_passwords.read_quick_numens
        self.replace_numens = first_passwords.replace_numens


class HistoryFace:
    """The `History` port."""

    def __init__(self, engine: Engine, tracing: SqlTracing, collections: Collections) -> None:
        journeys = SqlJourneys(engine, tracing, collected=collections.collected)
        self.journey = journeys.journey
        self.journeys_of = journeys.journeys_of
        self.journeys_named = journeys.journeys_named
        self.note_collected = collections.note_collected
        self.collected = collections.collected


class BoundsCounters(Protocol):
    """The moments of what may be lost."""

    def bound_moments(self, *, now_s: float) -> int: ...


class ClockFace:
    """The `Clock` port."""

    def __init__(
        self,
        engine: Engine,
        rules: MomentRules,
        counters: BoundsCounters,
        *,
        wake: Callable[[], None],
    ) -> None:
        row = SqlClock(engine)
        self.read_clock = row.read_clock
        self.write_clock = row.write_clock
        self.newest_message = row.newest_message
        self._moments = SqlMoments(engine, rules, wake=wake)
        self._counters = counters
        self.lift_moments = self._moments.lift_moments

    def bound_moments(
        self, clock: Callable[[], float], *, only_waits: bool = False
    ) -> Iterator[int]:
        if not only_waits:
            yield self._counters.bound_moments(now_s=clock())
        yield from self._moments.bound_moments(clock, only_waits=only_waits)
