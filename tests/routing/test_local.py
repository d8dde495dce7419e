"""Where an address of our own domains leads, case by case."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.routing.local import (
    Elsewhere,
    LocalRoute,
    OurDomains,
    Unknown,
    decide_local,
    owns,
)
from mailserver.values.address import Address
from mailserver.values.ids import MailboxId
from mailserver.values.message import Deposit

OURS = OurDomains(
    names=frozenset({"ac-exemple.fr", "xn--acadmie-eya.fr", "all.example"}),
    principal="ac-exemple.fr",
    catch_all={"all.example": "frederic.marot@ac-exemple.fr"},
)
POSTMASTER = MailboxId(1)
DIRECTORY = {
    "frederic.marot@ac-exemple.fr": MailboxId(2),
    "ce.0750001a@ac-exemple.fr": MailboxId(3),
    "e-nomecole-ville@ac-exemple.fr": MailboxId(3),
    "with+plus@ac-exemple.fr": MailboxId(4),
    "marot@xn--acadmie-eya.fr": MailboxId(5),
}


def route(local: str, domain: str, postmaster: MailboxId | None = POSTMASTER) -> LocalRoute:
    return decide_local(
        Address(local, domain),
        ours=OURS,
        find_mailbox=DIRECTORY.get,
        postmaster_mailbox=postmaster,
    )


def deposit(mailbox: int) -> Deposit:
    return Deposit(mailbox_id=MailboxId(mailbox))


@pytest.mark.parametrize(
    ("local", "domain", "decided"),
    [
        ("frederic.marot", "ac-exemple.fr", deposit(2)),
        ("Frédéric.MAROT", "AC-Exemple.FR.", deposit(2)),
        ("ce.0750001A", "ac-exemple.fr", deposit(3)),
        ("e-nomecole-ville", "ac-exemple.fr", deposit(3)),
        ("frederic.marot+ski", "ac-exemple.fr", deposit(2)),
        ("frederic.marot+", "ac-exemple.fr", Unknown()),
        ("frederic.marot+a+b", "ac-exemple.fr", deposit(2)),
        ("with+plus", "ac-exemple.fr", deposit(4)),
        ("with", "ac-exemple.fr", Unknown()),
        ("+frederic.marot", "ac-exemple.fr", Unknown()),
        ("marot", "académie.fr", deposit(5)),
        ("marot", "xn--acadmie-eya.fr", deposit(5)),
        ("marot", "ac-exemple.fr", Unknown()),
        ("frederic.marot", "académie.fr", deposit(2)),
        ("frederic.marot+ski", "académie.fr", deposit(2)),
        ("frederic.marot", "all.example", deposit(2)),
        ("ce.0750001a", "all.example", deposit(3)),
        ("postmaster", "all.example", deposit(1)),
        ("whoever", "all.example", deposit(2)),
        ("whoever", "académie.fr", Unknown()),
        ("", "ac-exemple.fr", Unknown()),
        ("inconnu", "ac-exemple.fr", Unknown()),
        ("postmaster", "ac-exemple.fr", deposit(1)),
        ("POSTMASTER", "académie.fr", deposit(1)),
        ("abuse", "ac-exemple.fr", deposit(1)),
        ("abuse+spam", "ac-exemple.fr", deposit(1)),
        ("postmaster", "", deposit(1)),
        ("PostMaster", "", deposit(1)),
        ("abuse", "", Unknown()),
        ("jean", "", Unknown()),
        ("postmaster", "ailleurs.fr", Elsewhere("ailleurs.fr")),
        ("frederic.marot", "sub.ac-exemple.fr", Elsewhere("sub.ac-exemple.fr")),
        ("jean", "École.fr", Elsewhere("xn--cole-9oa.fr")),
        ("jean", "[192.0.2.1]", Elsewhere("[192.0.2.1]")),
    ],
)
def test_the_table(local: str, domain: str, decided: LocalRoute) -> None:
    assert route(local, domain) == decided


def test_a_postmaster_of_its_own_comes_before_the_named_one() -> None:
    found = decide_local(
        Address("postmaster", "ac-exemple.fr"),
        ours=OURS,
        find_mailbox={"postmaster@ac-exemple.fr": MailboxId(9)}.get,
        postmaster_mailbox=POSTMASTER,
    )
    assert found == deposit(9)


def test_a_store_without_its_postmaster_refuses_instead_of_losing_mail() -> None:
    assert route("postmaster", "ac-exemple.fr", None) == Unknown()
    assert route("postmaster", "", None) == Unknown()


@given(
    local=st.text(st.characters(), max_size=30),
    domain=st.sampled_from(["", "ac-exemple.fr", "all.example", "ailleurs.fr"])
    | st.text(max_size=20),
)
def test_whatever_the_address_it_has_a_route_and_costs_five_looks(local: str, domain: str) -> None:
    asked: list[str] = []

    def find(key: str) -> MailboxId | None:
        asked.append(key)
        return None

    decided = decide_local(
        Address(local, domain), ours=OURS, find_mailbox=find, postmaster_mailbox=POSTMASTER
    )
    assert isinstance(decided, Deposit | Unknown | Elsewhere)
    assert len(asked) <= 5
    assert not isinstance(decided, Elsewhere) or not asked


@pytest.mark.parametrize(
    ("address", "is_owned"),
    [
        (Address("Marie", "ac-exemple.fr"), True),
        (Address("marie", "académie.fr"), True),
        (Address("taken", "académie.fr"), False),
        (Address("taken", "ac-exemple.fr"), True),
        (Address("marie", "ailleurs.fr"), False),
        (Address("pierre", "académie.fr"), False),
    ],
)
def test_an_address_is_owned_at_all_our_domains_unless_another_has_it_there(
    address: Address, is_owned: bool
) -> None:
    own = {"marie@ac-exemple.fr", "taken@ac-exemple.fr"}
    given_away = {"taken@xn--acadmie-eya.fr"}
    found = owns(
        address,
        ours=OURS,
        owns_key=own.__contains__,
        is_given=lambda key: key in own | given_away,
    )
    assert found is is_owned
