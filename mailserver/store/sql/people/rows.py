"""From a slice in memory to its rows: a constant number of statements for each chunk.

unit, account, mailbox    new ones first: they get their numbers
address                   of whoever's changed: all of them anew
post, relation            ended and begun; nothing that ended is deleted
given_name, homonym       what was touched
account_event             one line each
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

from mailserver.store.ports.accounts import AccountState
from mailserver.store.ports.people import Life, PersonDoc, RelationKind
from mailserver.store.sql.bulk import insert, select
from mailserver.store.sql.engine import Connection
from mailserver.store.sql.people.decide import NO_SIGN_IN
from mailserver.store.sql.people.documents import AccountDraft, Node
from mailserver.store.sql.people.names import (
    address_key,
    free_former,
    write_homonyms,
    write_names,
)
from mailserver.store.sql.people.slice import Happened, Slice, display_name
from mailserver.values.address import fold_local
from mailserver.values.words import search_key

INBOX: Final = "INBOX"
EPOCH_OCTETS: Final = 5

_Rows = list[Sequence[Any]]

_INSERT_UNITS = """
    INSERT INTO unit (code, kind, name, name_key, nature, street, postcode, town, town_key,
        telephone, web_site, is_hidden, closed_at_s, is_gone)
    {rows:text text text text text text text text text text text integer real integer}
    RETURNING unit_id, code"""
_UPDATE_UNITS = """
    WITH new (unit_id, kind, name, name_key, nature, street, postcode, town, town_key, telephone,
        web_site, is_hidden, closed_at_s, is_gone) AS ({rows:integer text text text text text
        text text text text text integer real integer})
    UPDATE unit SET kind = new.kind, name = new.name, name_key = new.name_key,
        nature = new.nature, street = new.street, postcode = new.postcode, town = new.town,
        town_key = new.town_key, telephone = new.telephone, web_site = new.web_site,
        is_hidden = new.is_hidden, closed_at_s = new.closed_at_s, is_gone = new.is_gone
    FROM new WHERE unit.unit_id = new.unit_id"""
_PLACE_UNITS = """
    WITH new (unit_id, parent_id, account_id) AS ({rows:integer integer integer})
    UPDATE unit SET parent_id = new.parent_id, account_id = new.account_id
    FROM new WHERE unit.unit_id = new.unit_id"""
_INSERT_ACCOUNTS = """
    INSERT INTO account (identifier, identifier_key, name, state, created_at_s,
        credential_version, must_change, kind, source_key, given_name, surname, name_key, class,
        language, life, life_since_s, life_until_s, is_hidden, telephone, verifier)
    {rows:text text text text real integer integer text text text text text text text text real
        real integer text text} RETURNING account_id, identifier_key"""
_UPDATE_ACCOUNTS = """
    WITH new (account_id, identifier, identifier_key, name, given_name, surname, name_key, class,
        language, life, life_since_s, life_until_s, is_hidden, telephone, verifier, bump)
        AS ({rows:integer text text text text text text text text text real real integer text
        text integer})
    UPDATE account SET identifier = new.identifier, identifier_key = new.identifier_key,
        name = new.name, given_name = new.given_name, surname = new.surname,
        name_key = new.name_key, class = new.class, language = new.language, life = new.life,
        life_since_s = new.life_since_s, life_until_s = new.life_until_s,
        is_hidden = new.is_hidden, telephone = new.telephone,
        verifier = coalesce(account.verifier, new.verifier),
        must_change = CASE WHEN account.verifier IS NULL AND new.verifier IS NOT NULL THEN 1
            ELSE must_change END,
        credential_version = credential_version + new.bump
    FROM new WHERE account.account_id = new.account_id"""
_INSERT_MAILBOXES = """
    INSERT INTO mailbox (account_id, name, epoch, next_uid, modseq, entry_count, octets)
    {rows:integer text text integer integer integer integer} RETURNING account_id, mailbox_id"""
_SET_INBOXES = """
    WITH new (account_id, mailbox_id) AS ({rows:integer integer})
    UPDATE account SET inbox_id = new.mailbox_id FROM new
    WHERE account.account_id = new.account_id"""
_DELETE_ADDRESSES = "DELETE FROM address WHERE account_id IN ({rows:integer})"
_INSERT_ADDRESSES = """
    INSERT INTO address (address_key, address, account_id, mailbox_id, position) {rows:text text
        integer integer integer}"""
_END_POSTS = """
    WITH ended (account_id, unit_id, function, subject, at_s) AS ({rows:integer integer text
        text real})
    UPDATE post SET until_s = ended.at_s FROM ended
    WHERE post.account_id = ended.account_id AND post.unit_id = ended.unit_id
        AND post.function = ended.function AND post.subject = ended.subject
        AND post.until_s IS NULL"""
# One that begins again in the second in which it ended never ended.
_BEGIN_POSTS = """
    INSERT INTO post (account_id, unit_id, function, function_key, subject, since_s)
    {rows:integer integer text text text real}
    ON CONFLICT (account_id, unit_id, function, subject, since_s) DO UPDATE SET until_s = NULL"""
_END_RELATIONS = f"""
    WITH ended (account_id, unit_id, at_s) AS ({{rows:integer integer real}})
    UPDATE relation SET until_s = ended.at_s FROM ended
    WHERE relation.account_id = ended.account_id AND relation.of_unit = ended.unit_id
        AND relation.kind = '{RelationKind.CORRESPONDENT.value}' AND relation.until_s IS NULL"""
_BEGIN_RELATIONS = """
    INSERT INTO relation (kind, account_id, of_unit, since_s) {rows:text integer integer real}"""
# Those with an end of their own are in no document: they end with the posts in the unit.
_CUT_RELATIONS = f"""
    WITH parted (account_id, unit_id, at_s, run_id) AS ({{rows:integer integer real integer}})
    UPDATE relation SET until_s = parted.at_s, cut_until_s = relation.until_s,
        cut_by_run = parted.run_id
    FROM parted
    WHERE relation.account_id = parted.account_id AND relation.of_unit = parted.unit_id
        AND relation.kind = '{RelationKind.CORRESPONDENT.value}'
        AND relation.until_s > parted.at_s
    RETURNING relation.account_id, relation.of_unit"""
_MEND_RELATIONS = """
    WITH back (account_id, unit_id, run_id) AS ({rows:integer integer integer})
    UPDATE relation SET until_s = relation.cut_until_s, cut_until_s = NULL, cut_by_run = NULL
    FROM back
    WHERE relation.account_id = back.account_id AND relation.of_unit = back.unit_id
        AND relation.cut_by_run = back.run_id
    RETURNING relation.account_id, relation.of_unit"""
_LAST_EVENTS = """
    SELECT account_id, max(number) FROM account_event WHERE account_id IN ({rows:integer})
    GROUP BY account_id"""
_INSERT_EVENTS = """
    INSERT INTO account_event (account_id, number, at_s, by_whom, what, details) {rows:integer
        integer real text text text}"""


def write(connection: Connection, state: Slice) -> None:
    """Write what became of the slice, inside the caller's transaction."""
    members = [one for one in state.members() if one.doc is not one.was]
    nodes = [one for one in state.units.values() if _is_changed(one)]
    free_former(connection, sorted(state.former))
    _write_new_units(connection, nodes)
    _write_changed_units(connection, nodes)
    _write_accounts(connection, state, members)
    _write_mailboxes(connection, members)
    _place_units(connection, state, nodes)
    _write_addresses(connection, state, members)
    _write_posts(connection, state, members)
    _write_relations(connection, state, members)
    _write_dated_relations(connection, state, members)
    write_names(connection, ((key, state.names[key]) for key in sorted(state.touched)))
    write_homonyms(connection, state.homonyms)
    _write_events(connection, state)


