"""`mailserver list`: lists, their members, their rules, who decides for them."""

from __future__ import annotations

import json
import secrets
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailserver.cli.access import account_named, opened_store, read_settings
from mailserver.cli.lists_words import as_json, print_facts, print_member
from mailserver.cli.mistake import Mistake
from mailserver.cli.options import ConfigOption, JsonOption

if TYPE_CHECKING:
    from mailserver.settings.model import Settings
    from mailserver.store.lists import MailingList
    from mailserver.store.ports import Store
    from mailserver.values.ids import AccountId

app = typer.Typer(help="Lists: addresses with members.", no_args_is_help=True)

QUARANTINE_S = 365 * 86_400.0
_SECRET_OCTETS = 32
_SLICE = 500

ListArgument = Annotated[
    str, typer.Argument(metavar="LIST", help="Its address, or the part before the @.")
]
OwnerOption = Annotated[str, typer.Option(metavar="ID", help="The account that answers for it.")]
PrefixOption = Annotated[
    str | None, typer.Option(metavar="P", help="Stands in brackets before subjects; '' for none.")
]
DescriptionOption = Annotated[str | None, typer.Option(metavar="T", help="One line, for people.")]
LanguageOption = Annotated[str | None, typer.Option(metavar="L", help="fr or en.")]
PostingOption = Annotated[
    str | None,
    typer.Option(metavar="WHO", help="members, inside, named, moderated or announce."),
]
JoiningOption = Annotated[
    str | None, typer.Option(metavar="WHO", help="Who may join by mail: closed, inside, anyone.")
]
HiddenOption = Annotated[
    bool | None, typer.Option("--hidden/--visible", help="Does the directory show it?")
]
ArchiveOption = Annotated[
    str | None, typer.Option(metavar="ID", help="The account that gets one copy; '' for none.")
]


@app.command()
def add(
    address: ListArgument,
    *,
    owner: OwnerOption,
    prefix: PrefixOption = None,
    description: DescriptionOption = None,
    language: LanguageOption = None,
    posting: PostingOption = None,
    joining: JoiningOption = None,
    hidden: HiddenOption = None,
    archive: ArchiveOption = None,
    config: ConfigOption = None,
) -> None:
    """Make a list, with its addresses and its first owner."""
    from mailserver.lists.addresses import addresses_of
    from mailserver.store.lists import Joining, MailingList, Posting
    from mailserver.values.ids import ListId

    settings = read_settings(config)
    wanted = _own_address(address, settings)
    with opened_store(settings) as store:
        new = MailingList(
            list_id=ListId(0),
            address=wanted,
            prefix=wanted.partition("@")[0],
            description="",
            language=settings.service.language,
            posting=Posting.MEMBERS,
            joining=Joining.CLOSED,
            is_hidden=False,
            archive_account_id=None,
            secret=secrets.token_bytes(_SECRET_OCTETS),
            created_at_s=time.time(),
        )
        new = _changed(
            store,
            new,
            prefix=prefix,
            description=description,
            language=language,
            posting=posting,
            joining=joining,
            hidden=hidden,
            archive=archive,
        )
        owner_id = account_named(store, owner).account_id
        store.lists.add_list(new, addresses=addresses_of(wanted), owner=owner_id)
    print(f"{wanted}: made, with {owner} as its owner")


@app.command()
def change(
    address: ListArgument,
    *,
    prefix: PrefixOption = None,
    description: DescriptionOption = None,
    language: LanguageOption = None,
    posting: PostingOption = None,
    joining: JoiningOption = None,
    hidden: HiddenOption = None,
    archive: ArchiveOption = None,
    config: ConfigOption = None,
) -> None:
    """Change what a list is; what is not named stays."""
    settings = read_settings(config)
    with opened_store(settings) as store:
        which = list_named(store, address, settings)
        store.lists.change_list(
            _changed(
                store,
                which,
                prefix=prefix,
                description=description,
                language=language,
                posting=posting,
                joining=joining,
                hidden=hidden,
                archive=archive,
            )
        )
    print(f"{which.address}: changed")


