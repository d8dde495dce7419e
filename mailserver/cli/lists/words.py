"""What `mailserver list` prints."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mailserver.store.ports.lists import Lists, MailingList, Member
    from mailserver.store.ports.store import Store


def as_json(store: Store, which: MailingList) -> dict[str, Any]:
    """All of one list but its members by hand, which may be many."""
    from mailserver.store.ports.lists import ListRole

    lists = store.lists
    archive_id = which.archive_account_id
    return {
        "address": which.address,
        "prefix": which.prefix,
        "description": which.description,
        "language": which.language,
        "posting": which.posting.value,
        "joining": which.joining.value,
        "hidden": which.is_hidden,
        "archive": _addresses(store.lists, [] if archive_id is None else [archive_id]),
        **{
            f"{role.value}s": _addresses(store.lists, lists.with_role(which.list_id, role))
            for role in ListRole
        },
        "rules": [
            {
                "number": rule.rule_id,
                "unit": rule.unit_code,
                "below": rule.is_below,
                "who": rule.who.value,
                "function": rule.function,
                "nature": rule.nature,
            }
            for rule in lists.rules(which.list_id)
        ],
        "members_by_rule": len(lists.accounts_by_rule(which)),
        "waiting": len(lists.waiting_posts(which.list_id)),
    }


def print_facts(facts: dict[str, Any]) -> None:
    for name, value in facts.items():
        if name == "rules":
            for rule in value:
                below = " and below" if rule["below"] else ""
                kinds = ", ".join(filter(None, (rule["function"], rule["nature"]))) or "any"
                whose = f"{rule['who']} of {rule['unit']}{below}, {kinds}"
                print(f"{'rule':<16} {rule['number']}: {whose}")
            continue
        shown = ", ".join(value) if isinstance(value, list) else value
        if isinstance(value, bool):
            shown = "yes" if value else "no"
        print(f"{name.replace('_', ' '):<16} {shown}")


def print_member(member: Member, *, as_json_: bool) -> None:
    if as_json_:
        facts = {
            "address": member.address,
            "inside": member.account_id is not None,
            "gets_mail": member.gets_mail,
            "stopped_why": member.stopped_why,
        }
        print(json.dumps(facts, ensure_ascii=False))
        return
    why = "" if member.gets_mail else f"no mail: {member.stopped_why}"
    print(f"{member.address:<44} {why}".rstrip())


def _addresses(lists: Lists, accounts: Any) -> list[str]:
    return [reader.address for reader in lists.readers_of(accounts)]
