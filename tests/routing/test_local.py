"""Where an address of our own domains leads, case by case."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.routing.local import (
    Elsewhere,
    LocalRoute,
    Misplaced,
    OurDomains,
    Unknown,
    decide_local,
    find_local,
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
        ("MAILER-DAEMON", "ac-exemple.fr", deposit(1)),
        ("mailer-daemon", "all.example", deposit(1)),
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


# --- whose mail it is, and who may write under it ----------------------------------------

OWNERS = {
    "marie@ac-exemple.fr": "marie",
    "taken@ac-exemple.fr": "marie",
    "elodie@ac-exemple.fr": "marie",
    "taken@xn--acadmie-eya.fr": "pierre",
    "marie+ski@ac-exemple.fr": "pierre",
    "marie.plus@all.example": "marie",
    "frederic.marot@ac-exemple.fr": "pierre",
    "rene+ecole@ac-exemple.fr": "marie",
}
SPELLINGS = {
    "elodie@ac-exemple.fr": "Élodie@ac-exemple.fr",
    "rene+ecole@ac-exemple.fr": "René+école@ac-exemple.fr",
}


def may_write(address: Address, account: str = "marie") -> bool:
    return owns(
        address,
        ours=OURS,
        owns_key=lambda key: OWNERS.get(key) == account,
        is_given=OWNERS.__contains__,
        spelling_of=lambda key: SPELLINGS.get(key, key if key in OWNERS else ""),
    )


def reader_of(address: Address) -> object:
    return find_local(address, ours=OURS, find=OWNERS.get, postmaster="postmaster")


@pytest.mark.parametrize(
    ("local", "domain", "reader", "writes"),
    [
        ("marie", "ac-exemple.fr", "marie", True),
        ("MARIE", "AC-EXEMPLE.FR", "marie", True),
        ("marie", "ac-exemple.fr.", "marie", True),
        ("marie+x", "ac-exemple.fr", "marie", True),
        ("marie+x+y", "ac-exemple.fr", "marie", True),
        ("marie+ski", "ac-exemple.fr", "pierre", False),
        ("marie+", "ac-exemple.fr", Unknown(), False),
        ("+marie", "ac-exemple.fr", Unknown(), False),
        ("marie", "académie.fr", "marie", True),
        ("marie", "ACADÉMIE.fr", "marie", True),
        ("marie", "xn--acadmie-eya.fr", "marie", True),
        ("marie+x", "académie.fr", "marie", True),
        ("marie+ski", "académie.fr", "pierre", False),
        ("taken", "académie.fr", "pierre", False),
        ("taken+x", "académie.fr", "pierre", False),
        ("taken", "ac-exemple.fr", "marie", True),
        ("marie.plus", "all.example", "marie", True),
        ("marie.plus", "ac-exemple.fr", Unknown(), False),
        ("pierre", "académie.fr", Unknown(), False),
        ("marie", "ailleurs.fr", Elsewhere("ailleurs.fr"), False),
        ("marie", "", Unknown(), False),
        # As they were given, or in ASCII.
        ("élodie", "ac-exemple.fr", "marie", True),
        ("ÉLODIE", "ac-exemple.fr", "marie", True),
        ("e\u0301lodie", "ac-exemple.fr", "marie", True),
        ("elodie", "ac-exemple.fr", "marie", True),
        ("élodie+x", "ac-exemple.fr", "marie", True),
        ("rené+école", "ac-exemple.fr", "marie", True),
        ("rene+ecole", "ac-exemple.fr", "marie", True),
        ("rené+ecole", "ac-exemple.fr", "marie", False),
        # They lead there, and look like somebody else.
        ("elodié", "ac-exemple.fr", "marie", False),
        ("márie", "ac-exemple.fr", "marie", False),
        ("ｍａｒｉｅ", "ac-exemple.fr", "marie", False),
        ("marie", "ａｃ-exemple.fr", "marie", False),
        ("marie", "ac-exemple。fr", "marie", False),
        ("𝓶𝓪𝓻𝓲𝓮", "ac-exemple.fr", "marie", False),
        ("márie+x", "ac-exemple.fr", "marie", False),
        # What only a role or a catch-all brings.
        ("postmaster", "ac-exemple.fr", "postmaster", False),
        ("whoever", "all.example", "pierre", False),
        # What needs quotes, or has a dot too many.
        ("marie+boss@ac-exemple.fr> ", "ac-exemple.fr", "marie", False),
        ("marie+a..b", "ac-exemple.fr", "marie", False),
        ("marie.", "ac-exemple.fr", Unknown(), False),
        ("", "ac-exemple.fr", Unknown(), False),
    ],
)
def test_who_reads_and_who_writes(local: str, domain: str, reader: object, writes: bool) -> None:
    address = Address(local, domain)
    assert reader_of(address) == reader
    assert may_write(address) is writes


@given(
    local=st.text("marietknploéÉ+. ｅ", max_size=12)
    | st.sampled_from(["marie", "taken", "elodie"]),
    detail=st.sampled_from(["", "+x", "+ski", "+"]),
    domain=st.sampled_from(
        ["ac-exemple.fr", "académie.fr", "all.example", "ａｃ-exemple.fr", "x.fr"]
    ),
)
def test_whoever_may_write_under_an_address_gets_its_mail(
    local: str, detail: str, domain: str
) -> None:
    address = Address(local + detail, domain)
    for account in ("marie", "pierre"):
        if may_write(address, account):
            assert reader_of(address) == account


# --- a domain that was changed -----------------------------------------------------------

MOVED = OurDomains(
    names=frozenset({"nouveau.fr"}),
    principal="nouveau.fr",
    catch_all={"pris.fr": "frederic.marot@ac-exemple.fr"},
    held=frozenset({"ac-exemple.fr", "pris.fr"}),
)


@pytest.mark.parametrize(
    ("local", "domain", "found"),
    [
        ("frederic.marot", "ac-exemple.fr", Misplaced(MailboxId(2))),
        ("Frederic.Marot+x", "AC-EXEMPLE.fr", Misplaced(MailboxId(2))),
        ("postmaster", "ac-exemple.fr", Misplaced(POSTMASTER)),
        ("who.ever", "pris.fr", Misplaced(MailboxId(2))),
        ("a%b", "pris.fr", Elsewhere("pris.fr")),
        ("nobody", "ac-exemple.fr", Elsewhere("ac-exemple.fr")),
        ("marot", "xn--acadmie-eya.fr", Elsewhere("xn--acadmie-eya.fr")),
        ("frederic.marot", "nouveau.fr", Unknown()),
    ],
)
def test_an_address_of_the_directory_at_a_domain_that_is_not_ours(
    local: str, domain: str, found: object
) -> None:
    looked = find_local(
        Address(local, domain), ours=MOVED, find=DIRECTORY.get, postmaster=POSTMASTER
    )
    assert looked == found
    if isinstance(looked, Misplaced):  # for what the service itself sends
        decided = decide_local(
            Address(local, domain),
            ours=MOVED,
            find_mailbox=DIRECTORY.get,
            postmaster_mailbox=POSTMASTER,
        )
        assert decided == Deposit(mailbox_id=looked.found)


# A domain that is ours still, and whose addresses answered at another principal once.
RENAMED = OurDomains(
    names=frozenset({"ecole.fr", "nouveau.fr"}),
    principal="nouveau.fr",
    catch_all={"ecole.fr": "all@nouveau.fr"},
    former={"ecole.fr": ("ecole.fr", "ac-exemple.fr")},
)


@pytest.mark.parametrize(
    ("local", "domain", "found"),
    [
        ("frederic.marot", "ecole.fr", Misplaced(MailboxId(2))),
        ("frederic.marot+x", "ecole.fr", Misplaced(MailboxId(2))),
        ("who.ever", "ecole.fr", MailboxId(9)),
        ("postmaster", "ecole.fr", POSTMASTER),
        ("frederic.marot", "nouveau.fr", Unknown()),  # it never answered there
    ],
)
def test_who_had_an_address_by_the_former_principal_comes_before_a_catch_all(
    local: str, domain: str, found: object
) -> None:
    directory = DIRECTORY | {"all@nouveau.fr": MailboxId(9)}
    looked = find_local(
        Address(local, domain), ours=RENAMED, find=directory.get, postmaster=POSTMASTER
    )
    assert looked == found