@app.command("all")
def all_lists(*, config: ConfigOption = None, as_json_: JsonOption = False) -> None:
    """Show every list: one line each."""
    with opened_store(read_settings(config)) as store:
        for which in store.lists.all_lists():
            if as_json_:
                print(json.dumps(as_json(store, which), ensure_ascii=False))
            else:
                print(f"{which.address:<40} {which.posting.value:<10} {which.description}")


@app.command()
def show(
    address: ListArgument, *, config: ConfigOption = None, as_json_: JsonOption = False
) -> None:
    """Show one list: what it is, its rules, who decides for it."""
    settings = read_settings(config)
    with opened_store(settings) as store:
        facts = as_json(store, list_named(store, address, settings))
    if as_json_:
        print(json.dumps(facts, ensure_ascii=False))
    else:
        print_facts(facts)


@app.command()
def delete(
    address: ListArgument,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: ConfigOption = None,
) -> None:
    """Delete a list. Posts that were delivered stay; its addresses are kept for a year."""
    settings = read_settings(config)
    with opened_store(settings) as store:
        which = list_named(store, address, settings)
        if not yes:
            if not sys.stdin.isatty():
                raise Mistake("nobody to ask: add --yes to delete the list")
            typer.confirm(f"Delete the list {which.address}?", abort=True)
        store.lists.delete_list(which.list_id, now_s=time.time(), quarantine_s=QUARANTINE_S)
    print(f"{which.address}: deleted")


@app.command()
def members(
    address: ListArgument,
    *,
    add_: Annotated[
        list[str] | None,
        typer.Option("--add", metavar="WHO", help="An identifier, or an address."),
    ] = None,
    remove: Annotated[
        list[str] | None, typer.Option(metavar="WHO", help="An identifier, or an address.")
    ] = None,
    no_mail: Annotated[
        list[str] | None,
        typer.Option(metavar="WHO", help="Stays a member, gets nothing; --add starts it again."),
    ] = None,
    from_file: Annotated[
        typer.FileText | None,
        typer.Option(metavar="FILE", help="Add those in it: one a line; - for standard input."),
    ] = None,
    config: ConfigOption = None,
    as_json_: JsonOption = False,
) -> None:
    """Show the members by hand, or change them first."""
    settings = read_settings(config)
    lines = [] if from_file is None else [line.partition("#")[0].strip() for line in from_file]
    with opened_store(settings) as store:
        which = list_named(store, address, settings)
        asked = [(who, _whose(store, who)) for who in (*(add_ or []), *filter(None, lines))]
        for who, (account_id, outside) in asked:
            if not store.lists.add_member(which.list_id, account_id=account_id, address=outside):
                print(f"{who}: a member already", file=sys.stderr)
        for who in remove or []:
            account_id, outside = _whose(store, who)
            if not store.lists.remove_member(
                which.list_id, account_id=account_id, address_key=outside
            ):
                raise Mistake(f"{who} is no member by hand of {which.address}")
        for who in no_mail or []:
            account_id, outside = _whose(store, who)
            store.lists.stop_mail(
                which.list_id, "asked", account_id=account_id, address_key=outside
            )
        _print_members(store, which, as_json_=as_json_)


@app.command()
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
    from mailserver.store.lists import ListRule, Who

    settings = read_settings(config)
    with opened_store(settings) as store:
        which = list_named(store, address, settings)
        if remove is not None:
            if not store.lists.remove_rule(which.list_id, remove):
                raise Mistake(f"{which.address} has no rule {remove}")
        elif not unit:
            raise Mistake("--unit CODE is needed: whose people, or which schools?")
        else:
            new = ListRule(
                unit_code=unit.lower(),
                is_below=below,
                who=_choice(Who, "--who", who),
                function=function,
                nature=nature,
            )
            store.lists.add_rule(which.list_id, new)
        count = len(store.lists.accounts_by_rule(which))
    print(f"{which.address}: {count} members by rule now")


