"""A service in a folder, and the command line as a function."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from mailserver.cli.main import main


@dataclass(frozen=True)
class Said:
    """What one command did: exit status and both outputs."""

    status: int
    out: str
    err: str


Run = Callable[..., Said]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run("account", "list", stdin=b"...")`."""

    def typed(*words: str | Path, stdin: bytes = b"") -> Said:
        piped = io.TextIOWrapper(io.BytesIO(stdin), "utf-8")
        monkeypatch.setattr("sys.stdin", piped)
        capsys.readouterr()
        status = main([str(word) for word in words])
        out, err = capsys.readouterr()
        return Said(status, out, err)

    return typed


@pytest.fixture(scope="session")
def new_service(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a new service for a.test, made once, as its keys take a while: to be copied."""
    folder = tmp_path_factory.mktemp("new") / "s"
    assert main(["init", str(folder), "--domain", "a.test", "--high-ports"]) == 0
    return folder


@pytest.fixture
def service(tmp_path: Path, new_service: Path) -> Path:
    """The settings file of a new service for a.test."""
    return Path(shutil.copytree(new_service, tmp_path / "s"), "mailserver.toml")
