"""`mailserver account show`, `list`: life, sign-in, and why not: the first thing that is asked."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from mailserver.cli.access import account_named, opened_store, read_settings
from mailserver.cli.moments import clock, iso
from mailserver.cli.options import ConfigOption, IdentifierArgument, JsonOption
from mailserver.texts.plurals import counted

if TYPE_CHECKING:
    from mailserver.settings.model import Settings
    from mailserver.store.ports.accounts import Account, Credential
    from mailserver.store.ports.people import Person
    from mailserver.store.ports.store import Store

_HISTORY_LIMIT: Final = 500
_PASSWORDS: Final = {
    "none": "none: `mailserver account passwd` sets one",
    "holders": "none: its holders sign in as themselves",
    "numen": "the NUMEN, a first password",
    "first": "a first password, printed or set by an administrator",
    "set": "set",
    "kept": "kept, and opens nothing while the account is gone",
}


def list_accounts(*, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List every account: one line each."""
    with opened_store(read_settings(config)) as store:
        for account in store.accounts.list_accounts():
            if as_json:
                print(json.dumps(_as_json(account), ensure_ascii=False))
            else:
                told = ", ".join(account.addresses)
                state = state_of(account)
                print(f"{account.identifier:<20} {state:<10} {account.name:<24} {told}")