@app.command()
def role(
    address: ListArgument,
    name: Annotated[str, typer.Argument(metavar="ROLE", help="owner, moderator or poster.")],
    identifier: Annotated[str, typer.Argument(metavar="ID", help="The account.")],
    *,
    take: Annotated[bool, typer.Option("--take", help="Take it away.")] = False,
    config: ConfigOption = None,
) -> None:
    """Say who owns a list, who moderates it, who else may post."""
    from mailserver.store.lists import ListRole

    settings = read_settings(config)
    with opened_store(settings) as store:
        which = list_named(store, address, settings)
        wanted = _choice(ListRole, "ROLE", name)
        account_id = account_named(store, identifier).account_id
        if not take:
            store.lists.give_role(which.list_id, wanted, account_id)
        elif not store.lists.take_role(which.list_id, wanted, account_id):
            raise Mistake(f"{identifier} is no {name} of {which.address}")
    print(f"{which.address}: {identifier} is {'no longer ' if take else ''}{name}")


# --- what a person typed ----------------------------------------------------------------


def list_named(store: Store, text: str, settings: Settings) -> MailingList:
    """
    Raises:
        Mistake: there is none.
    """
    from mailserver.values.address import Address

    local, _, domain = text.rpartition("@")
    address = Address(local, domain) if local else Address(text, settings.service.domains[0])
    which = store.lists.find_list(address.key)
    if which is None:
        raise Mistake(f"{address} is no list: `mailserver list all` shows them")
    return which


def _own_address(text: str, settings: Settings) -> str:
    from mailserver.values.address import fold_domain

    local, _, domain = text.rpartition("@")
    local, domain = (local, domain) if local else (text, settings.service.domains[0])
    if not local.isascii() or any(c.isspace() or c in '<>,;:"\\()@+%!' for c in local):
        raise Mistake(f"{text!r} is no address for a list: write one, as animateurs.tice17")
    if fold_domain(domain) not in map(fold_domain, settings.service.domains):
        known = ", ".join(settings.service.domains)
        raise Mistake(f"{text}: mail for {domain} does not come here, only for {known}")
    return f"{local}@{domain}"


def _whose(store: Store, who: str) -> tuple[AccountId | None, str]:
    """(the account, nothing), or (nothing, the address outside)."""
    from mailserver.values.address import Address

    if "@" not in who:
        return account_named(store, who).account_id, ""
    local, _, domain = who.rpartition("@")
    if not local or not domain or any(c.isspace() or c in '<>,;"' for c in who):
        raise Mistake(f"{who!r} is not an address")
    found = store.find_sign_in(Address(local, domain).key)
    return (found.account_id, "") if found is not None else (None, who)


def _choice(kind: Any, option: str, text: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        known = ", ".join(one.value for one in kind)
        raise Mistake(f"{option} {text}: write one of {known}") from None


def _changed(
    store: Store,
    which: MailingList,
    *,
    prefix: str | None,
    description: str | None,
    language: str | None,
    posting: str | None,
    joining: str | None,
    hidden: bool | None,
    archive: str | None,
) -> MailingList:
    from dataclasses import replace

    from mailserver.store.lists import Joining, Posting

    changes: dict[str, Any] = {}
    for name, text in (("prefix", prefix), ("description", description)):
        if text is not None:
            if not text.isprintable() or (name == "prefix" and set(text) & set("[]")):
                raise Mistake(f"--{name}: one line of text, without brackets")
            changes[name] = text
    if language is not None:
        if language not in ("fr", "en"):
            raise Mistake("--language: fr or en")
        changes["language"] = language
    if posting is not None:
        changes["posting"] = _choice(Posting, "--posting", posting)
    if joining is not None:
        changes["joining"] = _choice(Joining, "--joining", joining)
    if hidden is not None:
        changes["is_hidden"] = hidden
    if archive is not None:
        changes["archive_account_id"] = (
            account_named(store, archive).account_id if archive else None
        )
    return replace(which, **changes)


def _print_members(store: Store, which: MailingList, *, as_json_: bool) -> None:
    after_id = 0
    while found := store.lists.members(which.list_id, after_id=after_id, limit=_SLICE):
        for member in found:
            print_member(member, as_json_=as_json_)
        after_id = found[-1].member_id
