"""Names as they are written: what cannot be right, what is asked about, what is let through."""

from __future__ import annotations

import pytest

from mailserver.people.reserved import is_postmasters, is_reserved
from mailserver.people.spelling import has_particle, name_doubt, name_fault
from mailserver.people.uai import find_lookalike


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Иванов", "И is no Latin letter: write the name in Latin letters, as in the passport"),
        ("Ivanоv", "о is no Latin letter"),  # a Cyrillic o among Latin letters
        ("李", "as in the passport"),
        ("محمد", "as in the passport"),
        ("Παπαδόπουλος", "as in the passport"),
        ("शर्मा", "as in the passport"),
        ("Fr?d?ric", "holds a ?"),
        ("Fr\ufffdd", "a letter was lost here"),
        ("FrÃ©dÃ©ric", "is perhaps 'Frédéric', saved as UTF-8 twice"),
        ("jean.martin@a.test", "an address stands here"),
        ("Kowalczy³", "'³' is no letter of a name"),
        ("=cmd|'/C calc'!A0", "'=' is no letter of a name"),
        ("Dupont <b>", "'<' is no letter of a name"),
        ("Martin \U0001f600", "is no letter of a name"),
    ],
)
def test_what_cannot_be_a_name_says_why(name: str, words: str) -> None:
    assert words in (name_fault(name) or "")


@pytest.mark.parametrize(
    ("given_name", "surname", "field", "words"),
    [
        ("Zoé", "Durand (née Martin)", "surname", "( stands in no identifier"),
        ("Zoé", "Durand née Martin", "surname", "'nee' stands between two names"),
        ("Zoé", "DURAND NEE MARTIN", "surname", "'nee' stands between two names"),
        ("Zoé", "Durand épouse Martin", "surname", "'epouse' stands between"),
        ("Zoé", "Durand ép. Martin", "surname", "'ep' stands between"),
        ("Zoé", "née Martin", "surname", "begins with 'nee'"),
        ("Zoé", "Martin veuve", "surname", "ends with 'veuve'"),
        ("Paul", "Durand dit Leroy", "surname", "'dit' stands between"),
        ("Paul", "Durand, Jean", "surname", ", stands in no identifier"),
        ("Paul", "Durand/Leroy", "surname", "/ stands in no identifier"),
        ("Paul", 'Durand "Popol"', "surname", '" stands in no identifier'),
        ("Paul", "Martin 2", "surname", "holds a digit"),
        ("Mme Anne", "Durand", "given_name", "begins with 'mme', a title"),
        ("M.Paul", "Durand", "given_name", "begins with 'm', a title"),
        ("Jean de", "La Tour", "given_name", "ends with 'de', which mostly begins a name"),
        ("Jean", "Tour de la", "surname", "ends with 'la', which mostly begins a name"),
    ],
)
def test_what_may_be_right_and_mostly_is_not_is_asked_about(
    given_name: str, surname: str, field: str, words: str
) -> None:
    doubt = name_doubt(given_name, surname)
    assert doubt is not None
    assert doubt[0] == field
    assert words in doubt[1]


@pytest.mark.parametrize(
    ("given_name", "surname"),
    [
        ("Jean", "de La Tour"), ("Wei", "Ou"), ("Ou", "Ne"), ("Née", "Lee"), ("Joan", "Mir i Mir"),
        ("José", "Ortega y Gasset"), ("J.-P.", "O’Neill"), ("Marie-Ange", "Ben Ali"),
        ("Dr", "Li"), ("Marie", "Le"), ("Kʼawiil", "ǃXóõ"), ("Gal·la", "Ñuñez"), ("A", "St. John"),
    ],
)  # fmt: skip
def test_good_names_are_not_asked_about(given_name: str, surname: str) -> None:
    assert name_fault(given_name) is None
    assert name_fault(surname) is None
    assert name_doubt(given_name, surname) is None


def test_a_particle_in_front_is_part_of_the_name() -> None:
    assert [has_particle(name) for name in ("de La Tour", "Van Gogh", "Vandenberg", "De")] == [
        True, True, False, False
    ]  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        *("admin", "root", "abuse", "webmaster", "noreply", "no-reply", "NO_REPLY", "hostmaster"),
        *("postmaster", "mailer-daemon", "MAILER-DAEMON@a.test", "security", "info", "support"),
        *("ne-pas-repondre", "administrateur", "sécurité", "webmestre", "autoconfig", "www"),
        *("info+x@a.test", "Ａdmin"),
    ],
)
def test_names_of_the_service_are_nobodys(name: str) -> None:
    assert is_reserved(name)


@pytest.mark.parametrize("name", ["jmartin", "ainfo", "contact", "e-info-saintes"])
def test_other_names_are_somebodys(name: str) -> None:
    assert not is_reserved(name)


def test_three_names_lead_to_the_postmaster_whatever_is_typed() -> None:
    for name in ("postmaster", "Abuse@a.test", "mailer-daemon", "abuse+x@a.test"):
        assert is_postmasters(name)
    assert not is_postmasters("webmaster")


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("170705Z", "0170705z"),  # a spreadsheet drops the nought in front
        ("170705", "0170705z"),
        ("O17O705Z", "0170705z"),
        ("0l70705z", "0170705z"),
        ("0I70705Z", "0170705z"),
        ("017-0705-Z", "0170705z"),
        ("ce.0170705z", "0170705z"),
        ("0170705Z", "0170705z"),
        ("170705A", None),  # another letter: it is not that one
        ("D17", None),
        ("service17", None),
        ("1234", None),
        ("", None),
    ],
)
def test_a_mistyped_code_of_a_school_is_guessed(typed: str, code: str | None) -> None:
    assert find_lookalike(typed) == code
