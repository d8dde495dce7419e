"""The commented settings file that travels with the code, and how a copy is filled in.

One source: `config/` of a checkout, which the wheel carries as
`mailserver/config/`.  In those files `#key = value` (no space) is a key at its
default, `# text` is a comment, and what follows `#[[name]]` an example of one
entry of a list.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import mailserver

Value = str | int | float | bool | Sequence[str | float]
_SECTION = re.compile(r"\s*\[([A-Za-z0-9_.-]+)\]\s*(?:#.*)?")
_ENTRY = re.compile(r"\s*\[\[([A-Za-z0-9_.-]+)\]\]\s*(?:#.*)?")
_SHOWN_ENTRY = re.compile(r"(?m)^#\[\[.*(?:\n.+)*\n?")
_KEY = re.compile(r"\s*(#?)([A-Za-z0-9_-]+)\s*=")


def read_config(name: str) -> str:
    """The text of one file of `config/`, from the wheel or from the checkout.

    Raises:
        FileNotFoundError: the installation is not complete.
    """
    package = Path(mailserver.__file__).parent
    for folder in (package / "config", package.parent / "config"):
        if (folder / name).is_file():
            return (folder / name).read_text("utf-8")
    raise FileNotFoundError(f"{name} is missing from this installation of mailserver")


def fill_in(text: str, values: Mapping[str, Value]) -> str:
    """Give keys of a settings file their values; comments stay.  `values`: dotted key -> value.

    Raises:
        KeyError: the text has no such key, not even commented out.
    """
    wanted = dict(values)
    sections = {dotted.partition(".")[0] for dotted in wanted}
    section = ""
    lines = []
    for line in text.splitlines():
        section, key = _place(line, section)
        if not key and line == f"#[[{section}]]" and section in sections:
            line = line.removeprefix("#")  # noqa: PLW2901 - an example becomes an entry
        dotted = f"{section}.{key}"
        lines.append(f"{key} = {toml_value(wanted.pop(dotted))}" if dotted in wanted else line)
    if wanted:
        raise KeyError(f"no such key in the settings file: {', '.join(wanted)}")
    return "\n".join(lines) + "\n"


def with_defaults(text: str) -> str:
    """The file with every key that is commented out put in force, but for the example entries."""
    return _uncommented(_SHOWN_ENTRY.sub("", text))


def example_entries(text: str) -> str:
    """The examples of entries of lists (`[[routes]]`), put in force."""
    return _uncommented("\n".join(_SHOWN_ENTRY.findall(text)))


def _uncommented(text: str) -> str:
    return re.sub(r"(?m)^#(?=[A-Za-z0-9_-]+\s*=|\[\[)", "", text)


def line_of(text: str, dotted: str) -> int | None:
    """Number of the line that sets this key or opens this section; None if it cannot be seen.

    An entry of a list has its index in its name: `routes.0`, `routes.0.host`.
    """
    section, counts = "", Counter[str]()
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("#"):
            continue
        if entry := _ENTRY.fullmatch(line):
            if entry[1] == dotted:
                return number
            section, key = f"{entry[1]}.{counts[entry[1]]}", ""
            counts[entry[1]] += 1
        else:
            section, key = _place(line, section)
        here = f"{section}.{key}".strip(".")
        if here == dotted and (key or line.lstrip().startswith("[")):
            return number
    return None


def toml_value(value: Value) -> str:
    """Write a value as TOML does.  JSON's strings are TOML's, but for DEL."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case _:
            return "[" + ", ".join(toml_value(item) for item in value) + "]"


def _place(line: str, section: str) -> tuple[str, str]:
    """(the section that holds from this line on, the key that the line names or "")."""
    if header := _SECTION.fullmatch(line) or _ENTRY.fullmatch(line.removeprefix("#")):
        return header[1], ""
    key = _KEY.match(line)
    return section, key[2] if key else ""
