"""Which kind of process needs which keys; `docs/security.md` shows this table.

                     smtp   pop3   web   delivery   keeper
    certificate, key   x      x     x
    DKIM               x                     x
    NUMEN              x      x                        x
    smarthosts                                 x

    smtp      signs what people submit; checks passwords and NUMENs
    pop3      checks passwords and NUMENs
    web       speaks TLS
    delivery  signs reports and what lists send; signs in to smarthosts
    keeper    spends idle time on the hashes of NUMENs

What lists and forwards are signed with (`srs.key`, the secrets of lists) stands in the
store, which all of them share.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from pathlib import Path
from typing import Final, assert_never

from mailserver.settings.model import Settings


class KeyKind(Enum):
    """What a key is for."""

    TLS = "tls"
    DKIM = "dkim"
    NUMEN = "numen"
    SMARTHOST = "smarthost"


NEEDED: Final[dict[str, tuple[KeyKind, ...]]] = {
    "smtp": (KeyKind.TLS, KeyKind.DKIM, KeyKind.NUMEN),
    "pop3": (KeyKind.TLS, KeyKind.NUMEN),
    "web": (KeyKind.TLS,),
    "delivery": (KeyKind.DKIM, KeyKind.SMARTHOST),
    "keeper": (KeyKind.NUMEN,),
}
"""Door -> what its processes get; one that is not named gets nothing."""


_KIND_OF_SETTING: Final = {
    "tls.certificate": KeyKind.TLS,
    "tls.key": KeyKind.TLS,
    "dkim.folder": KeyKind.DKIM,
    "auth.numen_key": KeyKind.NUMEN,
    "routes.password_file": KeyKind.SMARTHOST,
}


def is_needed_by(doors: Iterable[str], setting: str) -> bool:
    """Does one of these doors get the key that a setting names?  True for all other settings.

    Where each door has a machine or a container of its own, the others' keys are not there.
    """
    kind = _KIND_OF_SETTING.get(setting)
    return kind is None or any(kind in NEEDED.get(door, ()) for door in doors)


def keys_of(door: str, settings: Settings) -> tuple[Path, ...]:
    """The files that a door's processes need, as the settings name them."""
    kinds = NEEDED.get(door, ())
    return tuple(path for kind in kinds for path in files_of(kind, settings))


def files_of(kind: KeyKind, settings: Settings) -> tuple[Path, ...]:
    """The files of one kind, whether they are there or not."""
    match kind:
        case KeyKind.TLS:
            return settings.tls.certificate, settings.tls.key
        case KeyKind.DKIM:
            folder = settings.dkim.folder
            names = settings.dkim.selectors if settings.dkim.enabled else ()
            return tuple(folder / f"{name}.pem" for name in names)
        case KeyKind.NUMEN:
            return (settings.auth.numen_key,)
        case KeyKind.SMARTHOST:
            return tuple(
                rule.password_file for rule in settings.routes if rule.password_file is not None
            )
        case _:
            assert_never(kind)
