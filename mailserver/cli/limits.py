"""`mailserver limits`: accounts that passed a sending limit; release what is held, or lock them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from mailserver.cli.access import account_named, opened_store, read_settings
from mailserver.cli.directory.subjects import by_whom
from mailserver.cli.moments import clock
from mailserver.cli.options import ConfigOption, IdentifierArgument, JsonOption
from mailserver.cli.queue import acts
from mailserver.texts.catalogue import Text

if TYPE_CHECKING:
    from mailserver.store.ports.accounts import Account
    from mailserver.store.ports.operators import Act, Operators, QueueAndOperators, QueuedCopy
    from mailserver.store.ports.store import Store

app = typer.Typer(help="Accounts that sent more than their class allows.", no_args_is_help=True)

ReturnOption = Annotated[
    bool, typer.Option("--return", help="Tell the senders of what is held that it did not leave.")
]
AllOption = Annotated[
    bool, typer.Option("--all", help="Also what waits in the queue and was never held.")
]
ReasonOption = Annotated[
    str, typer.Option(metavar="TEXT", help="Why, for the journey and for the senders.")
]
_LOCKED = Text(fr="le compte a été bloqué", en="the account was locked")


@app.command("list")
def list_over(*, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the accounts that are over a limit, since when, and what is held."""
    with opened_store(read_settings(config)) as store:
        since = store.counters.sent.over_limit()
        for account in store.accounts.list_accounts():
            at_s = since.get(account.account_id)
            count = sum(1 for _ in _held(store.queue, account)) if at_s is not None else 0
            if at_s is None:
                continue
            if as_json:
                facts = {"identifier": account.identifier, "since_s": at_s, "held": count}
                print(json.dumps(facts))
            else:
                print(f"{account.identifier:<20} since {clock(at_s)}  {acts.counted(count)} held")


@app.command()
def release(identifier: IdentifierArgument, *, config: ConfigOption = None) -> None:
    """Let go what is held of this account, and begin its counts anew."""
    from mailserver.store.ports.operators import Act

    with opened_store(read_settings(config)) as store:
        account = account_named(store.accounts, identifier)
        count = _act(store, account, Act.RELEASE, "released: the sender was checked")
        store.counters.sent.forget_sent(account.account_id)
    print(f"{account.identifier}: {acts.counted(count)} released, counts begin anew")


@app.command()
def lock(
    identifier: IdentifierArgument,
    *,
    give_back: ReturnOption = False,
    everything: AllOption = False,
    reason: ReasonOption = "",
    config: ConfigOption = None,
) -> None:
    """Suspend the account, end its sessions, and cancel what is held of it (or return it).

    With --all, what waits for another try, too.  What a session under way has not finished
    sending is refused.
    """
    from mailserver.store.ports.accounts import AccountState
    from mailserver.store.ports.operators import Act
    from mailserver.store.ports.people import Event

    settings = read_settings(config)
    why = acts.checked_reason(reason or _LOCKED.in_language(settings.service.language))
    with opened_store(settings) as store:
        account = account_named(store.accounts, identifier)
        store.accounts.set_state(account.account_id, AccountState.SUSPENDED)
        suspended = Event(at_s=time.time(), by_whom=by_whom(), what="suspended", details=why)
        store.people.note(account.account_id, suspended)
        act = Act.RETURN if give_back else Act.CANCEL
        count = _act(store, account, act, why)
        if everything:
            count += _act_on(store.queue, _waiting(store.queue, account), act, why)
        store.counters.sent.forget_sent(account.account_id)
    done = "returned" if give_back else "cancelled"
    print(f"{account.identifier}: suspended, {acts.counted(count)} {done}")


def _act(store: Store, account: Account, act: Act, reason: str) -> int:
    return _act_on(store.queue, _held(store.queue, account), act, reason)


def _act_on(queue: Operators, copies: Iterator[QueuedCopy], act: Act, reason: str) -> int:
    """Slice by slice, each durable before the next."""
    from mailserver.store.ports.operators import Deed

    deed = Deed(act=act, by=acts.whoever(), reason=reason, at_s=time.time())
    refs = [copy.ref for copy in copies]
    done = 0
    for start in range(0, len(refs), acts.SLICE):
        done += len(queue.act_on(refs[start : start + acts.SLICE], deed))
    return done


def _waiting(queue: QueueAndOperators, account: Account) -> Iterator[QueuedCopy]:
    """All that is queued under an address of the account."""
    from mailserver.store.ports.operators import QueueFilter
    from mailserver.values.address import Address

    parts = (address.rpartition("@") for address in account.addresses)
    filters = [QueueFilter(sender=Address(local, domain).key) for local, _, domain in parts]
    return acts.copies_in(queue, filters, limit=acts.SLICE)


def _held(queue: QueueAndOperators, account: Account) -> Iterator[QueuedCopy]:
    """By account, not by the words of the reason: its identifier may have changed since."""
    from mailserver.quota.sending import HELD_PREFIX
    from mailserver.store.ports.operators import QueueFilter
    from mailserver.store.ports.queue import Lane

    mine = QueueFilter(lane=Lane.HELD, account_id=account.account_id)
    held = acts.copies_in(queue, [mine], limit=acts.SLICE)
    return (copy for copy in held if copy.reason.startswith(HELD_PREFIX))
