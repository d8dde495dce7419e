"""Regular expressions that every Python we support reads alike."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("mailserver", "smtp_relay", "pop3_store", "webmail")
POSSESSIVE_GROUP = re.compile(r"(?<!\\)\)[*+?]\+")


@pytest.mark.parametrize("package", PACKAGES)
def test_no_group_is_possessive(package: str) -> None:
    """Before Python 3.11.5 a group that is possessive keeps what its last, failed turn took.

    Debian 12 has 3.11.2: there `(?:\\.[a-z]++)*+` takes the final dot of `a.`.
    """
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in (ROOT / package).rglob("*.py")
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if POSSESSIVE_GROUP.search(line)
    ]
    assert found == []
