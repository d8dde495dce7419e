"""`mailserver init`: a new service in a folder."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mailserver.cli.mistake import Mistake

if TYPE_CHECKING:
    from mailserver.settings.model import Settings

LANGUAGES = ("fr", "en")

_ZONES = {"fr": "Europe/Paris"}

FolderArgument = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the service.")]
DomainOption = Annotated[
    str, typer.Option(metavar="D", help="The organisation's mail domain, as ac-exemple.fr.")
]
HostnameOption = Annotated[
    str | None,
    typer.Option(metavar="H", help="Name of this machine in the DNS. Default: mail.D"),
]
LanguageOption = Annotated[
    str, typer.Option(metavar="fr|en", help="Language of the replies that people see.")
]
PostmasterOption = Annotated[
    str,
    typer.Option(metavar="IDENTIFIER", help="Account that gets postmaster@ and abuse@."),
]
HighPortsOption = Annotated[
    bool,
    typer.Option(
        "--high-ports",
        help="For a try on one machine: ports 2525, 2587, 2465, 2110 and 2995 on 127.0.0.1 and"
        " ::1 only, where passwords without TLS are accepted.",
    ),
]
UserOption = Annotated[
    str,
    typer.Option(
        "--user",
        metavar="NAME",
        help="Whom the service becomes after it was started as root; the store will be theirs.",
    ),
]
IfMissingOption = Annotated[
    bool, typer.Option("--if-missing", help="Do nothing where a service already is.")
]


def init(
    folder: FolderArgument,
    *,
    domain: DomainOption,
    hostname: HostnameOption = None,
    language: LanguageOption = "fr",
    postmaster: PostmasterOption = "postmaster",
    high_ports: HighPortsOption = False,
    user: UserOption = "",
    if_missing: IfMissingOption = False,
) -> None:
    """Make a service: settings, certificate, DKIM keys, store, postmaster's account."""
    from mailserver.auth.numen_key import ensure_key
    from mailserver.settings.load import load_settings
    from mailserver.setup import service
    from mailserver.setup.certificate import BadServerKey

    wanted = service.NewService(
        domain=_domain(domain, "--domain"),
        hostname=_domain(hostname or f"mail.{domain}", "--hostname"),
        language=_language(language),
        postmaster=_identifier(postmaster),
        high_ports=high_ports,
        user=_user(user),
        time_zone=_time_zone(language),
    )
    try:
        draft = service.draft_settings(folder, wanted)
    except service.ServiceExists as error:
        if not if_missing:
            raise
        print(f"{error}; nothing to do.")
        return
    settings = load_settings(draft)
    try:
        service.refuse_foreign_store(settings)
    except service.ForeignStore as error:
        draft.unlink()
        raise Mistake(str(error)) from error
    service.refuse_links(settings)
    service.sweep_drafts(settings)
    try:
        is_self_signed = service.make_certificate(settings)
    except BadServerKey as error:
        raise Mistake(str(error)) from error
    service.make_dkim_keys(settings)
    ensure_key(settings.auth.numen_key)
    service.prepare_store(settings, now_s=time.time())
    file = service.publish_settings(draft)  # last: who interrupts this begins anew
    _tell(file, settings, is_self_signed=is_self_signed)


def _domain(text: str, option: str) -> str:
    from mailserver.settings.names import check_domain

    try:
        return check_domain(text)
    except ValueError as error:
        raise Mistake(f"{option}: {error}") from error


def _language(text: str) -> str:
    if text not in LANGUAGES:
        raise Mistake(f'--language: {text!r} is not known here: it must be "fr" or "en"')
    return text


def _user(name: str) -> str:
    from mailserver.settings.service_user import NO_SUCH_USER, user_ids

    if name and user_ids(name) is None:
        raise Mistake(f"--user: {NO_SUCH_USER.format(name=name)}")
    return name


def _time_zone(language: str) -> str:
    """What TZ says; else that of France for a French service; else as the machine is set."""
    from mailserver.values.moments import BadZone, zone_named

    for name in (os.environ.get("TZ", "").lstrip(":"), _ZONES.get(language, "")):
        try:
            if zone_named(name) is not None:
                return name
        except BadZone:
            continue
    return ""


def _identifier(text: str) -> str:
    from mailserver.settings.names import check_identifier

    try:
        return check_identifier(text)
    except ValueError as error:
        raise Mistake(f"--postmaster: {error}") from error


def _limits_told(settings: Settings) -> str:
    """What an account may do until somebody says otherwise."""
    from mailserver.quota.classes import DEFAULT, Classes

    limits = Classes(settings.classes, grace_percent=settings.quota.grace_percent).of(DEFAULT)
    mib = limits.quota_octets // (1024 * 1024)
    kept = f"{mib} MiB" if mib else "as much as it gets"
    return (
        f"Each account keeps {kept}, and sends to {limits.recipients_per_minute} recipients"
        f" elsewhere in a minute, {limits.recipients_per_10_minutes} in ten,\n"
        f"{limits.recipients_per_hour} in an hour, {limits.recipients_per_10_hours} in ten hours;"
        " more waits for a person (`mailserver limits`). Section [[classes]] changes that."
    )


def _tell(file: Path, settings: Settings, *, is_self_signed: bool) -> None:
    """What was made, what to publish, what to type next."""
    from mailserver.setup.service import dns_records

    name = f"prenom.nom@{settings.service.domain}"
    print(f"{file} is ready: every setting stands there, with a comment.")
    if is_self_signed:
        print(
            f"{settings.tls.certificate} is self-signed: mail programs will ask.\n"
            "Put the one of an authority in its place; it is noticed within a minute."
        )
    print(_limits_told(settings))
    print("\nPublish in the DNS, beside the address of this machine:\n")
    for record in dns_records(settings):
        print(f"    {record}")
    print("\n`mailserver config dns` prints them again.")
    print(
        "\nNext, the first account (the password is read from the keyboard, or a pipe), then run:\n"
    )
    print(
        f"    mailserver account add pnom --address {name} --name 'Prénom Nom' --password-stdin"
        f" --config {file}"
    )
    print(f"    mailserver run --config {file}")
    print(
        f"\nThe account {settings.service.postmaster} gets the mail for postmaster and abuse;"
        f" give it a password:\n\n    mailserver account passwd {settings.service.postmaster}"
        f" --password-stdin --config {file}"
    )