def show(
    identifier: IdentifierArgument, *, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Show one account: life, sign-in and why not, addresses, mailbox, last log-ins."""
    settings = read_settings(config)
    with opened_store(settings) as store:
        facts = _Facts(
            store, settings, account_named(store.accounts, identifier), time.time()
        ).tree()
    if as_json:
        print(json.dumps(facts, ensure_ascii=False))
    else:
        _print_facts(facts)


def state_of(account: Account) -> str:
    """One word: suspended by a person, else away by life, else active."""
    from mailserver.store.ports.accounts import AccountState
    from mailserver.store.ports.people import Life

    is_away = account.life in {Life.EXPECTED, Life.LEFT, Life.GONE}
    if account.state is AccountState.ACTIVE and is_away:
        return account.life.value
    return account.state.value


@dataclass(slots=True)
class _Facts:
    """What is known of one account, at `now_s`."""

    store: Store
    settings: Settings
    account: Account
    now_s: float

    def tree(self) -> dict[str, Any]:
        store, account = self.store, self.account
        credential = store.accounts.read_credential(account.account_id)
        person = store.people.find_person(account.identifier)
        maildrop = store.mail.open_maildrop(account.inbox_id)
        seen = sorted(store.counters.last_seen(account.account_id), key=lambda one: -one.at_s)
        why_not = self._why_not(credential)
        return {
            **_as_json(account),
            "life_words": self._life_words(),
            "kind": "person" if person is None else person.kind.value,
            "may_sign_in": not why_not,
            "why_not": why_not,
            "password": self._password(credential, person),
            "first_password_until": self._first_until(credential),
            "has_password": credential is not None and credential.verifier is not None,
            "must_change_password": credential is not None and credential.must_change,
            "messages": maildrop.count,
            "octets": maildrop.octets,
            "last_log_ins": [
                {"listener": one.door, "peer": one.peer, "at": iso(one.at_s)} for one in seen
            ],
            "failed_log_ins": self._failures(),
            "uses_legacy": any(one.door.startswith("legacy") for one in seen),
        }

    def _life_words(self) -> str:
        from mailserver.cli.directory.subjects import calendar_of
        from mailserver.store.ports.people import Life

        account, calendar = self.account, calendar_of(self.settings)
        words, until_s = account.life.value.replace("_", " "), account.life_until_s
        since = f" since {clock(account.life_since_s)}" if account.life_since_s else ""
        if account.life is Life.PRESENT or until_s is None:
            return words + since
        if account.life is Life.EXPECTED:
            return f"{words}: present from {calendar.day_of(until_s)} on"
        after = {Life.LEFT: "gone", Life.LEAVING: "left", Life.ON_LEAVE: "present"}
        last = f", last day {calendar.last_day(until_s)}"
        return f"{words}{since}{last}, then {after.get(account.life, 'gone')}"

    def _password(self, credential: Credential | None, person: Person | None) -> str:
        from mailserver.auth.numens import is_numen_verifier
        from mailserver.store.ports.people import Kind, Life

        if credential is None or credential.verifier is None:
            is_role = person is not None and person.kind is Kind.FUNCTION
            return "holders" if is_role else "none"
        if self.account.life is Life.GONE:
            return "kept"
        if is_numen_verifier(credential.verifier):
            return "numen"
        return "first" if credential.must_change else "set"

    def _first_until(self, credential: Credential | None) -> str | None:
        """Where first passwords end: until when mail programs may use this one."""
        rules = self.settings.passwords
        if credential is None or not credential.must_change:
            return None
        return iso(credential.must_change_by_s) if rules.change_first and rules.grace_days else None

    def _why_not(self, credential: Credential | None) -> list[str]:
        from mailserver.store.ports.accounts import AccountState
        from mailserver.store.ports.people import Life

        reasons = []
        if self.account.state is AccountState.SUSPENDED:
            reasons.append(self._suspended_words())
        if self.account.life in {Life.EXPECTED, Life.LEFT}:
            reasons.append(self._life_words())
        if self.account.life is Life.GONE:
            reasons.append(self._gone_words())
        elif credential is None or credential.verifier is None:
            reasons.append("no password")
        until = self._first_until(credential)
        if until is not None and self._has_ended(credential):
            reasons.append(f"the first password ended for mail programs at {until}")
        waits_until_s = self._waits_until_s()
        if waits_until_s > self.now_s:
            reasons.append(
                f"too many wrong passwords: waits until {clock(waits_until_s)}, except where it"
                " signed in lately"
            )
        return reasons

    def _gone_words(self) -> str:
        """Who ended it, for how long the names are kept, what brings it back."""
        events = self.store.people.history(self.account.account_id, limit=_HISTORY_LIMIT)
        event = next((one for one in events if one.what == "gone"), None)
        if event is None:
            return f"{self._life_words()}: no name of it is an account any more"
        kept = f"; {event.details}" if event.details else ""
        run = event.by_whom.removeprefix("import:")
        if run == event.by_whom or not self._was_taken_back(run):
            return f"{self._life_words()} by {event.by_whom}{kept}"
        return (
            f"{self._life_words()}: import {run} was taken back (`directory undo {run}`){kept}."
            " Apply the import again, corrected, and the account comes back with its mailbox"
        )

    def _was_taken_back(self, run: str) -> bool:
        """Or is it being?"""
        return any(
            str(one.run_id) == run and one.state in {"undoing", "undone"}
            for one in self.store.people.list_imports()
        )

    def _has_ended(self, credential: Credential | None) -> bool:
        by_s = None if credential is None else credential.must_change_by_s
        return by_s is not None and by_s <= self.now_s

    def _suspended_words(self) -> str:
        events = self.store.people.history(self.account.account_id, limit=_HISTORY_LIMIT)
        event = next((one for one in events if one.what == "suspended"), None)
        if event is None:
            return "suspended: `mailserver account resume` ends it"
        return f"suspended since {clock(event.at_s)} by {event.by_whom}"

    def _waits_until_s(self) -> float:
        from mailserver.auth.throttle import account_waits_until_s, limits_of

        limits = limits_of(self.settings.auth)
        account_id = self.account.account_id
        return account_waits_until_s(self.store.counters, account_id, limits, now_s=self.now_s)

    def _failures(self) -> dict[str, Any] | None:
        """The latest wrong passwords, for they are asked about next."""
        failed = [
            one
            for one in self.store.counters.log_ins(self.account.account_id)
            if not one.is_success
        ]
        if not failed:
            return None
        latest = max(failed, key=lambda one: one.last_at_s)
        return {
            "count": sum(one.count for one in failed),
            "last_at": iso(latest.last_at_s),
            "last_listener": latest.door,
            "last_peer": latest.peer,
        }


def _as_json(account: Account) -> dict[str, Any]:
    return {
        "identifier": account.identifier,
        "name": account.name,
        "state": state_of(account),
        "life": account.life.value,
        "life_since": iso(account.life_since_s),
        "life_until": iso(account.life_until_s),
        "is_suspended": account.state.value == "suspended",
        "addresses": list(account.addresses),
        "created_at": iso(account.created_at_s),
    }


def _print_facts(facts: dict[str, Any]) -> None:
    password = _PASSWORDS[facts["password"]]
    if facts["first_password_until"]:
        password += f", for mail programs until {facts['first_password_until']}"
    print(f"identifier  {facts['identifier']}")
    print(f"name        {facts['name']}")
    print(f"state       {facts['state']}")
    print(f"life        {facts['life_words']}")
    print(f"sign-in     {'yes' if facts['may_sign_in'] else 'no'}")
    for reason in facts["why_not"]:
        print(f"why not     {reason}")
    print(f"addresses   {', '.join(facts['addresses'])}")
    print(f"password    {password}")
    messages, octets = counted(facts["messages"], "message"), counted(facts["octets"], "octet")
    print(f"mailbox     {messages}, {octets}")
    print(f"made        {facts['created_at']}")
    for one in facts["last_log_ins"]:
        print(f"log-in      {one['at']} {one['listener']} from {one['peer']}")
    if not facts["last_log_ins"]:
        print("log-in      never yet")
    if (failed := facts["failed_log_ins"]) is not None:
        where = f"{failed['last_listener']} from {failed['last_peer']}"
        print(
            f"failed      {counted(failed['count'], 'try', 'tries')}, {failed['last_at']} {where}"
        )
    if facts["uses_legacy"]:
        print("legacy      uses a listener for old programs: help them to a newer one")
