"""Reading the settings: every mistake is a sentence that names the place and the way out."""

from __future__ import annotations

import tempfile
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.settings.load import (
    SettingsError,
    find_settings_file,
    known_keys,
    load_settings,
)
from mailserver.settings.model import Settings
from mailserver.settings.template import (
    example_entries,
    fill_in,
    line_of,
    read_config,
    toml_value,
    with_defaults,
)

SERVICE = '[service]\ndomain = "a.test"\nhostname = "mail.a.test"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mailserver.toml"


def problems(file: Path, text: str, environment: dict[str, str] | None = None) -> tuple[str, ...]:
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_settings(file, environment or {})
    return tuple(problem.removeprefix(str(file)) for problem in caught.value.problems)


def test_every_key_stands_in_the_commented_file_and_the_reverse() -> None:
    text = read_config("mailserver.toml")
    tree = tomllib.loads(with_defaults(text))
    tree |= {name: entry for name, (entry,) in tomllib.loads(example_entries(text)).items()}
    shown = {f"{section}.{key}" for section, values in tree.items() for key in values}
    assert shown == set(known_keys())


def test_what_the_commented_file_shows_are_the_defaults() -> None:
    shown = Settings.model_validate(tomllib.loads(with_defaults(read_config("mailserver.toml"))))
    least = Settings.model_validate(tomllib.loads(read_config("mailserver.toml")))
    assert shown == least


def test_every_key_of_the_commented_file_has_a_comment_above_it() -> None:
    lines = read_config("mailserver.toml").splitlines()
    for above, line in pairwise(lines):
        if " = " in line and not line.startswith("# "):
            assert above.startswith("# "), line


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            SERVICE + "[smtp]\nproceses = 1\n",
            ":5: unknown key smtp.proceses; did you mean smtp.processes?",
        ),
        (SERVICE + "[smpt]\n", ":4: unknown key smpt; did you mean [smtp]?"),
        (SERVICE + "[popp3]\n", ":4: unknown key popp3; did you mean [pop3]?"),
        ('language = "fr"\n' + SERVICE, ":1: unknown key language; did you mean service.language?"),
        (
            SERVICE + "[store]\nzzz = 1\n",
            ":5: unknown key store.zzz; config/mailserver.toml shows every key",
        ),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_known_one(
    file: Path, text: str, told: str
) -> None:
    assert problems(file, text) == (told,)


@pytest.mark.parametrize(
    ("text", "key", "told", "instead"),
    [
        ('[smtp]\nprocesses = "many"', "smtp.processes", "must be a whole number", "processes = 0"),
        ("[smtp]\nprocesses = 999", "smtp.processes", "less than or equal to 256", "processes = 0"),
        ("[store]\npath = 3", "store.path", 'must be a path in "quotes"', 'path = "store"'),
        (
            '[smtp]\nmx = "127.0.0.1:25"',
            "smtp.mx",
            "must be a list in [square",
            'mx = ["0.0.0.0:25"',
        ),
        ('[smtp]\nmx = ["127.0.0.1"]', "smtp.mx", "write an address and a port", "mx = ["),
        ('[smtp]\nmx = ["127.0.0.1:70000"]', "smtp.mx", "the last port is 65535", "mx = ["),
        ('[smtp]\nmx = ["::1:25"]', "smtp.mx", "in square brackets, as [::1]:2525", "mx = ["),
        ('[smtp]\nmx = ["localhost:25"]', "smtp.mx", "is not an IP address", "mx = ["),
        (
            '[legacy]\nnetworks = ["x"]',
            "legacy.networks",
            "must be a list of networks",
            '["10.0.0.0/8"]',
        ),
        (
            "[auth]\nhash_queue = 1.5",
            "auth.hash_queue",
            "must be a whole number",
            "hash_queue = 64",
        ),
        (
            "[delivery]\nretry_minutes = []",
            "delivery.retry_minutes",
            "must not be empty",
            "retry_minutes = [5, 10,",
        ),
        ('[log]\nlevel = "loud"', "log.level", '"warning" or "error"', 'level = "info"'),
    ],
)
def test_a_wrong_value_is_told_with_file_line_key_and_what_to_write(
    file: Path, text: str, key: str, told: str, instead: str
) -> None:
    (problem,) = problems(file, SERVICE + text)
    assert problem.startswith(f":5: {key}: ")
    assert told in problem
    assert instead in problem


