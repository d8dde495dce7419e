"""What the headers of an import mean: one table of data for each kind of row.

A header is compared as its words: case, accents, hyphens and underscores do
not matter (`search_key`).  The first word of each list is the one that errors
and our own files use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from enum import Enum
from typing import Final

from mailserver.values.words import search_key


class RowKind(Enum):
    UNIT = "unit"
    PERSON = "person"


UNIT_COLUMNS: Final[Mapping[str, Sequence[str]]] = {
    "code": ("code", "uai", "rne", "code uai", "code rne", "uai rne", "code unite", "unit code",
             "numero uai", "identifiant uai", "code etablissement"),
    "kind": ("kind", "type", "categorie", "type unite", "unit kind", "genre", "niveau"),
    "nature": ("nature", "nature uai", "nature etablissement", "type etablissement",
               "school type", "libelle nature"),
    "parent": ("parent", "rattachement", "unite mere", "parent code", "code parent",
               "unite de rattachement", "rattache a", "superieur", "code rattachement"),
    "name": ("name", "nom", "denomination", "libelle", "appellation", "nom etablissement",
             "intitule", "denomination principale", "school name"),
    "street": ("street", "adresse", "rue", "voie", "adresse postale", "address"),
    "postcode": ("postcode", "code postal", "cp", "zip", "postal code", "zip code"),
    "town": ("town", "ville", "commune", "localite", "city", "nom commune"),
    "telephone": ("telephone", "tel", "phone", "numero de telephone", "tel fixe"),
    "web_site": ("web site", "site web", "site", "site internet", "web", "website", "url"),
    "alias": ("alias", "adresse conviviale", "alias courriel", "mail alias", "alias mail"),
    "hidden": ("hidden", "liste rouge", "masque", "cache", "confidentiel"),
    "closed": ("closed", "ferme", "fermeture", "fermee"),
}  # fmt: skip
PERSON_COLUMNS: Final[Mapping[str, Sequence[str]]] = {
    "numen": ("numen", "numero numen", "n numen", "staff number"),
    "id": ("id", "identifiant", "matricule", "identifiant rh", "id agent", "person id",
           "numero agent", "identifiant agent"),
    "given_name": ("given name", "prenom", "first name", "prenoms", "prenom usuel", "forename"),
    "surname": ("surname", "nom", "nom usuel", "nom d usage", "nom dusage", "last name",
                "family name", "patronyme", "nom de famille"),
    "unit": ("unit", "unite", "uai", "rne", "code uai", "code rne", "etablissement", "affectation",
             "unit code", "code unite", "code etablissement", "uai affectation", "school"),
    "function": ("function", "fonction", "role", "emploi", "poste", "grade fonction", "job"),
    "subject": ("subject", "discipline", "matiere", "specialite", "discipline de poste"),
    "arrival": ("arrival", "arrivee", "date arrivee", "date d arrivee", "date darrivee", "debut",
                "date de debut", "start date", "prise de fonction", "from"),
    "departure": ("departure", "depart", "date depart", "date de depart", "fin", "date de fin",
                  "end date", "sortie", "last day"),
    "leave": ("leave", "conge", "en conge", "conge jusquau", "conge jusqu au", "fin de conge",
              "on leave", "leave until", "disponibilite"),
    "retirement": ("retirement", "retraite", "date retraite", "date de retraite",
                   "depart en retraite", "depart a la retraite", "retirement date"),
    "telephone": ("telephone", "tel", "phone", "numero de telephone", "tel professionnel"),
    "hidden": ("hidden", "liste rouge", "masque", "cache", "confidentiel"),
    "class_name": ("class", "classe", "classe de compte", "account class", "quota"),
    "language": ("language", "langue", "lang"),
    "correspondent": ("correspondent", "correspondant", "est correspondant",
                      "correspondant etablissement"),
    "confirmed": ("confirmed", "confirme", "confirmee", "verifie", "verifiee", "nom confirme"),
}  # fmt: skip
RECORD: Final = ("record", "enregistrement", "type enregistrement", "ligne", "row kind")
"""The column by which one file may hold both kinds of rows."""
ERROR: Final = ("error", "erreur")
"""The column of our files to correct: read past, written anew."""

RECORD_WORDS: Final = {
    "unit": RowKind.UNIT, "unite": RowKind.UNIT, "etablissement": RowKind.UNIT,
    "structure": RowKind.UNIT, "establishment": RowKind.UNIT,
    "person": RowKind.PERSON, "personne": RowKind.PERSON, "people": RowKind.PERSON,
    "agent": RowKind.PERSON, "personnel": RowKind.PERSON,
}  # fmt: skip
KIND_WORDS: Final[Mapping[str, Sequence[str]]] = {
    "academy": ("academy", "academie", "rectorat"),
    "department": ("department", "departement", "dsden", "inspection academique"),
    "district": ("district", "circonscription", "ien", "circo"),
    "sector": ("sector", "secteur", "bassin", "reseau", "zone"),
    "establishment": ("establishment", "etablissement", "ecole", "college", "lycee", "school"),
    "service": ("service", "division", "bureau", "office", "departement administratif"),
}
YES_WORDS: Final = frozenset({"oui", "o", "yes", "y", "true", "vrai", "1", "x"})
NO_WORDS: Final = frozenset({"non", "n", "no", "false", "faux", "0", ""})
LANGUAGE_WORDS: Final = {
    "": "", "fr": "fr", "francais": "fr", "french": "fr", "fra": "fr",
    "en": "en", "anglais": "en", "english": "en", "eng": "en",
}  # fmt: skip

COLUMNS: Final = {RowKind.UNIT: UNIT_COLUMNS, RowKind.PERSON: PERSON_COLUMNS}
_FIELDS: Final = {
    kind: {word: field for field, words in table.items() for word in words}
    for kind, table in COLUMNS.items()
}
_PERSON_MARKS: Final = frozenset({"numen", "given_name", "id"})
_UNIT_MARKS: Final = frozenset({"kind", "nature", "parent", "name", "town"})


def field_of(header: str, kind: RowKind) -> str | None:
    """Which field a header names; None: none that is known."""
    return _FIELDS[kind].get(search_key(header))


def is_named(header: str, words: Sequence[str]) -> bool:
    return search_key(header) in words


def kind_of(headers: Sequence[str]) -> RowKind | None:
    """What rows under these headers are about; None: nothing that is known."""
    if _PERSON_MARKS & {field_of(one, RowKind.PERSON) for one in headers}:
        return RowKind.PERSON
    if _UNIT_MARKS & {field_of(one, RowKind.UNIT) for one in headers}:
        return RowKind.UNIT
    return None


def known_count(headers: Sequence[str]) -> int:
    """How many of them name something, for either kind of row."""
    known = (any(field_of(one, kind) for kind in RowKind) for one in headers)
    return sum(known) + sum(is_named(one, RECORD) for one in headers)


def nearest(header: str, kind: RowKind) -> str | None:
    """The header that was perhaps meant."""
    close = get_close_matches(search_key(header), _FIELDS[kind], n=1, cutoff=0.8)
    return close[0] if close else None


def header_name(field: str, kind: RowKind) -> str:
    """What to write at the head of the column of a field."""
    return COLUMNS[kind][field][0]
