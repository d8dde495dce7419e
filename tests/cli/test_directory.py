"""`mailserver directory`: files of an office on a real service."""

from __future__ import annotations

import json
import os
from contextlib import nullcontext
from pathlib import Path

import pytest

from mailserver.cli.directory import work as directory_work
from tests.cli.conftest import Run

NUMENS = [f"13E0200{number:03d}ABC" for number in range(1, 6)]
UNITS = "uai;type;nom;commune;nature\n0170705Z;établissement;Jules Ferry;Saintes;école\n"
HEADER = "numen;nom;prenom;uai;fonction;depart\n"


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    units, people = tmp_path / "units.csv", tmp_path / "people.csv"
    units.write_text(UNITS, "utf-8")
    rows = [f"{numen};Nom;Zoé;0170705Z;prof;" for numen in NUMENS]
    people.write_text(HEADER + "\n".join(rows), "latin-1")
    return units, people


def test_plan_apply_last_and_undo(
    run: Run, service: Path, files: tuple[Path, Path], tmp_path: Path
) -> None:
    where = ("--config", service)
    said = run("directory", "plan", *files, *where)
    assert said.status == 0, said.err
    assert "people.csv: people, 5 rows, Latin-1, parted by ;" in said.out
    assert "people.csv: read as 'numen' = numen, 'nom' = surname, 'prenom' = given name" in said.out
    assert "created              1         5" in said.out
    plan = tmp_path / "units.plan"
    assert f"to apply it: mailserver directory apply {plan}" in said.out
    assert run("account", "show", "znom", *where).status == 2
    assert "6 changes applied" in run("directory", "apply", plan, *where).out
    shown = run("account", "show", "znom5", *where).out
    assert "zoe.nom5@a.test" in shown
    assert "applied, 6 of 6" in run("directory", "last", *where).out
    assert "done before: import 1" in run("directory", "apply", plan, *where).out
    assert "nothing to change" in run("directory", "apply", *files, *where).out
    asked = run("directory", "undo", "1", *where)
    assert asked.status == 2
    assert "Take back 6 changes" in asked.err
    assert "6 of 6 changes taken back" in run("directory", "undo", "1", "--yes", *where).out
    assert "all were taken back" in run("directory", "last", *where).out


def test_undo_names_its_import_and_a_second_time_changes_nothing(
    run: Run, service: Path, files: tuple[Path, Path]
) -> None:
    where = ("--config", service)
    assert "no import to take back" in run("directory", "undo", "--yes", *where).err
    run("directory", "apply", *files, *where)
    more = files[1].with_name("more.csv")
    more.write_text(HEADER + "13E0200077ABC;Duc;Zoé;0170705Z;prof;\n", "utf-8")
    run("directory", "apply", more, *where)
    unnamed = run("directory", "undo", "--yes", *where)
    assert unnamed.status == 2
    assert "which import?" in unnamed.err
    assert "`mailserver directory undo 2`" in unnamed.err
    blocked = run("directory", "undo", "1", "--yes", *where)
    assert blocked.status == 2
    assert "import 2 came after import 1: first `mailserver directory undo 2`" in blocked.err
    assert run("directory", "undo", "9", "--yes", *where).status == 2
    done = run("directory", "undo", "2", "--yes", *where)
    assert (done.status, "1 of 1 change taken back" in done.out) == (0, True)
    again = run("directory", "undo", "2", "--yes", *where)
    assert (again.status, "taken back before: nothing to do" in again.out) == (0, True)
    assert run("account", "show", "znom", *where).status == 0
    told = run("directory", "undo", "2", "--yes", "--json", *where)
    assert json.loads(told.out) == {"run": 2, "undone": 0, "conflicts": []}
    assert "6 of 6" in run("directory", "undo", "1", "--yes", *where).out
    listed = run("directory", "imports", *where).out.splitlines()
    assert [line.split(" of ")[0] for line in listed] == ["import 2", "import 1"]
    assert all("undone" in line for line in listed)


def test_the_json_of_a_plan_has_counts_reasons_and_problems(
    run: Run, service: Path, files: tuple[Path, Path]
) -> None:
    units, people = files
    people.write_text(HEADER + f"{NUMENS[0]};Nom;Zoé;9999;prof;\n", "utf-8")
    said = run("directory", "plan", units, people, "--config", service, "--json")
    facts = json.loads(said.out)
    assert said.status == 2
    assert facts["units"] == {"created": 1}
    assert facts["problems"] == [
        {
            "place": "people.csv, line 2",
            "column": "uai",
            "words": "there is no unit 9999: add it to the units, or correct the code",
        }
    ]
    assert Path(facts["to_correct"][0]).name == "people.to-correct.csv"
    assert Path(facts["to_correct"][0]).read_text("utf-8-sig").startswith("numen;nom;prenom")


