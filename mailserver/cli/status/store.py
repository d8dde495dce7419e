"""What `status` finds in the store: the clock, a lost key, the queue, who has no password."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from mailserver.settings.check.finding import Finding, note, warning

if TYPE_CHECKING:
    from mailserver.settings.model import Settings
    from mailserver.store.ports.operators import DestinationState
    from mailserver.store.ports.store import Store
    from mailserver.values.ids import AccountId

MANY_COPIES: Final = 10_000
LEFT_LYING_S: Final = 900.0
SLACK: Final = 1.5
"""A rest may be this much longer than the longest of the schedule: they are scattered by chance."""
MINUTE_S: Final = 60.0


def check_store(settings: Settings, store: Store, *, now_s: float) -> Iterator[Finding]:
    """All of it, the most important first."""
    from mailserver.auth.numen_key import lost_key_warning
    from mailserver.cli.status.bodies import body_warnings
    from mailserver.cli.status.clock import clock_warnings
    from mailserver.store.clock import ServiceClock
    from mailserver.store.outside import folded_domains, outside_warnings

    for sentence in clock_warnings(ServiceClock(store.clock).belief()):
        yield warning("clock", sentence)
    if (lost := lost_key_warning(settings.auth.numen_key, store.recovery)) is not None:
        yield warning("auth.numen_key", lost)
    for sentence in body_warnings(store.backups):
        yield warning("store.path", sentence)
    for sentence in outside_warnings(settings, store.people.find_outside(folded_domains(settings))):
        yield warning("service.domain", sentence)
    yield from check_postmaster(settings, store)
    yield from check_queue(settings, store.queue.list_destinations(), now_s=now_s)


def check_postmaster(settings: Settings, store: Store) -> Iterator[Finding]:
    """Somebody must read what is sent to postmaster@ (RFC 5321 §4.5.1)."""
    from mailserver.store.ports.accounts import AccountState

    identifier = settings.service.postmaster
    account = store.accounts.find_account(identifier)
    if account is None:
        yield warning(
            "service.postmaster",
            f"there is no account {identifier}: mail to postmaster@ and abuse@ is refused;"
            f" `mailserver account add {identifier} ...`, or name another account",
        )
    elif account.state is not AccountState.ACTIVE:
        yield warning(
            "service.postmaster",
            f"{identifier} is {account.state.value}: nobody reads mail to postmaster@ and abuse@;"
            f" `mailserver account resume {identifier}`, or name another account",
        )
    elif not _can_be_read(store, account.account_id):
        yield warning(
            "service.postmaster",
            f"{identifier} has no password: nobody reads mail to postmaster@ and abuse@;"
            f" `mailserver account passwd {identifier}`",
        )


def _can_be_read(store: Store, account_id: AccountId) -> bool:
    """With a password of its own, or because it goes on to somebody."""
    credential = store.accounts.read_credential(account_id)
    has_password = credential is not None and credential.verifier is not None
    return has_password or bool(store.people.read_forward(account_id)[0])


def check_queue(
    settings: Settings, hops: list[DestinationState], *, now_s: float
) -> Iterator[Finding]:
    """What waits for longer than it should."""
    waiting = sum(hop.first_count + hop.waiting_count + hop.leased_count for hop in hops)
    if settings.delivery.processes == 0 and waiting:
        yield warning(
            "delivery.processes",
            f"0: nothing leaves this machine, and {waiting:,} copies wait; write 1",
        )
    elif waiting >= MANY_COPIES:
        yield warning(
            "queue",
            f"{waiting:,} copies wait for other servers: `mailserver queue destinations` says why",
        )
    held = sum(hop.held_count for hop in hops)
    if held:
        yield note("queue", f"{held:,} copies are held: `mailserver queue list --state held`")
    for hop in hops:
        yield from _check_hop(settings, hop, now_s)


def _check_hop(settings: Settings, hop: DestinationState, now_s: float) -> Iterator[Finding]:
    longest_s = max(settings.delivery.retry_minutes) * MINUTE_S * SLACK
    waiting = hop.first_count + hop.waiting_count
    if hop.suspended_until_s is not None:
        if waiting:
            yield note(
                "queue",
                f"{hop.next_hop} is suspended, and {waiting:,} copies wait for it:"
                f" `mailserver queue resume {hop.next_hop}`",
            )
        return
    if not waiting:
        return
    if hop.not_before_s - now_s > longest_s:
        yield warning(
            "queue",
            f"{hop.next_hop} rests for longer than the schedule lets it, and {waiting:,} copies"
            f" wait for it: `mailserver queue retry --to {hop.next_hop}`",
        )
    due_s = max(hop.next_due_at_s or now_s, hop.not_before_s)
    if settings.delivery.processes and now_s - due_s > LEFT_LYING_S and not hop.leased_count:
        minutes = (now_s - due_s) / MINUTE_S
        yield warning(
            "queue",
            f"{waiting:,} copies for {hop.next_hop} have been due for {minutes:,.0f} minutes, and"
            " nobody takes them: does the delivery agent run, and does it answer?",
        )
