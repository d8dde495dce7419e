"""`mailserver list members`, `rule`, `role`: who gets a list's posts, and who decides for it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from mailserver.cli.access import account_named, opened_store, read_settings
from mailserver.cli.directory.subjects import unit_named
from mailserver.cli.files import read_lines
from mailserver.cli.lists.commands import ListArgument, choice_of, list_named
from mailserver.cli.lists.words import print_member
from mailserver.cli.mistake import Mistake
from mailserver.cli.options import ConfigOption, JsonOption
from mailserver.texts.plurals import counted
from mailserver.values.text.written import plain

if TYPE_CHECKING:
    from mailserver.settings.model import Settings
    from mailserver.store.ports.lists import Lists, MailingList
    from mailserver.store.ports.store import Store
    from mailserver.values.ids import AccountId

_SLICE = 500
_MAX_TOLD = 20

WhoOption = Annotated[
    list[str] | None, typer.Option(metavar="WHO", help="An identifier, or an address.")
]
NoMailOption = Annotated[
    list[str] | None,
    typer.Option(metavar="WHO", help="Stays a member, gets nothing; --add starts it again."),
]
FileOption = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Add those in it: one a line; - for standard input."),
]


def members(
    address: ListArgument,
    *,
    add: WhoOption = None,
    remove: WhoOption = None,
    no_mail: NoMailOption = None,
    from_file: FileOption = None,
    config: ConfigOption = None,
    as_json_: JsonOption = False,
) -> None:
    """Show the members by hand, or change them first."""
    settings = read_settings(config)
    with opened_store(settings) as store:
        which = list_named(store.lists, address, settings)
        people = _People(store, settings, which)
        people.add([(who, people.named(who)) for who in add or []])
        if from_file is not None:
            people.add(people.in_file(*read_lines(from_file)))
        for who in remove or []:
            people.remove(who)
        for who in no_mail or []:
            people.stop_mail(who)
        _print_members(store.lists, which, as_json_=as_json_)


def rule(
    address: ListArgument,
    *,
    unit: Annotated[str, typer.Option(metavar="CODE", help="A unit's code.")] = "",
    below: Annotated[bool, typer.Option("--below", help="And all units under it.")] = False,
    who: Annotated[
        str, typer.Option(metavar="W", help="person, or establishment: the units' own mailboxes.")
    ] = "person",
    function: Annotated[
        str, typer.Option(metavar="F", help="Of persons: enseignant, directeur, ...")
    ] = "",
    nature: Annotated[
        str, typer.Option(metavar="N", help="Of the units: ecole, college, ...")
    ] = "",
    remove: Annotated[int | None, typer.Option(metavar="NUMBER", help="Remove this one.")] = None,
    config: ConfigOption = None,
) -> None:
    """Collect members by a rule, looked up anew for each post."""
    from mailserver.store.ports.lists import ListRule, Who

    settings = read_settings(config)
    with opened_store(settings) as store:
        which = list_named(store.lists, address, settings)
        if remove is not None:
            if not store.lists.remove_rule(which.list_id, remove):
                raise Mistake(f"{which.address} has no rule {remove}")
        elif not unit:
            raise Mistake("--unit CODE is needed: whose people, or which schools?")
        else:
            new = ListRule(
                unit_code=unit_named(store.people, unit).doc.code,
                is_below=below,
                who=choice_of(Who, "--who", who),
                function=function,
                nature=nature,
            )
            store.lists.add_rule(which.list_id, new)
        count = len(store.lists.accounts_by_rule(which))
    print(f"{which.address}: {counted(count, 'member')} by rule now")


def role(
    address: ListArgument,
    name: Annotated[str, typer.Argument(metavar="ROLE", help="owner, moderator or poster.")],
    identifier: Annotated[str, typer.Argument(metavar="ID", help="The account.")],
    *,
    take: Annotated[bool, typer.Option("--take", help="Take it away.")] = False,
    config: ConfigOption = None,
) -> None:
    """Say who owns a list, who moderates it, who else may post."""
    from mailserver.store.ports.lists import ListRole

    settings = read_settings(config)
    with opened_store(settings) as store:
        which = list_named(store.lists, address, settings)
        wanted = choice_of(ListRole, "ROLE", name)
        account_id = account_named(store.accounts, identifier).account_id
        if not take:
            store.lists.give_role(which.list_id, wanted, account_id)
        elif store.lists.with_role(which.list_id, wanted) == [account_id] and (
            wanted is ListRole.OWNER
        ):
            raise Mistake(f"{identifier} is the last owner: give another one the role first")
        elif not store.lists.take_role(which.list_id, wanted, account_id):
            raise Mistake(f"{identifier} is no {name} of {which.address}")
    print(f"{which.address}: {identifier} is {'no longer ' if take else ''}{name}")


Person = tuple["AccountId | None", str]
"""(The account, nothing), or (nothing, an address outside or another list's)."""


class _People:
    """From what somebody typed to members of one list."""

    def __init__(self, store: Store, settings: Settings, which: MailingList) -> None:
        from mailserver.routing.local import OurDomains

        ours = OurDomains.of(settings)
        self._ours = OurDomains(ours.names, ours.principal)  # a catch-all's holder is nobody's
        self._store = store
        self._which = which

    def named(self, who: str) -> Person:
        """
        Raises:
            Mistake: no account, no address, or nobody has it here.
        """
        from mailserver.cli.account.forwarding import checked_address
        from mailserver.routing.local import Unknown, find_local
        from mailserver.store.ports.targets import Target
        from mailserver.values.address import Address

        if "@" not in who:
            return account_named(self._store.accounts, who).account_id, ""
        local, _, domain = checked_address(who).rpartition("@")
        address = Address(local, domain)
        find = self._store.people.find_target
        found = find_local(address, ours=self._ours, find=find, postmaster=None)
        if isinstance(found, Unknown):
            raise Mistake(f"{who}: nobody has this address here")
        if isinstance(found, Target):
            if found.list_id == self._which.list_id:
                raise Mistake(f"{who} is the list itself")
            if found.list_id is None:
                return found.account_id, ""
        return None, who

    def in_file(self, name: str, lines: Iterable[str]) -> list[tuple[str, Person]]:
        """One a line; what stands behind `#` is for people.

        Raises:
            Mistake: naming each line that is wrong; nobody is added then.
        """
        found, wrong = list[tuple[str, Person]](), list[str]()
        for number, line in enumerate(lines, 1):
            who = plain(line.partition("#")[0]).strip()
            try:
                if who:
                    found.append((who, self.named(who)))
            except Mistake as mistake:
                wrong.append(f"{name}, line {number}: {mistake}")
        if wrong:
            more = f"\n... and {len(wrong) - _MAX_TOLD} more" if len(wrong) > _MAX_TOLD else ""
            raise Mistake("\n".join(wrong[:_MAX_TOLD]) + more)
        return found

    def add(self, people: Sequence[tuple[str, Person]]) -> None:
        for start in range(0, len(people), _SLICE):
            part = people[start : start + _SLICE]
            added = self._store.lists.add_members(self._which.list_id, [one for _, one in part])
            for (who, _), is_new in zip(part, added, strict=True):
                if not is_new:
                    print(f"{who}: a member already", file=sys.stderr)

    def remove(self, who: str) -> None:
        lists, list_id = self._store.lists, self._which.list_id
        account_id, outside = self._known(who)
        if not lists.remove_member(list_id, account_id=account_id, address_key=outside):
            raise Mistake(f"{who} is no member by hand of {self._which.address}")

    def stop_mail(self, who: str) -> None:
        lists, list_id = self._store.lists, self._which.list_id
        account_id, outside = self._known(who)
        if not lists.standing(list_id, account_id=account_id, address_key=outside).is_member:
            raise Mistake(f"{who} is no member of {self._which.address}")
        lists.stop_mail(list_id, "asked", account_id=account_id, address_key=outside)

    def _known(self, who: str) -> Person:
        """As `named`, with the key of an address; also one that has come to nothing since."""
        from mailserver.values.address import Address

        try:
            account_id, _ = self.named(who)
        except Mistake:
            if "@" not in who:
                raise
            account_id = None
        local, _, domain = who.rpartition("@")
        return account_id, "" if account_id is not None else Address(local, domain).key


def _print_members(lists: Lists, which: MailingList, *, as_json_: bool) -> None:
    after_id = 0
    while found := lists.members(which.list_id, after_id=after_id, limit=_SLICE):
        for member in found:
            print_member(member, as_json_=as_json_)
        after_id = found[-1].member_id
