"""The skip reasons and the line that the summary prints agree with each other."""

from __future__ import annotations

import pytest

from tests.programs import PACKAGES, needs_program, packages_wanted


@pytest.mark.parametrize("name", sorted(PACKAGES))
def test_the_summary_names_the_packages_of_a_missing_program(name: str) -> None:
    reason = needs_program(name).kwargs["reason"]
    assert packages_wanted(f"('x.py', 1, 'Skipped: {reason}')") == list(PACKAGES[name])


def test_the_summary_is_silent_when_nothing_was_missing() -> None:
    assert packages_wanted("Skipped: no data folder beside this checkout") == []
