"""Days in files and commands are days of the service's time zone."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from mailserver.directory.deciding.life import Dates, decide_life
from mailserver.directory.reading.cells import Absence
from mailserver.settings.load import load_settings
from mailserver.store.open import open_store
from mailserver.store.ports.people import Life
from mailserver.values.calendar import Calendar
from tests.cli.conftest import Run, new_service, run, service
from tests.values.test_calendar import at

__all__ = ["new_service", "run", "service"]

PARIS = Calendar("Europe/Paris")
DAY = date(2026, 12, 31)
BEGIN_S, END_S = at("2026-12-30T23:00Z"), at("2026-12-31T23:00Z")


@pytest.mark.parametrize(
    ("dates", "before", "then"),
    [
        (Dates(departure=DAY), (Life.LEAVING, END_S), (Life.LEFT, END_S + 9)),
        (Dates(retirement=DAY), (Life.LEAVING, END_S), (Life.LEFT, END_S + 9)),
        (Dates(leave=Absence(DAY)), (Life.ON_LEAVE, END_S), (Life.PRESENT, None)),
        (Dates(arrival=date(2027, 1, 1)), (Life.EXPECTED, END_S), (Life.PRESENT, None)),
    ],
)
def test_a_life_changes_at_midnight_where_the_people_are(
    dates: Dates, before: tuple[Life, float], then: tuple[Life, float | None]
) -> None:
    assert decide_life(dates, calendar=PARIS, now_s=END_S - 1, left_s=9.0) == before
    assert decide_life(dates, calendar=PARIS, now_s=END_S, left_s=9.0) == then


@pytest.fixture
def noumea(service: Path) -> Path:
    """Eleven hours ahead of UTC, whose days are others for half of each day."""
    text = service.read_text("utf-8").replace("Europe/Paris", "Pacific/Noumea")
    service.write_text(text, "utf-8")
    assert load_settings(service).service.time_zone == "Pacific/Noumea"
    return service


def test_the_same_day_stands_in_the_plan_the_history_and_what_is_shown(
    noumea: Path, run: Run, tmp_path: Path
) -> None:
    """As it was typed, and as the moment in the store."""
    last, end_s = "2030-08-31", at("2030-08-31T13:00Z")
    table = "numen;nom;prenom;date_depart\n17E0200001ABC;Martin;Jeanne;31/08/2030\n"
    (tmp_path / "p.csv").write_text(table, "utf-8")
    config = ("--config", noumea)
    planned = run("directory", "plan", tmp_path / "p.csv", *config)
    assert planned.status == 0, planned.err
    assert run("directory", "apply", tmp_path / "p.csv", "--yes", *config).status == 0
    assert f"last day {last}" in run("account", "show", "jmartin", *config).out
    assert run("directory", "return", "jmartin", *config).status == 0
    left = run("directory", "retire", "jmartin", "--on", last, *config)
    assert f"until {last}" in left.out, left
    assert f"until {last}" in run("account", "history", "jmartin", *config).out
    store = open_store(load_settings(noumea))
    try:
        doc = store.people.find_doc("jmartin")
        assert doc is not None
        assert doc.life_until_s == end_s
    finally:
        store.close()


def test_a_right_ends_with_its_day_and_is_listed_by_it(noumea: Path, run: Run) -> None:
    config = ("--config", noumea)
    add = ("account", "add", "jmartin", "--address", "j@a.test", "--name", "J", "--password-stdin")
    assert run(*add, *config, stdin=b"une phrase de passe").status == 0
    office = (
        "directory",
        "function",
        "add",
        "accueil",
        "--address",
        "accueil@a.test",
        "--name",
        "Accueil",
    )
    assert run(*office, *config).status == 0
    held = ("directory", "holder", "add", "jmartin", "--of", "accueil", "--until", "2030-08-31")
    said = run(*held, *config)
    assert said.status == 0, said.err
    listed = run("directory", "holder", "list", "jmartin", *config)
    assert "until 2030-08-31" in listed.out
