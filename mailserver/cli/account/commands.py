"""`mailserver account`: the people of the service."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailserver.cli.access import account_named, opened_store, read_settings
from mailserver.cli.account.profile import (
    ClassOption,
    GivenNameOption,
    HiddenOption,
    LanguageOption,
    PostFunctionOption,
    PostUnitOption,
    Profile,
    SurnameOption,
    TelephoneOption,
    change_addresses,
    rename,
)
from mailserver.cli.account.show import list_accounts, show
from mailserver.cli.directory.subjects import by_whom
from mailserver.cli.mistake import Mistake
from mailserver.cli.new_names import check_name, check_not_reserved, checked_names, own_address
from mailserver.cli.options import (
    ConfigOption,
    IdentifierArgument,
    NumenStdinOption,
    OldNumenOption,
    PasswordStdinOption,
    refuse_secret,
)
from mailserver.texts.plurals import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailserver.auth.rules import Owner
    from mailserver.settings.model import Settings
    from mailserver.store.ports.accounts import Account
    from mailserver.store.ports.mail import Mail
    from mailserver.store.ports.store import Store
    from mailserver.values.ids import AccountId

app = typer.Typer(help="The people of the service.", no_args_is_help=True)
app.command("list")(list_accounts)
app.command()(show)

AddressOption = Annotated[
    list[str],
    typer.Option(
        metavar="A", help="Where mail reaches them; the first is the canonical one, others aliases."
    ),
]
NameOption = Annotated[
    str, typer.Option(metavar="N", help="The person's name, for people to read.")
]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


_NUMEN_INSTEAD = "write --numen-stdin, and the NUMEN when asked, or as a line of a pipe"


@app.command()
def add(
    identifier: IdentifierArgument,
    *,
    address: AddressOption,
    name: NameOption,
    given_name: GivenNameOption = "",
    surname: SurnameOption = "",
    telephone: TelephoneOption = "",
    language: LanguageOption = "",
    class_name: ClassOption = "",
    unit: PostUnitOption = "",
    function: PostFunctionOption = "",
    hidden: HiddenOption = False,
    password_stdin: PasswordStdinOption = False,
    numen_stdin: NumenStdinOption = False,
    numen: OldNumenOption = None,
    config: ConfigOption = None,
) -> None:
    """Make an account with its mailbox, its addresses and its first password.

    A name that somebody had is theirs for the quarantine: the date is said.
    """
    from mailserver.auth.numen_key import open_key
    from mailserver.auth.rules import Owner

    settings = read_settings(config)
    addresses = checked_names(identifier, name, address, settings)
    profile = Profile(
        given_name=given_name,
        surname=surname,
        telephone=telephone,
        language=language,
        class_name=class_name,
        unit=unit,
        function=function,
        is_hidden=hidden,
    )
    profile.check()
    owner = Owner((identifier, name, *(one.rpartition("@")[0] for one in addresses)))
    refuse_secret(numen, _NUMEN_INSTEAD)
    set_it = _password_setter(
        settings, owner, password_stdin=password_stdin, numen_stdin=numen_stdin
    )
    with opened_store(settings) as store:
        if numen_stdin:
            open_key(settings.auth.numen_key, store.recovery)
        account = store.accounts.add_account(
            identifier=identifier, name=name, addresses=addresses, now_s=time.time()
        )
        set_it(store, account.account_id)
        profile.put(store, settings, identifier)
    print(f"{identifier}: {', '.join(addresses)}")


@app.command()
def alias(
    identifier: IdentifierArgument,
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="One more of their addresses.")],
    *,
    remove: Annotated[bool, typer.Option("--remove", help="Take it away instead.")] = False,
    config: ConfigOption = None,
) -> None:
    """Give an account one more address, or take one away: it stays nobody else's for years."""
    settings = read_settings(config)
    checked = own_address(address, settings)
    with opened_store(settings) as store:
        change_addresses(store, settings, identifier, checked, remove=remove)
        told = account_named(store.accounts, identifier).addresses
    print(f"{identifier}: {', '.join(told)}")


