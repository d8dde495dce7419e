"""Pages of docs/ that are made from the code: `python -m tools.pages` writes them.

    docs/replies.md    every sentence that a mail user reads, in both languages
    docs/commands.md   every command and option of `mailserver`
    docs/settings.md   every key, its default and its comment

`make check` compares them with the code.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import typer

from mailserver.cli.main import app
from mailserver.settings.template import read_config
from pop3_store.session.texts import Say
from smtp_relay.inbound.replies import PHRASES
from webmail import speech as web

DOCS = Path(__file__).resolve().parent.parent / "docs"
_MADE = "\n(Made from the code by `python -m tools.pages`.)\n"


def replies() -> str:
    """The doors' catalogues, as tables."""
    lines = ["# Replies", "", "What mail programs are told, and what people may read in them."]
    lines += ["Strangers on MX are always answered in English.", _MADE]
    lines += ["## SMTP", "", "| reply | English | French |", "| --- | --- | --- |"]
    lines += sorted(
        f"| {one.code} {one.enhanced} | {_cell(one.text.en)} | {_cell(one.text.fr)} |"
        for one in PHRASES
    )
    lines += ["", "## POP3", "", "| reply | English | French |", "| --- | --- | --- |"]
    for say in Say:
        status, text = say.value
        lines.append(f"| {_cell(status)} | {_cell(text.en)} | {_cell(text.fr)} |")
    lines += ["", "## Web", "", "| status | English | French |", "| --- | --- | --- |"]
    lines += [f"| 200 | {sentence.value.en} | {sentence.value.fr} |" for sentence in web.Say]
    lines += [
        f"| {status} | {title.en}. {text.en} | {title.fr}. {text.fr} |"
        for status, (title, text) in web.FAILURES.items()
    ]
    return "\n".join(lines) + "\n"


def commands() -> str:
    """Every command with its options, from the program itself."""
    lines = ["# Commands", "", "`mailserver --help` says the same.", _MADE]
    lines.append("A person's mistake ends with status 2 and one line on standard error;")
    lines.append("what is not the person's fault, and a service that is down, with status 1.")
    for name, command in _walk("mailserver", typer.main.get_command(app)):
        lines += ["", f"## {name}", "", str(command.help), ""]
        lines += [_option(parameter) for parameter in command.params if _is_shown(parameter)]
    return "\n".join(lines).rstrip() + "\n"


def settings() -> str:
    """The commented file, key by key."""
    lines = ["# Settings", "", "One file, `mailserver.toml`. A variable of the environment wins:"]
    lines += ["`MAILSERVER_SECTION__KEY`. `mailserver config check` says what is wrong.", _MADE]
    comment: list[str] = []
    for line in read_config("mailserver.toml").splitlines():
        if line.startswith("# "):
            comment.append(line[2:])
        elif line.startswith(("[", "#[[")):
            lines += ["", f"## {line.removeprefix('#')}", ""]
            lines += [" ".join(comment), ""] if comment else []
            comment = []
        elif " = " in line:
            lines.append(f"- `{line.removeprefix('#')}`: {' '.join(comment)}")
            comment = []
        else:
            comment = []
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "replies.md": replies,
    "commands.md": commands,
    "settings.md": settings,
}


def stale_pages() -> list[str]:
    """One sentence for each page that does not say what the code says."""
    return [
        f"docs/{name} is not what the code says: python -m tools.pages"
        for name, make in PAGES.items()
        if not (DOCS / name).is_file() or (DOCS / name).read_text("utf-8") != make()
    ]


def _walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, command
        return
    for word, one in sorted(inner.items()):
        yield from _walk(f"{name} {word}", one)


def _is_shown(parameter: Any) -> bool:
    """Hidden are old forms, which only say what to write instead."""
    return parameter.name != "help" and not getattr(parameter, "hidden", False)


def _option(parameter: Any) -> str:
    """`--config FILE`: its help; an argument by its name in capitals."""
    is_option = parameter.param_type_name == "option"
    names = ", ".join(parameter.opts) if is_option else ""
    shown = " ".join(part for part in (names, parameter.metavar) if part)
    return f"- `{shown}`: {parameter.help or ''}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> int:
    for name, make in PAGES.items():
        (DOCS / name).write_text(make(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
