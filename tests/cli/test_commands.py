"""The command line: what each command does, and one line for each mistake."""

from __future__ import annotations

import json
import stat
import tomllib
from pathlib import Path

import pytest

from mailserver import __version__
from mailserver.settings.load import load_settings
from mailserver.store.open import open_store
from mailserver.store.ports.shared.scratch import LastSeen
from tests.cli.conftest import Run, Said

pytestmark = pytest.mark.slow
NUMEN = "13E0245678ABC"


def is_mistake(said: Said, *parts: str) -> bool:
    """Exit status 2, and one line on standard error that says all of this."""
    assert said.status == 2, said
    assert len(said.err.splitlines()) == 1, said.err
    assert all(part in said.err for part in parts), said.err
    return True


def add(run: Run, service: Path, identifier: str, *addresses: str) -> Said:
    options = [word for address in addresses for word in ("--address", address)]
    return run(
        *("account", "add", identifier, "--name", identifier.title(), "--numen-stdin"),
        *("--config", service, *options),
        stdin=NUMEN.encode(),
    )


# --- init -----------------------------------------------------------------------


def test_init_writes_a_commented_file_with_every_key(service: Path) -> None:
    text = service.read_text()
    tree = tomllib.loads(text)
    assert tree["service"]["domain"] == "a.test"
    assert tree["service"]["hostname"] == "mail.a.test"
    assert text.count("\n# ") > 40


def test_init_with_high_ports_binds_loopback_only(service: Path) -> None:
    settings = load_settings(service, {})
    assert settings.smtp.mx == ("127.0.0.1:2525", "[::1]:2525")
    assert settings.smtp.submission == ("127.0.0.1:2587", "[::1]:2587")
    assert settings.smtp.submissions == ("127.0.0.1:2465", "[::1]:2465")
    assert settings.pop3.pop3 == ("127.0.0.1:2110", "[::1]:2110")
    assert settings.pop3.pop3s == ("127.0.0.1:2995", "[::1]:2995")
    assert settings.auth.allow_plaintext_on_loopback


def test_init_without_high_ports_keeps_the_registered_ports(tmp_path: Path, run: Run) -> None:
    assert run("init", tmp_path / "s", "--domain", "a.test").status == 0
    settings = load_settings(tmp_path / "s/mailserver.toml", {})
    assert settings.smtp.mx == ("0.0.0.0:25", "[::]:25")
    assert not settings.auth.allow_plaintext_on_loopback


def test_init_keeps_what_is_secret_to_its_owner(service: Path) -> None:
    folder = service.parent
    assert stat.S_IMODE((folder / "tls/key.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE((folder / "store").stat().st_mode) == 0o700


def test_init_prints_the_records_to_publish_and_what_to_type_next(tmp_path: Path, run: Run) -> None:
    said = run("init", tmp_path / "s", "--domain", "écoles.test", "--hostname", "mx.a.test")
    assert "xn--coles-9ra.test. IN MX 10 mx.a.test." in said.out
    assert 'xn--coles-9ra.test. IN TXT "v=spf1 mx -all"' in said.out
    assert "mailserver account add" in said.out
    assert "mailserver run" in said.out


def test_init_makes_the_postmaster_of_every_role(tmp_path: Path, run: Run) -> None:
    run("init", tmp_path / "s", "--domain", "a.test", "--postmaster", "chef")
    said = run("account", "show", "chef", "--json", "--config", tmp_path / "s/mailserver.toml")
    facts = json.loads(said.out)
    assert facts["addresses"] == ["postmaster@a.test", "abuse@a.test"]
    assert not facts["has_password"]


def test_init_refuses_a_folder_that_holds_a_service_and_touches_nothing(
    service: Path, run: Run
) -> None:
    before = service.read_bytes()
    again = ("init", service.parent, "--domain", "b.test")
    assert is_mistake(run(*again), str(service), "already holds a service")
    assert run(*again, "--if-missing").status == 0
    assert service.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--domain", "a_b"], "--domain: 'a_b' is not a domain name"),
        (["--domain", "a.test", "--hostname", "mail a"], "--hostname: 'mail a'"),
        (["--domain", "a.test", "--language", "de"], 'must be "fr" or "en"'),
        (["--domain", "a.test", "--postmaster", "a@b"], "is not an identifier"),
        (["--domain", "a.test", "--postmaster", "a@b"], "--postmaster: "),
        ([], "Missing option '--domain'. Try"),
    ],
)
def test_init_says_what_is_wrong_and_leaves_nothing(
    tmp_path: Path, run: Run, words: list[str], told: str
) -> None:
    assert is_mistake(run("init", tmp_path / "s", *words), told)
    assert not (tmp_path / "s").exists()