def _is_changed(node: Node) -> bool:
    return node.doc is not node.was or node.is_gone != node.was_gone


# --- units ------------------------------------------------------------------------


def _write_new_units(connection: Connection, nodes: Iterable[Node]) -> None:
    new = {node.doc.code: node for node in nodes if node.unit_id < 0}
    rows = [(code, *_unit_row(node)) for code, node in new.items()]
    for unit_id, code in select(connection, _INSERT_UNITS, rows):
        new[code].unit_id = unit_id


def _write_changed_units(connection: Connection, nodes: Iterable[Node]) -> None:
    changed = [node for node in nodes if node.was is not None]
    insert(connection, _UPDATE_UNITS, [(node.unit_id, *_unit_row(node)) for node in changed])


def _unit_row(node: Node) -> Sequence[Any]:
    doc = node.doc
    return (
        doc.kind,
        doc.name,
        search_key(doc.name, doc.code),
        doc.nature,
        doc.street,
        doc.postcode,
        doc.town,
        search_key(doc.town),
        doc.telephone,
        doc.web_site,
        int(doc.is_hidden),
        node.closed_at_s,
        int(node.is_gone),
    )


def _place_units(connection: Connection, state: Slice, nodes: Iterable[Node]) -> None:
    """Parents and accounts, which may be of this very slice."""
    rows = []
    for node in nodes:
        parent = state.units[node.doc.parent_code].unit_id if node.doc.parent_code else None
        account_id = None if node.member is None else node.member.account_id
        rows.append((node.unit_id, parent, account_id))
    insert(connection, _PLACE_UNITS, rows)


