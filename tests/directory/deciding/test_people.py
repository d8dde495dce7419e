"""From rows of people to identifiers, addresses, lives and posts."""

from __future__ import annotations

import pytest

from mailserver.directory.deciding.plan import PlanAct
from mailserver.store.ports.people import Life
from mailserver.store.sqlite.store import SqliteStore
from tests.directory.conftest import (
    DAY_S,
    DOMAIN,
    HEADER,
    NOW_S,
    QUARANTINE_S,
    acts,
    file_of,
    numen,
    people,
    plan_of,
    put,
    words,
)


def _put(store: SqliteStore, *rows: str, header: str = HEADER, now_s: float = NOW_S) -> None:
    put(store, file_of(rows, header), now_s=now_s)


def test_homonyms_are_numbered_in_the_order_of_the_file(store: SqliteStore) -> None:
    _put(
        store,
        *(f"{numen(n)};{name};;;" for n, name in enumerate(["Martin;Jean"] * 2)),
        header="numen;nom;prenom;x;y;z",
    )
    _put(store, f"{numen(7)};MARTIN;Jéan;0170705Z;prof")
    assert [doc.identifier for doc in people(store)] == ["jmartin", "jmartin2", "jmartin3"]
    assert [doc.addresses[0] for doc in people(store)][1:] == [
        "jean.martin2@ac-exemple.fr",
        "jean.martin3@ac-exemple.fr",
    ]


def test_names_of_those_who_are_gone_are_nobody_elses_even_after_the_quarantine(
    store: SqliteStore,
) -> None:
    header = HEADER + ";depart"
    _put(store, f"{numen(1)};Martin;Jean;0170705Z;prof;01/10/2026", header=header)
    _put(store, f"{numen(1)};Martin;Jean;0170705Z;prof;01/06/2026", header=header)
    assert people(store) == []
    later = NOW_S + QUARANTINE_S + DAY_S
    _put(store, f"{numen(2)};Martin;Jean;0170705Z;prof;", header=header, now_s=later)
    assert [doc.identifier for doc in people(store)] == ["jmartin2"]


def test_who_comes_back_has_the_old_names(store: SqliteStore) -> None:
    header = HEADER + ";depart"
    _put(store, f"{numen(1)};Martin;Jean;0170705Z;prof;", header=header)
    (before,) = people(store)
    _put(store, f"{numen(1)};Martin;Jean;0170705Z;prof;01/06/2026", header=header)
    plan = plan_of(store, file_of([f"{numen(1)};Martin;Jean;0170705Z;prof;"], header))
    assert acts(plan) == [PlanAct.BACK]
    _put(store, f"{numen(1)};Martin;Jean;0170705Z;prof;", header=header)
    assert people(store) == [before]


def test_who_comes_back_too_late_has_what_nobody_took_since(store: SqliteStore) -> None:
    header = HEADER + ";depart"
    _put(store, f"{numen(1)};Martin;Jean;0170705Z;prof;", header=header)
    _put(store, f"{numen(1)};Martin;Jean;0170705Z;prof;01/06/2026", header=header)
    later = NOW_S + QUARANTINE_S + DAY_S
    unit_file = "code;nom;alias\n0170705Z;École Jules Ferry;jean.martin\n"
    row = f"{numen(1)};Martin;Jean;0170705Z;prof;"
    put(store, unit_file, file_of([row], header), now_s=later)
    (doc,) = people(store)
    assert (doc.identifier, doc.addresses) == ("jmartin", (f"jean.martin2@{DOMAIN}",))


def test_a_new_surname_is_a_new_address_and_the_old_one_stays(store: SqliteStore) -> None:
    _put(store, f"{numen(1)};Martin;Anne;0170705Z;prof")
    plan = put(store, file_of([f"{numen(1)};Durand;Anne;0170705Z;prof"]))
    assert acts(plan) == [PlanAct.RENAMED]
    (doc,) = people(store)
    assert doc.identifier == "amartin"
    assert doc.addresses == ("anne.durand@ac-exemple.fr", "anne.martin@ac-exemple.fr")
    put(store, file_of([f"{numen(1)};Martin;Anne;0170705Z;prof"]))
    (doc,) = people(store)
    assert doc.addresses == ("anne.martin@ac-exemple.fr", "anne.durand@ac-exemple.fr")


def test_an_accent_alone_changes_no_address(store: SqliteStore) -> None:
    _put(store, f"{numen(1)};LEFEVRE;Zoe;0170705Z;prof")
    assert acts(put(store, file_of([f"{numen(1)};Lefèvre;Zoé;0170705Z;prof"]))) == [PlanAct.CHANGED]


def test_an_id_that_comes_later_is_the_same_person(store: SqliteStore) -> None:
    _put(store, f"{numen(1)};Martin;Anne;0170705Z;prof")
    with_id = file_of([f"77;{numen(1)};Martin;Anne;0170705Z;prof"], "id;" + HEADER)
    assert plan_of(store, with_id).steps == ()


