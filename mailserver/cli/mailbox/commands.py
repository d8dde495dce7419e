"""`mailserver mailbox`: what stands in a mailbox, for people who answer for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailserver.cli.access import account_named, opened_store, read_settings
from mailserver.cli.mailbox.headers import headers_of
from mailserver.cli.mailbox.removed import list_removed, restore
from mailserver.cli.moments import clock, iso
from mailserver.cli.options import ConfigOption, IdentifierArgument, JsonOption
from mailserver.values.text.escaping import shown

if TYPE_CHECKING:
    from mailserver.store.ports.accounts import Account
    from mailserver.store.ports.mail import Item, Span
    from mailserver.store.ports.people import Relation
    from mailserver.store.ports.store import PeopleAndUnits, Store

app = typer.Typer(
    help="What stands in mailboxes, what was removed from them, and putting it back.",
    no_args_is_help=True,
)
app.command("removed")(list_removed)
app.command("restore")(restore)

FromCorrespondentOption = Annotated[
    bool,
    typer.Option(
        "--from-correspondent",
        help="Only what their management correspondents sent while they were so.",
    ),
]
LimitOption = Annotated[
    int, typer.Option(metavar="N", min=1, max=10_000, help="At most so many, the latest first.")
]


@app.command("list")
def list_messages(
    identifier: IdentifierArgument,
    *,
    from_correspondent: FromCorrespondentOption = False,
    limit: LimitOption = 50,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the messages of a mailbox: when, from whom, subject, octets. Opens none of them.

    Who sent a message is who was signed in when it was submitted; what its From
    field says is shown and decides nothing.
    """
    with opened_store(read_settings(config)) as store:
        account = account_named(store.accounts, identifier)
        only = spans_of(store, account) if from_correspondent else None
        items = store.mail.list_items(account.inbox_id, before=None, limit=limit, only=only)
    for item in items:
        facts = _facts(item)
        print(json.dumps(facts, ensure_ascii=False) if as_json else _line(item, facts))


def spans_of(store: Store, account: Account) -> list[Span]:
    """Whose messages are from a management correspondent, from when to when.

    Of the person, of the units of their posts, and of every unit above those.
    """
    from mailserver.store.ports.mail import Span
    from mailserver.store.ports.people import RelationKind

    return [
        Span(account_id=one.account_id, since_s=one.since_s, until_s=one.until_s)
        for one in _relations_over(store.people, account)
        if one.kind is RelationKind.MANAGER
    ]


def _relations_over(people: PeopleAndUnits, account: Account) -> list[Relation]:
    found = {one.relation_id: one for one in people.relations_over(account_id=account.account_id)}
    person = people.find_person(account.identifier)
    codes = [post.unit_code for post in person.posts] if person else []
    while codes:
        code = codes.pop()
        unit = people.find_unit(code)
        if unit is None:
            continue
        for one in people.relations_over(unit_id=unit.unit_id):
            found[one.relation_id] = one
        if unit.doc.parent_code:
            codes.append(unit.doc.parent_code)
    return list(found.values())


def _facts(item: Item) -> dict[str, Any]:
    author, subject = headers_of(item.header)
    return {
        "uid": item.uid,
        "at": iso(item.accepted_at_s),
        "submitted_by": item.submitter_identifier or None,
        "from": author,
        "subject": subject,
        "octets": item.size_octets,
    }


def _line(item: Item, facts: dict[str, Any]) -> str:
    who = f"[{item.submitter_identifier}] " if item.submitter_identifier else ""
    author, subject = shown(facts["from"]), shown(facts["subject"])
    return f"{clock(item.accepted_at_s)}  {item.size_octets:>9}  {who}{author}  {subject}"
