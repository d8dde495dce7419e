"""From one TOML file and the environment to `Settings`.

Every mistake is one sentence that names the file, the line, the key and what
to write instead.  The environment wins over the file:
`MAILSERVER_SECTION__KEY`, lists with commas or as JSON; the list of routes as
JSON in `MAILSERVER_ROUTES`.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from mailserver.settings.model import (
    CatchAllSettings,
    ClassSettings,
    RouteSettings,
    Settings,
)
from mailserver.settings.template import line_of, toml_value
from mailserver.values.text.written import BadText, decode_utf_8

FILE_NAME = "mailserver.toml"
HALF_RESTORED = "half-restored"
"""Stands in a service's folder while a backup is put back there."""
SYSTEM_FILE = Path("/etc/mailserver/mailserver.toml")
PREFIX = "MAILSERVER_"
_DELIMITER = "__"


class SettingsError(Exception):
    """The settings cannot be used.  `problems`: one sentence each, the first is the text."""

    def __init__(self, *problems: str) -> None:
        super().__init__(problems[0])
        self.problems = problems


def find_settings_file(named: Path | None = None) -> Path:
    """The file named by the person, else ./mailserver.toml, else the system's.

    Raises:
        SettingsError: there is none.
    """
    if named is not None:
        if not named.is_file():
            raise SettingsError(f"{named}: no such file; `mailserver init` makes one")
        return named
    for candidate in (Path(FILE_NAME), SYSTEM_FILE):
        if candidate.is_file():
            return candidate
    raise SettingsError(
        f"no {FILE_NAME} here and no {SYSTEM_FILE}: name yours with --config FILE,"
        " or make one with `mailserver init`"
    )


