"""Names that are no person's and no school's: who writes under one is taken for the service.

RFC 2142 names mailboxes for common services and roles; certificate authorities take
admin@ and hostmaster@ for whoever rules the domain; programs look for autoconfig@ or
wpad.  As an identifier or as the part before the @ they go to nobody: a homonym's digit
makes a person's identifier another one (`admin2`), and roles are accounts of functions.

Compared without case, accents, dots, hyphens and underscores: `no-reply` is `noreply`.
"""

from __future__ import annotations

import re
from typing import Final

from mailserver.values.address import fold_local, split_plus

ALWAYS_POSTMASTERS: Final = frozenset({"postmaster", "abuse", "mailer-daemon"})
"""They lead to the account that answers for the service, whoever that is, and to nothing else."""
_WORDS: Final = """
    postmaster abuse mailer-daemon hostmaster webmaster usenet news www uucp ftp noc security
    info infos information informations marketing sales support
    root admin administrator administrateur administratrice sysadmin sysop system systeme daemon
    operator nobody
    noreply donotreply nepasrepondre nereponsepas bounce bounces double-bounce
    ssladmin ssladministrator sslwebmaster webadmin mailadmin
    mail email courriel smtp pop pop3 imap mx dns dkim dmarc spf tlsrpt mtasts
    autoconfig autodiscover wpad localhost
    cert csirt soc securite abus webmestre maitredeposte
"""
_SIGNS: Final = re.compile(r"[._-]")


def _key(name: str) -> str:
    return _SIGNS.sub("", split_plus(fold_local(name))[0])


_RESERVED: Final = frozenset(map(_key, _WORDS.split()))


def is_reserved(name: str) -> bool:
    """An identifier, an address, or the part of one before the @."""
    return _key(name.rpartition("@")[0] or name) in _RESERVED


def is_postmasters(name: str) -> bool:
    local = fold_local(name.rpartition("@")[0] or name)
    return split_plus(local)[0] in ALWAYS_POSTMASTERS
