"""A plan as a file: JSON lines, mode 600, written whole or not at all.

    {"plan": 1, "domain": ..., "made_at_s": ..., "kept_units": ..., "kept_people": ..., ...}
    {"act": "created", "is": "person", "before": null, "after": {...}, "reasons": [...], ...}
    ...
    {"end": 52020}

No NUMEN is in it.  Verifiers and source keys are: each is an HMAC under a key
that stands in another file, so whoever has the plan alone can try no guess.
That is why they may be here; the mode keeps names and posts from other users.

The digest of the octets names the plan, and so the run that applies it.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from mailserver.directory.deciding.plan import ImportPlan, PlanAct, PlanStep
from mailserver.directory.reading.problems import BadFile
from mailserver.store.documents import doc_as_json, doc_from_json
from mailserver.store.ports.people import Change, Doc, PersonDoc, UnitDoc

VERSION: Final = 1
SUFFIX: Final = ".plan"
_MODE: Final = 0o600
_UNIT, _PERSON = "unit", "person"
_KINDS: Final[Mapping[str, type[Doc]]] = {_UNIT: UnitDoc, _PERSON: PersonDoc}


def write_plan(path: Path, plan: ImportPlan, *, domain: str, made_at_s: float) -> str:
    """Returns the digest.  Durable: the file is synced before it has its name."""
    octets = b"".join(_lines(plan, domain=domain, made_at_s=made_at_s))
    write_private(path, octets)
    return digest_of(octets)


def write_private(path: Path, octets: bytes) -> None:
    """A file of mode 600 that appears whole."""
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        os.fchmod(descriptor, _MODE)
        with open(descriptor, "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def is_plan(octets: bytes) -> bool:
    """Does it begin as a plan does?  Anything else is a file to import."""
    return octets.startswith(b'{"plan"')


def digest_of(octets: bytes) -> str:
    return hashlib.sha256(octets).hexdigest()


def read_plan(octets: bytes, *, name: str, domain: str) -> ImportPlan:
    """
    Raises:
        BadFile: not a plan, cut short, or of another domain.
    """
    lines = octets.split(b"\n")
    head, end = _json(lines[0], name), _json(lines[-2] if len(lines) > 2 else b"", name)
    if head.get("plan") != VERSION:
        raise BadFile(f"{name}: not a plan that this version writes: plan again")
    if end.get("end") != len(lines) - 3:
        raise BadFile(f"{name}: the plan is cut short: plan again")
    if head.get("domain") != domain:
        raise BadFile(f"{name}: a plan for {head.get('domain')}, and this service is {domain}")
    try:
        return ImportPlan(
            steps=tuple(_step(_json(line, name)) for line in lines[1:-2]),
            kept_units=head["kept_units"],
            kept_people=head["kept_people"],
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        raise BadFile(f"{name}: not a plan that this version writes: plan again") from None


def _lines(plan: ImportPlan, *, domain: str, made_at_s: float) -> Iterator[bytes]:
    yield _line(
        {
            "plan": VERSION,
            "domain": domain,
            "made_at_s": made_at_s,
            "kept_units": plan.kept_units,
            "kept_people": plan.kept_people,
        }
    )
    for step in plan.steps:
        yield _line(
            {
                "act": step.act.value,
                "is": _UNIT if step.is_unit else _PERSON,
                "before": _doc_tree(step.change.before),
                "after": _doc_tree(step.change.after),
                "verifier": step.change.verifier,
                "reasons": step.change.reasons,
                "homonyms": step.change.homonyms,
                "places": step.places,
            }
        )
    yield _line({"end": len(plan.steps)})


def _line(tree: Mapping[str, Any]) -> bytes:
    return json.dumps(tree, ensure_ascii=False).encode("utf-8") + b"\n"


def _doc_tree(doc: Doc | None) -> dict[str, Any] | None:
    return None if doc is None else doc_as_json(doc)


def _doc(kind: str, tree: Mapping[str, Any] | None) -> Doc | None:
    return None if tree is None else doc_from_json(_KINDS[kind], tree)


def _json(line: bytes, name: str) -> dict[str, Any]:
    try:
        tree = json.loads(line)
    except (ValueError, RecursionError):
        tree = None
    if not isinstance(tree, dict):
        raise BadFile(f"{name}: not a plan, or cut short: plan again")
    return tree


def _step(tree: Mapping[str, Any]) -> PlanStep:
    change = Change(
        before=_doc(tree["is"], tree["before"]),
        after=_doc(tree["is"], tree["after"]),
        verifier=tree["verifier"],
        reasons=tuple(tree["reasons"]),
        homonyms=tuple((str(base), int(number)) for base, number in tree["homonyms"]),
    )
    return PlanStep(act=PlanAct(tree["act"]), change=change, places=tuple(tree["places"]))