@app.command("rename")
def rename_account(
    identifier: IdentifierArgument,
    *,
    given_name: GivenNameOption,
    surname: SurnameOption,
    address: Annotated[
        str | None, typer.Option(metavar="A", help="The new canonical address, if there is one.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Change a person's name. Identifier, mailbox and old addresses stay; a new one comes first."""
    settings = read_settings(config)
    check_name(given_name, "--given-name")
    check_name(surname, "--surname")
    checked = None if address is None else own_address(address, settings)
    if checked is not None:
        check_not_reserved(identifier, [checked], settings, is_role=False)
    with opened_store(settings) as store:
        rename(store, settings, identifier, (given_name.strip(), surname.strip()), checked)
        told = account_named(store.accounts, identifier)
    print(f"{identifier}: {told.name}, {', '.join(told.addresses)}")


@app.command()
def passwd(
    identifier: IdentifierArgument,
    *,
    password_stdin: PasswordStdinOption = False,
    numen_stdin: NumenStdinOption = False,
    numen: OldNumenOption = None,
    config: ConfigOption = None,
) -> None:
    """Set a new password; the old one and every session end at once, and its owner is told."""
    from mailserver.cli.account.recovery_desk import house_over, read_secret, refusals_said
    from mailserver.recovery.passwords import PasswordService

    settings = read_settings(config)
    refuse_secret(numen, _NUMEN_INSTEAD)
    _check_source(password_stdin=password_stdin, numen_stdin=numen_stdin)
    secret = read_secret("NUMEN" if numen_stdin else "Password")
    with opened_store(settings) as store, refusals_said(settings):
        account_named(store.accounts, identifier)
        service = PasswordService(house_over(store, settings))
        if numen_stdin:
            service.set_numen(identifier, secret.reveal(), by_whom=by_whom())
        else:
            service.set_by_admin(identifier, secret, by_whom=by_whom(), must_change=False)
    print(f"{identifier}: password set")


@app.command()
def suspend(identifier: IdentifierArgument, *, config: ConfigOption = None) -> None:
    """Let nobody log in to it; mail still arrives. `resume` ends it."""
    _set_state(identifier, config, "suspended")


@app.command()
def resume(identifier: IdentifierArgument, *, config: ConfigOption = None) -> None:
    """End a suspension."""
    _set_state(identifier, config, "active")


@app.command()
def delete(
    identifier: IdentifierArgument, *, yes: YesOption = False, config: ConfigOption = None
) -> None:
    """Delete the account and all its mail. Its names stay nobody's for the quarantine."""
    settings = read_settings(config)
    with opened_store(settings) as store:
        account = account_named(store.accounts, identifier)
        if account.identifier == settings.service.postmaster:
            raise Mistake(f"{identifier} gets the mail for postmaster: name another one first")
        if not yes:
            _confirm(store.mail, account)
        store.accounts.delete_account(account.account_id, now_s=time.time())
    print(f"{identifier}: deleted")


def _confirm(mail: Mail, account: Account) -> None:
    if not sys.stdin.isatty():
        raise Mistake("nobody to ask: add --yes to delete the account and its mail")
    messages = counted(mail.open_maildrop(account.inbox_id).count, "message")
    typer.confirm(f"Delete {account.name} and {messages}, for good?", abort=True)


def _set_state(identifier: str, config: Any, state: str) -> None:
    from mailserver.store.ports.accounts import AccountState
    from mailserver.store.ports.people import Event

    with opened_store(read_settings(config)) as store:
        account_id = account_named(store.accounts, identifier).account_id
        store.accounts.set_state(account_id, AccountState(state))
        what = "suspended" if state == "suspended" else "suspension ended"
        store.people.note(account_id, Event(at_s=time.time(), by_whom=by_whom(), what=what))
    print(f"{identifier}: {state}")


# --- what a person typed ---------------------------------------------------------


def _password_setter(
    settings: Settings, owner: Owner, *, password_stdin: bool, numen_stdin: bool
) -> Callable[[Store, AccountId], None]:
    """Read and check the password now; what is returned sets it.

    Raises:
        Mistake, BadNumen, BadPassword: it cannot be used; nothing was changed.
    """
    from mailserver.auth.accounts import check_password, set_numen, set_password
    from mailserver.auth.backend import open_backend
    from mailserver.cli.account.recovery_desk import read_secret
    from mailserver.values.numen import parse_numen

    _check_source(password_stdin=password_stdin, numen_stdin=numen_stdin)
    if numen_stdin:
        checked = parse_numen(read_secret("NUMEN").reveal())
        return lambda store, account_id: set_numen(
            open_backend(store, settings), account_id, checked
        )
    password = read_secret("Password")
    shortest = settings.passwords.min_characters
    check_password(password, owner, min_characters=shortest)
    return lambda store, account_id: set_password(
        open_backend(store, settings), account_id, password, min_characters=shortest
    )


def _check_source(*, password_stdin: bool, numen_stdin: bool) -> None:
    if password_stdin == numen_stdin:
        raise Mistake("a password is needed: --password-stdin or --numen-stdin, one of them")
