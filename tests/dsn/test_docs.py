"""docs/reports.md says what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailserver.dsn.meanings import MEANINGS
from mailserver.dsn.original import FULL_LIMIT_OCTETS, UNASKED_LIMIT_OCTETS
from mailserver.dsn.words import SUBJECTS
from mailserver.queue.reports import REPORT_COPIES, ReportKind

PAGE = (Path(__file__).resolve().parents[2] / "docs/reports.md").read_text("utf-8")


@pytest.mark.parametrize("status", MEANINGS)
def test_every_meaning_is_in_the_page(status: str) -> None:
    what = MEANINGS[status].what
    assert f"| {status or 'any other'} | {what.en} | {what.fr} |\n" in PAGE


def test_the_page_has_no_meaning_of_its_own() -> None:
    table = PAGE.partition("| status | English | French |\n")[2]
    assert table.count("\n") == len(MEANINGS) + 1


def test_the_limits_and_kinds_are_in_the_page() -> None:
    assert f"up to {FULL_LIMIT_OCTETS // 1024 // 1024} MiB" in PAGE
    assert f"up to {UNASKED_LIMIT_OCTETS // 1024} KiB" in PAGE
    assert f"up to {REPORT_COPIES:,}." in PAGE
    assert all(f"| {kind.name.lower()} |" in PAGE for kind in ReportKind)
    assert set(SUBJECTS) == set(ReportKind)
