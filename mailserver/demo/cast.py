"""Who is in the fictional academy, as `config/demo.toml` tells it.

The passwords are public: they are printed and typed by whoever tries the demo,
so they are plain text here and not `Secret`.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import Any

from mailserver.settings.template import read_config

FILE_NAME = "demo.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class CastMember:
    """Somebody with an account: a person, a school, or the postmaster.

    addresses: whole, the canonical one first.
    is_numen: the password is a first one, to be changed.
    """

    identifier: str
    name: str
    addresses: tuple[str, ...]
    password: str
    is_numen: bool

    @property
    def address(self) -> str:
        return self.addresses[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class WelcomeText:
    """The message that lies in each new mailbox, with its places to fill in."""

    from_name: str
    subject: str
    text: str
    alias_line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TourText:
    """What the tour sends; `sender` and `collector` are identifiers."""

    sender: str
    collector: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    domain: str
    hostname: str
    language: str
    certificate_names: tuple[str, ...]
    postmaster: CastMember
    people: tuple[CastMember, ...]
    schools: tuple[CastMember, ...]
    welcome: WelcomeText
    tour: TourText

    @property
    def members(self) -> tuple[CastMember, ...]:
        """Everybody, the postmaster first."""
        return (self.postmaster, *self.people, *self.schools)

    def member(self, identifier: str) -> CastMember:
        """
        Raises:
            KeyError: nobody has this identifier.
        """
        for member in self.members:
            if member.identifier == identifier:
                return member
        raise KeyError(identifier)


def read_cast() -> Cast:
    """The cast that travels with the program.

    Raises:
        FileNotFoundError: the installation is not complete.
        KeyError, TypeError, ValueError: the file is not good; a test reads it.
    """
    return cast_from(tomllib.loads(read_config(FILE_NAME)))


def cast_from(tree: dict[str, Any]) -> Cast:
    """The cast that this TOML tells.

    Raises:
        KeyError, TypeError: a key is missing, or one too many.
    """
    service = tree["service"]
    domain = service["domain"]
    return Cast(
        domain=domain,
        hostname=service["hostname"],
        language=service["language"],
        certificate_names=tuple(service["certificate_names"]),
        postmaster=_postmaster(tree["postmaster"], domain),
        people=tuple(_person(row, domain) for row in tree["people"]),
        schools=tuple(_school(row, domain) for row in tree["schools"]),
        welcome=WelcomeText(**tree["welcome"]),
        tour=TourText(**tree["tour"]),
    )


def _postmaster(row: dict[str, str], domain: str) -> CastMember:
    return CastMember(
        identifier=row["identifier"],
        name="Postmaster",
        addresses=(f"postmaster@{domain}", f"abuse@{domain}"),
        password=row["password"],
        is_numen=False,
    )


def _person(row: dict[str, str], domain: str) -> CastMember:
    return CastMember(
        identifier=row["identifier"],
        name=row["name"],
        addresses=(f"{row['address']}@{domain}",),
        password=row["numen"],
        is_numen=True,
    )


def _school(row: dict[str, str], domain: str) -> CastMember:
    """The code is the identifier, ce.<code>@ the address."""
    return CastMember(
        identifier=row["code"],
        name=row["name"],
        addresses=(f"ce.{row['code']}@{domain}", f"{row['alias']}@{domain}"),
        password=row["password"],
        is_numen=False,
    )
