"""Which paths belong to a backup, and what a restored settings file says of them."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.backup.places import (
    CannotRelocate,
    moved_settings,
    place_among,
    places_of,
    places_said,
)
from mailserver.settings.load import known_keys, load_settings
from mailserver.settings.template import toml_value

HEAD = '[service]\ndomain = "a.test"\nhostname = "mail.a.test"\n'
ROUTES = "".join(
    f'[[routes]]\nname = "r{number}"\nvia = "smarthost"\nhost = "h"\nuser_name = "u"\n'
    f'password_file = "{path}"\n'
    for number, path in enumerate(["/a/secret.txt", "/b/secret.txt", "/a/secret.txt", "in.txt"])
)
OF_PROGRAMS = {"alias_rules"}
"""Paths that the model keeps as text."""


def places(tmp_path: Path, text: str) -> dict[str, str]:
    file = tmp_path / "mailserver.toml"
    file.write_text(HEAD + text)
    return {one.key: one.place for one in places_of(load_settings(file, {}))}


def test_every_path_of_the_settings_is_known_here(tmp_path: Path) -> None:
    """Whoever adds a setting that names a file adds it to what is saved."""
    named = {
        key
        for key, field in known_keys().items()
        if "Path" in str(field.annotation) or key.rpartition(".")[2] in OF_PROGRAMS
    }
    text = ROUTES + '[directory]\nalias_rules = "x.toml"\n'
    found = places(tmp_path, text)
    assert named == {".".join(p for p in key.split(".") if not p.isdigit()) for key in found}


def test_files_of_one_name_from_two_folders_keep_apart(tmp_path: Path) -> None:
    found = places(tmp_path, ROUTES)
    assert [found[f"routes.{number}.password_file"] for number in range(4)] == [
        "passwords/secret.txt",
        "passwords/2-secret.txt",
        "passwords/secret.txt",
        "in.txt",
    ]


def test_a_path_that_leads_out_by_dots_is_one_from_elsewhere(tmp_path: Path) -> None:
    found = places(tmp_path, '[tls]\ncertificate = "x/../../c.pem"\nkey = "x/../k.pem"\n')
    assert found["tls.certificate"] == "tls/c.pem"
    assert found["tls.key"] == "k.pem"


def test_a_store_that_is_the_folder_itself_gets_one_of_its_own(tmp_path: Path) -> None:
    assert places(tmp_path, '[store]\npath = "."\n')["store.path"] == "store"


@pytest.mark.parametrize(
    "text",
    [
        '[tls]\ncertificate = "/etc/c.pem" # ours\nkey = "k"\n',
        '[tls]\n  certificate="/etc/c.pem"\n',
        '[tls]\nminimum = "1.2"\n',
        "",
        '[tls]\n#certificate = "tls/certificate.pem"\n',
    ],
)
def test_a_moved_path_is_rewritten_or_added_where_it_belongs(text: str) -> None:
    moved, _ = moved_settings(HEAD + text, {"tls.certificate": "tls/c.pem"})
    assert tomllib.loads(moved)["tls"]["certificate"] == "tls/c.pem"
    assert tomllib.loads(moved)["service"] == tomllib.loads(HEAD)["service"]


def test_the_right_one_of_several_routes_is_rewritten() -> None:
    moved, told = moved_settings(HEAD + ROUTES, {"routes.1.password_file": "passwords/x"})
    assert [one["password_file"] for one in tomllib.loads(moved)["routes"]] == [
        "/a/secret.txt",
        "passwords/x",
        "/a/secret.txt",
        "in.txt",
    ]
    assert told == {"routes.1.password_file": "/b/secret.txt"}


def test_what_stands_at_its_place_is_left_as_it_was() -> None:
    text = HEAD + '[tls]\ncertificate = "./tls/certificate.pem"\n'
    assert moved_settings(text, {"tls.certificate": "tls/certificate.pem"}) == (text, {})
    assert moved_settings(HEAD, {"tls.key": "tls/key.pem"}) == (HEAD, {})


@pytest.mark.parametrize(
    "text", ['tls = {certificate = "/etc/c.pem"}\n', 'tls.certificate = "/etc/c.pem"\n']
)
def test_a_form_that_cannot_be_rewritten_is_said(text: str) -> None:
    with pytest.raises(CannotRelocate, match=r"tls\.certificate"):
        moved_settings(text + HEAD, {"tls.certificate": "tls/c.pem"})


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30))
def test_whatever_comes_as_a_path_the_new_one_stands_there_or_it_is_refused(path: str) -> None:
    text = f"{HEAD}[tls]\nkey = {toml_value(path)}\n"
    try:
        moved, _ = moved_settings(text, {"tls.key": "tls/k.pem"})
    except CannotRelocate:
        return
    assert tomllib.loads(moved)["tls"]["key"] == "tls/k.pem"


@pytest.mark.parametrize("value", ["../x", ".", "", "/etc/x", "a/../../x"])
def test_a_variable_that_leads_out_of_the_folder_says_nothing_of_it(
    tmp_path: Path, value: str
) -> None:
    assert places_said({"MAILSERVER_STORE__PATH": value}, tmp_path) == {}


def test_a_variable_names_a_place_in_whatever_letters(tmp_path: Path) -> None:
    said = {"mailserver_store__path": "mail/store", "MAILSERVER_DKIM__FOLDER": f"{tmp_path}/keys"}
    assert places_said(said, tmp_path) == {"store.path": "mail/store", "dkim.folder": "keys"}


@pytest.mark.parametrize(
    ("path", "place"),
    [("s/mail.db", "m/s/mail.db"), ("s/c.pem", "tls/c.pem"), ("s2/x", "s2/x"), ("x", "x")],
)
def test_what_stood_in_a_place_follows_it_the_nearest_one(path: str, place: str) -> None:
    before = {"store.path": "s", "tls.certificate": "s/c.pem"}
    assert place_among(path, before, {"store.path": "m/s", "tls.certificate": "tls/c.pem"}) == place
