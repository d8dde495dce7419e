"""Secrets that operators copy into a checkout stay out of commits and images."""

from __future__ import annotations

import shutil
import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECRETS = ["numen.key", "numen.key.1a2b3c4d", "srs.key", "privkey.pem", "key/numen.key", ".env"]


@pytest.mark.parametrize("name", SECRETS)
def test_git_ignores_a_secret(name: str) -> None:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("no checkout of git")
    done = subprocess.run(["git", "check-ignore", "--no-index", name], cwd=ROOT, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("name", SECRETS)
def test_an_image_never_holds_a_secret(name: str) -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").split()
    assert any(
        fnmatch(name, line) or fnmatch(f"x/{name}", line.replace("**", "*")) for line in lines
    )


def test_no_page_tells_to_put_the_key_into_the_checkout() -> None:
    for page in (ROOT / "docs").glob("*.md"):
        assert "numen.key ." not in page.read_text("utf-8"), page