# --- accounts ---------------------------------------------------------------------


def _write_accounts(connection: Connection, state: Slice, members: Iterable[AccountDraft]) -> None:
    """New ones get their numbers, and so do the names that they were given."""
    new = {fold_local(one.doc.identifier): one for one in members if one.was is None}
    rows = [_new_row(state, one) for one in new.values()]
    changed = [_changed_row(state, one) for one in members if one.was is not None]
    insert(connection, _UPDATE_ACCOUNTS, changed)
    numbers: dict[int, int] = {}
    for account_id, key in select(connection, _INSERT_ACCOUNTS, rows):
        member = new[key]
        numbers[member.account_id] = account_id
        member.account_id = account_id
    for key in state.touched:
        name = state.names[key]
        name.account_id = numbers.get(name.account_id, name.account_id)


def _new_row(state: Slice, member: AccountDraft) -> Sequence[Any]:
    doc = member.doc
    return (
        doc.identifier,
        fold_local(doc.identifier),
        display_name(doc),
        AccountState.ACTIVE.value,
        state.moment.now_s,
        1,
        int(member.verifier is not None),
        member.kind.value,
        doc.source_key or None,
        *_common(member),
        member.verifier,
    )


def _changed_row(state: Slice, member: AccountDraft) -> Sequence[Any]:
    doc, was = member.doc, member.was
    key = fold_local(doc.identifier)
    bump = was is not None and (doc.life in NO_SIGN_IN) != (was.life in NO_SIGN_IN)
    return (
        member.account_id,
        doc.identifier,
        key if _is_theirs(state, member, key) else None,
        display_name(doc),
        *_common(member),
        member.verifier,
        int(bump),
    )


def _common(member: AccountDraft) -> Sequence[Any]:
    doc = member.doc
    return (
        doc.given_name,
        doc.surname,
        search_key(doc.surname, doc.given_name),
        doc.class_name,
        doc.language,
        doc.life.value,
        member.life_since_s,
        doc.life_until_s,
        int(doc.is_hidden),
        doc.telephone,
    )


def _is_theirs(state: Slice, member: AccountDraft, key: str) -> bool:
    """Does the name still lead to this account?  Of those who are gone, somebody may have it."""
    row = state.names.get(key)
    return row is not None and row.account_id == member.account_id


def _write_mailboxes(connection: Connection, members: Iterable[AccountDraft]) -> None:
    new = {one.account_id: one for one in members if one.inbox_id is None}
    rows = [(one, INBOX, secrets.token_hex(EPOCH_OCTETS), 1, 0, 0, 0) for one in new]
    made = select(connection, _INSERT_MAILBOXES, rows)
    for account_id, mailbox_id in made:
        new[account_id].inbox_id = mailbox_id
    insert(connection, _SET_INBOXES, made)


