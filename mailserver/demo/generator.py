"""A fictional academy of any size, as the two files that an office would send.

    academy - 4 departments - districts (nursery and primary schools)
                            - sectors   (collèges, lycées)

One seed makes the same octets on every machine: all chance comes from
`random.Random(seed).random()`, the one method whose sequence Python promises.
NUMENs, codes and names are invented; the codes' key letters are right.
"""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from mailserver.demo import generator_names as names
from mailserver.people.uai import key_letter

MAX_ESTABLISHMENTS: Final = 2_000
PEOPLE_PER_ESTABLISHMENT: Final = 25
UNIT_HEADER: Final = (
    "uai", "type", "nature", "rattachement", "nom", "adresse", "code postal", "commune",
    "telephone", "site web",
)  # fmt: skip
PERSON_HEADER: Final = (
    "numen", "nom", "prenom", "uai", "fonction", "discipline", "arrivee", "depart", "conge",
    "retraite", "telephone", "liste rouge", "classe", "langue", "correspondant",
)  # fmt: skip
_DEPARTMENTS: Final = (
    ("016", "Bocage"), ("017", "Littoral"), ("079", "Marais"), ("086", "Plaine"),
)  # fmt: skip
_SCHOOLS_OF_DISTRICT: Final = 40
_NATURES: Final = (
    # share, nature, words before the name, level
    (0.25, "école maternelle", "École maternelle", "school"),
    (0.75, "école élémentaire", "École élémentaire", "school"),
    (0.90, "collège", "Collège", "college"),
    (0.96, "lycée général et technologique", "Lycée", "lycee"),
    (1.00, "lycée professionnel", "Lycée professionnel", "lycee"),
)
_HEADS: Final = {"school": "directeur", "college": "principal", "lycee": "proviseur"}
_OTHERS: Final = {
    "school": ("enseignant", "enseignant", "enseignant", "AESH", "ATSEM"),
    "college": (
        "enseignant", "enseignant", "enseignant", "enseignant", "gestionnaire", "CPE",
        "secrétaire", "assistant d'éducation", "infirmier",
    ),
    "lycee": (
        "enseignant", "enseignant", "enseignant", "enseignant", "enseignant", "proviseur adjoint",
        "gestionnaire", "CPE", "secrétaire", "assistant d'éducation",
    ),
}  # fmt: skip
_LETTERS: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ"
Thing = TypeVar("Thing")


@dataclass(frozen=True, slots=True)
class School:
    code: str
    level: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Academy:
    """The octets of two CSV files: UTF-8, parted by semicolons."""

    units: bytes
    people: bytes


def make_academy(*, people_count: int, seed: int) -> Academy:
    """people_count: at least 1; one in thirty has a second post, and so a second row."""
    chance = Chance(seed)
    units, schools = _make_units(chance, people_count)
    people = _make_people(chance, people_count, schools)
    return Academy(units=_csv(UNIT_HEADER, units), people=_csv(PERSON_HEADER, people))


