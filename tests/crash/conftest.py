"""Where the tests of kills keep their files."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest) -> Iterator[Path]:
    """On a disk, where others are in memory: more kills fall between a write and its answer.

    It stays when the test fails.
    """
    folder = Path(tempfile.mkdtemp(dir="/var/tmp", prefix="melouvert-crash-"))
    failed_before = request.session.testsfailed
    yield folder
    if request.session.testsfailed == failed_before:
        shutil.rmtree(folder)
