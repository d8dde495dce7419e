"""Reports as a parser of another family reads them: mailparse, in Rust, by fast-mail-parser."""

from __future__ import annotations

import pytest
from fast_mail_parser import parse_email

from mailserver.dsn.report import compose
from mailserver.queue.reports import ReportKind
from mailserver.texts.catalogue import Language
from tests.dsn.cases import BODY, HEAD, HEADER, REFUSED, SILENT, copy, original, task


def read(octets: bytes) -> tuple[str, str, dict[str, bytes]]:
    """Subject, explanation, and the other parts by their type."""
    found = parse_email(octets)
    parts = {one.mimetype: one.content for one in found.attachments}
    (explanation,) = found.text_plain
    return found.subject, explanation, parts


def test_a_failure() -> None:
    octets = b"".join(compose(task(languages=("en", "fr"))).pieces())
    subject, explanation, parts = read(octets)
    assert subject == "Message not delivered / Message non remis: Sortie au musée"
    assert "Your message could not be delivered." in explanation
    assert "n'a pas pu être remis" in explanation
    assert REFUSED.words in explanation
    assert set(parts) == {"message/delivery-status", "message/rfc822"}
    status = parts["message/delivery-status"]
    assert b"Final-Recipient: rfc822; paul@example.net\r\nAction: failed\r\n" in status
    assert parts["message/rfc822"].rstrip() == (HEAD + HEADER + BODY).rstrip()


@pytest.mark.parametrize("kind", [ReportKind.DELAYED, ReportKind.DELIVERED])
def test_a_notice_with_a_header_that_had_to_be_encoded(kind: ReportKind) -> None:
    about = original(b"Subject: \xc9t\xe9\r\n\r\n")
    octets = b"".join(compose(task(about, copy(kind=kind, attempt=SILENT))).pieces())
    _, _, parts = read(octets)
    assert parts["text/rfc822-headers"] == HEAD + b"Subject: \xc9t\xe9\r\n"


ACTIONS = {
    ReportKind.FAILED: "failed",
    ReportKind.DELAYED: "delayed",
    ReportKind.DELIVERED: "delivered",
    ReportKind.RELAYED: "relayed",
    ReportKind.EXPANDED: "expanded",
}


@pytest.mark.parametrize("languages", [("fr",), ("en",), ("fr", "en")], ids="+".join)
@pytest.mark.parametrize("kind", ReportKind)
def test_each_kind_in_each_language(kind: ReportKind, languages: tuple[Language, ...]) -> None:
    about = original(envelope_id="cours+2B1")
    first = copy(kind=kind, original_recipient="rfc822;paul+2Bx@example.net")
    second = copy("élodie@example.net", kind=kind, number=1)
    wanted = task(about, first, second, languages=languages, to="élise@ac-exemple.fr")
    subject, explanation, parts = read(b"".join(compose(wanted).pieces()))
    assert subject.endswith("Sortie au musée")
    assert "élodie@example.net" in explanation
    assert ("musée" in explanation, "Objet" in explanation) == (True, "fr" in languages)
    status = parts["message/global-delivery-status"].decode()
    assert status.count(f"\r\nAction: {ACTIONS[kind]}\r\n") == 2
    assert "Original-Envelope-Id: cours+1\r\n" in status
    assert "Original-Recipient: rfc822; paul+x@example.net\r\n" in status
