"""Rows that could not go in, as a file that a person corrects."""

from __future__ import annotations

import csv
import io
import json

from mailserver.directory.corrections import correction_octets
from mailserver.directory.deciding.decide import read_files
from mailserver.store.ports.people import PersonDoc
from mailserver.store.sqlite.store import SqliteStore
from tests.directory.conftest import numen, plan_of, put

HEADER = "numen;nom;prenom;uai;observations"


def _corrected(store: SqliteStore, text: str, name: str = "1.csv") -> str:
    (table,) = read_files([(name, text.encode())]).tables
    return correction_octets(table, plan_of(store, text).refused).decode("utf-8-sig")


def test_bad_rows_keep_their_header_and_get_an_error(store: SqliteStore) -> None:
    text = f"{HEADER}\n{numen(1)};Duc;Zoé;9999;a\n{numen(2)};Duc;Léo;0170705Z;b\n"
    header, row = list(csv.reader(io.StringIO(_corrected(store, text)), delimiter=";"))
    assert header == [*HEADER.split(";"), "error"]
    assert row[:5] == ["", "Duc", "Zoé", "9999", "a"]
    assert row[5].startswith("uai: there is no unit 9999")
    assert row[5].endswith("its NUMEN stands in 1.csv, line 2")


def test_no_numen_is_copied_wherever_it_stood(store: SqliteStore) -> None:
    text = f"{HEADER}\n{numen(1)};Duc;{numen(2)};9999;see {numen(3)}\n"
    corrected = _corrected(store, text)
    assert not [n for n in range(9) if numen(n) in corrected]


def test_a_corrected_file_goes_in_and_its_error_column_is_passed_over(store: SqliteStore) -> None:
    text = f"id;{HEADER}\n7;;Duc;Zoé;9999;a\n"
    fixed = _corrected(store, text).replace("9999", "0170705Z", 1)
    assert len(put(store, fixed).steps) == 1
    again = _corrected(store, text.replace("observations", "error"))
    assert again.splitlines()[0].count("error") == 1


def test_no_cell_is_a_formula_where_the_file_is_opened(store: SqliteStore) -> None:
    cells = ["=cmd|' /C calc'!A0", "+33 5 46 00 00 00", "-1", "@SUM(A1)", "＝1+1"]
    text = f"{HEADER};a;b;c;d\n{numen(1)};Duc;Zoé;9999;{';'.join(cells)}\n"
    _, row = list(csv.reader(io.StringIO(_corrected(store, text)), delimiter=";"))
    assert row[4:9] == [f"'{cell}" for cell in cells]


def test_what_was_shielded_from_spreadsheets_is_read_as_it_was(store: SqliteStore) -> None:
    text = f"id;{HEADER.replace('observations', 'telephone')}\n7;;Duc;Zoé;9999;+33 5 46 00\n"
    fixed = _corrected(store, text).replace("9999", "0170705Z", 1)
    (step,) = put(store, fixed).steps
    assert isinstance(step.doc, PersonDoc)
    assert step.doc.telephone == "+33 5 46 00"


def test_json_comes_back_as_json(store: SqliteStore) -> None:
    text = json.dumps([{"numen": numen(1), "nom": "Duc", "prenom": "", "uai": ""}])
    (entry,) = json.loads(_corrected(store, text))
    assert (entry["numen"], entry["nom"]) == ("", "Duc")
    assert entry["error"].startswith("prenom: holds no letter")


def test_a_row_with_too_many_cells_is_kept_as_far_as_its_header_goes(store: SqliteStore) -> None:
    corrected = _corrected(store, f"{HEADER}\n{numen(1)};Duc;Zoé;;a;b;c\n")
    assert "7 cells under 5 headers" in corrected


def test_a_doubtful_name_comes_back_with_the_column_to_confirm_it(store: SqliteStore) -> None:
    text = f"id;{HEADER}\n7;;Durand dit Leroy;Zoé;0170705Z;a\n"
    corrected = _corrected(store, text)
    header, row = list(csv.reader(io.StringIO(corrected), delimiter=";"))
    assert header[-2:] == ["confirmed", "error"]
    assert row[-2] == ""
    fixed = corrected.replace(";a;;", ";a;oui;")
    assert len(put(store, fixed).steps) == 1
