"""Databases for tests: made from one template, emptied and used again.

To make one takes a tenth of a second, to empty one a hundredth.  What the
migrations left is kept beside the tables, and put back into them.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import tempfile
from functools import cache
from itertools import count
from pathlib import Path
from typing import Final

import psycopg

from mailserver.store.postgres.store import PostgresStore
from tests.store.postgres import pooled
from tests.store.postgres.cluster import FOLDER, connect, conninfo

TEMPLATE: Final = "template_of_stores"
_OWNER: Final = os.getpid()
_free: list[str] = []
_sweepers: dict[str, psycopg.Connection[tuple[object, ...]]] = {}
"""Kept open: a new connection would have to learn all tables first."""
_numbers = count(1)

_KEEP: Final = """
    CREATE SCHEMA kept;
    DO $$ DECLARE one text; is_used boolean; BEGIN
        FOR one IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
            EXECUTE format('SELECT EXISTS (SELECT FROM public.%I)', one) INTO is_used;
            IF is_used THEN
                EXECUTE format('CREATE TABLE kept.%1$I AS TABLE public.%1$I', one);
            END IF;
        END LOOP;
    END $$;
    CREATE FUNCTION kept.empty() RETURNS void LANGUAGE plpgsql AS $$
    DECLARE one record; is_used boolean; BEGIN
        FOR one IN SELECT schemaname AS place, tablename AS name FROM pg_tables
            WHERE schemaname IN ('public', 'aside')
        LOOP
            EXECUTE format('SELECT EXISTS (SELECT FROM %I.%I)', one.place, one.name) INTO is_used;
            IF pg_relation_size(format('%I.%I', one.place, one.name)) > 65536 THEN
                EXECUTE format('TRUNCATE %I.%I', one.place, one.name);
            ELSIF is_used THEN
                EXECUTE format('DELETE FROM %I.%I', one.place, one.name);
            END IF;
        END LOOP;
        FOR one IN SELECT tablename AS name FROM pg_tables WHERE schemaname = 'kept' LOOP
            EXECUTE format('INSERT INTO public.%1$I SELECT * FROM kept.%1$I', one.name);
        END LOOP;
        PERFORM setval(format('public.%I', sequencename)::regclass, 1, false)
            FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL;
    END $$"""


def new_database() -> str:
    """One that is as the migrations leave it; nobody else has it."""
    if _free:
        return _free.pop()
    name = f"store_{os.getpid()}_{next(_numbers)}"
    _make(name, _template())
    return name


def give_back(name: str) -> None:
    """Nobody needs it any more."""
    sweeper = _sweepers.get(name)
    if sweeper is None:
        sweeper = _sweepers[name] = connect(name)
    sweeper.execute("SELECT kept.empty()")
    _free.append(name)


def copy_database(name: str) -> str:
    """As it is now; nobody may have it open."""
    copied = f"store_{os.getpid()}_{next(_numbers)}"
    _make(copied, name)
    return copied


def replace_database(name: str, by: str) -> None:
    """It becomes a copy of another one."""
    put_away(name)
    with connect("postgres") as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
    _make(name, by)


def put_away(name: str) -> None:
    """What the tests themselves have open of it, before it is copied, dropped or cut off."""
    pooled.put_away(name)
    sweeper = _sweepers.pop(name, None)
    if sweeper is not None:
        sweeper.close()


@atexit.register
def _close_all() -> None:
    while os.getpid() == _OWNER and _sweepers:
        _sweepers.popitem()[1].close()


def _make(name: str, template: str) -> None:
    put_away(template)
    with connect("postgres") as connection:
        # A process that was killed a moment ago may still be leaving.
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (template,)
        )
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())


@cache
def _template() -> str:
    """Made once in a run, by whichever process comes first."""
    server = conninfo()
    with open(f"{os.environ[FOLDER]}.lock", "w") as lock, connect("postgres") as connection:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (TEMPLATE,))
        if found.fetchone() is None:
            connection.execute("CREATE DATABASE unfinished")
            with tempfile.TemporaryDirectory() as folder:
                PostgresStore(f"{server} dbname=unfinished", Path(folder) / "store").close()
            with connect("unfinished") as made:
                made.execute(_KEEP.encode())
            put_away("unfinished")
            connection.execute(f"ALTER DATABASE unfinished RENAME TO {TEMPLATE}".encode())
    return TEMPLATE