def test_one_numen_beside_two_ids_is_refused(store: SqliteStore) -> None:
    rows = [f"1;{numen(1)};Martin;Anne;;", f"2;{numen(1)};Durand;Zoé;;"]
    plan = plan_of(store, file_of(rows, "id;" + HEADER))
    (line,) = words(plan)
    assert line.startswith("1.csv, line 3, column numen: another line has the same NUMEN")


def test_several_rows_are_several_posts_and_an_ended_one_goes(store: SqliteStore) -> None:
    header = HEADER + ";depart"
    rows = [
        f"{numen(1)};Martin;Anne;0170705Z;directrice;",
        f"{numen(1)};Martin;Anne;0170706A;enseignante;",
    ]
    _put(store, *rows, header=header)
    (doc,) = people(store)
    assert [post.unit_code for post in doc.posts] == ["0170705z", "0170706a"]
    plan = put(store, file_of([rows[0] + "01/10/2026", rows[1]], header))
    assert acts(plan) == [PlanAct.MOVED]
    (doc,) = people(store)
    assert [post.unit_code for post in doc.posts] == ["0170706a"]
    assert doc.life is Life.PRESENT


def test_a_bad_row_holds_back_the_persons_other_rows(store: SqliteStore) -> None:
    rows = [
        f"{numen(1)};Martin;Anne;0170705Z;directrice",
        f"{numen(1)};Martin;Anne;0170707B;enseignante",
        f"{numen(2)};Duc;Zoé;0170705Z;prof",
    ]
    plan = plan_of(store, file_of(rows))
    assert [step.doc.identifier for step in plan.steps] == ["zduc"]
    waits, wrong = words(plan)
    assert waits == "1.csv, line 2: waits for 1.csv, line 3, of the same person"
    assert wrong.startswith("1.csv, line 3, column uai: there is no unit 0170707b: add it")


def test_rows_that_call_one_person_by_two_names_are_refused(store: SqliteStore) -> None:
    rows = [f"{numen(1)};Martin;Anne;;", f"{numen(1)};Durand;Anne;;"]
    assert (
        "1.csv, line 2 calls the same person Anne Martin" in words(plan_of(store, file_of(rows)))[1]
    )


def test_columns_that_are_not_there_change_nothing(store: SqliteStore) -> None:
    _put(
        store,
        f"{numen(1)};Martin;Anne;0170705Z;prof;oui;05 49 00 00 01",
        header=HEADER + ";liste rouge;tel",
    )
    assert plan_of(store, file_of([f"{numen(1)};Martin;Anne"], "numen;nom;prenom")).steps == ()


def test_a_correspondent_who_goes_to_another_school_answers_for_the_first_no_longer(
    store: SqliteStore,
) -> None:
    header = HEADER + ";correspondant"
    _put(store, f"{numen(1)};Martin;Anne;0170705Z;prof;oui", header=header)
    assert people(store)[0].correspondent_of == ("0170705z",)
    _put(store, f"{numen(1)};Martin;Anne;0170706A;prof")
    assert people(store)[0].correspondent_of == ()


@pytest.mark.parametrize(
    ("dates", "life", "until_days"),
    [
        (";;;", Life.PRESENT, None),
        ("01/09/2026;;;", Life.PRESENT, None),
        ("25/11/2026;;;", Life.EXPECTED, 1),
        (";24/11/2026;;", Life.LEAVING, 1),
        (";23/11/2026;;", Life.LEFT, 90),
        (";30/11/2026;;25/11/2026", Life.LEAVING, 2),
        (";;24/11/2026;", Life.ON_LEAVE, 1),
        (";;oui;", Life.ON_LEAVE, None),
        (";;23/11/2026;", Life.PRESENT, None),
        (";25/11/2026;oui;", Life.LEAVING, 2),
    ],
)
def test_dates_make_a_life(
    store: SqliteStore, dates: str, life: Life, until_days: int | None
) -> None:
    """dates: arrival, departure, leave, retirement; it is 24 November 2026."""
    row = f"{numen(1)};Martin;Anne;;;{dates}"
    _put(store, row, header=HEADER + ";arrivee;depart;conge;retraite")
    (doc,) = people(store)
    until_s = None if until_days is None else NOW_S + until_days * DAY_S
    assert (doc.life, doc.life_until_s) == (life, until_s)


def test_who_left_long_ago_is_not_made(store: SqliteStore) -> None:
    row = f"{numen(1)};Martin;Anne;;;01/01/2020"
    assert plan_of(store, file_of([row], HEADER + ";depart")).steps == ()