def test_a_section_that_is_a_value_is_told(file: Path) -> None:
    assert ":1: smtp must be a section: write [smtp] on a line of its own" in problems(
        file, "smtp = 2\n" + SERVICE
    )


def test_a_missing_domain_is_told(file: Path) -> None:
    told = problems(file, '[service]\nhostname = "mail.a.test"\n')
    assert told == (': service.domain: is missing; for instance domain = "ac-exemple.fr"',)


def test_broken_toml_is_told_with_its_line(file: Path) -> None:
    (told,) = problems(file, "[service\n")
    assert told.startswith(": not TOML: ")
    assert "line 1" in told


def test_a_file_that_is_not_utf_8_is_told(file: Path) -> None:
    file.write_bytes(b"# \xe9\n")
    with pytest.raises(SettingsError, match=r"mailserver\.toml, line 1: not UTF-8: save the file"):
        load_settings(file, {})


def test_relative_paths_are_relative_to_the_file(file: Path) -> None:
    file.write_text(SERVICE + '[tls]\nkey = "/elsewhere/key.pem"\n')
    settings = load_settings(file, {})
    assert settings.store.path == file.parent / "store"
    assert settings.tls.certificate == file.parent / "tls/certificate.pem"
    assert settings.tls.key == Path("/elsewhere/key.pem")
    assert settings.source == file


ROUTES = (
    SERVICE
    + """[[routes]]
name = "a"
[smtp]
[[routes]]
name = "b"
via = "lmtp"
password_file = "b.txt"
"""
)


def test_routes_are_read_in_their_order_and_their_files_are_relative_to_the_folder(
    file: Path,
) -> None:
    file.write_text(ROUTES)
    settings = load_settings(file, {})
    assert [rule.name for rule in settings.routes] == ["a", "b"]
    assert [rule.password_file for rule in settings.routes] == [None, file.parent / "b.txt"]
    assert settings.dkim.folder == file.parent / "dkim"


def test_the_example_of_a_route_is_a_good_one(file: Path) -> None:
    file.write_text(SERVICE + example_entries(read_config("mailserver.toml")))
    (rule,) = load_settings(file, {}).routes
    assert (rule.name, rule.via, rule.host) == ("provider", "smarthost", "relay.example.net")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (ROUTES + 'hots = "x"\n', ":11: unknown key routes.hots; did you mean routes.host?"),
        (SERVICE + "[[route]]\n", ":4: unknown key route; did you mean [[routes]]?"),
        (ROUTES + 'senders = "x"\n', ":11: routes.senders: must be a list in [square brackets];"),
        (SERVICE + '[[routes]]\nvia = "mx"\n', ":4: routes.name: is missing; for instance name ="),
        (ROUTES.replace('"lmtp"', '"pigeon"'), ":9: routes.via: must be "),
        (ROUTES.replace('"b"', '"b c"'), ":8: routes.name: 'b c' is not a name for a route: "),
        (ROUTES + "port = 99999\n", ":11: routes.port: must be less than or equal to 65535"),
        (ROUTES + 'tls = "maybe"\n', ":11: routes.tls: must be "),
        (SERVICE + "[routes]\n", ":4: routes must be a section: write [[routes]] on a line"),
        ("routes = 3\n" + SERVICE, ":1: routes must be a section: write [[routes]] on a line"),
        ("routes = [3]\n" + SERVICE, "routes must be a section: write [[routes]] on a line"),
    ],
)
def test_a_mistake_in_a_route_is_told_with_the_line_of_its_own_entry(
    file: Path, text: str, told: str
) -> None:
    (problem,) = problems(file, text)
    assert told in problem