def test_good_lines_go_in_and_bad_ones_wait_in_a_file(
    run: Run, service: Path, files: tuple[Path, Path], tmp_path: Path
) -> None:
    _, people = files
    people.write_text(people.read_text("latin-1") + "\n13E0;Duc;Léo;;;\n", "latin-1")
    said = run("directory", "apply", *files, "--config", service)
    assert said.status == 2
    assert "people.csv, line 7, column numen: a NUMEN has 13 characters" in said.err
    assert "6 changes applied" in said.out
    assert (tmp_path / "people.to-correct.csv").stat().st_mode & 0o777 == 0o600


def test_too_many_who_would_leave_need_a_yes(
    run: Run, service: Path, files: tuple[Path, Path]
) -> None:
    where = ("--config", service)
    units, people = files
    assert run("directory", "apply", *files, *where).status == 0
    people.write_text(HEADER + f"{NUMENS[0]};Nom;Zoé;0170705Z;prof;\n", "utf-8")
    assert "nothing to change" in run("directory", "apply", people, *where).out
    said = run("directory", "apply", people, "--complete", *where)
    assert said.status == 2
    assert "80.0 % would leave, be suspended or close, and 10 % is the most" in said.err
    said = run("directory", "apply", people, "--complete", "--yes", *where)
    assert (said.status, "suspended" in said.out) == (0, True)
    assert units.is_file()


def test_conflicts_are_told_in_a_file(run: Run, service: Path, files: tuple[Path, Path]) -> None:
    where = ("--config", service)
    _, people = files
    run("directory", "apply", *files, *where)
    text = people.read_text("latin-1")
    people.write_text(text.replace(";Nom;", ";Neuf;", 1), "utf-8")
    assert run("directory", "plan", people, *where).status == 0
    plan = people.with_suffix(".plan")
    other = people.with_name("other.csv")
    other.write_text(HEADER + f"{NUMENS[0]};Nom;Zoé;;;\n", "utf-8")
    run("directory", "apply", other, *where)
    said = run("directory", "apply", plan, *where)
    assert said.status == 1
    assert "1 not made" in said.err
    conflicts = people.with_name("people.conflicts.csv").read_text("utf-8-sig")
    assert conflicts.splitlines()[0] == "subject;name;place;error"
    assert conflicts.splitlines()[1].startswith("znom;Zoé Neuf;people.csv, line 2")