def test_init_names_a_machine_of_an_accented_domain_as_machines_do(
    tmp_path: Path, run: Run
) -> None:
    said = run("init", tmp_path / "s", "--domain", "académie.test")
    assert said.status == 0, said.err
    settings = load_settings(tmp_path / "s/mailserver.toml", {})
    assert settings.service.domain == "académie.test"
    assert settings.service.hostname == "mail.xn--acadmie-eya.test"


# --- account ----------------------------------------------------------------------


def test_an_account_is_added_listed_and_shown(service: Path, run: Run) -> None:
    said = add(run, service, "fmarot", "frederic.marot@a.test", "Fred@A.test")
    assert (said.status, said.err) == (0, "")
    listed = run("account", "list", "--json", "--config", service).out.splitlines()
    assert [json.loads(line)["identifier"] for line in listed] == ["fmarot", "postmaster"]
    facts = json.loads(run("account", "show", "FMarot", "--json", "--config", service).out)
    assert facts["addresses"] == ["frederic.marot@a.test", "Fred@A.test"]
    assert facts["has_password"]
    assert facts["must_change_password"]
    assert facts["messages"] == 0
    assert facts["last_log_ins"] == []


def test_show_tells_who_uses_a_legacy_listener(service: Path, run: Run) -> None:
    add(run, service, "fmarot", "frederic.marot@a.test")
    store = open_store(load_settings(service, {}))
    account = store.accounts.find_account("fmarot")
    assert account is not None
    store.counters.note_seen(
        account.account_id, LastSeen(door="legacy-pop3s", peer="10.1.2.3", at_s=1e9)
    )
    store.close()
    said = run("account", "show", "fmarot", "--config", service)
    assert "2001-09-09T01:46:40Z legacy-pop3s from 10.1.2.3" in said.out
    assert "help them to a newer one" in said.out


def test_a_password_comes_from_standard_input(service: Path, run: Run) -> None:
    said = run(
        *("account", "add", "a", "--address", "a@a.test", "--name", "A", "--password-stdin"),
        *("--config", service),
        stdin="un mot de passe à moi\n".encode(),
    )
    assert said.status == 0
    facts = json.loads(run("account", "show", "a", "--json", "--config", service).out)
    assert not facts["must_change_password"]


@pytest.mark.parametrize(
    ("words", "stdin", "told"),
    [
        (["a", "--address", "a@b.test", "--numen-stdin"], NUMEN.encode(), "only for a.test"),
        (["a", "--address", "a", "--numen-stdin"], NUMEN.encode(), "is not an address"),
        (["a", "--address", "a b@a.test", "--numen-stdin"], NUMEN.encode(), "is not an address"),
        (["a", "--address", "a+b@a.test", "--numen-stdin"], NUMEN.encode(), "leave it out"),
        (["a", "--address", "a..b@a.test", "--numen-stdin"], NUMEN.encode(), "cannot be given"),
        (["a", "--address", ".a@a.test", "--numen-stdin"], NUMEN.encode(), "cannot be given"),
        (["a", "--address", "a.@a.test", "--numen-stdin"], NUMEN.encode(), "cannot be given"),
        (
            ["a", "--address", "a" * 65 + "@a.test", "--numen-stdin"],
            NUMEN.encode(),
            "at most 64 octets",
        ),
        (["a@b", "--address", "a@a.test", "--numen-stdin"], NUMEN.encode(), "is not an identifier"),
        (["a", "--address", "a@a.test", "--numen-stdin"], b"13E\n", "13 characters"),
        (["a", "--address", "a@a.test"], b"", "--password-stdin or --numen-stdin"),
        (["a", "--address", "a@a.test", "--numen-stdin", "--password-stdin"], b"", "one of them"),
        (["a", "--address", "a@a.test", "--password-stdin"], b"short\n", "at least 10"),
        (["a", "--address", "a@a.test", "--password-stdin"], b"\xe9\xe9\xe9\n", "not UTF-8"),
        (["a", "--address", "postmaster@a.test", "--numen-stdin"], NUMEN.encode(), "already taken"),
        (["postmaster", "--address", "a@a.test", "--numen-stdin"], NUMEN.encode(), "already taken"),
    ],
)
def test_an_account_that_cannot_be_is_one_line_and_nothing_is_made(
    service: Path, run: Run, words: list[str], stdin: bytes, told: str
) -> None:
    said = run("account", "add", *words, "--name", "A", "--config", service, stdin=stdin)
    assert is_mistake(said, told)
    assert len(run("account", "list", "--config", service).out.splitlines()) == 1


@pytest.mark.parametrize("name", ["", "  ", "Jeanne\nMartin"])
def test_a_name_is_one_line_of_text(service: Path, run: Run, name: str) -> None:
    words = ("account", "add", "a", "--address", "a@a.test", "--numen-stdin", "--name", name)
    assert is_mistake(run(*words, "--config", service, stdin=NUMEN.encode()), "--name: ")
    assert len(run("account", "list", "--config", service).out.splitlines()) == 1