def test_routes_of_the_environment_are_one_list_in_json(file: Path) -> None:
    file.write_text(ROUTES)
    settings = load_settings(file, {"MAILSERVER_ROUTES": '[{"name": "c", "via": "hold"}]'})
    assert [(rule.name, rule.via) for rule in settings.routes] == [("c", "hold")]
    assert problems(file, ROUTES, {"MAILSERVER_ROUTES": '[{"name": "c", "x": 1}]'}) == (
        "MAILSERVER_ROUTES: routes.x: is not a key of this section",
    )
    (told,) = problems(file, ROUTES, {"MAILSERVER_ROUTES__0__NAME": "c"})
    assert told.startswith("MAILSERVER_ROUTES__0__NAME: this variable sets no known key")


def test_the_environment_wins_and_lists_may_have_commas(file: Path) -> None:
    file.write_text(SERVICE + '[smtp]\nmx = ["127.0.0.1:25"]\nprocesses = 1\n')
    settings = load_settings(
        file,
        {
            "MAILSERVER_SMTP__MX": "127.0.0.1:26, [::1]:26",
            "MAILSERVER_SMTP__SUBMISSION": '["127.0.0.1:27"]',
            "MAILSERVER_SMTP__PROCESSES": "3",
            "MAILSERVER_LEGACY__NETWORKS": "10.0.0.0/8",
            "UNRELATED": "x",
        },
    )
    assert settings.smtp.mx == ("127.0.0.1:26", "[::1]:26")
    assert settings.smtp.submission == ("127.0.0.1:27",)
    assert settings.smtp.processes == 3
    assert [str(network) for network in settings.legacy.networks] == ["10.0.0.0/8"]


def test_an_unknown_variable_is_refused(file: Path) -> None:
    told = problems(file, SERVICE, {"MAILSERVER_SMTP__PROCESS": "3"})
    assert told == (
        "MAILSERVER_SMTP__PROCESS: this variable sets no known key; did you mean smtp.processes?",
    )


def test_a_wrong_value_of_a_variable_names_the_variable(file: Path) -> None:
    (told,) = problems(file, SERVICE, {"MAILSERVER_SMTP__PROCESSES": "many"})
    assert told.startswith("MAILSERVER_SMTP__PROCESSES: smtp.processes: must be a whole number")


def test_the_file_of_the_folder_is_found_without_being_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match="mailserver init"):
        find_settings_file()
    Path("mailserver.toml").write_text(SERVICE)
    assert find_settings_file() == Path("mailserver.toml")


def test_a_named_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such file"):
        find_settings_file(tmp_path / "none.toml")


def test_filling_in_keeps_the_comments_and_sets_the_keys() -> None:
    text = fill_in(
        read_config("mailserver.toml"), {"service.domain": "b.test", "smtp.mx": ["127.0.0.1:1"]}
    )
    assert tomllib.loads(text)["service"]["domain"] == "b.test"
    assert tomllib.loads(text)["smtp"] == {"mx": ["127.0.0.1:1"]}
    assert text.count("#") == read_config("mailserver.toml").count("#") - 1


def test_filling_in_an_unknown_key_is_an_error() -> None:
    with pytest.raises(KeyError, match="zzz"):
        fill_in(read_config("mailserver.toml"), {"smtp.zzz": 1})


def test_the_line_of_a_section_is_its_header() -> None:
    assert line_of(SERVICE, "service") == 1
    assert line_of(SERVICE, "service.hostname") == 3
    assert line_of(SERVICE, "smtp.mx") is None


_VALUES = st.one_of(
    st.booleans(), st.integers(-(2**60), 2**60), st.text(st.characters(exclude_categories=["Cs"]))
)


@given(st.one_of(_VALUES, st.lists(_VALUES)))
def test_whatever_is_written_as_toml_is_read_back(value: object) -> None:
    assert tomllib.loads(f"x = {toml_value(value)}")["x"] == value  # type: ignore[arg-type]


@given(st.text(max_size=200))
def test_whatever_text_is_in_the_file_is_settings_or_a_sentence(text: str) -> None:
    """A file is read, or refused with problems of one line each; nothing else is raised."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "x.toml"
        file.write_bytes((SERVICE + text).encode("utf-8", "surrogatepass"))
        refused: tuple[str, ...] = ()
        try:
            load_settings(file, {})
        except SettingsError as error:
            refused = error.problems
    assert all(len(problem.splitlines()) == 1 for problem in refused)
