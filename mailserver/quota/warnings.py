"""One letter when a mailbox passes 80 and 95 % of its quota: a chore of the keeper.

What was told stands in the account's history, so a restart tells nothing
twice.  Below `EASED_PERCENT` the account may be warned again: without that
margin, one at the border would be told with every message.  A crash between
the letter and its note repeats one letter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

from mailserver.quota.classes import Classes, percent_used
from mailserver.quota.notice import NoticeReader, nearly_full
from mailserver.store.ports.accounts import Account
from mailserver.store.ports.people import Event
from mailserver.store.ports.targets import Usage
from mailserver.store.ports.writes import Accepted, Outcome, Write
from mailserver.texts.catalogue import Language
from mailserver.values.ids import AccountId, make_accept_id
from mailserver.values.organisation import Organisation

LEVELS: Final = (95, 80)
EASED_PERCENT: Final = 75
EVERY_S: Final = 600.0
TOLD: Final = "quota warning"
EASED: Final = "quota eased"
BY_WHOM: Final = "service"
_RANDOM_OCTETS: Final = 9
_HISTORY_LIMIT: Final = 1000


class FindsAccount(Protocol):
    def find_account(self, identifier: str) -> Account | None: ...


class UsageAndEvents(Protocol):
    def list_usage(self) -> Iterator[Usage]: ...

    def history(self, account_id: AccountId, *, limit: int) -> list[Event]: ...

    def note(self, account_id: AccountId, event: Event) -> None: ...


class Applies(Protocol):
    def apply(self, batch: Sequence[Write]) -> list[Outcome]: ...


class WarnedStore(Protocol):
    @property
    def accounts(self) -> FindsAccount: ...

    @property
    def people(self) -> UsageAndEvents: ...

    @property
    def writes(self) -> Applies: ...


class QuotaWarner:
    """Remembers what was told, after one look at the history of each account."""

    def __init__(
        self,
        store: WarnedStore,
        classes: Classes,
        organisation: Organisation,
        language: Language,
        *,
        draw: Callable[[int], bytes],
    ) -> None:
        self._store = store
        self._classes = classes
        self._organisation = organisation
        self._language = language
        self._draw = draw
        self._levels: dict[AccountId, int] = {}
        self._next_s = 0.0

    def step(self, *, now_s: float, clock_s: float) -> int:
        """Look at every account, if it is time to; returns how many were told.

        now_s: Unix time, for the letters.  clock_s: monotonic, for the pace.
        """
        if clock_s < self._next_s or not self._classes.has_quotas:
            return 0
        self._next_s = clock_s + EVERY_S
        return sum(self._look_at(one, now_s) for one in self._store.people.list_usage())

    def _look_at(self, one: Usage, now_s: float) -> bool:
        limits = self._classes.of(one.class_name)
        percent = percent_used(limits, used_octets=one.octets, used_count=one.count)
        if percent is None:
            return False
        told = self._told(one.account_id)
        level = next((level for level in LEVELS if percent >= level), 0)
        if level > told:
            return self._tell(one, level, percent, now_s)
        if told and percent < EASED_PERCENT:
            self._note(one.account_id, EASED, "", now_s)
            self._levels[one.account_id] = 0
        return False

    def _told(self, account_id: AccountId) -> int:
        known = self._levels.get(account_id)
        if known is None:
            events = self._store.people.history(account_id, limit=_HISTORY_LIMIT)
            last = next((event for event in events if event.what in {TOLD, EASED}), None)
            known = int(last.details) if last is not None and last.what == TOLD else 0
            self._levels[account_id] = known
        return known

    def _tell(self, one: Usage, level: int, percent: float, now_s: float) -> bool:
        account = self._store.accounts.find_account(one.identifier)
        if account is None or not account.addresses:
            return False
        reader = NoticeReader(
            mailbox_id=one.inbox_id,
            address=account.addresses[0],
            language=self._language_of(one),
        )
        accept_id = make_accept_id(now_s, self._draw(_RANDOM_OCTETS))
        letter = nearly_full(
            self._organisation, reader, percent=int(percent), accept_id=accept_id, now_s=now_s
        )
        (outcome,) = self._store.writes.apply([letter])
        if not isinstance(outcome, Accepted):
            return False
        self._note(one.account_id, TOLD, str(level), now_s)
        self._levels[one.account_id] = level
        return True

    def _language_of(self, one: Usage) -> Language:
        if one.language == "fr":
            return "fr"
        return "en" if one.language == "en" else self._language

    def _note(self, account_id: AccountId, what: str, details: str, now_s: float) -> None:
        event = Event(at_s=now_s, by_whom=BY_WHOM, what=what, details=details)
        self._store.people.note(account_id, event)
