"""Files of an import, and what becomes of them, as short calls."""

from __future__ import annotations

import hashlib
import hmac
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailserver.directory.applying import Applied, apply_steps, undo_run
from mailserver.directory.deciding.decide import decide, read_files
from mailserver.directory.deciding.facts import ImportFacts, NumenDigests
from mailserver.directory.deciding.plan import ImportPlan, PlanAct
from mailserver.people.establishments import FILE_NAME, parse_rules
from mailserver.settings.template import read_config
from mailserver.store.ports.people import Doc, PersonDoc, UnitDoc
from mailserver.store.sqlite.store import SqliteStore
from mailserver.values.calendar import UTC_DAYS
from tests.store.template import put_new_store

DOMAIN = "ac-exemple.fr"
NOW_S = datetime(2026, 11, 24, tzinfo=UTC).timestamp()
DAY_S = 86_400.0
QUARANTINE_S = 5 * 365 * DAY_S
RULES = parse_rules(read_config(FILE_NAME))
UNITS = """\
code;type;nature;parent;nom;cp;ville
AC;académie;;;Académie d'Exemple;86000;Poitiers
D17;département;;AC;Charente-Maritime;17000;La Rochelle
0170705Z;établissement;école élémentaire;D17;École Jules Ferry;17100;Saintes
0170706A;établissement;école maternelle;D17;Les Lilas;17100;Saintes
"""
HEADER = "numen;nom;prenom;uai;fonction"


def _hmac(label: str, numen: str) -> str:
    return hmac.new(b"a key", f"{label}:{numen}".encode(), hashlib.sha256).hexdigest()


DIGESTS = NumenDigests(
    source=lambda numen: f"numen:{_hmac('source', numen)}",
    verifier=lambda numen: f"$numen-hmac-sha256${_hmac('verifier', numen)}",
)


def numen(number: int) -> str:
    return f"13E0200{number:03d}ABC"


def plan_of(
    store: SqliteStore, *texts: str | bytes, now_s: float = NOW_S, complete: bool = False
) -> ImportPlan:
    """Each text is a file, `1.csv`, `2.csv`..."""
    files = [
        (f"{number}.csv", text if isinstance(text, bytes) else text.encode())
        for number, text in enumerate(texts, start=1)
    ]
    facts = ImportFacts(
        domain=DOMAIN,
        rules=RULES,
        digests=DIGESTS,
        now_s=now_s,
        left_s=90 * DAY_S,
        calendar=UTC_DAYS,
        is_complete=complete,
    )
    return decide(read_files(files), store.people, facts)


def apply(
    store: SqliteStore, plan: ImportPlan, *, now_s: float = NOW_S, name: str = "digest"
) -> Applied:
    """Nothing may be in conflict."""
    done = apply_steps(
        store.people,
        plan.steps,
        digest=name,
        by_whom="test",
        quarantine_s=QUARANTINE_S,
        progress=lambda _count: None,
        tell=lambda conflicts: None,
        clock=lambda: now_s,
    )
    assert done.conflict_count == 0
    return done


def put(
    store: SqliteStore, *texts: str | bytes, now_s: float = NOW_S, complete: bool = False
) -> ImportPlan:
    """Planned and applied; nothing was refused."""
    plan = plan_of(store, *texts, now_s=now_s, complete=complete)
    assert not plan.refused, words(plan)
    apply(store, plan, now_s=now_s)
    return plan


def undo(store: SqliteStore, *, now_s: float = NOW_S) -> int:
    """The last apply is taken back; nothing may be in conflict."""
    run = store.people.last_import()
    assert run is not None
    done = undo_run(
        store.people,
        run,
        quarantine_s=QUARANTINE_S,
        progress=lambda _count: None,
        clock=lambda: now_s,
    )
    assert done.conflicts == ()
    return done.done_count


def acts(plan: ImportPlan) -> list[PlanAct]:
    return [step.act for step in plan.steps]


def words(plan: ImportPlan) -> list[str]:
    return [str(problem) for refused in plan.refused for problem in refused.problems]


def docs(store: SqliteStore) -> list[Doc]:
    return [*store.people.read_subjects(UnitDoc), *store.people.read_subjects(PersonDoc)]


def people(store: SqliteStore) -> list[PersonDoc]:
    return [doc for doc in store.people.read_subjects(PersonDoc) if isinstance(doc, PersonDoc)]


def unit(store: SqliteStore, code: str) -> UnitDoc:
    doc = store.people.read_unit(code)
    assert doc is not None
    return doc


def file_of(rows: Sequence[str], header: str = HEADER) -> str:
    return "\n".join([header, *rows, ""])


@contextmanager
def a_store(folder: Path | None = None) -> Iterator[SqliteStore]:
    """Empty; in a folder of its own, which goes, or in this one."""
    with tempfile.TemporaryDirectory() as scratch:
        where = put_new_store(folder or Path(scratch))
        store = SqliteStore(where, keep_removed_s=0, keep_history_s=0)
        try:
            yield store
        finally:
            store.close()


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[SqliteStore]:
    with a_store(tmp_path / "store") as store:
        yield store


@pytest.fixture
def store(bare: SqliteStore) -> SqliteStore:
    """With the units of `UNITS`."""
    put(bare, UNITS)
    return bare