def test_an_apply_that_died_goes_on_by_the_same_words(
    run: Run, service: Path, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    where = ("--config", service)

    def die(count: int) -> None:
        if count:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(directory_work, "bar", lambda *_words: nullcontext(die))
        assert run("directory", "apply", *files, *where).status == 130
    other = files[1].with_name("other.csv")
    other.write_text(HEADER + f"{NUMENS[0]};Duc;Zoé;;;\n", "utf-8")
    said = run("directory", "apply", other, *where)
    assert said.status == 2
    assert "apply its plan again to end it, or `mailserver directory undo 1`" in said.err
    said = run("directory", "apply", *files, *where)
    assert "goes on first" in said.err
    assert "nothing to change" in said.out
    assert "applied, 6 of 6" in run("directory", "last", *where).out


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"a;b\n1;2\n", "its first line names no column that is known"),
        (b"nom;prenom;id\n", ""),
        (b"nom;prenom;uai;numero;telephone\n", "no column numen or id"),
        (b'{"plan": 1}\n', "not a plan, or cut short"),
        (b"numen;nom;prenom;Nom\n", "two columns are called 'Nom': take one out"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line_and_status_2(
    run: Run, service: Path, tmp_path: Path, text: bytes, told: str
) -> None:
    file = tmp_path / "x.csv"
    file.write_bytes(text)
    said = run("directory", "apply", file, "--config", service)
    assert (said.status, told in said.err) == (2 if told else 0, True)


def test_what_is_no_file_is_named_and_status_2(run: Run, service: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, told in (("none.csv", "no file"), ("s", "is not a file"), ("pipe", "is not a file")):
        for verb in ("plan", "apply"):
            said = run("directory", verb, tmp_path / name, "--config", service)
            assert (said.status, told in said.err) == (2, True), (name, verb, said)
    assert not list(tmp_path.glob("*.plan"))


def test_no_numen_is_anywhere_but_in_the_offices_own_files(
    run: Run, service: Path, files: tuple[Path, Path], tmp_path: Path
) -> None:
    """Neither in the plan, nor in the file to correct, the store, its log, or what is said."""
    _, people = files
    text = people.read_text("latin-1") + f"\n{NUMENS[0]};Nom;Zoé;9999;{NUMENS[1]};\n"
    people.write_text(text + f"{NUMENS[2][:-1]};Duc;Léo;;;\n", "utf-8")
    outputs = [
        run("directory", verb, *files, "--config", service, *more)
        for verb, more in (("plan", ()), ("plan", ("--json",)), ("apply", ()))
    ]
    assert all(said.status == 2 for said in outputs)
    said = "".join(one.out + one.err for one in outputs)
    octets = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    octets.pop(people)
    assert {path.name for path in octets} >= {"mail.db", "units.plan", "people.to-correct.csv"}
    for numen in NUMENS:
        for form in (numen, numen.lower(), numen[:12]):
            assert form not in said
            assert not [path for path, held in octets.items() if form.encode() in held]


def test_a_plan_never_overwrites_what_it_is_made_from(
    run: Run, service: Path, files: tuple[Path, Path]
) -> None:
    said = run("directory", "plan", *files, "--out", files[1], "--config", service)
    assert said.status == 2
    assert "name another one for the plan with --out" in said.err
    assert files[1].read_bytes().startswith(b"numen;")


def test_a_missing_key_is_not_made_again_once_people_are_known_by_it(
    run: Run, service: Path, files: tuple[Path, Path]
) -> None:
    where = ("--config", service)
    run("directory", "apply", *files, *where)
    (service.parent / "numen.key").unlink()
    said = run("directory", "plan", *files, *where)
    assert said.status == 2
    assert "put back the copy" in said.err


def test_a_bar_shows_only_on_a_terminal() -> None:
    with directory_work.bar("applying", 10_000) as progress:
        progress(5)


def test_the_academy_is_written_and_imported(run: Run, service: Path, tmp_path: Path) -> None:
    said = run("demo", "academy", "--people", "30", "--out", tmp_path / "a")
    assert "people.csv: 3" in said.out
    said = run(
        "demo", "academy", "--people", "30", "--out", tmp_path / "a", "--apply",
        "--config", service,
    )  # fmt: skip
    assert said.status == 0, said.err
    assert "changes applied" in said.out


@pytest.mark.parametrize(
    ("octets", "told"),
    [
        (b"numen;nom;prenom\n1;Duc;Zo\xc3\xa9\n2;Duc;Zo\xe9\n", "people.csv: line 2 is UTF-8 and"),
        (
            "numen;nom\n1;André\n".encode("mac_roman"),
            "people.csv, line 2: 'AndrŽ' is perhaps 'André'",
        ),
        ("numen;nom\n1;Hélène\n".encode("cp850"), "written in CP850 (DOS)"),
        (b'[{"numen": "1", "nom": "Zo\xc3\xa9"},\n{"nom": "\xe9"}]', "people.csv: line 1 is UTF-8"),
        (b'{"plan": \xff', "people.csv: not a plan, or cut short"),
    ],
)
def test_a_file_with_a_wrong_octet_is_one_line_with_its_name(
    run: Run, service: Path, tmp_path: Path, octets: bytes, told: str
) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes(octets)
    command = "apply" if octets.startswith(b'{"plan"') else "plan"
    said = run("directory", command, file, "--config", service)
    assert (said.status, said.out) == (2, "")
    assert told in said.err
    assert said.err.count("\n") == 1


def test_rules_for_aliases_with_a_wrong_octet_name_their_line(
    run: Run, service: Path, files: tuple[Path, Path]
) -> None:
    text = service.read_text("utf-8").replace('#alias_rules = ""', 'alias_rules = "rules.toml"')
    service.write_text(text, "utf-8")
    (service.parent / "rules.toml").write_bytes(b"dropped = []\n# \xe9cole\n")
    said = run("directory", "plan", *files, "--config", service)
    assert said.status == 2
    assert said.err == "rules.toml: line 2: not UTF-8: save the file as UTF-8\n"
