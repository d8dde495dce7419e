"""The small crowd of the demo: once, and ended where it was interrupted."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailserver.auth.numen_key import ensure_key
from mailserver.demo.crowd import BY_WHOM, PEOPLE_COUNT, import_crowd
from mailserver.settings.load import load_settings
from mailserver.settings.model import Settings
from mailserver.store.ports.people import PersonDoc
from mailserver.store.sqlite.store import SqliteStore
from tests.directory.conftest import NOW_S, a_store


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    file = tmp_path / "mailserver.toml"
    file.write_text('[service]\ndomain = "a.test"\nhostname = "mail.a.test"\n', "utf-8")
    settings = load_settings(file)
    ensure_key(settings.auth.numen_key)
    return settings


def _people_count(store: SqliteStore) -> int:
    return sum(1 for _ in store.people.read_subjects(PersonDoc))


def test_the_crowd_comes_once(settings: Settings) -> None:
    with a_store() as store:
        assert import_crowd(store.people, settings, now_s=NOW_S) > PEOPLE_COUNT
        assert _people_count(store) == PEOPLE_COUNT
        assert import_crowd(store.people, settings, now_s=NOW_S) == 0


def test_an_interrupted_crowd_is_completed(settings: Settings) -> None:
    with a_store() as store:
        store.people.begin_import(by_whom=BY_WHOM, digest="half", total=300, now_s=NOW_S)
        assert import_crowd(store.people, settings, now_s=NOW_S) > PEOPLE_COUNT


def test_a_demo_that_imported_something_else_is_left_alone(settings: Settings) -> None:
    with a_store() as store:
        store.people.begin_import(by_whom="cli:jane", digest="half", total=300, now_s=NOW_S)
        assert import_crowd(store.people, settings, now_s=NOW_S) == 0
