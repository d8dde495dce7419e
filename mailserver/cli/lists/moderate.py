"""`mailserver list moderate`: posts that wait for a moderator."""

from __future__ import annotations

import getpass
import json
import re
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from mailserver.cli.access import opened_store, read_settings
from mailserver.cli.lists.commands import ListArgument, list_named
from mailserver.cli.mistake import Mistake
from mailserver.cli.options import ConfigOption, JsonOption

if TYPE_CHECKING:
    from mailserver.store.ports.lists import Hold, Lists
    from mailserver.store.ports.operators import QueueAndOperators

_PIECE_OCTETS = 64 * 1024
_UNSAFE = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def moderate(
    address: ListArgument,
    *,
    approve: Annotated[
        str | None, typer.Option(metavar="MESSAGE", help="Let this post go out.")
    ] = None,
    reject: Annotated[
        str | None, typer.Option(metavar="MESSAGE", help="Send it back to its author.")
    ] = None,
    read: Annotated[
        str | None, typer.Option(metavar="MESSAGE", help="Write this post to standard output.")
    ] = None,
    config: ConfigOption = None,
    as_json_: JsonOption = False,
) -> None:
    """Show the posts that wait for a moderator, or decide one."""
    settings = read_settings(config)
    with opened_store(settings) as store:
        which = list_named(store.lists, address, settings)
        waiting = {
            _name_of(store.queue, hold): hold for hold in store.lists.waiting_posts(which.list_id)
        }
        for name, verdict in ((read, ""), (approve, "approved"), (reject, "rejected")):
            if name is None:
                continue
            if name not in waiting:
                raise Mistake(f"no post {name} waits on {which.address}")
            if not verdict:
                _write_out(store.queue, waiting[name])
                continue
            _decide(store.lists, waiting.pop(name), verdict)
            print(f"{name}: {verdict}")
        if approve is None and reject is None and read is None:
            for name, hold in waiting.items():
                _print(store.queue, name, hold, as_json_=as_json_)


def _decide(lists: Lists, hold: Hold, verdict: str) -> None:
    from mailserver.lists.verdict import deed_of

    deed = deed_of(verdict, by=f"cli:{getpass.getuser()}", at_s=time.time())
    if not lists.decide_hold(hold.ref, verdict, deed):
        raise Mistake("somebody else decided meanwhile")


def _name_of(queue: QueueAndOperators, hold: Hold) -> str:
    from mailserver.values.ids import accept_id_text

    message = queue.open_queued(hold.ref.message_id, without_body=True)
    if message is None:
        return str(hold.ref.message_id)
    message.close()
    return accept_id_text(message.accept_id)


def _write_out(queue: QueueAndOperators, hold: Hold) -> None:
    """As it came, octet for octet; what would act on a terminal is escaped for one."""
    from mailserver.store.ports.bodies import read_body

    message = queue.open_queued(hold.ref.message_id)
    if message is None:
        raise Mistake("its body is gone")
    is_terminal = sys.stdout.isatty()
    try:
        for begin in range(0, message.body_octets, _PIECE_OCTETS):
            octets = read_body(message, _PIECE_OCTETS, begin)
            sys.stdout.buffer.write(_UNSAFE.sub(b"?", octets) if is_terminal else octets)
        sys.stdout.buffer.flush()
    finally:
        message.close()


def _print(queue: QueueAndOperators, name: str, hold: Hold, *, as_json_: bool) -> None:
    from mailserver.lists.author import find_author, subject_of
    from mailserver.lists.header import split_fields
    from mailserver.store.ports.bodies import BodyError, read_body

    block = b""
    try:
        message = queue.open_queued(hold.ref.message_id)
        if message is not None:
            with closing(message):
                block = read_body(message, message.header_octets, 0)
    except BodyError as error:  # it is decided without being read, or put back from a backup
        print(f"warning: {name}: {error}", file=sys.stderr)
        message = queue.open_queued(hold.ref.message_id, without_body=True)
    if message is None:
        return
    fields, _ = split_fields(block)
    author = find_author(fields)
    shown = author.address if author is not None else message.reverse_path
    if as_json_:
        facts = {"message": name, "author": shown, "subject": subject_of(fields)}
        print(json.dumps(facts, ensure_ascii=False))
    else:
        print(f"{name}  {shown:<32} {subject_of(fields)}")
