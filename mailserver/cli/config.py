"""`mailserver config`: check and print the settings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import typer

from mailserver.cli.access import opened_store, read_settings
from mailserver.cli.mistake import Mistake
from mailserver.cli.options import ConfigOption, JsonOption

if TYPE_CHECKING:
    from mailserver.settings.check.finding import Finding
    from mailserver.settings.check.ports import Running
    from mailserver.settings.model import Settings

app = typer.Typer(help="Check and print the settings.", no_args_is_help=True)


@app.command()
def check(*, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Find what would fail at start: ports, certificate, paths, permissions. Exit 2 on errors."""
    from mailserver.settings.check.check import check_settings
    from mailserver.settings.check.finding import Finding, Level, as_facts
    from mailserver.settings.load import SettingsError, find_settings_file, load_settings

    findings: list[Finding]
    file = find_settings_file(config)
    try:
        settings = load_settings(file)
        findings = check_settings(settings, running=_running(settings))
        if not any(one.level is Level.ERROR and one.forbids_start for one in findings):
            findings += _check_store(settings)
        findings += _check_circles(settings)
    except SettingsError as error:
        findings = [Finding(Level.ERROR, "", problem) for problem in error.problems]
    if as_json:
        print(json.dumps(list(map(as_facts, findings)), ensure_ascii=False))
    else:
        for finding in findings:
            print(finding if finding.key else f"error: {finding.sentence}")
    if any(finding.level is Level.ERROR for finding in findings):
        raise Mistake
    if not as_json:
        print("nothing would fail at start")


def _running(settings: Settings) -> list[Running]:
    """The services of this store that run now."""
    from mailserver.settings.check.ports import Running
    from mailserver.supervisor.master.window import look

    return [
        Running(
            pid=facts["pid"],
            config_file=facts["config_file"],
            addresses=frozenset(text.rpartition(" ")[2] for text in facts["listeners"]),
        )
        for facts in look(settings.store.path)
    ]


def _check_circles(settings: Settings) -> list[Finding]:
    """Asks this machine's resolver, for rules that name a host."""
    from mailserver.routing.ourselves import addresses_of_host, circles
    from mailserver.settings.check.finding import warning

    return [warning("routes.host", words) for words in circles(settings, addresses_of_host)]


def _check_store(settings: Settings) -> list[Finding]:
    """Asks the store, if there is one: is what it needs beside the database there, are people at
    our domains?"""
    from mailserver.auth.numen_key import lost_key_warning
    from mailserver.cli.status.bodies import body_warnings
    from mailserver.settings.check.finding import error_to_live_with, warning
    from mailserver.store.open import is_made
    from mailserver.store.outside import folded_domains, outside_warnings

    if not is_made(settings):
        return []
    with opened_store(settings) as store:
        lost = lost_key_warning(settings.auth.numen_key, store.recovery)
        found = [warning("store.path", words) for words in body_warnings(store.backups)]
        outside = store.people.find_outside(folded_domains(settings))
    if lost is not None:
        found.append(warning("auth.numen_key", lost))
    return found + [
        error_to_live_with("service.domain", words) for words in outside_warnings(settings, outside)
    ]


@app.command("print")
def print_settings(*, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Print the settings in force: the file, the defaults and the environment together."""
    tree = read_settings(config).model_dump(mode="json")
    if as_json:
        print(json.dumps(tree, indent=2, ensure_ascii=False))
        return
    empty = [name for name, values in tree.items() if values == []]
    if empty:  # TOML wants what stands in no section first
        print("\n".join(f"{name} = []" for name in empty), end="\n\n")
    for section, values in tree.items():
        if isinstance(values, list):  # [[routes]]
            for entry in values:
                _print_section(f"[{section}]", entry)
        else:
            _print_section(section, values)


@app.command("dns")
def print_dns(*, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Print what to publish in the DNS, in the form of a zone file: MX, SPF, DKIM."""
    from mailserver.setup.service import dns_records

    records = dns_records(read_settings(config))
    print(json.dumps(records, ensure_ascii=False) if as_json else "\n".join(records))


def _print_section(section: str, values: dict[str, Any]) -> None:
    from mailserver.settings.template import toml_value

    print(f"[{section}]")
    for key, value in values.items():
        if value is not None:  # which TOML has no word for: the key is left out
            print(f"{key} = {toml_value(value)}")
    print()