class Chance:
    """Draws, the same for one seed everywhere."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - a story, not a secret

    def below(self, count: int) -> int:
        return int(self._random.random() * count)

    def happens(self, share: float) -> bool:
        return self._random.random() < share

    def one(self, things: Sequence[Thing]) -> Thing:
        return things[self.below(len(things))]

    def often_first(self, things: Sequence[Thing]) -> Thing:
        """The beginning of the list more often, as names are."""
        return things[int(self._random.random() ** 2 * len(things))]

    def day(self, first_year: int, last_year: int) -> str:
        """As offices write it."""
        year = first_year + self.below(last_year - first_year + 1)
        return f"{1 + self.below(28):02d}/{1 + self.below(12):02d}/{year}"

    def telephone(self) -> str:
        """Of the numbers that are kept for stories."""
        return f"05 49 00 {self.below(100):02d} {self.below(100):02d}"


# --- units -----------------------------------------------------------------------


def _make_units(chance: Chance, people_count: int) -> tuple[list[Sequence[str]], list[School]]:
    rows: list[Sequence[str]] = [_row("AC", "académie", "", "", "Académie d'Exemple")]
    for number, name in _DEPARTMENTS:
        rows.append(_row(f"D{number}", "département", "", "AC", f"Département du {name}"))
        rows += (
            _row(f"S{number}{letter}", "secteur", "", f"D{number}", f"Secteur {name} {letter}")
            for letter in "ABC"
        )
    wanted = min(MAX_ESTABLISHMENTS, max(5, people_count // PEOPLE_PER_ESTABLISHMENT))
    numbers = {number: _codes(number) for number, _ in _DEPARTMENTS}
    towns = {number: _towns(chance, number) for number, _ in _DEPARTMENTS}
    schools: list[School] = []
    districts: dict[str, tuple[str, int]] = {}
    for _ in range(wanted):
        number, _name = chance.one(_DEPARTMENTS)
        nature, words, level = _nature(chance)
        town, postcode = chance.one(towns[number])
        parent = f"S{number}{chance.one('ABC')}"
        if level == "school":
            parent, count = districts.get(number, ("", 0))
            if count % _SCHOOLS_OF_DISTRICT == 0:
                parent = next(numbers[number])
                rows.append(_district(chance, parent, number, count, (town, postcode)))
            districts[number] = (parent, count + 1)
        code = next(numbers[number])
        name = f"{words} {chance.one(names.SCHOOLS)}"
        rows.append(
            _row(
                code,
                "établissement",
                nature,
                parent,
                name,
                chance=chance,
                town=town,
                postcode=postcode,
            )
        )
        schools.append(School(code, level))
    return rows, schools


def _district(
    chance: Chance, code: str, number: str, count: int, place: tuple[str, str]
) -> Sequence[str]:
    name = f"Circonscription de {place[0]} {count // _SCHOOLS_OF_DISTRICT + 1}"
    return _row(
        code,
        "circonscription",
        "inspection",
        f"D{number}",
        name,
        chance=chance,
        town=place[0],
        postcode=place[1],
    )


def _row(
    code: str,
    kind: str,
    nature: str,
    parent: str,
    name: str,
    *,
    chance: Chance | None = None,
    town: str = "Poitiers-la-Neuve",
    postcode: str = "86000",
) -> Sequence[str]:
    if chance is None:
        return (code, kind, nature, parent, name, "1 place du Rectorat", postcode, town, "", "")
    street = f"{1 + chance.below(120)} rue {chance.one(names.SCHOOLS)}"
    site = f"https://{code.lower()}.ac-exemple.fr/"
    return (code, kind, nature, parent, name, street, postcode, town, chance.telephone(), site)


def _codes(department: str) -> Iterator[str]:
    for number in range(1, 10_000):
        digits = f"{department}{number:04d}"
        yield digits + key_letter(digits)


def _towns(chance: Chance, department: str) -> list[tuple[str, str]]:
    """(name, postcode), none twice."""
    found = {chance.one(names.TOWN_HEADS) + chance.one(names.TOWN_TAILS): None for _ in range(160)}
    return [(town, f"{department[1:]}{(index + 1) * 10:03d}") for index, town in enumerate(found)]


def _nature(chance: Chance) -> tuple[str, str, str]:
    at = chance.below(100) / 100
    return next((nature, words, level) for share, nature, words, level in _NATURES if at < share)


# --- people ------------------------------------------------------------------------


def _make_people(chance: Chance, count: int, schools: Sequence[School]) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = []
    numens: set[str] = set()
    for index in range(count):
        is_head = index < len(schools)
        school = schools[index] if is_head else chance.one(schools)
        who = (_numen(chance, numens), _surname(chance), _given_name(chance))
        function = _HEADS[school.level] if is_head else chance.one(_OTHERS[school.level])
        subject = chance.often_first(names.SUBJECTS) if _teaches(function, school) else ""
        rest = _rest(chance, is_correspondent=is_head)
        rows.append((*who, school.code, function, subject, *rest))
        if chance.happens(1 / 30):
            second = chance.one(schools)
            rows.append((*who, second.code, "enseignant", subject, *rest[:-1], ""))
    return rows


def _rest(chance: Chance, *, is_correspondent: bool) -> Sequence[str]:
    """Dates, telephone, choices; everybody is there but a few."""
    arrival = chance.day(1990, 2025)
    departure = "31/08/2099" if chance.happens(0.01) else ""
    leave = "31/07/2099" if chance.happens(0.01) else ""
    retirement = f"31/08/{2070 + chance.below(20)}" if chance.happens(0.02) else ""
    telephone = chance.telephone() if chance.happens(0.3) else ""
    hidden = "oui" if chance.happens(0.02) else ""
    language = "en" if chance.happens(0.01) else "fr"
    correspondent = "oui" if is_correspondent else ""
    return (arrival, departure, leave, retirement, telephone, hidden, "", language, correspondent)


def _teaches(function: str, school: School) -> bool:
    return function == "enseignant" and school.level != "school"


def _numen(chance: Chance, taken: set[str]) -> str:
    """None twice."""
    while True:
        letters = "".join(chance.one(_LETTERS) for _ in range(4))
        digits = f"{chance.below(10_000_000):07d}"
        numen = f"{chance.below(100):02d}{letters[0]}{digits}{letters[1:]}"
        if numen not in taken:
            taken.add(numen)
            return numen


def _surname(chance: Chance) -> str:
    surname = chance.often_first(names.SURNAMES)
    if chance.happens(0.03) and "'" not in surname and " " not in surname:
        particle = chance.one(names.PARTICLES)
        return particle + surname
    if chance.happens(0.04):
        return f"{surname}-{chance.often_first(names.SURNAMES)}"
    return surname.upper() if chance.happens(0.3) else surname


def _given_name(chance: Chance) -> str:
    given = names.WOMEN if chance.happens(0.62) else names.MEN
    first = chance.often_first(given)
    if chance.happens(0.08):
        second = chance.often_first(given)
        return f"{first}{' ' if chance.happens(0.3) else '-'}{second}" if second != first else first
    return first


def _csv(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue().encode("utf-8")
