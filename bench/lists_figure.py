"""One post to a large list: how long until every member has it.

A store of its own and the expander over it, in this process, with the group
commit of the service: nothing else competes, and the network has no part in it.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.report import Figure
from bench.side import BenchError
from mailserver.lists.addresses import addresses_of, next_hop_of
from mailserver.routing.local import OurDomains
from mailserver.store.commit import Committer, Settled
from mailserver.store.ports.lists import Joining, MailingList, Posting
from mailserver.store.ports.writes import Accepted
from mailserver.store.sqlite.store import SqliteStore
from mailserver.values.ids import AcceptId, AccountId, ListId, make_accept_id
from mailserver.values.message import Acceptance, BodyFacts, InlineBody, NewCopy, Relay
from smtp_relay.delivery.lists.expander import Expander
from smtp_relay.delivery.lists.post import ListContext

MAX_S = 60.0
DOMAIN = "ac-exemple.fr"
LIST = f"tous@{DOMAIN}"
_POST = b"From: a@ac-exemple.fr\r\nSubject: essai\r\n\r\n" + b"Bonjour a tous.\r\n" * 200
_FIRST_ACCOUNT = 1_000
_FILL = (
    (
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
        " INSERT INTO account (account_id, identifier, identifier_key, name, state, inbox_id,"
        " created_at_s, credential_version, must_change)"
        " SELECT i + 1000, 'p' || i, 'p' || i, 'P', 'active', i + 1000, 0, 1, 0 FROM n"
    ),
    (
        "INSERT INTO mailbox (mailbox_id, account_id, name, epoch, next_uid, modseq, entry_count,"
        " octets) SELECT inbox_id, account_id, 'INBOX', 'e', 1, 0, 0, 0 FROM account"
        " WHERE account_id > ?"
    ),
    (
        "INSERT INTO address (address_key, address, account_id, mailbox_id, position)"
        " SELECT identifier || '@ac-exemple.fr', identifier || '@ac-exemple.fr', account_id,"
        " inbox_id, 0 FROM account WHERE account_id > ?"
    ),
    (
        "INSERT INTO list_member (list_id, account_id, address, address_key, gets_mail,"
        " stopped_why, bounce_count) SELECT 1, account_id, '', '#' || account_id, 1, '', 0"
        " FROM account WHERE account_id > ?"
    ),
)


def measure_list(folder: Path, count: int) -> Figure:
    """Raises:
    BenchError: a member has not exactly one copy.
    """
    store = SqliteStore(folder)
    try:
        _fill(store, count)
        seconds = _expand(store)
        rows = store._engine.read(  # noqa: SLF001 - no port counts mailboxes
            "SELECT count(*) FROM mailbox WHERE mailbox_id > ? AND entry_count = 1",
            (_FIRST_ACCOUNT,),
        )
        if rows != [(count,)]:
            raise BenchError(f"{rows[0][0]} of {count} members have one copy")
    finally:
        store.close()
    return Figure(
        key="list",
        title=f"one message to a list of {count:,} local members, in every mailbox",
        value=seconds,
        unit="s",
        limit=f"at most {MAX_S:g} s",
        passed=seconds <= MAX_S,
    )


def _fill(store: SqliteStore, count: int) -> None:
    """Straight into the tables: making accounts is not what is measured."""
    owner = store.accounts.add_account(
        identifier="chef", name="Chef", addresses=[f"chef@{DOMAIN}"], now_s=time.time()
    )
    which = MailingList(
        list_id=ListId(0),
        address=LIST,
        prefix="tous",
        description="",
        language="fr",
        posting=Posting.MEMBERS,
        joining=Joining.CLOSED,
        is_hidden=False,
        archive_account_id=None,
        secret=b"secret",
        created_at_s=time.time(),
    )
    store.lists.add_list(which, addresses=addresses_of(LIST), owner=owner.account_id)
    engine = store._engine  # noqa: SLF001 - no port makes accounts this fast
    with engine.write_turn(), engine.transaction() as connection:
        for statement, value in zip(_FILL, (count, *[_FIRST_ACCOUNT] * 3), strict=True):
            connection.execute(statement, (value,))


def _expand(store: SqliteStore) -> float:
    committer = Committer(store.writes, deliver=_deliver, on_broken=lambda: None)
    committer.start()
    try:
        with ThreadPoolExecutor(1) as pool:
            expander = _open_expander(store, committer, pool)
            (outcome,) = store.writes.apply([_post(store)])
            if not isinstance(outcome, Accepted):
                raise BenchError("the post was not accepted")
            began_s = time.monotonic()
            expander.due(store.queue.due_destinations(now_s=time.time(), limit=1))
        return time.monotonic() - began_s
    finally:
        committer.stop()


def _open_expander(store: SqliteStore, committer: Committer, pool: ThreadPoolExecutor) -> Expander:
    now_s = time.time()
    return Expander(
        store=store,
        submit=committer.submit,
        agent_id=store.queue.register_agent(now_s=now_s, until_s=now_s + 600),
        pool=pool,
        context=ListContext(
            hostname=f"mail.{DOMAIN}",
            ours=OurDomains(frozenset({DOMAIN}), DOMAIN),
            rules=(),
            inline_limit_octets=16 * 1024,
            max_hops=30,
            open_spool=store.bodies.open_spool,
            sign=None,
            expires_at=lambda at_s: at_s + 432_000.0,
        ),
        is_strict=lambda _domain: False,
        make_id=_make_id,
        wall_s=time.time,
        ends_s=time.time,
        on_broken=lambda: None,
    )


def _post(store: SqliteStore) -> Acceptance:
    chef = store.accounts.find_account("chef")
    which = store.lists.all_lists()[0]
    now_s = time.time()
    route = Relay(next_hop=next_hop_of(which.list_id), turn_at_s=now_s, tell_at_s=now_s + 432_000.0)
    return Acceptance(
        accept_id=_make_id(),
        accepted_at_s=now_s,
        return_path=b"Return-Path: <chef@ac-exemple.fr>\r\n",
        head=b"Received: from bench by mail.ac-exemple.fr\r\n",
        body=InlineBody(_POST),
        facts=BodyFacts(
            header_octets=_POST.index(b"\r\n\r\n") + 4,
            ends_with_crlf=True,
            is_8bit=False,
            has_nul=False,
            longest_line_octets=0,
            dotted_line_count=0,
        ),
        reverse_path=f"chef@{DOMAIN}",
        account_id=AccountId(0) if chef is None else chef.account_id,
        peer="127.0.0.1",
        door="submission",
        smtputf8=False,
        copies=(NewCopy(recipient=LIST, route=route),),
    )


def _make_id() -> AcceptId:
    return make_accept_id(time.time(), os.urandom(9))


def _deliver(batch: Settled) -> None:
    for done, outcome in batch:
        done(outcome)
