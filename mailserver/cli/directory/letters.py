"""`mailserver directory letters`: pages to hand out, as PDF."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from mailserver.cli.access import opened_store, read_settings
from mailserver.cli.directory.subjects import UnitOption, by_whom, unit_named
from mailserver.cli.mistake import Failure, Mistake
from mailserver.cli.options import ConfigOption
from mailserver.texts.plurals import counted

if TYPE_CHECKING:
    from mailserver.directory.letters.pages import Pile
    from mailserver.directory.letters.pdf import ServerNames, Stationery
    from mailserver.settings.model import Settings
    from mailserver.store.ports.store import PeopleAndUnits, Store

OutOption = Annotated[
    Path, typer.Option("--out", metavar="FILE.pdf", help="Where the pages go; replaced if there.")
]
OnlyOption = Annotated[
    str, typer.Option("--only", metavar="new", help="new: those who have not chosen a password.")
]
RenewOption = Annotated[
    bool,
    typer.Option(
        "--renew", help="Another one-time password also where the last one is in use already."
    ),
]
PageOption = Annotated[
    str,
    typer.Option("--page", metavar="URL", help="Where people change their password, if anywhere."),
]


def letters(
    *,
    out: OutOption,
    unit: UnitOption = "",
    only: OnlyOption = "",
    page: PageOption = "",
    renew: RenewOption = False,
    config: ConfigOption = None,
) -> None:
    """Write one printable page for each person and establishment, a pile for each unit.

    An establishment that has never signed in gets a new one-time password on its
    page, and an earlier page is good no more: keep the file to yourself.
    A NUMEN is never printed.
    """
    if only not in {"", "new"}:
        raise Mistake(f"--only {only}: write --only new, or leave it out")
    settings = read_settings(config)
    with opened_store(settings) as store, _replaced(out) as file:
        code = unit_named(store.people, unit).doc.code if unit else ""
        piles = _piles(store, settings, code=code, only_new=only == "new", renew=renew)
        count = _write(store, settings, file, piles, page=page)
    print(f"{out}: {counted(count, 'page')} in {counted(len(piles), 'pile')}")


def _piles(
    store: Store, settings: Settings, *, code: str, only_new: bool, renew: bool
) -> list[Pile]:
    from mailserver.directory.letters.pages import gather, keep_used

    piles = gather(
        store,
        unit_code=code,
        only_new=only_new,
        language=settings.service.language,
        now_s=time.time(),
    )
    if not renew:
        piles = keep_used(piles, lambda one: bool(store.counters.last_seen(one)), only_new=only_new)
    if not piles:
        raise Failure("nobody to write to")
    return piles


def _write(
    store: Store, settings: Settings, file: BinaryIO, piles: list[Pile], *, page: str
) -> int:
    """How many pages."""
    from mailserver.auth.passwords import hash_password
    from mailserver.cli.directory.work import bar
    from mailserver.directory.letters.pages import give_passwords
    from mailserver.directory.letters.pdf import draw_letters

    now_s = time.time()
    with bar("passwords", _one_time_count(piles)) as step:
        piles = give_passwords(
            piles,
            store,
            hash_password=hash_password,
            thread_count=os.cpu_count() or 1,
            by_whom=by_whom(),
            now_s=now_s,
            told=lambda: step(1),
        )
    with bar("pages", sum(1 + len(pile.letters) for pile in piles)) as step:
        paper = _stationery(store.people, settings, page=page, now_s=now_s)
        return draw_letters(file, piles, paper, told=lambda: step(1))


def _one_time_count(piles: list[Pile]) -> int:
    from mailserver.directory.letters.pages import Password

    return sum(one.password is Password.ONE_TIME for pile in piles for one in pile.letters)


@contextmanager
def _replaced(path: Path) -> Iterator[BinaryIO]:
    """A file for its owner only, that takes the place of `path` once it is whole."""
    part = path.with_name(f".{path.name}.part")
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


# --- what is the same on every page -------------------------------------------------


def _stationery(
    people: PeopleAndUnits, settings: Settings, *, page: str, now_s: float
) -> Stationery:
    from mailserver.directory.letters.pdf import Stationery
    from mailserver.values.moments import day_words

    roots = people.child_units(None)
    is_french = settings.service.language == "fr"
    return Stationery(
        organisation=roots[0].doc.name if len(roots) == 1 else settings.service.domain,
        date=day_words(now_s, settings.service.time_zone, is_french=is_french),
        language=settings.service.language,
        receive=_server(settings, implicit="pop3s", other="pop3"),
        send=_server(settings, implicit="submissions", other="submission"),
        help_address=f"postmaster@{settings.service.domain}",
        help_telephone=roots[0].doc.telephone if len(roots) == 1 else "",
        postmaster=settings.service.postmaster,
        must_change=settings.passwords.change_first,
        page=page,
    )


def _server(settings: Settings, *, implicit: str, other: str) -> ServerNames:
    """The listener that speaks TLS from the first octet, else the one that turns to it.

    Raises:
        Mistake: the service listens on neither.
    """
    from mailserver.directory.letters.pdf import ServerNames
    from mailserver.settings.listeners import wanted_listeners

    ports = {one.kind.name: one.bind.port for one in reversed(wanted_listeners(settings))}
    for name, security in ((implicit, "SSL/TLS"), (other, "STARTTLS")):
        if name in ports:
            return ServerNames(host=settings.service.hostname, port=ports[name], security=security)
    raise Mistake(f"no listener {implicit} or {other}: a letter could not say how to get in")
