"""From rows of units to the tree, and to the addresses of establishments."""

from __future__ import annotations

import pytest

from mailserver.directory.deciding.plan import PlanAct
from mailserver.store.ports.people import UnitDoc
from mailserver.store.sqlite.store import SqliteStore
from tests.directory.conftest import UNITS, acts, plan_of, put, unit, words

HEADER = "uai;type;nature;rattachement;nom;commune;alias\n"


def test_an_establishment_has_its_official_addresses_and_a_friendlier_one(
    store: SqliteStore,
) -> None:
    doc = unit(store, "0170705z")
    assert doc.identifier == "0170705z"
    assert doc.addresses == (
        "ce.0170705z@ac-exemple.fr",
        "ce.0170705@ac-exemple.fr",
        "e-julesferry-saintes@ac-exemple.fr",
    )
    assert unit(store, "d17").addresses == ()


def test_parents_come_first_whatever_the_order_of_the_file(bare: SqliteStore) -> None:
    lines = UNITS.splitlines()
    plan = plan_of(bare, "\n".join([lines[0], *reversed(lines[1:])]))
    codes = [step.doc.code for step in plan.steps if isinstance(step.doc, UnitDoc)]
    assert codes.index("ac") < codes.index("d17") < codes.index("0170705z")


def test_the_imports_own_alias_wins_over_the_rules(store: SqliteStore) -> None:
    put(store, HEADER + "0170707B;établissement;école;D17;Les Pins;Saintes;ecole.des-pins")
    assert unit(store, "0170707b").addresses[2] == "ecole.des-pins@ac-exemple.fr"


def test_two_schools_of_one_name_in_one_town_are_numbered(store: SqliteStore) -> None:
    put(store, HEADER + "0170707B;établissement;école;D17;Jules Ferry;Saintes;")
    assert unit(store, "0170707b").addresses[2] == "e-julesferry-saintes2@ac-exemple.fr"


def test_a_school_that_is_renamed_keeps_its_old_alias(store: SqliteStore) -> None:
    row = "0170705Z;établissement;école;D17;École Rosa Parks;Saintes;"
    assert acts(put(store, HEADER + row)) == [PlanAct.RENAMED]
    assert unit(store, "0170705z").addresses[2:] == (
        "e-rosaparks-saintes@ac-exemple.fr",
        "e-julesferry-saintes@ac-exemple.fr",
    )
    assert plan_of(store, HEADER + row).steps == ()


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("0170705A;établissement;;D17;x;;", "column uai: 0170705A is not a UAI code: the letter"),
        ("E1;établissement;;D17;x;;", "column uai: an establishment has a UAI code"),
        ("E1;;;D17;x;;", "column type: is missing: write academy"),
        ("E1;service;;D99;x;;", "column rattachement: there is no unit d99"),
        ("D17;département;;0170705Z;x;;", "column rattachement: d17 would stand below itself"),
        ("E1;service;;D17;;;", "column nom: is empty"),
        ("E1;service;;D17;x;;abc", "column alias: only a unit with a UAI code"),
        (
            "0170707B;établissement;;D17;x;;abc@elsewhere.fr",
            "column alias: abc@elsewhere.fr is not",
        ),
        (
            "0170707B;établissement;;D17;x;;em-lilas-saintes",
            "column alias: em-lilas-saintes@ac-exemple.fr belongs to another",
        ),
        ("0170707B;établissement;D17", "3 cells under 7 headers"),
    ],
)
def test_what_is_wrong_with_a_unit_names_line_column_and_remedy(
    store: SqliteStore, row: str, told: str
) -> None:
    plan = plan_of(store, HEADER + row)
    assert plan.steps == ()
    (line,) = words(plan)
    assert line.startswith("1.csv, line 2")
    assert told in line


