"""`mailserver account history`: what happened to an account, and who signed in, in one list."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailserver.cli.access import account_named, opened_store, read_settings
from mailserver.cli.moments import clock, iso
from mailserver.cli.options import ConfigOption, IdentifierArgument, JsonOption

if TYPE_CHECKING:
    from mailserver.store.ports.people import Event
    from mailserver.store.ports.shared.attempts import LogIn
    from mailserver.store.ports.store import Store
    from mailserver.values.ids import AccountId

LimitOption = Annotated[int, typer.Option(min=1, help="At most so many lines, the latest first.")]


def history(
    identifier: IdentifierArgument,
    *,
    limit: LimitOption = 100,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what happened to an account, and the last log-ins that succeeded and that failed."""
    with opened_store(read_settings(config)) as store:
        lines = _lines(store, account_named(store.accounts, identifier).account_id, limit)
    for line in lines:
        print(json.dumps(line, ensure_ascii=False) if as_json else _shown(line))


def _lines(store: Store, account_id: AccountId, limit: int) -> list[dict[str, Any]]:
    events = [_of_event(one) for one in store.people.history(account_id, limit=limit)]
    found = [*events, *(_of_log_in(one) for one in store.counters.log_ins(account_id))]
    found.sort(key=lambda line: -line["at_s"])
    return [{"at": iso(line.pop("at_s")), **line} for line in found[:limit]]


def _of_event(event: Event) -> dict[str, Any]:
    return {
        "at_s": event.at_s,
        "what": event.what,
        "by": event.by_whom,
        "details": event.details,
    }


def _of_log_in(one: LogIn) -> dict[str, Any]:
    since = f", {one.count} times since {clock(one.at_s)}" if one.count > 1 else ""
    return {
        "at_s": one.last_at_s,
        "what": "log-in" if one.is_success else "log-in failed",
        "by": one.by_whom,
        "details": f"{one.door} from {one.peer}{since}",
    }


def _shown(line: dict[str, Any]) -> str:
    by = f" by {line['by']}" if line["by"] else ""
    details = f": {line['details']}" if line["details"] else ""
    return f"{line['at']}  {line['what']}{by}{details}"
