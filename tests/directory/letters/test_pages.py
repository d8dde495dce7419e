"""Letters: who gets a page, which passwords are made, and what the paper says."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest

from mailserver.directory.letters.pages import (
    Contact,
    Letter,
    Password,
    Pile,
    gather,
    give_passwords,
)
from mailserver.directory.letters.pdf import ServerNames, Stationery, draw_letters
from mailserver.store.ports.accounts import AccountState, Credential
from mailserver.store.ports.people import (
    Event,
    Kind,
    Life,
    Person,
    PostDoc,
    Relation,
    RelationKind,
    Search,
    Unit,
    UnitDoc,
)
from mailserver.values.ids import AccountId, UnitId
from mailserver.values.secret import Secret
from tests.one_object import OneObject
from tests.programs import needs_program

NOW_S = 1_790_000_000.0
SCHOOL = UnitDoc(
    code="0170705z",
    kind="establishment",
    name="École Jules Ferry",
    town="Saintes",
    identifier="0170705z",
    addresses=("ce.0170705z@a.test",),
)
STATIONERY = Stationery(
    organisation="Académie d’Exemple",
    date="24/11/2026",
    language="fr",
    receive=ServerNames(host="mail.a.test", port=995, security="SSL/TLS"),
    send=ServerNames(host="mail.a.test", port=465, security="SSL/TLS"),
    help_address="postmaster@a.test",
)


def person(number: int, name: str, *codes: str, life: Life = Life.PRESENT) -> Person:
    given, surname = name.split()
    return Person(
        account_id=AccountId(number),
        kind=Kind.PERSON,
        identifier=(given[0] + surname).lower(),
        given_name=given,
        surname=surname,
        name=name,
        address=f"{given}.{surname}@a.test".lower(),
        life=life,
        is_hidden=False,
        telephone="",
        posts=tuple(PostDoc(code, "enseignant") for code in codes),
    )


@dataclass
class FakeDirectory(OneObject):
    """One school and its people; pages of two, so that paging is tried."""

    persons: list[Person]
    must_change: dict[int, bool | None] = field(default_factory=dict)
    relations: list[Relation] = field(default_factory=list)
    verifiers: dict[int, str] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    school: UnitDoc = SCHOOL

    def search_people(self, which: Search, *, after: str, limit: int) -> list[Person]:
        assert which.with_hidden
        names = [one.identifier for one in self.persons]
        begin = names.index(after) + 1 if after else 0
        return self.persons[begin : begin + 2]

    def search_units(self, which: Search, *, after: str, limit: int) -> list[Unit]:
        unit = Unit(
            unit_id=UnitId(1),
            doc=self.school,
            account_id=AccountId(100),
            child_count=0,
            people_count=0,
        )
        return [] if after else [unit]

    def find_person(self, identifier: str) -> Person | None:
        return next((one for one in self.persons if one.identifier == identifier), None)

    def relations_over(
        self, *, account_id: AccountId | None = None, unit_id: UnitId | None = None
    ) -> list[Relation]:
        return self.relations

    def read_credential(self, account_id: AccountId) -> Credential | None:
        must_change = self.must_change.get(account_id, True)
        return Credential(
            account_id=account_id,
            version=1,
            state=AccountState.ACTIVE,
            verifier=None if must_change is None else "verifier",
            must_change=bool(must_change),
        )

    def write_credential(
        self, account_id: AccountId, *, verifier: str, must_change: bool
    ) -> Credential:
        assert must_change
        self.verifiers[account_id] = verifier
        credential = self.read_credential(account_id)
        assert credential is not None
        return credential

    def note(self, account_id: AccountId, event: Event) -> None:
        self.events.append(event)


def correspondent(identifier: str, *, until_s: float | None = None) -> Relation:
    return Relation(
        relation_id=1,
        kind=RelationKind.CORRESPONDENT,
        account_id=AccountId(1),
        identifier=identifier,
        of_account=None,
        of_unit=UnitId(1),
        since_s=0.0,
        until_s=until_s,
    )


def piles_of(directory: FakeDirectory, *, only_new: bool = False) -> list[Pile]:
    return gather(directory, unit_code="", only_new=only_new, language="fr", now_s=NOW_S)


def test_each_person_has_one_page_and_the_establishment_comes_first() -> None:
    people = [
        person(1, "Jeanne Martin", "0170705z"),
        person(2, "Paul Noir", "elsewhere", "0170705z"),
        person(3, "Ada Loin"),
        person(4, "Luc Parti", "0170705z", life=Life.LEFT),
    ]
    school, nowhere = piles_of(FakeDirectory(people))
    assert [one.identifier for one in school.letters] == ["0170705z", "jmartin", "pnoir"]
    assert nowhere.unit is None
    assert [one.identifier for one in nowhere.letters] == ["aloin"]


def test_only_new_leaves_out_those_who_chose_a_password() -> None:
    directory = FakeDirectory([person(1, "Jeanne Martin", "0170705z")])
    directory.must_change = {1: False, 100: False}
    assert piles_of(directory, only_new=True) == []
    assert [one.password for one in piles_of(directory)[0].letters] == [Password.OWN] * 2


def test_an_account_without_any_password_is_told_to_ask_for_a_code() -> None:
    directory = FakeDirectory([person(1, "Jeanne Martin", "0170705z")])
    directory.must_change = {1: None}
    assert piles_of(directory)[0].letters[1].password is Password.NONE


def test_only_correspondents_of_today_are_named() -> None:
    directory = FakeDirectory([person(1, "Jeanne Martin", "0170705z")])
    directory.relations = [correspondent("jmartin"), correspondent("pnoir", until_s=NOW_S)]
    names = [one.name for one in piles_of(directory)[0].contacts]
    assert names == ["Jeanne Martin"]


def test_an_establishments_password_is_kept_as_a_verifier_and_printed_once() -> None:
    directory = FakeDirectory([person(1, "Jeanne Martin", "0170705z")])
    letters = iter("abcdefghjkmn")
    (pile,) = give_passwords(
        piles_of(directory),
        directory,
        hash_password=lambda password: "hash of " + password.reveal(),
        thread_count=1,
        by_whom="cli:root",
        now_s=NOW_S,
        choose=lambda _: next(letters),
    )
    assert [one.one_time for one in pile.letters] == [Secret("abcd-efgh-jkmn"), None]
    assert directory.verifiers == {100: "hash of abcd-efgh-jkmn"}
    assert [event.what for event in directory.events] == ["one-time password printed"]
    assert "abcd" not in repr(pile) + repr(directory.events)


def test_an_establishment_that_chose_its_password_keeps_it() -> None:
    directory = FakeDirectory([], must_change={100: False})
    piles = give_passwords(
        piles_of(directory),
        directory,
        hash_password=lambda _: "x",
        thread_count=1,
        by_whom="cli:root",
        now_s=NOW_S,
    )
    assert directory.verifiers == {}
    assert piles[0].letters[0].one_time is None


# --- on paper -----------------------------------------------------------------------


def letter(number: int, *, language: str = "fr", name: str = "Zoé Lecœur-d’Angély") -> Letter:
    return Letter(
        account_id=AccountId(number),
        kind=Kind.PERSON,
        name=name,
        identifier=f"zlecoeur{number}",
        address=f"zoe.lecoeur{number}@a.test",
        function="professeure",
        language=language,
        password=Password.NUMEN,
    )


def _flat(page: str) -> str:
    return " ".join(page.split())


def on_paper(
    *letters: Letter,
    contacts: tuple[Contact, ...] = (Contact(name="Jeanne Martin", address="j@a.test"),),
    above: tuple[Contact, ...] = (),
    paper: Stationery = STATIONERY,
) -> Iterator[str]:
    """The text of each page, read by another program."""
    file = io.BytesIO()
    pile = Pile(unit=SCHOOL, letters=letters, contacts=contacts, above=above)
    count = draw_letters(file, [pile], paper)
    command = ["pdftotext", "-layout", "-", "-"]
    done = subprocess.run(command, input=file.getvalue(), capture_output=True, timeout=30)
    assert done.returncode == 0, done.stderr
    pages = done.stdout.decode().split("\f")[:-1]
    assert len(pages) == count
    yield from (page.replace("\u00a0", " ") for page in pages)


@needs_program("pdftotext")
def test_a_page_says_who_how_and_where_to_ask() -> None:
    cover, page, english = on_paper(letter(1), letter(2, language="en"))
    assert "École Jules Ferry" in cover
    assert "2 feuilles suivent" in cover
    assert "Détruisez toute feuille non remise" in " ".join(cover.split())
    for text in (
        *("Zoé Lecœur-d’Angély", "zlecoeur1", "zoe.lecoeur1@a.test", "votre NUMEN", "995", "465"),
        *("mail.a.test", "SSL/TLS", "Thunderbird", "Outlook", "Jeanne Martin (j@a.test)"),
    ):
        assert text in page
    assert "your NUMEN" in english
    assert "Recevoir" not in english


@needs_program("pdftotext")
def test_a_page_speaks_of_no_change_and_no_page_where_there_is_none() -> None:
    one_time = replace(letter(3), password=Password.ONE_TIME, one_time=Secret("K7MH-3XQD-AC9T"))
    for said in map(_flat, on_paper(letter(1), letter(2, language="en"), one_time)):
        for word in ("chang", "webmail", "http", "première fois ;", "jour", "day"):
            assert word not in said.lower()


@needs_program("pdftotext")
def test_one_sheet_is_counted_as_one() -> None:
    cover, _ = on_paper(letter(1))
    assert "1 feuille suit" in cover


@needs_program("pdftotext")
def test_where_first_passwords_end_the_page_says_who_helps_or_where() -> None:
    must = replace(STATIONERY, must_change=True)
    _, page = map(_flat, on_paper(letter(1), paper=must))
    assert "Faites-le changer dès le premier jour" in page
    _, page = map(_flat, on_paper(letter(1), paper=replace(must, page="https://moi.a.test")))
    assert "Choisissez tout de suite le vôtre sur https://moi.a.test" in page


JEANNE = Contact(
    name="Jeanne Martin", address="j@a.test", telephone="05 46 00 00 01", identifier="jmartin"
)
PAUL = Contact(name="Paul Noir", address="p@a.test", identifier="zlecoeur1")


@needs_program("pdftotext")
@pytest.mark.parametrize(
    ("contacts", "above", "told"),
    [
        (
            (JEANNE,),
            (),
            "Appelez Jeanne Martin, 05 46 00 00 01 (j@a.test). Vous pouvez aussi écrire à",
        ),
        ((PAUL,), (JEANNE,), "Appelez Jeanne Martin, 05 46 00 00 01 (j@a.test)."),
        ((PAUL, JEANNE), (), "Appelez Jeanne Martin, 05 46"),
        ((PAUL,), (), "Écrivez à postmaster@a.test."),
        ((), (), "Écrivez à postmaster@a.test."),
    ],
)
def test_nobody_is_sent_to_themselves_for_help(
    contacts: tuple[Contact, ...], above: tuple[Contact, ...], told: str
) -> None:
    _, page = map(_flat, on_paper(letter(1), contacts=contacts, above=above))
    assert told in page
    assert "Paul Noir" not in page


@needs_program("pdftotext")
def test_the_postmasters_page_names_the_telephone_of_the_service_or_nobody() -> None:
    paper = replace(STATIONERY, postmaster="zlecoeur1")
    _, page = map(_flat, on_paper(letter(1), contacts=(), paper=paper))
    assert "postmaster@" not in page
    assert "Mot de passe oublié" not in page
    paper = replace(paper, help_telephone="05 49 00 00 00")
    _, page = map(_flat, on_paper(letter(1), contacts=(), paper=paper))
    assert "Appelez le service, 05 49 00 00 00." in page


def test_a_contact_has_their_own_telephone_else_their_units() -> None:
    people = [
        replace(person(1, "Jeanne Martin", "0170705z"), telephone="06"),
        person(2, "Paul Noir", "0170705z"),
    ]
    directory = FakeDirectory(people)
    directory.relations = [correspondent("jmartin"), correspondent("pnoir")]
    directory.school = replace(SCHOOL, telephone="05")
    (pile,) = piles_of(directory)
    assert [one.telephone for one in pile.contacts] == ["06", "05"]
    assert [one.identifier for one in pile.contacts_for(pile.letters[1])] == ["pnoir"]


@needs_program("pdftotext")
def test_a_name_of_any_letters_and_length_stays_on_its_page() -> None:
    _, page = on_paper(letter(1, name="Ňguyễn Łukasz \U0001f600 " * 20))
    assert "zlecoeur1" in page


@needs_program("pdffonts")
def test_the_fonts_that_are_used_are_embedded() -> None:
    file = io.BytesIO()
    draw_letters(file, [Pile(unit=None, letters=(letter(1),), contacts=())], STATIONERY)
    done = subprocess.run(["pdffonts", "-"], input=file.getvalue(), capture_output=True, timeout=30)
    rows = [line.split() for line in done.stdout.decode().splitlines()[2:]]
    vera = [row for row in rows if "Vera" in row[0]]
    assert len(vera) == 2
    assert all("TrueType" in row and row[-5] == "yes" for row in vera)