def test_units_in_a_circle_and_those_below_them_are_refused(store: SqliteStore) -> None:
    rows = "E1;service;;E2;x;;\nE2;service;;E1;y;;\nE3;service;;E2;z;;\nE4;service;;E4;z;;"
    plan = plan_of(store, HEADER + rows)
    assert plan.steps == ()
    assert [line.partition("rattachement: ")[2] for line in words(plan)] == [
        "e1 would stand below itself: write the unit above it",
        "e2 would stand below itself: write the unit above it",
        "e2, above it, would stand below itself: correct that line first",
        "e4 would stand below itself: write the unit above it",
    ]


def test_a_unit_below_a_refused_one_waits_with_it(store: SqliteStore) -> None:
    rows = "E1;service;;E2;x;;\nE2;service;;E9;y;;\nE3;service;;D17;z;;"
    plan = plan_of(store, HEADER + rows)
    assert [step.doc.code for step in plan.steps if isinstance(step.doc, UnitDoc)] == ["e3"]
    assert len(plan.refused) == 2


def test_a_code_twice_is_refused_the_second_time(store: SqliteStore) -> None:
    plan = plan_of(store, HEADER + "E1;service;;D17;x;;\ne1;service;;D17;y;;")
    assert words(plan) == [
        "1.csv, line 3, column uai: e1 is in 1.csv, line 2 already: keep one of the two"
    ]


def test_a_complete_file_closes_what_is_missing_and_a_line_opens_it_again(
    store: SqliteStore,
) -> None:
    lines = UNITS.splitlines()
    plan = put(store, "\n".join(lines[:-1]), complete=True)
    assert acts(plan) == [PlanAct.CLOSED]
    assert unit(store, "0170706a").is_closed
    assert plan_of(store, "\n".join(lines[:-1]), complete=True).steps == ()
    assert acts(put(store, UNITS)) == [PlanAct.BACK]


def test_a_nature_that_the_rules_do_not_know_is_told(store: SqliteStore) -> None:
    plan = plan_of(store, HEADER + "0170707B;établissement;zoo;D17;Les Ours;Saintes;")
    assert "nature 'zoo' is not known" in plan.notes[0]
    assert len(plan.steps) == 1


def test_one_file_may_hold_both_kinds(store: SqliteStore) -> None:
    text = (
        "enregistrement;uai;type;nom;rattachement;numen;prenom;fonction\n"
        "unite;E1;service;Bureau;D17;;;\n"
        "personne;E1;;Duc;;13E0200001ABC;Zoé;chef\n"
        "chose;;;;;;;\n"
    )
    plan = plan_of(store, text)
    assert acts(plan) == [PlanAct.CREATED, PlanAct.CREATED]
    assert words(plan) == ["1.csv, line 4, column record: write unit or person"]


def test_a_mistyped_code_is_read_where_its_letter_proves_it_and_said(store: SqliteStore) -> None:
    text = "code;nature;nom;ville;parent\n170707B;collège;Rosa Parks;Saintes;D17\n"
    plan = plan_of(store, text)
    assert [step.doc.identifier for step in plan.steps] == ["0170707b"]
    assert plan.notes == ("1.csv, line 2: 170707b is read as 0170707B (1 line)",)


def test_a_mistyped_code_without_its_letter_is_asked_for(store: SqliteStore) -> None:
    text = "code;type;nature;nom;ville;parent\n170707;établissement;collège;Rosa;Saintes;D17\n"
    (told,) = words(plan_of(store, text))
    assert told.endswith("write 7 digits and a letter; perhaps 0170707B?")


def test_the_code_of_a_service_is_nobody_elses(store: SqliteStore) -> None:
    plan = plan_of(store, "code;type;nom;parent\n170707b;service;Paie;D17\n")
    assert [step.doc.code for step in plan.steps] == ["170707b"]  # type: ignore[union-attr]
    assert not plan.notes


@pytest.mark.parametrize("alias", ["info", "Webmaster", "no-reply", "postmaster", "mailer-daemon"])
def test_a_school_gets_no_alias_of_the_services_own(store: SqliteStore, alias: str) -> None:
    text = f"code;nom;ville;alias;parent\n0170707B;Rosa;Saintes;{alias};D17\n"
    (told,) = words(plan_of(store, text))
    assert "is a name of the service's own: write another alias" in told