def test_the_columns_of_the_list_stand_under_each_other(service: Path, run: Run) -> None:
    add(run, service, "a", "a@a.test")
    lines = run("account", "list", "--config", service).out.splitlines()
    assert len({line.index("@") - len(line[: line.index("@")].split()[-1]) for line in lines}) == 1


def test_the_password_is_never_shown(service: Path, run: Run) -> None:
    said = add(run, service, "a", "a@a.test")
    shown = run("account", "show", "a", "--json", "--config", service)
    words = ("account", "passwd", "a", "--config", service)
    wrong = run(*words, "--numen-stdin", stdin=b"13E0245678AB1\n")
    assert wrong.status == 2
    old = run(*words, "--numen", "13E0245678AB1")
    assert is_mistake(old, "seen by every user of this machine", "--numen-stdin")
    assert "13E0245678AB1" not in old.err
    assert NUMEN not in said.out + said.err + shown.out
    assert "13E0245678AB1" not in wrong.err


def test_an_account_is_suspended_resumed_and_deleted(service: Path, run: Run) -> None:
    add(run, service, "a", "a@a.test")

    def state() -> str:
        shown = run("account", "show", "a", "--json", "--config", service)
        return str(json.loads(shown.out)["state"])

    run("account", "suspend", "a", "--config", service)
    assert state() == "suspended"
    run("account", "resume", "a", "--config", service)
    assert state() == "active"
    assert is_mistake(run("account", "delete", "a", "--config", service), "--yes")
    assert run("account", "delete", "a", "--yes", "--config", service).status == 0
    assert is_mistake(run("account", "show", "a", "--config", service), "no account 'a'")


def test_the_postmaster_is_not_deleted(service: Path, run: Run) -> None:
    said = run("account", "delete", "postmaster", "--yes", "--config", service)
    assert is_mistake(said, "name another one first")


@pytest.mark.parametrize("act", ["show", "suspend", "resume", "delete"])
def test_an_unknown_account_is_a_mistake(service: Path, run: Run, act: str) -> None:
    assert is_mistake(run("account", act, "nobody", "--config", service), "no account 'nobody'")


# --- config -----------------------------------------------------------------------


def test_config_print_shows_what_is_in_force(service: Path, run: Run) -> None:
    as_toml = tomllib.loads(run("config", "print", "--config", service).out)
    as_json = json.loads(run("config", "print", "--json", "--config", service).out)
    assert as_toml == as_json
    assert as_toml["store"]["path"] == str(service.parent / "store")
    assert as_toml["smtp"]["max_message_mib"] == 50


def test_config_check_lists_every_problem_and_ends_with_2(service: Path, run: Run) -> None:
    service.write_text(service.read_text() + "\n[smpt]\n[pop]\n")
    said = run("config", "check", "--config", service)
    assert said.status == 2
    assert "unknown key smpt; did you mean [smtp]?" in said.out
    assert len(said.out.splitlines()) == 2


def test_config_check_tells_programs_in_json(service: Path, run: Run) -> None:
    (service.parent / "tls/key.pem").chmod(0o644)
    said = run("config", "check", "--json", "--config", service)
    assert said.status == 2
    findings = json.loads(said.out)
    assert ("error", "tls.key") in [(one["level"], one["key"]) for one in findings]


def test_the_other_commands_name_the_first_problem_only(service: Path, run: Run) -> None:
    service.write_text(service.read_text() + "\n[smpt]\n[pop]\n")
    assert is_mistake(run("account", "list", "--config", service), "(and 1 more")


# --- the rest ---------------------------------------------------------------------


def test_version_is_told(run: Run) -> None:
    assert run("version").out == f"mailserver {__version__}\n"
    assert run("--version").out == f"mailserver {__version__}\n"
    assert json.loads(run("version", "--json").out) == {"version": __version__}


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["bogus"], "`mailserver --help`"),
        (["account", "bogus"], "`mailserver account --help`"),
        (["account", "show"], "`mailserver account show --help`"),
        (["status", "--bogus"], "`mailserver status --help`"),
    ],
)
def test_a_wrong_command_line_is_one_line_with_the_help_to_ask_for(
    run: Run, words: list[str], hint: str
) -> None:
    assert is_mistake(run(*words), hint)


@pytest.mark.parametrize(
    "words", [["status"], ["account", "list"], ["config", "check"], ["config", "print"], ["run"]]
)
def test_without_settings_the_line_says_where_they_are_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run, words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_mistake(run(*words), "no mailserver.toml here", "--config FILE")