def _write_addresses(connection: Connection, state: Slice, members: Iterable[AccountDraft]) -> None:
    """Those of somebody who is gone stay, and lead nowhere."""
    changed = [one for one in members if _has_other_addresses(one)]
    rows: _Rows = []
    for member in changed:
        mailbox_id = None if member.is_gone else member.inbox_id
        for position, address in enumerate(member.doc.addresses):
            key = address_key(address)
            if _is_theirs(state, member, key):
                rows.append((key, address, member.account_id, mailbox_id, position))
    insert(connection, _DELETE_ADDRESSES, [(one.account_id,) for one in changed])
    insert(connection, _INSERT_ADDRESSES, rows)


def _has_other_addresses(member: AccountDraft) -> bool:
    was = member.was
    if was is None:
        return True
    return was.addresses != member.doc.addresses or (was.life is Life.GONE) != member.is_gone


# --- posts and relations ------------------------------------------------------------


def _write_posts(connection: Connection, state: Slice, members: Iterable[AccountDraft]) -> None:
    now_s = state.moment.now_s
    ended: _Rows = []
    begun: _Rows = []
    for member in members:
        old = set(member.was.posts) if member.was is not None else set()
        new = set(member.doc.posts)
        for post in old - new:
            unit_id = state.units[post.unit_code].unit_id
            ended.append((member.account_id, unit_id, post.function, post.subject, now_s))
        for post in new - old:
            unit_id = state.units[post.unit_code].unit_id
            key = search_key(post.function)
            begun.append((member.account_id, unit_id, post.function, key, post.subject, now_s))
    insert(connection, _END_POSTS, ended)
    insert(connection, _BEGIN_POSTS, begun)


def _write_relations(connection: Connection, state: Slice, members: Iterable[AccountDraft]) -> None:
    now_s, kind = state.moment.now_s, RelationKind.CORRESPONDENT.value
    ended: _Rows = []
    begun: _Rows = []
    for member in members:
        old = set(member.was.correspondent_of) if member.was is not None else set()
        new = set(member.doc.correspondent_of)
        ended += [(member.account_id, state.units[c].unit_id, now_s) for c in old - new]
        begun += [(kind, member.account_id, state.units[c].unit_id, now_s) for c in new - old]
    insert(connection, _END_RELATIONS, ended)
    insert(connection, _BEGIN_RELATIONS, begun)


def _write_dated_relations(
    connection: Connection, state: Slice, members: Iterable[AccountDraft]
) -> None:
    """A correspondent until a day is so no longer where they part from the unit before."""
    moment = state.moment
    known = [one for one in members if one.was is not None]
    parted: _Rows = []
    back: _Rows = []
    for member in known:
        was, now = _units_of_posts(member.was), _units_of_posts(member.doc)
        for code in was - now - set(member.doc.correspondent_of):
            unit_id = state.units[code].unit_id
            parted.append((member.account_id, unit_id, moment.now_s, moment.run_id))
        if moment.is_undo:
            back += [(member.account_id, state.units[c].unit_id, moment.run_id) for c in now - was]
    people = {one.account_id: one for one in known}
    codes = {node.unit_id: code for code, node in state.units.items()}
    for account_id, unit_id in select(connection, _CUT_RELATIONS, parted):
        state.note(people[account_id], "correspondent", f"of {codes[unit_id]} no longer")
    for account_id, unit_id in select(connection, _MEND_RELATIONS, back):
        state.note(people[account_id], "correspondent", f"of {codes[unit_id]}")


def _units_of_posts(doc: PersonDoc | None) -> set[str]:
    return set() if doc is None else {post.unit_code for post in doc.posts}


# --- history --------------------------------------------------------------


def _write_events(connection: Connection, state: Slice) -> None:
    of_account: dict[int, list[Happened]] = defaultdict(list)
    for event in state.events:
        of_account[event.member.account_id].append(event)
    last: dict[int, int] = dict(select(connection, _LAST_EVENTS, [(one,) for one in of_account]))
    moment = state.moment
    rows = [
        (account_id, number, moment.now_s, moment.by_whom, event.what, event.details)
        for account_id, events in of_account.items()
        for number, event in enumerate(events, last.get(account_id, 0) + 1)
    ]
    insert(connection, _INSERT_EVENTS, rows)
