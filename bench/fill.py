"""Accounts and messages in bulk, straight into a store, before its service starts.

Run as a program, so that the store is open in no process of the bench:

    python -m bench.fill accounts CONFIG   names on stdin, one a line
    python -m bench.fill mailbox CONFIG NAME COUNT
    python -m bench.fill queue CONFIG COUNT HOP ...    copies in turn to each next hop
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.side import DOMAIN, PASSWORD
from mailserver.auth.passwords import hash_password
from mailserver.routing.rules import ROUTE_PREFIX
from mailserver.settings.load import load_settings
from mailserver.store.open import open_store
from mailserver.store.ports.store import Store
from mailserver.store.ports.writes import Accepted
from mailserver.values.ids import make_accept_id
from mailserver.values.message import Acceptance, BodyFacts, Deposit, InlineBody, NewCopy, Relay
from mailserver.values.secret import Secret

_BATCH = 500  # messages to a commit
_HEADER = b"From: <eleve@ailleurs.example>\r\nSubject: remplissage\r\n\r\n"
_BODY = _HEADER + b"Une ligne ordinaire.\r\n" * 8
_FACTS = BodyFacts(
    header_octets=len(_HEADER),
    ends_with_crlf=True,
    is_8bit=False,
    has_nul=False,
    longest_line_octets=40,
    dotted_line_count=0,
)


def add_accounts(store: Store, names: Sequence[str]) -> None:
    """One password, hashed once, for all of them."""
    verifier = hash_password(Secret(PASSWORD))
    for name in names:
        account = store.accounts.add_account(
            identifier=name, name=name, addresses=[f"{name}@{DOMAIN}"], now_s=time.time()
        )
        store.accounts.write_credential(account.account_id, verifier=verifier, must_change=False)


def fill_mailbox(store: Store, name: str, count: int) -> None:
    """Deposit `count` small messages, `_BATCH` to a commit."""
    account = store.accounts.find_account(name)
    if account is None:
        raise SystemExit(f"fill: no account {name}")
    for first in range(0, count, _BATCH):
        size = min(_BATCH, count - first)
        route = Deposit(mailbox_id=account.inbox_id)
        copy = NewCopy(recipient=f"{name}@{DOMAIN}", route=route)
        _accept(store, [make_message(copy) for _ in range(size)])


def fill_queue(store: Store, hops: Sequence[str], count: int) -> None:
    """Queue `count` small messages of one copy each, spread evenly over the next hops."""
    for first in range(0, count, _BATCH):
        numbers = range(first, min(first + _BATCH, count))
        _accept(store, [make_message(queued(hops[n % len(hops)])) for n in numbers])


def queued(hop: str) -> NewCopy:
    """A copy that waits for its first try to this next hop."""
    now_s = time.time()
    domain = "ailleurs.example" if hop.startswith(ROUTE_PREFIX) else hop
    route = Relay(next_hop=hop, turn_at_s=now_s, tell_at_s=now_s + 7200)
    return NewCopy(recipient=f"abonne@{domain}", route=route)


def make_message(copy: NewCopy) -> Acceptance:
    """A small message with one copy, accepted now."""
    now_s = time.time()
    return Acceptance(
        accept_id=make_accept_id(now_s, os.urandom(9)),
        accepted_at_s=now_s,
        return_path=b"Return-Path: <eleve@ailleurs.example>\r\n",
        head=b"Received: from bench\r\n",
        body=InlineBody(_BODY),
        facts=_FACTS,
        reverse_path="eleve@ailleurs.example",
        account_id=None,
        peer="127.0.0.1",
        door="mx",
        smtputf8=False,
        copies=(copy,),
    )


def _accept(store: Store, messages: Sequence[Acceptance]) -> None:
    if not all(isinstance(outcome, Accepted) for outcome in store.writes.apply(messages)):
        raise SystemExit("fill: the store refused a message")


def with_store(config: Path, work: Callable[[Store], None]) -> None:
    """Open the store that the settings file names, and close it after `work`."""
    store = open_store(load_settings(config))
    try:
        work(store)
    finally:
        store.close()


def main(arguments: Sequence[str]) -> int:
    match arguments:
        case ["accounts", config]:
            names = sys.stdin.read().split()
            with_store(Path(config), lambda store: add_accounts(store, names))
        case ["mailbox", config, name, count]:
            with_store(Path(config), lambda store: fill_mailbox(store, name, int(count)))
        case ["queue", config, count, *hops]:
            with_store(Path(config), lambda store: fill_queue(store, hops, int(count)))
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
