"""Sending limits at the final dot: count what leaves, hold what is too much, tell the people once.

Three statements on the scratch database, which all workers share, for a message that
leaves; it may be lost and never decides whether mail is kept.  Accounts whose class has
no limits cost nothing here.

    a recipient elsewhere    counted, and held over the limit
    a list                   the same, as one recipient: whom it has, nobody says here
    a list's other addresses neither: a moderator's answer, who joins or leaves
    one of our mailboxes     neither, nor the copy that its holder has sent on elsewhere
"""

from __future__ import annotations

from collections.abc import Iterator

from mailserver.auth.gate import Granted
from mailserver.quota.notice import NoticeReader, sending_held
from mailserver.quota.sending import Passed, decide_held, why_held
from mailserver.store.ports.writes import Outcome
from mailserver.telemetry.log import get_log
from mailserver.values.address import Address
from mailserver.values.organisation import Organisation
from smtp_relay.inbound.service import Service
from smtp_relay.inbound.transaction.policy import Onward
from smtp_relay.inbound.transaction.transaction import Transaction

LOG = get_log("smtp")


def why_over_limit(
    service: Service, account: Granted | None, transaction: Transaction, now_s: float
) -> str:
    """Why the copies that the account itself sends elsewhere are held; empty: they are not."""
    if account is None:
        return ""
    limits = service.classes.of(service.store.people.read_class(account.account_id))
    recipients = list(_recipients_elsewhere(transaction)) if limits.limits_sending else []
    if not recipients:
        return ""
    sent = service.store.counters.sent.count_sent(
        account.account_id,
        recipients,
        meets=limits.new_recipients_per_day > 0,
        now_s=now_s,
    )
    passed = decide_held(limits, sent)
    if passed is None:
        return ""
    reason = why_held(passed, identifier=account.identifier)
    if service.store.counters.sent.begin_over_limit(account.account_id, now_s=now_s):
        LOG.warning("sending limit passed", account=account.identifier, reason=reason)
        service.pool.submit(_tell, service, account.identifier, passed, now_s)
    return reason


def _recipients_elsewhere(transaction: Transaction) -> Iterator[str]:
    for recipient, route in zip(transaction.rcpt_tos, transaction.routes, strict=True):
        if isinstance(route, Onward) and route.is_counted:
            local, _, domain = recipient.rpartition("@")
            yield Address(local, domain).key


def _tell(service: Service, identifier: str, passed: Passed, now_s: float) -> None:
    """In the pool: the account, and whoever answers for it, else postmaster."""
    try:
        said = service.settings.service
        organisation = Organisation(
            hostname=service.hostname, domain=said.domain, time_zone=said.time_zone
        )
        for reader in _readers(service, identifier, now_s):
            letter = sending_held(
                organisation,
                reader,
                identifier=identifier,
                passed=passed,
                accept_id=service.accept_ids.make(now_s),
                now_s=now_s,
            )
            service.writer.submit(letter, _told)
    except Exception:  # the mail is held all the same
        LOG.exception("sending limit not told", account=identifier)


def _told(outcome: Outcome) -> None:
    """Nobody waits for it."""


def _readers(service: Service, identifier: str, now_s: float) -> Iterator[NoticeReader]:
    names = [identifier, *service.store.people.answerable_for(identifier, now_s=now_s)]
    if len(names) == 1:
        names.append(service.settings.service.postmaster)
    for name in dict.fromkeys(names):
        account = service.store.accounts.find_account(name)
        if account is not None:
            address = (
                account.addresses[0] if account.addresses else f"{name}@{service.ours.principal}"
            )
            yield NoticeReader(
                mailbox_id=account.inbox_id,
                address=address,
                language=service.settings.service.language,
            )