def test_a_service_without_store_is_told(service: Path, run: Run) -> None:
    (service.parent / "store").rename(service.parent / "elsewhere")
    assert is_mistake(run("account", "list", "--config", service), "no store at")


# --- dkim -------------------------------------------------------------------------


def test_init_prints_the_records_that_config_dns_prints_again(tmp_path: Path, run: Run) -> None:
    said = run("init", tmp_path / "s", "--domain", "a.test")
    again = run("config", "dns", "--config", tmp_path / "s/mailserver.toml")
    assert again.status == 0
    assert len(again.out.splitlines()) == 4
    assert all(f"    {record}\n" in said.out for record in again.out.splitlines())
    assert "mo1._domainkey.a.test. IN TXT" in again.out
    as_json = run("config", "dns", "--json", "--config", tmp_path / "s/mailserver.toml")
    assert json.loads(as_json.out) == again.out.splitlines()


def test_dkim_keys_makes_what_an_old_service_lacks(service: Path, run: Run) -> None:
    folder = service.parent / "dkim"
    (folder / "mo1.pem").unlink()
    said = run("dkim", "keys", "--config", service)
    assert said.status == 0
    assert f"{folder / 'mo1.pem'} is new" in said.out
    assert "mo2.pem" not in said.out
    assert "mo2._domainkey.a.test." in said.out


def test_dkim_keys_makes_the_next_ones_ahead(service: Path, run: Run) -> None:
    said = run("dkim", "keys", "mo3", "mo4", "--json", "--config", service)
    told = json.loads(said.out)
    assert told["made"] == [str(service.parent / f"dkim/{name}.pem") for name in ("mo3", "mo4")]
    assert [record.split(".")[0] for record in told["records"]] == ["mo3", "mo4"]
    assert is_mistake(run("dkim", "keys", "../x", "--config", service), "no selector")


@pytest.mark.parametrize(
    "name", ["admin", "root", "abuse", "webmaster", "no-reply", "Info", "postmaster2", "sécurité"]
)
def test_names_of_the_service_are_given_to_nobody(service: Path, run: Run, name: str) -> None:
    if name == "postmaster2":
        assert add(run, service, name, "p2@a.test").status == 0
        return
    assert is_mistake(add(run, service, name, "x@a.test"), f"{name} is ")
    assert is_mistake(add(run, service, "zmarot", f"{name}@a.test"), f"{name}@a.test is ")
    assert add(run, service, "fmarot", "fred@a.test").status == 0
    alias = ("account", "alias", "fmarot", f"{name}@a.test", "--config", service)
    assert is_mistake(run(*alias), f"{name}@a.test is ")


def test_a_function_may_be_webmaster_and_never_the_postmasters(service: Path, run: Run) -> None:
    words = ("directory", "function", "add", "webmaster", "--name", "Site", "--config", service)
    for local in ("postmaster", "mailer-daemon", "Abuse"):
        said = run(*words, "--address", f"{local}@a.test")
        assert is_mistake(said, "its mail goes to the account postmaster")
        listed = run("list", "add", local, "--owner", "postmaster", "--config", service)
        assert is_mistake(listed, "its mail goes to the account postmaster")
    assert run(*words, "--address", "webmaster@a.test").status == 0
    assert "deposited here" in run("route", "mailer-daemon@a.test", "--config", service).out


def test_a_name_that_was_spoilt_on_its_way_is_refused(service: Path, run: Run) -> None:
    words = ("account", "add", "fmarot", "--address", "f@a.test", "--config", service)
    for name, told in (
        ("FrÃ©dÃ©ric", "is perhaps 'Frédéric', saved as UTF-8 twice"),
        ("Fr\ufffdd", "a letter was lost here"),
        ("=1+1", "begins as a formula does"),
    ):
        said = run(*words, "--name", name, "--password-stdin", stdin=b"x\n")
        assert is_mistake(said, told)


@pytest.mark.parametrize(
    ("zone", "language", "wanted"),
    [
        ("", "fr", "Europe/Paris"),
        ("Indian/Reunion", "fr", "Indian/Reunion"),
        (":America/Cayenne", "en", "America/Cayenne"),
        ("nonsense", "fr", "Europe/Paris"),
        ("", "en", ""),
    ],
)
def test_init_writes_the_time_zone_of_the_country_or_of_tz(
    monkeypatch: pytest.MonkeyPatch, zone: str, language: str, wanted: str
) -> None:
    from mailserver.cli.init import _time_zone

    monkeypatch.setenv("TZ", zone)
    assert _time_zone(language) == wanted


def test_a_new_french_service_says_its_time_zone(service: Path) -> None:
    text = service.read_text("utf-8")
    assert '\ntime_zone = "' in text
    assert load_settings(service, {}).service.time_zone
