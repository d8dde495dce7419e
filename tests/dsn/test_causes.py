"""Why a copy failed or waits, told by whoever decided it: a server, its hop, time, or us."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mailserver.dsn.meanings import MEANINGS
from mailserver.queue.reports import BY_OPERATOR, EXPIRED, OUR_LOSS, ReportKind
from mailserver.store.ports.queue import Attempt
from mailserver.texts.catalogue import Language
from tests.dsn.cases import NOW_S, REFUSED, copy, original, task
from tests.dsn.test_report import machine_fields, text

GIVEN_BACK = Attempt(
    at_s=NOW_S,
    status="5.0.0",
    words="return by root: Ce fournisseur n’existe plus : écrivez à l’économe.",
    phase=BY_OPERATOR,
)
OVER = Attempt(
    at_s=NOW_S, status=EXPIRED, words="not delivered within 120 hours; the last answer: 450 x"
)
FULL = REFUSED._replace(status="4.2.2", words="452 4.2.2 mailbox full")
HOP_ERROR = "mx.dead.example [192.0.2.9]:25 connecting: Connection refused"


@pytest.mark.parametrize("language", ["fr", "en"])
def test_what_a_person_of_ours_gave_back_blames_nobody_and_names_no_user(
    language: Language,
) -> None:
    asked = task(None, copy(attempt=GIVEN_BACK), languages=(language,))
    said = text(asked)
    assert "serveur du destinataire" not in said
    assert "recipient's server" not in said
    assert "root" not in said
    assert "Ce fournisseur n’existe plus : écrivez à l’économe." in said
    fields = machine_fields(asked)[1]
    assert "root" not in str(fields)
    assert "Remote-MTA" not in fields


def test_our_own_words_in_the_part_for_programs_have_letters_and_no_escapes() -> None:
    fields = machine_fields(task(None, copy(attempt=GIVEN_BACK)))[1]
    said = " ".join(str(fields["Diagnostic-Code"]).split())
    assert said.startswith("x-mel-ouvert; returned by the administration: Ce fournisseur")
    assert "ecrivez a l" in said
    assert "\\xe9" not in said


def test_a_reason_that_was_not_given_is_not_invented() -> None:
    silent = GIVEN_BACK._replace(words="return by root")
    said = text(task(None, copy(attempt=silent)))
    assert "La raison" not in said
    assert "root" not in said


def test_an_expiry_says_what_was_answered_last() -> None:
    asked = task(None, replace(copy(attempt=OVER), before=FULL))
    said = text(asked)
    assert MEANINGS["2.2"].what.in_language("fr").split()[-1] in said
    assert "pleine" in said
    assert "452 4.2.2 mailbox full" in said
    assert "mx.example.net" in said
    fields = machine_fields(asked)[1]
    assert fields["Status"] == EXPIRED
    assert "452 4.2.2 mailbox full" in str(fields["Diagnostic-Code"])


def test_an_expiry_without_an_answer_says_what_we_saw() -> None:
    said = text(task(None, copy(attempt=OVER)))
    assert "n'a pas pu être transmis dans le temps prévu" in said.replace("\n", " ")
    assert "not delivered within 120 hours" in said


@pytest.mark.parametrize(
    ("language", "why"), [("fr", "ne prend aucun courrier"), ("en", "takes no mail at all")]
)
def test_a_delay_without_a_try_says_what_is_known_against_its_hop(
    language: Language, why: str
) -> None:
    waits = replace(copy(kind=ReportKind.DELAYED, attempt=None), hop_error=HOP_ERROR)
    said = text(task(None, waits, languages=(language,)))
    assert why in said.replace("\n", " ")
    assert HOP_ERROR in said
    assert "son tour" not in said


def test_what_waits_for_two_reasons_is_told_apart() -> None:
    rests = replace(copy(kind=ReportKind.DELAYED, attempt=None), hop_error=HOP_ERROR)
    waits = copy("eva@example.org", kind=ReportKind.DELAYED, attempt=None, number=1)
    said = text(task(None, rests, waits)).replace("\n", " ")
    assert "ne prend aucun courrier" in said
    assert "attend son tour" in said


def test_accents_in_a_header_are_no_attachments() -> None:
    refused = REFUSED._replace(status="5.6.9", words="this server does not take header lines")
    said = text(task(None, copy(attempt=refused)))
    assert "pièces jointes" not in said
    assert "sans accents" in said.replace("\n", " ")


@pytest.mark.parametrize("fold", [b"\r\n\t", b"\r\n ", b"\r\n \t ", b"\t"])
def test_a_folded_subject_is_one_line_with_one_space(fold: bytes) -> None:
    header = b"Subject: Sortie" + fold + b"au bois\r\n\r\n"
    assert "Sortie au bois" in text(task(original(header)))


LOST = Attempt(
    at_s=NOW_S, status="4.3.0", words="bodies/ab/abcd is gone: put it back", phase=OUR_LOSS
)


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("kind", [ReportKind.DELAYED, ReportKind.FAILED])
def test_what_our_own_store_has_lost_blames_nobody_else_and_shows_no_file(
    kind: ReportKind, language: Language
) -> None:
    over = replace(copy(attempt=OVER), before=LOST)
    one = over if kind is ReportKind.FAILED else copy(kind=kind, attempt=LOST)
    asked = task(None, one, languages=(language,))
    said = text(asked).replace("\n", " ")
    assert ("notre propre serveur" if language == "fr" else "our own server") in said
    assert "serveur du destinataire" not in said
    assert "recipient's server" not in said
    everything = said + str(machine_fields(asked)[1])
    assert "bodies" not in everything
    assert "abcd" not in everything
