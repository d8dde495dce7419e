"""What to try, in one screen, and the bar while the demo is made.

Commands are printed as they are to be typed: rich never wraps them, and what
would be longer than 80 columns is continued with the shell's own backslash.
"""

from __future__ import annotations

import io
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar
from rich.text import Text

from mailserver.demo.academy import DemoService, Progress
from mailserver.settings.listeners import KINDS, wanted_listeners
from mailserver.settings.model import Settings

DEFAULT_FOLDER = Path("var/demo")
PROGRAM = ".venv/bin/mailserver"
_INDENT = "  "
_MORE = "    "  # of a continued line


@contextmanager
def creation_bar(console: Console) -> Iterator[Progress]:
    """A bar that appears with the first account and goes away at the end."""
    bar = Bar(
        TextColumn("making the demo's accounts"),
        BarColumn(),
        MofNCompleteColumn(),
        console=console,
        transient=True,
    )
    task = bar.add_task("accounts")

    def show(done: int, total: int) -> None:
        bar.start()
        bar.update(task, completed=done, total=total)

    try:
        yield show
    finally:
        bar.stop()


def greeting(demo: DemoService, console: Console, *, program: str = PROGRAM) -> str:
    """The screen as text, with colours where the console has them."""
    page = Console(
        file=io.StringIO(),
        force_terminal=console.is_terminal,
        color_system="standard" if console.color_system else None,
        width=console.width,
    )
    with page.capture() as captured:
        page.print(what_to_try(demo, program=program), soft_wrap=True, end="")
    return captured.get()


def what_to_try(demo: DemoService, *, program: str = PROGRAM) -> Text:
    """Doors, commands, Thunderbird.  Print it with `soft_wrap=True`.

    program: how the reader starts `mailserver`.
    """
    page = Text(no_wrap=True, overflow="ignore")
    _heading(page, demo)
    _commands(page, demo, program)
    _thunderbird(page, demo)
    page.append("\nNames and passwords: ")
    page.append(f"{demo_command(demo, 'people', program)}\n", style="cyan")
    return page


def people(demo: DemoService) -> Text:
    """Everybody who can log in, with the password they were given.  Print as `what_to_try`."""
    page = Text(_row("identifier", "password", "addresses"), no_wrap=True, overflow="ignore")
    for member in demo.cast.members:
        page.append(_row(member.identifier, member.password, member.address))
        for alias in member.addresses[1:]:
            page.append(_row("", "", alias))
    return page


def _row(identifier: str, password: str, address: str) -> str:
    return f"{identifier:<14} {password:<22} {address}\n"


def program_name(typed: str) -> str:
    """How to start the program again: as it was typed, or by its name where that is enough."""
    name = Path(typed).name
    return name if shutil.which(name) == typed else typed


def ports(settings: Settings) -> dict[str, str]:
    """Listener -> its port (the first one where it has several), or "closed"."""
    found = {kind.name: "closed" for kind in KINDS}
    for wanted in reversed(wanted_listeners(settings)):
        found[wanted.kind.name] = str(wanted.bind.port)
    return found


def demo_command(demo: DemoService, verb: str, program: str = PROGRAM) -> str:
    """What to type for `tour` or `people`: short for the default folder."""
    if demo.folder.resolve() == DEFAULT_FOLDER.resolve():
        return f"{program} demo {verb}"
    return f"{program} demo {verb} --config {shlex.quote(str(demo.settings_file))}"


def _heading(page: Text, demo: DemoService) -> None:
    cast, port = demo.cast, ports(demo.settings)
    page.append("\nMél ouvert is open: ", style="bold")
    page.append(
        f"{cast.domain}, {len(cast.people)} people, {len(cast.schools)} schools."
        " Ctrl-C stops it.\n\n"
    )
    page.append(
        f"{_INDENT}send     submission {port['submission']} (STARTTLS)"
        f"   submissions {port['submissions']} (TLS)   MX {port['mx']}\n"
        f"{_INDENT}collect  POP3 {port['pop3']} (STLS)   POP3S {port['pop3s']} (TLS)\n"
    )


def _commands(page: Text, demo: DemoService, program: str) -> None:
    """In another terminal: the tour, swaks, curl."""
    port, authority = ports(demo.settings), shlex.quote(str(demo.authority))
    sender, school = demo.cast.member(demo.cast.tour.sender), demo.cast.schools[0]
    page.append("\nIn another terminal, follow one message to five schools:\n")
    _command(page, demo_command(demo, "tour", program))
    page.append("Send, and read a school's mail (leave passwords out, and both ask for yours):\n")
    _command(
        page,
        f"swaks --server localhost:{port['submission']} --tls --auth PLAIN",
        f"--tls-verify --tls-ca-path {authority}",
        f"--auth-user {sender.identifier} --auth-password {sender.password}",
        f"--from {sender.address} --to {school.addresses[-1]}",
    )
    _command(
        page,
        f"curl --cacert {authority} --user {school.identifier}:{school.password}",
        f"pop3s://localhost:{port['pop3s']}/1",
    )


def _command(page: Text, *lines: str) -> None:
    joined = f" \\\n{_INDENT}{_MORE}".join(lines)
    page.append(f"{_INDENT}{joined}\n", style="cyan")


def _thunderbird(page: Text, demo: DemoService) -> None:
    port, person = ports(demo.settings), demo.cast.member(demo.cast.tour.sender)
    page.append("\nThunderbird", style="bold")
    page.append(" (configure manually; first trust the demo's authority)\n")
    page.append(
        f"{_INDENT}you      {person.name}, {person.address}\n"
        f"{_INDENT}user     {person.identifier}    password (NUMEN)  {person.password}\n"
        f"{_INDENT}POP3     localhost  port {port['pop3s']} SSL/TLS"
        f"   (or {port['pop3']} STARTTLS)   normal password\n"
        f"{_INDENT}SMTP     localhost  port {port['submission']} STARTTLS"
        f"  (or {port['submissions']} SSL/TLS)    normal password\n"
        f"{_INDENT}trust    Settings, Privacy & Security, Manage Certificates, Authorities,\n"
        f"{_INDENT}         Import {demo.authority} (its key was destroyed)\n"
    )
