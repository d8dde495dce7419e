"""Names in backticks: what is taken for one, and when it exists."""

from __future__ import annotations

import pytest

from tools.backticks import ROOT, Known, _exists

KNOWN = Known(
    files={"gate.py"},
    names={"Gate", "find_way", "gate", "is_over"},
    by_owner={"gate": {"is_over", "Gate"}, "smtp": {"max_recipients"}},
)
HERE = ROOT / "docs" / "smtp.md"


@pytest.mark.parametrize(
    "ticked",
    [
        "gate.py",
        "Gate",
        "find_way",
        "find_way()",
        "gate.is_over",
        "smtp.max_recipients",
        "mailserver/values/address.py",
        "mailserver/values/*.py",
        "mailserver/values/",
        "word",  # of English
        "mail.db",
        "HELO there",
        "/etc/mailserver/mailserver.toml",
    ],
)
def test_what_exists_or_is_no_name_passes(ticked: str) -> None:
    assert _exists(ticked, HERE, KNOWN)


@pytest.mark.parametrize(
    "ticked",
    [
        "gates.py",
        "find_ways",
        "GateKeeper",
        "gate.find_way",  # exists, but not there
        "smtp.max_recipient",
        "mailserver/values/adress.py",
        "mailserver/nothing/",
    ],
)
def test_what_nothing_is_called_is_found(ticked: str) -> None:
    assert not _exists(ticked, HERE, KNOWN)
