"""`mailserver list`: lists, their members, their rules, who decides for them."""

from __future__ import annotations

import json
import secrets
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailserver.cli.access import account_named, opened_store, read_settings
from mailserver.cli.lists.words import as_json, print_facts
from mailserver.cli.mistake import Mistake
from mailserver.cli.new_names import check_not_reserved
from mailserver.cli.options import ConfigOption, JsonOption
from mailserver.cli.queue.acts import whoever

if TYPE_CHECKING:
    from mailserver.settings.model import Settings
    from mailserver.store.ports.accounts import Accounts
    from mailserver.store.ports.lists import Lists, MailingList
    from mailserver.store.ports.operators import Deed

app = typer.Typer(help="Lists: addresses with members.", no_args_is_help=True)

QUARANTINE_S = 365 * 86_400.0
MAX_PREFIX_LENGTH = 60
MAX_DESCRIPTION_LENGTH = 200
_SECRET_OCTETS = 32

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
    bool | None,
    typer.Option("--hidden/--visible", help="Does -help answer who is no member?"),
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
    from mailserver.store.ports.lists import Joining, MailingList, Posting
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
            store.accounts,
            new,
            prefix=prefix,
            description=description,
            language=language,
            posting=posting,
            joining=joining,
            hidden=hidden,
            archive=archive,
        )
        owner_id = account_named(store.accounts, owner).account_id
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
        which = list_named(store.lists, address, settings)
        store.lists.change_list(
            _changed(
                store.accounts,
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
        facts = as_json(store, list_named(store.lists, address, settings))
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
    """Delete a list. Posts that were delivered stay, those that wait for a moderator go back.

    Its addresses are kept for a year.
    """
    settings = read_settings(config)
    with opened_store(settings) as store:
        which = list_named(store.lists, address, settings)
        if not yes:
            if not sys.stdin.isatty():
                raise Mistake("nobody to ask: add --yes to delete the list")
            typer.confirm(f"Delete the list {which.address}?", abort=True)
        for hold in store.lists.waiting_posts(which.list_id):
            store.lists.decide_hold(hold.ref, "rejected", _gone())
        store.lists.delete_list(which.list_id, now_s=time.time(), quarantine_s=QUARANTINE_S)
    print(f"{which.address}: deleted")


def _gone() -> Deed:
    from mailserver.store.ports.operators import Act, Deed

    by, reason = f"cli:{whoever()}", "the list was deleted"
    return Deed(act=Act.RETURN, by=by, reason=reason, at_s=time.time())


# --- what a person typed ----------------------------------------------------------------


def list_named(lists: Lists, text: str, settings: Settings) -> MailingList:
    """
    Raises:
        Mistake: there is none.
    """
    from mailserver.values.address import Address

    local, _, domain = text.rpartition("@")
    address = Address(local, domain) if local else Address(text, settings.service.domains[0])
    which = lists.find_list(address.key)
    if which is None:
        raise Mistake(f"{address} is no list: `mailserver list all` shows them")
    return which


def _own_address(text: str, settings: Settings) -> str:
    from mailserver.lists.addresses import MAX_NAME_LENGTH
    from mailserver.values.address import fold_domain, is_dot_string

    local, _, domain = text.rpartition("@")
    local, domain = (local, domain) if local else (text, settings.service.domains[0])
    if len(local) > MAX_NAME_LENGTH:
        raise Mistake(f"{local}: at most {MAX_NAME_LENGTH} characters before the @")
    is_plain = local.isascii() and is_dot_string(local)
    if not is_plain or any(c in "+%!" for c in local):
        raise Mistake(f"{text!r} is no address for a list: write one, as animateurs.tice17")
    if fold_domain(domain) not in map(fold_domain, settings.service.domains):
        known = ", ".join(settings.service.domains)
        raise Mistake(f"{text}: mail for {domain} does not come here, only for {known}")
    check_not_reserved("", [f"{local}@{domain}"], settings, is_role=True)
    return f"{local}@{domain}"


def choice_of(kind: Any, option: str, text: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        known = ", ".join(one.value for one in kind)
        raise Mistake(f"{option} {text}: write one of {known}") from None


def _changed(
    accounts: Accounts,
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

    from mailserver.store.ports.lists import Joining, Posting

    changes: dict[str, Any] = {}
    if prefix is not None:
        if not set(prefix).isdisjoint("[]"):
            raise Mistake("--prefix: one line of text, without brackets")
        changes["prefix"] = _line_of("--prefix", prefix, most=MAX_PREFIX_LENGTH)
    if description is not None:
        most = MAX_DESCRIPTION_LENGTH
        changes["description"] = _line_of("--description", description, most=most)
    if language is not None:
        if language not in ("fr", "en"):
            raise Mistake("--language: fr or en")
        changes["language"] = language
    if posting is not None:
        changes["posting"] = choice_of(Posting, "--posting", posting)
    if joining is not None:
        changes["joining"] = choice_of(Joining, "--joining", joining)
    if hidden is not None:
        changes["is_hidden"] = hidden
    if archive is not None:
        changes["archive_account_id"] = (
            account_named(accounts, archive).account_id if archive else None
        )
    return replace(which, **changes)


def _line_of(option: str, text: str, *, most: int) -> str:
    if not text.isprintable():
        raise Mistake(f"{option}: one line of text, please")
    if len(text) > most:
        raise Mistake(f"{option}: shorter, please; at most {most} characters")
    return text
