"""What this door asks of the store, part by part: no more than it needs."""

from __future__ import annotations

from typing import Protocol

from mailserver.recovery.facts import Subjects
from mailserver.store.clock import ClockRow
from mailserver.store.outside import Outsiders
from mailserver.store.ports.accounts import Account, Credential
from mailserver.store.ports.bodies import Bodies
from mailserver.store.ports.lists import ListLookUps
from mailserver.store.ports.people import Event
from mailserver.store.ports.shared.repeats import Remembers
from mailserver.store.ports.shared.scratch import LastSeen
from mailserver.store.ports.shared.sending import SentCounts
from mailserver.store.ports.targets import Target
from mailserver.values.ids import AccountId


class DoorPeople(Outsiders, Protocol):
    """Where an address leads, who answers for whom, and what is noted of it."""

    def find_target(self, address_key: str) -> Target | None: ...

    def read_class(self, account_id: AccountId) -> str: ...

    def answerable_for(self, identifier: str, *, now_s: float) -> list[str]: ...

    def history(self, account_id: AccountId, *, limit: int) -> list[Event]: ...

    def note(self, account_id: AccountId, event: Event) -> None: ...


class DoorAccounts(Protocol):
    """Whose an address is, and whether a sign-in still holds."""

    def owns_address(self, account_id: AccountId, address_key: str) -> bool: ...

    def spelling_of(self, address_key: str) -> str: ...

    def find_account(self, identifier: str) -> Account | None: ...

    def read_credential(self, account_id: AccountId) -> Credential | None: ...

    def holds(self, account_id: AccountId, mailbox_account: AccountId, *, now_s: float) -> bool: ...


class DoorCounters(Remembers, Protocol):
    """What this door counts, over all processes."""

    @property
    def sent(self) -> SentCounts: ...

    def count_act(self, key: str, *, now_s: float, window_s: float) -> int: ...

    def read_act(self, key: str, *, now_s: float, window_s: float) -> int: ...

    def note_seen(self, account_id: AccountId, seen: LastSeen) -> None: ...

    def report(self, source: str, values: dict[str, float], *, now_s: float) -> None: ...


class DoorStore(Protocol):
    """What this door asks of the store."""

    @property
    def bodies(self) -> Bodies: ...

    @property
    def people(self) -> DoorPeople: ...

    @property
    def accounts(self) -> DoorAccounts: ...

    @property
    def counters(self) -> DoorCounters: ...

    @property
    def lists(self) -> ListLookUps: ...

    @property
    def recovery(self) -> Subjects: ...

    @property
    def clock(self) -> ClockRow: ...
