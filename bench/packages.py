"""The peer's programs: are they here, and may we install them?"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from bench.process import run

PACKAGES = ("postfix", "dovecot-core", "dovecot-pop3d", "dovecot-lmtpd")

_PROGRAMS = ("postfix", "postmap", "smtp-source", "dovecot")
_PLUGINS = (Path("/usr/lib/dovecot/pop3"), Path("/usr/lib/dovecot/lmtp"))
_POLICY = Path("/usr/sbin/policy-rc.d")

_SEARCH_PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"


def extend_path() -> None:
    """The system folder for administrators is not on everyone's path."""
    os.environ["PATH"] = f"{os.environ.get('PATH', '')}:{_SEARCH_PATH}"


def has_smtp_source() -> bool:
    return shutil.which("smtp-source") is not None


def explain_missing() -> str | None:
    """One line that says what is missing and what to type; None: the peer can run."""
    if not all(shutil.which(name) for name in _PROGRAMS) or not all(p.exists() for p in _PLUGINS):
        return (
            "the comparison needs Postfix and Dovecot: "
            f"sudo apt-get install --no-install-recommends {' '.join(PACKAGES)}"
        )
    if os.geteuid() != 0:
        return (
            "the comparison needs root, as Postfix and Dovecot do: sudo .venv/bin/python -m bench"
        )
    return None


def may_install(environ: Mapping[str, str], *, asked: bool) -> bool:
    """Only where nobody's mail service can be meant: asked for, or on a CI machine; and as root."""
    return os.geteuid() == 0 and (asked or environ.get("CI") == "true")


def install() -> None:
    """Install the packages, and start none of their services.

    Raises:
        BenchError: the package manager failed.
    """
    quiet = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet=2"]
    wrote_policy = _refuse_services()
    try:
        run([*quiet, "update"], timeout_s=300)
        run([*quiet, "install", "--no-install-recommends", *PACKAGES], timeout_s=600)
    finally:
        if wrote_policy:
            _POLICY.unlink()


def _refuse_services() -> bool:
    """Tell Debian's installer to start nothing (policy-rc.d, status 101); False: someone has."""
    try:
        with _POLICY.open("x", encoding="ascii") as file:
            file.write("#!/bin/sh\nexit 101\n")
    except FileExistsError:
        return False
    _POLICY.chmod(0o755)
    return True
