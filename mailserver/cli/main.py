"""The program `mailserver`: its commands, and what becomes of errors."""

from __future__ import annotations

from mailserver.supervisor import first_signals

first_signals.hear()  # before all that takes time

import sys
from collections.abc import Sequence
from copy import copy
from functools import cache
from typing import Annotated, Any

import typer
from typer.exceptions import Abort, TyperException
from typer.models import CommandInfo

from mailserver.cli import backup, config, demo, dkim, init, limits, run
from mailserver.cli.account import commands as account
from mailserver.cli.account import forwarding, password, recovery
from mailserver.cli.account import history as account_history
from mailserver.cli.directory import browse, holders, letters, people
from mailserver.cli.directory import commands as directory
from mailserver.cli.lists import commands as lists
from mailserver.cli.lists import members as lists_members
from mailserver.cli.lists import moderate as lists_moderate
from mailserver.cli.mailbox import commands as mailbox
from mailserver.cli.mailbox import usage
from mailserver.cli.mistake import Failure, Mistake
from mailserver.cli.options import JsonOption
from mailserver.cli.queue import commands as queue
from mailserver.cli.queue import route, trace
from mailserver.cli.status import commands as status

EXIT_FAILURE = 1
EXIT_MISTAKE = 2
EXIT_INTERRUPTED = 130

app = typer.Typer(
    name="mailserver",
    epilog="Begin with: mailserver init DIR --domain example.org",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("init")(init.init)
app.command("run")(run.run)
app.command("status")(status.status)
app.command("route")(route.route)
app.command("trace")(trace.trace)
app.command("usage")(usage.usage)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.add_typer(config.app, name="config")
app.add_typer(account.app, name="account")
app.add_typer(password.app, name="password")
app.add_typer(recovery.app, name="recovery")
app.add_typer(directory.app, name="directory")
app.add_typer(mailbox.app, name="mailbox")
app.add_typer(lists.app, name="list")
app.add_typer(queue.app, name="queue")
app.add_typer(limits.app, name="limits")
app.add_typer(dkim.app, name="dkim")
app.add_typer(demo.app, name="demo")
account.app.command("forward")(forwarding.forward)
account.app.command("history")(account_history.history)
for command in (lists_members.members, lists_members.rule, lists_members.role):
    lists.app.command(command.__name__)(command)
lists.app.command("moderate")(lists_moderate.moderate)
directory.app.command("show")(browse.show)
directory.app.command("search")(browse.search)
directory.app.command("letters")(letters.letters)
directory.app.command("arrive")(people.arrive)
directory.app.command("move")(people.move)
directory.app.command("leave")(people.leave)
directory.app.command("return")(people.come_back)
directory.app.command("retire")(people.retire)
directory.app.add_typer(holders.correspondent, name="correspondent")
directory.app.add_typer(holders.holder, name="holder")
directory.app.add_typer(holders.manager, name="manager")
directory.app.add_typer(holders.function, name="function")


def _say_version(value: bool) -> None:
    if value:
        version()
        raise typer.Exit


VersionOption = Annotated[
    bool,
    typer.Option("--version", callback=_say_version, is_eager=True, help="Say which version."),
]


@app.callback()
def mailserver(*, version: VersionOption = False) -> None:
    """Mél ouvert: a mail service for an organisation, in one program."""


@app.command()
def version(*, as_json: JsonOption = False) -> None:
    """Say which version this is."""
    from mailserver import __version__

    print(f'{{"version": "{__version__}"}}' if as_json else f"mailserver {__version__}")


@cache
def _whole_command() -> Any:
    """A tenth of a second and more for the hundred commands."""
    return typer.main.get_command(app)


@cache
def _only_command(named: str) -> Any:
    """The program as one that has this command or group alone; None: there is no such one."""
    alone = copy(app)
    alone.registered_commands = [one for one in app.registered_commands if _name_of(one) == named]
    alone.registered_groups = [one for one in app.registered_groups if one.name == named]
    found = alone.registered_commands or alone.registered_groups
    return typer.main.get_command(alone) if found else None


def _name_of(one: CommandInfo) -> str | None:
    return one.name or (one.callback and one.callback.__name__)


def _command_for(words: list[str]) -> Any:
    """What is enough for this command line: help and mistakes need everything."""
    return (words and _only_command(words[0])) or _whole_command()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status.  `arguments`: without the program's name."""
    first_signals.let_ctrl_c_interrupt()
    words = list(sys.argv[1:] if arguments is None else arguments)
    command = _command_for(words)
    try:
        result = command.main(words, prog_name="mailserver", standalone_mode=False)
    except TyperException as error:
        return _say_usage(error, words)
    except Abort:
        return EXIT_INTERRUPTED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone, and Python would complain
        return EXIT_FAILURE
    except Exception as error:  # noqa: BLE001 - the top of a process
        return _say_error(error)
    return result if isinstance(result, int) else 0


def _say_usage(error: TyperException, words: list[str]) -> int:
    message = " ".join(error.format_message().split())
    if message:  # empty: the help was shown, for want of arguments
        stop = "" if message.endswith((".", "?")) else "."
        print(f"{message}{stop} Try `{_command_named(words)} --help`.", file=sys.stderr)
    return EXIT_MISTAKE


def _command_named(words: list[str]) -> str:
    """The part of the command line that names a command."""
    at: object = _command_for(words)
    named = ["mailserver"]
    for word in words:
        inner = getattr(at, "commands", {}).get(word)
        if inner is None:
            break
        at = inner
        named.append(word)
    return " ".join(named)


def _say_error(error: Exception) -> int:
    """One line for what is expected; a bug keeps its traceback."""
    from mailserver.auth.accounts import BadPassword
    from mailserver.auth.numen_key import NumenKeyMissing
    from mailserver.settings.load import SettingsError
    from mailserver.setup.service import ServiceExists
    from mailserver.store.ports.errors import NameTaken, StoreError
    from mailserver.values.numen import BadNumen

    match error:
        case SettingsError():
            rest = len(error.problems) - 1
            more = f" (and {rest} more: `mailserver config check` lists them)" if rest else ""
            line, status_code = f"{error}{more}", EXIT_MISTAKE
        case Mistake() | NameTaken() | BadNumen() | BadPassword() | ServiceExists():
            line, status_code = str(error), EXIT_MISTAKE
        case OSError():
            where = f"{error.filename}: " if error.filename else ""
            line, status_code = f"{where}{error.strerror or error}", EXIT_FAILURE
        case Failure() | StoreError() | NumenKeyMissing():
            line, status_code = str(error), EXIT_FAILURE
        case _:
            raise error
    if line:
        print(" ".join(line.split()), file=sys.stderr)
    return status_code


if __name__ == "__main__":
    sys.exit(main())
