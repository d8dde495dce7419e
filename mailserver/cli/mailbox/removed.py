"""`mailserver mailbox removed` and `restore`: what programs deleted, and putting it back."""

from __future__ import annotations

import json
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailserver.cli.access import account_named, opened_store, read_settings
from mailserver.cli.directory.subjects import calendar_of
from mailserver.cli.mailbox.headers import headers_of
from mailserver.cli.mistake import Failure, Mistake
from mailserver.cli.moments import clock, iso, parse_moment
from mailserver.cli.options import ConfigOption, IdentifierArgument, JsonOption
from mailserver.values.text.escaping import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mailserver.settings.model import Settings
    from mailserver.store.ports.accounts import Account
    from mailserver.store.ports.mail import RemovedBy, RemovedItem
    from mailserver.store.ports.shared.locks import Locks
    from mailserver.store.ports.store import PeopleAndUnits, Store
    from mailserver.values.ids import MailboxId, Uid

SinceOption = Annotated[
    str | None,
    typer.Option(
        metavar="WHEN", help="What was removed since: 2h, 3d, 2026-11-24, or '2026-11-24 08:30'."
    ),
]
LimitOption = Annotated[
    int, typer.Option(metavar="N", min=1, max=10_000, help="At most so many, the latest first.")
]
UidsArgument = Annotated[
    list[int] | None,
    typer.Argument(metavar="[UID]...", min=1, help="As `mailbox removed` shows them."),
]
AllOption = Annotated[bool, typer.Option("--all", help="Everything that can be put back.")]
AsNewOption = Annotated[
    bool,
    typer.Option(
        "--as-new",
        help="Under another UIDL: a program that has collected a message before collects it again.",
    ),
]
DAY_S = 86_400.0
WAIT_FOR_MAILDROP_S = 30.0
_LOOK_AGAIN_S = 0.1


def list_removed(
    identifier: IdentifierArgument,
    *,
    since: SinceOption = None,
    limit: LimitOption = 50,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what was removed from a mailbox and can be put back: UID, when, until when, by whom."""
    settings = read_settings(config)
    since_s = _moment(since, settings)
    with opened_store(settings) as store:
        mailbox_id = account_named(store.accounts, identifier).inbox_id
        items = store.mail.list_removed(mailbox_id, since_s=since_s, limit=limit + 1)
    for item in items[:limit]:
        facts = _facts(item, keep_s=settings.store.keep_removed_days * DAY_S)
        print(json.dumps(facts, ensure_ascii=False) if as_json else _line(item, facts))
    if len(items) > limit:
        print(f"there are more than {limit}: raise --limit, or give --since", file=sys.stderr)


def restore(
    identifier: IdentifierArgument,
    uids: UidsArgument = None,
    *,
    everything: AllOption = False,
    since: SinceOption = None,
    as_new: AsNewOption = False,
    config: ConfigOption = None,
) -> None:
    """Put removed messages back: POP3 shows them again, under their old UID.

    Waits up to 30 s for a mail program that has the mailbox open. What an
    account keeps may pass its quota by this.
    """
    if sum((bool(uids), everything, since is not None)) != 1:
        raise Mistake("write UIDs (`mailserver mailbox removed` lists them), --since, or --all")
    settings = read_settings(config)
    since_s = _moment(since, settings)
    with opened_store(settings) as store:
        account = account_named(store.accounts, identifier)
        with _locked(store.locks, account.inbox_id):
            found = store.mail.removed_uids(account.inbox_id, since_s=since_s)
            wanted = set(uids) if uids else set(found)
            chosen = [uid for uid in found if uid in wanted]
            back = store.mail.restore_removed(account.inbox_id, chosen, as_new=as_new)
        if back:
            _note(store.people, account, len(back))
        missing = sorted(wanted - set(back))
        if missing:
            print(f"not among the removed: {_in_words(missing)}", file=sys.stderr)
        if not back:
            raise Failure("nothing was put back")
        print(f"{len(back)} {'message' if len(back) == 1 else 'messages'} put back")
        _warn_of_quota(store, account, settings)


@contextmanager
def _locked(locks: Locks, mailbox_id: MailboxId) -> Iterator[None]:
    """A session that has begun must not see them appear (RFC 1939 §4)."""
    ends_at_s = time.monotonic() + WAIT_FOR_MAILDROP_S
    while (lock := locks.lock_maildrop(mailbox_id)) is None:
        if time.monotonic() >= ends_at_s:
            raise Failure("a mail program has this mailbox open: try again when it is done")
        time.sleep(_LOOK_AGAIN_S)
    try:
        yield
    finally:
        lock.release()


def _moment(since: str | None, settings: Settings) -> float:
    try:
        calendar = calendar_of(settings)
        return 0.0 if since is None else parse_moment(since, now_s=time.time(), calendar=calendar)
    except ValueError as error:
        raise Mistake(f"--since: {error}") from error


def _note(people: PeopleAndUnits, account: Account, count: int) -> None:
    from mailserver.cli.directory.subjects import by_whom
    from mailserver.store.ports.people import Event

    details = f"{count} removed {'message' if count == 1 else 'messages'}"
    event = Event(at_s=time.time(), by_whom=by_whom(), what="put back", details=details)
    people.note(account.account_id, event)


def _warn_of_quota(store: Store, account: Account, settings: Settings) -> None:
    from mailserver.quota.classes import Classes, percent_used

    limits = Classes(settings.classes, grace_percent=settings.quota.grace_percent).of(
        store.people.read_class(account.account_id)
    )
    drop = store.mail.open_maildrop(account.inbox_id)
    percent = percent_used(limits, used_octets=drop.octets, used_count=drop.count)
    if percent is not None and percent > 100:
        text = f"{account.identifier} keeps {percent:.0f} % of the quota now: new mail is put off"
        print(text, file=sys.stderr)


def _facts(removed: RemovedItem, *, keep_s: float) -> dict[str, Any]:
    item = removed.item
    author, subject = headers_of(item.header)
    return {
        "uid": item.uid,
        "removed_at": iso(removed.removed_at_s),
        "until": iso(removed.removed_at_s + keep_s),
        "door": removed.by.door if removed.by else None,
        "peer": removed.by.peer if removed.by else None,
        "by": (removed.by.by_whom or None) if removed.by else None,
        "accepted_at": iso(item.accepted_at_s),
        "octets": item.size_octets,
        "submitted_by": item.submitter_identifier or None,
        "from": author,
        "subject": subject,
    }


def _line(removed: RemovedItem, facts: dict[str, Any]) -> str:
    return (
        f"{facts['uid']:>6}  {clock(removed.removed_at_s)}  until {facts['until'][:10]}"
        f"  {facts['octets']:>9}  {_by(removed.by)}"
        f"  {shown(facts['from'])}  {shown(facts['subject'])}"
    )


def _by(by: RemovedBy | None) -> str:
    if by is None:
        return "-"
    who = f" {shown(by.by_whom)}" if by.by_whom else ""
    return f"{shown(by.door)}{who} [{shown(by.peer)}]"


def _in_words(uids: Sequence[Uid | int]) -> str:
    more = f" and {len(uids) - 10} more" if len(uids) > 10 else ""
    return ", ".join(map(str, uids[:10])) + more