def load_settings(path: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """Read the file, let the environment win, make the paths absolute.

    Raises:
        SettingsError: the file is unreadable, or a key or value is wrong.
    """
    environment = os.environ if environment is None else environment
    text = _read(path)
    try:
        from_file = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: not TOML: {error}") from error
    where = _Places(path, text, environment)
    unknown = [
        f"{where.name(key)}: unknown key {_shown(key)}{_nearest(_shown(key))}"
        for key in _unknown(from_file)
    ]
    unknown += [
        f"{name}: this variable sets no known key{_nearest(key)}"
        for name, key in _unknown_variables(environment)
    ]
    if unknown:
        raise SettingsError(*unknown)
    merged = _merge(from_file, _from_environment(environment))
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        sentences = dict.fromkeys(_sentence(one, where) for one in error.errors())
        raise SettingsError(*sentences) from None
    return _absolute(settings, path.resolve())


LISTS: dict[str, type[BaseModel]] = {
    "routes": RouteSettings,
    "classes": ClassSettings,
    "catch_all": CatchAllSettings,
}
"""Sections that come several times, in double brackets; their order counts."""


def known_keys() -> dict[str, FieldInfo]:
    """Every dotted key and its field, in the order of the model; those of a list's entries last."""
    return {
        f"{section}.{key}": field
        for section, model in (_sections() | LISTS).items()
        for key, field in model.model_fields.items()
    }


def _sections() -> dict[str, type[BaseModel]]:
    return {
        name: field.annotation
        for name, field in Settings.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    }


def _read(path: Path) -> str:
    try:
        return decode_utf_8(path.read_bytes())
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
    except BadText as bad:
        raise SettingsError(bad.told_of(str(path))) from None


# --- unknown keys -------------------------------------------------------------


def _unknown(tree: Mapping[str, Any]) -> Iterator[str]:
    """Dotted names in the file that the model does not have."""
    sections = _sections()
    for name, value in tree.items():
        if name in LISTS:
            yield from _unknown_in_entries(name, value)
        elif name not in sections:
            yield name
        elif isinstance(value, Mapping):
            fields = sections[name].model_fields
            yield from (f"{name}.{key}" for key in value if key not in fields)


def _unknown_in_entries(name: str, entries: Any) -> Iterator[str]:
    fields = LISTS[name].model_fields
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        if isinstance(entry, Mapping):
            yield from (f"{name}.{index}.{key}" for key in entry if key not in fields)


def _shown(key: str) -> str:
    """`routes.0.host` as people write it: `routes.host`; the line says which entry."""
    return ".".join(part for part in key.split(".") if not part.isdigit())


def _unknown_variables(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    known = known_keys()
    for name in environment:
        if name.upper().startswith(PREFIX):
            key = name[len(PREFIX) :].lower().replace(_DELIMITER, ".", 1)
            is_in_list = key.partition(".")[0] in LISTS  # which is one variable as a whole
            if key not in LISTS and (is_in_list or key not in known):
                yield name, key


def _nearest(key: str) -> str:
    """`; did you mean smtp.mx?`, or where to look when no key is near."""
    section, _, last = key.rpartition(".")
    if not section:
        near = difflib.get_close_matches(key, [*_sections(), *LISTS], n=1, cutoff=0.7)
        if near:
            return f"; did you mean {_header(near[0])}?"
    known = list(known_keys())
    own = [full for full in known if full.startswith(f"{section}.")] if section else []
    by_last = {full.rpartition(".")[2]: full for full in reversed([*known, *_sections()])}
    near = (
        difflib.get_close_matches(key, own, n=1, cutoff=0.75)
        or [by_last[name] for name in difflib.get_close_matches(last, by_last, n=1, cutoff=0.7)]
        or difflib.get_close_matches(key, known, n=1, cutoff=0.75)
    )
    return f"; did you mean {near[0]}?" if near else "; config/mailserver.toml shows every key"


def _header(section: str) -> str:
    return f"[[{section}]]" if section in LISTS else f"[{section}]"


# --- the environment ------------------------------------------------------------


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """What stands in variables of ours; nearly always nothing."""
    ours = {name: value for name, value in environment.items() if name.upper().startswith(PREFIX)}
    if not ours:
        return {}
    from mailserver.settings.environment import read_variables

    return read_variables(ours, prefix=PREFIX, delimiter=_DELIMITER)


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for name, value in above.items():
        old = merged.get(name)
        merged[name] = {**old, **value} if isinstance(old, Mapping) else value
    return merged


# --- sentences --------------------------------------------------------------------


class _Places:
    """Where a key was set: a variable, or a line of the file."""

    def __init__(self, path: Path, text: str, environment: Mapping[str, str]) -> None:
        self._path = path
        self._text = text
        self._variables = {name.upper(): name for name in environment}

    def name(self, key: str) -> str:
        section = key.partition(".")[0]
        wanted = section if section in LISTS else key
        variable = self._variables.get(PREFIX + wanted.upper().replace(".", _DELIMITER, 1))
        if variable:
            return variable
        line = line_of(self._text, key)
        if line is None and section in LISTS:  # a key that is missing: where its entry begins
            line = line_of(self._text, key.rpartition(".")[0])
        return f"{self._path}:{line}" if line else str(self._path)


_WANTED = {
    "missing": "is missing",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "string_type": 'must be a text in "quotes"',
    "path_type": 'must be a path in "quotes"',
    "tuple_type": "must be a list in [square brackets]",
    "too_short": "must not be empty",
    "ip_v4_network": "must be a list of networks",
    "ip_v6_network": "must be a list of networks",
    "ip_v4_address": "must be a list of IP addresses",
    "ip_v6_address": "must be a list of IP addresses",
    "extra_forbidden": "is not a key of this section",
}


def _sentence(error: Any, where: _Places) -> str:
    """One line: where, which key, what is wrong, what to write instead."""
    place, key = _named(error["loc"])
    kind = str(error["type"])
    if kind == "value_error":
        wrong = str(error["ctx"]["error"])
    elif kind in {"model_type", "tuple_type"} and "." not in key:
        told = f"must be a section: write {_header(key)} on a line of its own"
        return f"{where.name(place)}: {key} {told}"
    else:
        message = str(error["msg"]).removeprefix("Input should be ").replace("'", '"')
        wrong = _WANTED.get(kind, f"must be {message}")
    return f"{where.name(place)}: {key}: {wrong}{_example(key)}"


def _named(loc: Sequence[str | int]) -> tuple[str, str]:
    """(`routes.0.host`: where it stands, `routes.host`: what people call it)."""
    if loc and loc[0] in LISTS:
        place = ".".join(str(part) for part in loc[:3])
        return place, _shown(place)
    key = ".".join([part for part in loc if isinstance(part, str)][:2])
    return key, key


_EXAMPLES = {
    "service": '; write [service] with domain = "ac-exemple.fr" and hostname',
    "service.domain": '; for instance domain = "ac-exemple.fr"',
    "service.hostname": '; for instance hostname = "mail.ac-exemple.fr"',
    "legacy.networks": '; for instance networks = ["10.0.0.0/8"]',
    "auth.trusted_networks": '; for instance trusted_networks = ["10.20.0.0/16"]',
    "relay.trusted_networks": '; for instance trusted_networks = ["10.1.2.3/32"]',
    "dns.servers": '; for instance servers = ["127.0.0.1:53"]',
    "delivery.source_addresses": '; for instance source_addresses = ["192.0.2.25"]',
    "routes.name": '; for instance name = "provider"',
    "routes.password_file": '; for instance password_file = "provider-password.txt"',
    "classes.name": '; for instance name = "default"',
    "catch_all.domain": '; for instance domain = "ac-exemple.fr"',
    "catch_all.address": '; for instance address = "accueil@ac-exemple.fr"',
    "routes.tls": '; for instance tls = "verify"',
}


def _example(key: str) -> str:
    """`; for instance processes = 0`: the default, as the file would say it."""
    if key in _EXAMPLES:
        return _EXAMPLES[key]
    field = known_keys().get(key)
    if field is None or field.is_required():
        return ""
    value = field.default
    if value is None:
        return ""
    return f"; for instance {key.rpartition('.')[2]} = {toml_value(_plain(value))}"


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def _absolute(settings: Settings, source: Path) -> Settings:
    """Relative paths are relative to the folder of the file."""
    folder = source.parent
    store = settings.store.model_copy(update={"path": folder / settings.store.path})
    tls = settings.tls.model_copy(
        update={
            "certificate": folder / settings.tls.certificate,
            "key": folder / settings.tls.key,
        }
    )
    dkim = settings.dkim.model_copy(update={"folder": folder / settings.dkim.folder})
    auth = settings.auth.model_copy(update={"numen_key": folder / settings.auth.numen_key})
    routes = tuple(
        rule
        if rule.password_file is None
        else rule.model_copy(update={"password_file": folder / rule.password_file})
        for rule in settings.routes
    )
    return settings.model_copy(
        update={
            "store": store,
            "tls": tls,
            "auth": auth,
            "dkim": dkim,
            "routes": routes,
            "source": source,
        }
    )