def test_only_a_complete_file_makes_the_missing_leave(store: SqliteStore) -> None:
    rows = [f"{numen(n)};Nom;Prénom;;" for n in (1, 2)]
    _put(store, *rows)
    assert plan_of(store, file_of(rows[:1])).steps == ()
    plan = plan_of(store, file_of(rows[:1]), complete=True)
    assert acts(plan) == [PlanAct.SUSPENDED]
    assert plan.losing_percent() == 50
    put(store, file_of(rows[:1]), complete=True)
    later = NOW_S + 10 * DAY_S
    assert plan_of(store, file_of(rows[:1]), complete=True, now_s=later).steps == ()


def test_nobody_leaves_for_a_line_that_does_not_say_whom_it_is_about(
    store: SqliteStore,
) -> None:
    rows = [f"{numen(n)};Nom;Prénom;;" for n in (1, 2)]
    _put(store, *rows)
    plan = plan_of(store, file_of([rows[0], "13E02;Nom;Prénom;;"]), complete=True)
    assert plan.steps == ()
    assert "nobody leaves" in plan.notes[0]
    known = plan_of(store, file_of([rows[0], f"{numen(2)};;Prénom;;"]), complete=True)
    assert (known.steps, known.notes) == ((), ())


def test_the_first_password_is_given_once(store: SqliteStore) -> None:
    plan = put(store, file_of([f"{numen(1)};Martin;Anne;;"]))
    verifier = plan.steps[0].change.verifier
    assert verifier is not None
    assert verifier.startswith("$numen-hmac-sha256$")
    assert numen(1) not in verifier
    plan = put(store, file_of([f"{numen(1)};Durand;Anne;;"]))
    assert plan.steps[0].change.verifier is None


# --- names that become addresses for ever --------------------------------------------------


def test_a_doubtful_name_waits_until_somebody_confirms_it(store: SqliteStore) -> None:
    row = f"{numen(1)};Durand (née Martin);Zoé;0170705Z;prof"
    (told,) = words(plan_of(store, file_of([row])))
    assert told == (
        "1.csv, line 2, column nom: ( stands in no identifier: write the one name that is theirs,"
        " or, where it is right, oui under the header confirmed"
    )
    confirmed = file_of([f"{row};oui"], header="numen;nom;prenom;uai;fonction;confirmé")
    (step,) = plan_of(store, confirmed).steps
    assert step.doc.identifier == "zdurandneemartin"


def test_who_has_such_a_name_already_keeps_it_without_a_question(store: SqliteStore) -> None:
    header = "numen;nom;prenom;uai;fonction;confirmed"
    put(store, file_of([f"{numen(1)};Durand dit Leroy;Zoé;0170705Z;prof;oui"], header=header))
    moved = file_of([f"{numen(1)};Durand dit Leroy;Zoé;0170706A;prof"])
    assert acts(plan_of(store, moved)) == [PlanAct.MOVED]
    renamed = file_of([f"{numen(1)};Durand épouse Leroy;Zoé;0170706A;prof"])
    assert "'epouse' stands between two names" in words(plan_of(store, renamed))[0]


def test_a_name_in_another_script_is_asked_for_as_in_the_passport(store: SqliteStore) -> None:
    rows = [f"{numen(1)};Иванов;Иван;0170705Z;prof", f"{numen(2)};Ivanоv;Ivan;0170705Z;prof"]
    told = words(plan_of(store, file_of(rows)))
    assert len(told) == 3
    assert all("write the name in Latin letters, as in the passport" in one for one in told)


def test_no_rule_gives_a_name_of_the_services_own(store: SqliteStore) -> None:
    rows = [f"{numen(1)};Dmin;Aline;0170705Z;prof", f"{numen(2)};Oot;Rémi;0170705Z;prof"]
    identifiers = [step.doc.identifier for step in put(store, file_of(rows)).steps]
    assert identifiers == ["admin2", "root2"]


def test_a_particle_is_said_before_its_identifier_is_printed(store: SqliteStore) -> None:
    rows = [f"{numen(1)};de La Tour;Anne;0170705Z;p", f"{numen(2)};Van Gogh;Theo;0170705Z;p"]
    (note,) = plan_of(store, file_of(rows)).notes
    assert note.startswith("2 new surnames begin with a particle, which is part of the names: ")
    assert note.endswith("de La Tour: adelatour, Van Gogh: tvangogh")


def test_a_code_of_a_known_school_is_guessed_aloud(store: SqliteStore) -> None:
    rows = [
        f"{numen(n)};Duc;Zoé;{code};prof"
        for n, code in enumerate(["170705Z", "170705", "O17O7O5Z", "170705Z"])
    ]
    plan = plan_of(store, file_of(rows))
    assert not plan.refused
    assert plan.notes == (
        "1.csv, line 2: 170705z is read as 0170705Z (2 lines)",
        "1.csv, line 3: 170705 is read as 0170705Z (1 line)",
        "1.csv, line 4: o17o7o5z is read as 0170705Z (1 line)",
    )
    unknown = plan_of(store, file_of([f"{numen(1)};Duc;Zoé;170707B;prof"]))
    assert words(unknown)[0].endswith("or correct the code; perhaps 0170707B?")
