"""Where a holder sends mail on to stays the holder's own, whatever failed there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mailserver.dsn.disguise import disguised
from mailserver.dsn.report import compose
from mailserver.queue.reports import BY_OPERATOR, ReportKind
from mailserver.store.ports.queue import Attempt
from mailserver.texts.catalogue import Language
from mailserver.values.message import BETWEEN_NAMES
from tests.dsn.cases import NOW_S, copy, task

HOLDER = "marie@ac-exemple.fr"
SECRET = ("home", "secret")
WORDS = [
    "550 5.1.1 <home@secret.example>: no such user",
    "550 5.1.1 User HOME unknown at mx.secret.example",
    "550-5.1.1 see https://secret.example/why?p=home@secret.example",
    "the domain secret.example does not exist",
    "name servers did not answer for the mail hosts of secret.example: mx.secret.example: SERVFAIL",
    "connecting: no connection: mx.secret.example",
    "4.7.1 home.secret: 550",
]


def said(words: str, *, kind: ReportKind, language: Language, told_as: str = HOLDER) -> bytes:
    attempt = Attempt(
        at_s=NOW_S,
        host="mx.secret.example",
        address="[198.51.100.9]:25",
        tls="TLSv1.3, certificate of mx.secret.example",
        status="5.1.1",
        words=words,
    )
    one = copy("home@secret.example", kind=kind, attempt=attempt, expires_at_s=NOW_S + 9)
    asked = task(None, replace(one, told_as=told_as), languages=(language,))
    asked = replace(asked, owed=disguised(replace(asked.owed, kind=kind)))
    return b"".join(compose(asked).pieces())


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("kind", [ReportKind.FAILED, ReportKind.DELAYED, ReportKind.RELAYED])
@pytest.mark.parametrize("words", WORDS)
def test_nothing_of_the_target_is_in_any_part(
    words: str, kind: ReportKind, language: Language
) -> None:
    report = said(words, kind=kind, language=language).lower()
    assert not any(one.encode() in report for one in SECRET)
    assert b"198.51.100.9" not in report
    assert b"final-recipient: rfc822; marie@ac-exemple.fr" in report


def test_the_codes_and_that_it_was_passed_on_are_told() -> None:
    report = said(WORDS[0], kind=ReportKind.FAILED, language="en")
    assert b"Diagnostic-Code: smtp; 550 5.1.1\r\n" in report
    assert b"Status: 5.1.1" in report
    assert b"passes its mail on to another one" in report


def test_who_lets_it_be_shown_is_named_with_all_words() -> None:
    report = said(WORDS[0], kind=ReportKind.FAILED, language="en", told_as="")
    assert b"Final-Recipient: rfc822; home@secret.example" in report
    assert b"no such user" in report


@pytest.mark.parametrize("language", ["fr", "en"])
def test_what_is_known_of_the_hop_and_what_was_answered_before_tell_no_more(
    language: Language,
) -> None:
    expired = Attempt(at_s=NOW_S, status="4.4.7", words="its time is over")
    earlier = Attempt(at_s=NOW_S, status="4.2.2", words=WORDS[1], host="mx.secret.example")
    for one in (
        replace(copy("home@secret.example", attempt=expired), before=earlier),
        replace(
            copy("home@secret.example", kind=ReportKind.DELAYED, attempt=None),
            hop_error="mx.secret.example [192.0.2.9]:25 connecting: no connection",
        ),
    ):
        asked = task(None, replace(one, told_as=HOLDER), languages=(language,))
        asked = replace(asked, owed=disguised(replace(asked.owed, kind=one.kind)))
        report = b"".join(compose(asked).pieces()).lower()
        assert b"secret" not in report


def test_what_a_person_of_ours_decided_is_told_with_the_reason() -> None:
    decided = Attempt(
        at_s=NOW_S, status="5.0.0", words="return by cli:x: not wanted", phase=BY_OPERATOR
    )
    one = replace(copy("home@secret.example", attempt=decided), told_as=HOLDER)
    asked = task(None, one, languages=("en",))
    report = b"".join(compose(replace(asked, owed=disguised(asked.owed))).pieces())
    assert b"not wanted" in report
    assert b"secret" not in report


def test_a_copy_that_stands_for_several_names_each_of_them() -> None:
    told = BETWEEN_NAMES.join((HOLDER, "paul@ac-exemple.fr"))
    report = said(WORDS[0], kind=ReportKind.FAILED, language="fr", told_as=told)
    for name in (HOLDER, "paul@ac-exemple.fr"):
        assert f"Final-Recipient: rfc822; {name}\r\n".encode() in report
        assert f"\r\n  {name}\r\n".encode() in report
    assert not any(one.encode() in report for one in SECRET)
