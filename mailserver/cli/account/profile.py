"""What the directory knows of an account that is made by hand, and its further addresses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from mailserver.cli.access import moment_for
from mailserver.cli.directory.subjects import doc_named, person_named, put, unit_named
from mailserver.cli.mistake import Mistake
from mailserver.cli.new_names import check_not_reserved

if TYPE_CHECKING:
    from mailserver.settings.model import Settings
    from mailserver.store.ports.store import Store

GivenNameOption = Annotated[str, typer.Option(metavar="N", help="First name.")]
SurnameOption = Annotated[str, typer.Option(metavar="N", help="Family name.")]
TelephoneOption = Annotated[str, typer.Option(metavar="T", help="For colleagues.")]
LanguageOption = Annotated[str, typer.Option(metavar="fr|en", help="Default: the service's.")]
ClassOption = Annotated[str, typer.Option("--class", metavar="C", help="Of quota and sending.")]
PostUnitOption = Annotated[
    str, typer.Option("--unit", metavar="CODE", help="Where they have a post.")
]
PostFunctionOption = Annotated[
    str, typer.Option("--function", metavar="WORDS", help="What they do there, as enseignant.")
]
HiddenOption = Annotated[bool, typer.Option("--hidden", help="On the liste rouge.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Empty fields leave what is there."""

    given_name: str = ""
    surname: str = ""
    telephone: str = ""
    language: str = ""
    class_name: str = ""
    unit: str = ""
    function: str = ""
    is_hidden: bool = False

    def check(self) -> None:
        """
        Raises:
            Mistake: the fields do not fit together.
        """
        if self.language not in {"", "fr", "en"}:
            raise Mistake(f"--language {self.language}: write fr or en")
        if bool(self.unit) != bool(self.function):
            raise Mistake("a post needs both: --unit CODE --function WORDS")
        if bool(self.given_name) != bool(self.surname):
            raise Mistake("write both names: --given-name and --surname")

    def put(self, store: Store, settings: Settings, identifier: str) -> None:
        """
        Raises:
            Mistake: the unit is not there; the account is, without these fields.
        """
        from mailserver.store.ports.people import Change, PostDoc

        if self == Profile():
            return
        before = doc_named(store.people, identifier)
        posts = before.posts
        if self.unit:
            posts = (PostDoc(unit_named(store.people, self.unit).doc.code, self.function),)
        after = replace(
            before,
            given_name=self.given_name or before.given_name,
            surname=self.surname or before.surname,
            telephone=self.telephone or before.telephone,
            language=self.language or before.language,
            class_name=self.class_name or before.class_name,
            posts=posts,
            is_hidden=self.is_hidden or before.is_hidden,
        )
        put(
            store.people,
            settings,
            Change(before=before, after=after),
            now_s=moment_for(store.clock),
        )


def change_addresses(
    store: Store, settings: Settings, identifier: str, address: str, *, remove: bool
) -> None:
    """Give a person one more address, or take one away, which goes into quarantine.

    Raises:
        Mistake: it is not free, not theirs, or their only one.
    """
    from mailserver.store.ports.people import Change, Kind

    person, now_s = person_named(store.people, identifier), moment_for(store.clock)
    if not remove:
        is_role = person.kind is Kind.FUNCTION
        check_not_reserved(person.identifier, [address], settings, is_role=is_role)
    if person.kind is not Kind.PERSON and not remove:
        store.accounts.add_address(person.account_id, address, now_s=now_s)
        return
    before = doc_named(store.people, identifier)
    others = tuple(one for one in before.addresses if one.casefold() != address.casefold())
    is_theirs = len(others) < len(before.addresses)
    if remove and not is_theirs:
        raise Mistake(f"{address} is not an address of {identifier}")
    if remove and not others:
        raise Mistake(f"{address} is the only address of {identifier}: give another one first")
    if not remove and is_theirs:
        raise Mistake(f"{address} is an address of {identifier} already")
    after = replace(before, addresses=others if remove else (*others, address))
    put(store.people, settings, Change(before=before, after=after), now_s=now_s)


def rename(
    store: Store, settings: Settings, identifier: str, names: tuple[str, str], address: str | None
) -> None:
    """Another name, and where it brings one, another canonical address; the old ones stay.

    Raises:
        Mistake: it is not a person, or the address is not free.
    """
    from mailserver.store.ports.people import Change

    before = doc_named(store.people, identifier)
    given_name, surname = names
    addresses = before.addresses
    if address is not None:
        others = (one for one in addresses if one.casefold() != address.casefold())
        addresses = (address, *others)
    after = replace(before, given_name=given_name, surname=surname, addresses=addresses)
    put(store.people, settings, Change(before=before, after=after), now_s=moment_for(store.clock))
