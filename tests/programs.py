"""Real programs that some tests drive, and the packages that carry them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

PACKAGES = {
    "swaks": ("swaks", "libnet-ssleay-perl", "libauthen-sasl-perl"),
    "curl": ("curl",),
    "strace": ("strace",),
    "openssl": ("openssl",),
    "fetchmail": ("fetchmail",),
    "mpop": ("mpop",),
    "msmtp": ("msmtp",),
    "thunderbird": ("thunderbird",),
    "Xvfb": ("xvfb",),
    "knotd": ("knot",),
    "unbound": ("unbound",),
    "smtp-sink": ("postfix",),
    "postfix": ("postfix",),
    "dovecot": ("dovecot-core",),
    "certutil": ("libnss3-tools",),
    "pdftotext": ("poppler-utils",),
    "faketime": ("faketime",),
    "pdffonts": ("poppler-utils",),
    "postgres": ("postgresql",),
}
_MARK = "needs the program "


def needs_program(name: str, *, place: Path | None = None) -> pytest.MarkDecorator:
    """Skip a test where `name` is not installed; the summary says what to type.

    place: its folder, where that is not in the path of programs.

    Raises:
        KeyError: no package is known for `name`; add it to PACKAGES.
    """
    packages = PACKAGES[name]
    return pytest.mark.skipif(
        place is None and shutil.which(name) is None,
        reason=f"{_MARK}{name} ({', '.join(packages)})",
    )


def packages_wanted(reasons: str) -> list[str]:
    """The packages that would have let the tests with these skip reasons run."""
    wanted: dict[str, None] = {}
    for name, packages in PACKAGES.items():
        if f"{_MARK}{name} " in reasons:
            wanted.update(dict.fromkeys(packages))
    return list(wanted)
