"""Who forwards is told, once a month, that something stays in their mailbox.

Counted in the scratch first, once a day, so that a thousand messages cost one look at the
account's history, where the month is kept.  In the pool, behind the commit: mail waits for none
of it.  The letter is deposited; it is no mail that anybody forwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mailserver.quota.notice import NoticeReader
from mailserver.quota.staying import StayReason, something_stays
from mailserver.store.ports.people import Event
from mailserver.store.ports.writes import Accepted, Outcome
from mailserver.telemetry.log import get_log
from mailserver.values.ids import AccountId
from mailserver.values.organisation import Organisation
from smtp_relay.inbound.service import Service

TOLD: Final = "told that mail stays"
DAY_S: Final = 86_400.0
MONTH_S: Final = 30 * DAY_S
_BY_WHOM: Final = "service"
_HISTORY_LIMIT: Final = 1000


@dataclass(frozen=True, slots=True)
class Stay:
    """A forward that withheld a message."""

    holder: AccountId
    why: StayReason


def tell_later(service: Service, stays: Sequence[Stay], reverse_path: str, *, now_s: float) -> None:
    """In the pool."""
    service.pool.submit(_tell_holders, service, tuple(stays), reverse_path, now_s)


def _tell_holders(service: Service, stays: Sequence[Stay], reverse_path: str, now_s: float) -> None:
    for stay in {stay.holder: stay for stay in stays}.values():
        try:
            _tell(service, stay, reverse_path, now_s)
        except Exception as error:  # noqa: BLE001 - the mail is in the mailbox all the same
            get_log("smtp").warning("holder not told", account=stay.holder, exc_info=error)


def _tell(service: Service, stay: Stay, reverse_path: str, now_s: float) -> None:
    store, holder = service.store, stay.holder
    if store.counters.count_act(f"stays:{holder}", now_s=now_s, window_s=DAY_S) > 1:
        return
    events = store.people.history(holder, limit=_HISTORY_LIMIT)
    if any(event.what == TOLD and event.at_s > now_s - MONTH_S for event in events):
        return
    subject = store.recovery.read_subject(holder)
    if subject is None:
        return
    said = service.settings.service
    language = said.language
    if subject.language in {"fr", "en"}:
        language = "fr" if subject.language == "fr" else "en"
    letter = something_stays(
        Organisation(hostname=service.hostname, domain=said.domain, time_zone=said.time_zone),
        NoticeReader(
            mailbox_id=subject.inbox_id,
            address=subject.address or f"{subject.identifier}@{service.ours.principal}",
            language=language,
        ),
        why=stay.why,
        reverse_path=reverse_path,
        accept_id=service.accept_ids.make(now_s),
        now_s=now_s,
    )
    event = Event(at_s=now_s, by_whom=_BY_WHOM, what=TOLD, details=stay.why.name.lower())

    def told(outcome: Outcome) -> None:
        if isinstance(outcome, Accepted):
            service.pool.submit(store.people.note, holder, event)

    service.writer.submit(letter, told)
