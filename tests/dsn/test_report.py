"""What a report says and how it is built, read by the standard library's parser."""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from email.message import EmailMessage, Message

import pytest

from mailserver.dsn.encoding import Measure
from mailserver.dsn.facts import HEADER_LIMIT_OCTETS, Task, cut_block
from mailserver.dsn.original import FULL_LIMIT_OCTETS, UNASKED_LIMIT_OCTETS
from mailserver.dsn.report import compose
from mailserver.lists.notices import is_of_address, read_failures
from mailserver.queue.reports import ReportKind
from mailserver.store.ports.queue import Attempt
from mailserver.texts.catalogue import Language
from mailserver.values.message import BodyFacts
from tests.dsn.cases import (
    BODY,
    HEAD,
    HEADER,
    NOW_S,
    REFUSED,
    SENT_S,
    SILENT,
    copy,
    in_pieces,
    original,
    task,
)


def octets_of(asked: Task) -> bytes:
    return b"".join(compose(asked).pieces())


def read(asked: Task) -> EmailMessage:
    """As another program reads it."""
    message = email.message_from_bytes(octets_of(asked), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def parts(asked: Task) -> list[EmailMessage]:
    found = list(read(asked).iter_parts())
    assert all(isinstance(part, EmailMessage) for part in found)
    return [part for part in found if isinstance(part, EmailMessage)]


def text(asked: Task) -> str:
    return str(parts(asked)[0].get_content()).replace("\r\n", "\n")


def machine_fields(asked: Task) -> list[dict[str, str]]:
    """The groups of part 2, unfolded; the first is the message's."""
    groups = parts(asked)[1].get_payload()
    assert isinstance(groups, list)
    return [
        {name: re.sub(r"\r?\n", "", str(value)) for name, value in group.items()}
        for group in groups
        if isinstance(group, Message) and group.items()
    ]


def returned(asked: Task) -> bytes:
    """Part 3 as it stands in the octets, after its own empty line."""
    octets = octets_of(asked)
    boundary = str(read(asked).get_boundary()).encode()
    third = octets.split(b"\r\n--" + boundary)[3]
    return third.partition(b"\r\n\r\n")[2]


def test_a_failure_says_what_happened_to_whom_and_what_to_do() -> None:
    said = text(task())
    assert "n'a pas pu être remis" in said
    assert "Objet :  Sortie au musée" in said
    assert "mercredi 18 novembre 2026 à 10:06 (+0000)" in said
    assert "paul@example.net" in said
    assert "ne connaît pas cette adresse" in " ".join(said.split())
    assert "Que faire : vérifiez l'adresse" in said
    assert f"Réponse du serveur mx.example.net, mot pour mot :\n  {REFUSED.words}\n" in said
    assert "postmaster@ac-exemple.fr" in said


def test_the_header_is_that_of_an_automatic_answer_which_programs_thread() -> None:
    message = read(task())
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["In-Reply-To"] == message["References"] == "<sortie@ac-exemple.fr>"
    assert message["To"] == "marie.dupont@ac-exemple.fr"
    assert message["From"] == "Distribution du courrier <mailer-daemon@ac-exemple.fr>"
    assert message["Reply-To"] == "postmaster@ac-exemple.fr"
    assert message["Subject"] == "Message non remis : Sortie au musée"
    assert message["Message-ID"] == "<aghlfn7xgy3tmojrgaydamjs@mail.ac-exemple.fr>"
    assert message["MIME-Version"] == "1.0"
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"


@pytest.mark.parametrize("local", ["a..b", ".a", "a.", "a" * 300])
def test_a_senders_dots_and_length_leave_a_header_that_can_be_read(local: str) -> None:
    asked = task(to=f"{local}@docomo.example")
    quoted = local if set(local) == {"a"} else f'"{local}"'
    assert f"\nTo: {quoted}@docomo.example\r\n" in octets_of(asked).decode().replace("\n ", "")
    assert read(asked)["To"].addresses[0].username == local
    assert max(map(len, octets_of(asked).split(b"\r\n"))) <= 998


def test_part_2_says_the_facts() -> None:
    asked = task(
        original(envelope_id="QQ314159+2Ba"),
        copy(original_recipient="rfc822;Paul+2BA@example.net"),
        copy("claire@example.org", attempt=None, number=1),
    )
    of_message, paul, claire = machine_fields(asked)
    assert of_message == {
        "Original-Envelope-Id": "QQ314159+a",
        "Reporting-MTA": "dns; mail.ac-exemple.fr",
        "Arrival-Date": "Wed, 18 Nov 2026 10:06:40 +0000",
    }
    assert paul == {
        "Original-Recipient": "rfc822; Paul+A@example.net",
        "Final-Recipient": "rfc822; paul@example.net",
        "Action": "failed",
        "Status": "5.1.1",
        "Remote-MTA": "dns; mx.example.net",
        "Diagnostic-Code": f"smtp; {REFUSED.words}",
        "Last-Attempt-Date": "Wed, 18 Nov 2026 11:06:38 +0000",
    }
    assert claire == {
        "Final-Recipient": "rfc822; claire@example.org",
        "Action": "failed",
        "Status": "5.0.0",
    }


@dataclass(frozen=True)
class Kind:
    """What every report of a kind must say."""

    attempt: Attempt | None
    action: str
    status: str
    french: str
    english: str


HANDED_ON = REFUSED._replace(status="2.1.5", words="250 2.1.5 Ok")
KINDS = {
    ReportKind.FAILED: Kind(REFUSED, "failed", "5.1.1", "n'a pas pu", "could not be delivered"),
    ReportKind.DELAYED: Kind(SILENT, "delayed", "4.4.1", "pas encore", "has not arrived yet"),
    ReportKind.DELIVERED: Kind(None, "delivered", "2.0.0", "est arrivé dans", "in the mailbox"),
    ReportKind.RELAYED: Kind(HANDED_ON, "relayed", "2.1.5", "serveur suivant", "the next server"),
    ReportKind.EXPANDED: Kind(None, "expanded", "2.0.0", "de la liste", "of the list"),
}


@pytest.mark.parametrize("kind", ReportKind)
@pytest.mark.parametrize("languages", [("fr",), ("en",), ("fr", "en"), ("en", "fr")])
def test_each_kind_in_each_language_has_the_same_bones(
    kind: ReportKind, languages: tuple[Language, ...]
) -> None:
    wanted = KINDS[kind]
    one = copy(kind=kind, attempt=wanted.attempt, expires_at_s=NOW_S + 86_400)
    asked = task(None, one, languages=languages)
    third = "message/rfc822" if kind is ReportKind.FAILED else "text/rfc822-headers"
    types = [part.get_content_type() for part in parts(asked)]
    assert types == ["text/plain", "message/delivery-status", third]
    fields = machine_fields(asked)[1]
    assert (fields["Action"], fields["Status"]) == (wanted.action, wanted.status)
    assert ("Will-Retry-Until" in fields) == (kind is ReportKind.DELAYED)
    said = " ".join(text(asked).split())
    assert (wanted.french in said) == ("fr" in languages)
    assert (wanted.english in said) == ("en" in languages)
    if len(languages) == 2:
        is_french_first = said.index(wanted.french) < said.index(wanted.english)
        assert is_french_first == (languages[0] == "fr")
    assert read(asked)["Content-Language"] == ", ".join(languages)
    assert octets_of(asked).isascii()


@pytest.mark.parametrize(("phase", "counts"), [("RCPT", True), ("DATA", False)])
def test_a_list_reads_in_our_own_report_whether_an_address_failed(
    phase: str, *, counts: bool
) -> None:
    tried = REFUSED._replace(status="5.0.0", words="550 not here", phase=phase)
    (failure,) = read_failures(octets_of(task(None, copy(attempt=tried))))
    assert failure.address == "paul@example.net"
    assert is_of_address(failure) is counts


def test_a_delay_says_until_when_and_that_there_is_nothing_to_do() -> None:
    late = copy(kind=ReportKind.DELAYED, attempt=SILENT, expires_at_s=SENT_S + 5 * 86_400)
    asked = task(None, late, languages=("en",), made_at_s=SENT_S + 2 * 3600)
    said = " ".join(text(asked).split())
    assert "do not send it again" in said
    assert "trying for 2 hours and go on until Monday 23 November 2026 at 10:06" in said
    assert "Technical detail: no answer within 30 s" in said
    assert "What to do" not in said
    fields = machine_fields(asked)[1]
    assert fields["Will-Retry-Until"] == "Mon, 23 Nov 2026 10:06:40 +0000"
    assert fields["Diagnostic-Code"] == f"x-mel-ouvert; {SILENT.words}"


@pytest.mark.parametrize(
    ("language", "why"),
    [("fr", "Pourquoi : le message attend son tour"), ("en", "Why: the message waits for its")],
)
def test_a_delay_without_a_try_puts_it_on_no_server(language: Language, why: str) -> None:
    late = copy(kind=ReportKind.DELAYED, attempt=None, expires_at_s=NOW_S + 86_400)
    asked = task(None, late, languages=(language,))
    assert why in text(asked)
    assert machine_fields(asked)[1]["Status"] == "4.0.0"


def test_what_is_too_old_says_for_how_long_we_tried() -> None:
    asked = task(None, copy(attempt=SILENT), made_at_s=SENT_S + 5 * 86_400)
    said = " ".join(text(asked).split())
    assert "Nous avons essayé pendant 5 jours, sans succès." in said
    assert machine_fields(asked)[1]["Status"] == "4.4.1"


def test_recipients_with_the_same_answer_stand_together() -> None:
    copies = [copy(f"p{n}@example.net", number=n) for n in range(60)]
    other = REFUSED._replace(status="5.2.2", words="552 5.2.2 Over quota")
    asked = task(None, *copies, copy("claire@example.org", attempt=other, number=60))
    said = text(asked)
    assert said.count(REFUSED.words) == said.count("552 5.2.2 Over quota") == 1
    assert "Destinataires (60) :" in said
    assert "... et 10 autres" in said
    assert len(machine_fields(asked)) == 62


@pytest.mark.parametrize(
    ("kind", "wants", "size", "is_whole"),
    [
        (ReportKind.FAILED, "", UNASKED_LIMIT_OCTETS, True),
        (ReportKind.FAILED, "", UNASKED_LIMIT_OCTETS + 1, False),
        (ReportKind.FAILED, "FULL", UNASKED_LIMIT_OCTETS + 1, True),
        (ReportKind.FAILED, "full", FULL_LIMIT_OCTETS, True),
        (ReportKind.FAILED, "FULL", FULL_LIMIT_OCTETS + 1, False),
        (ReportKind.FAILED, "HDRS", 500, False),
        (ReportKind.DELAYED, "FULL", 500, False),
        (ReportKind.RELAYED, "FULL", 500, False),
        (ReportKind.DELIVERED, "", 500, False),
    ],
)
def test_what_comes_back(kind: ReportKind, wants: str, size: int, is_whole: bool) -> None:
    rest = size - len(HEAD) - len(HEADER)
    about = original(body=(b"x" * 62 + b"\r\n") * (rest // 64) + b"y" * (rest % 64), wants=wants)
    assert about.size_octets == size
    asked = task(about, copy(kind=kind))
    kinds = {True: "message/rfc822", False: "text/rfc822-headers"}
    assert parts(asked)[2].get_content_type() == kinds[is_whole]
    if is_whole:
        assert returned(asked) == b"".join(about.pieces())
    else:
        assert returned(asked) == HEAD + HEADER.removesuffix(b"\r\n")


def test_an_original_that_comes_back_as_a_header_is_not_read() -> None:
    def never() -> Iterator[bytes]:
        raise AssertionError("the original was read")

    about = replace(original(wants="HDRS"), pieces=never)
    assert returned(task(about)) == HEAD + HEADER.removesuffix(b"\r\n")


EIGHT_BIT = "Ça va, l'été ?\r\n".encode()


def test_an_8bit_original_comes_back_whole_only_where_the_way_is_8bit_clean() -> None:
    about = original(body=EIGHT_BIT)
    here, elsewhere = task(about, takes_8bit=True), task(about)
    assert parts(here)[2]["Content-Transfer-Encoding"] == "8bit"
    assert read(here)["Content-Transfer-Encoding"] == "8bit"
    assert returned(here) == HEAD + HEADER + EIGHT_BIT
    assert compose(here).facts.is_8bit
    assert parts(elsewhere)[2].get_content_type() == "text/rfc822-headers"
    assert not compose(elsewhere).facts.is_8bit


def test_a_header_that_8bit_octets_broke_comes_back_encoded() -> None:
    broken = b"Subject: \xc9t\xe9 \xff\r\nTo: a@b.fr\r\n\r\n"
    asked = task(original(broken))
    assert octets_of(asked).isascii()
    part = parts(asked)[2]
    assert part["Content-Transfer-Encoding"] == "quoted-printable"
    assert part.get_payload(decode=True) == HEAD + broken.removesuffix(b"\r\n")
    assert "Été ÿ" in text(asked)


@pytest.mark.parametrize("bad", [b"a\0b\r\n", b"a\nb\r\n", b"a\rb\r\n", b"x" * 999 + b"\r\n"])
def test_what_mime_may_not_carry_comes_back_as_a_header(bad: bytes) -> None:
    asked = task(original(body=bad, wants="FULL"), takes_8bit=True)
    assert parts(asked)[2].get_content_type() == "text/rfc822-headers"


@pytest.mark.parametrize(
    "bad", [b"X-A: a\0b", b"X-A: a\nb: c", b"X-A: a\rb", b"X-A: " + b"x" * 999]
)
def test_a_header_that_no_line_may_hold_comes_back_encoded(bad: bytes) -> None:
    header = b"Subject: essai\r\n" + bad + b"\r\n\r\n"
    asked = task(original(header), takes_8bit=True)
    part = parts(asked)[2]
    assert part["Content-Transfer-Encoding"] == "quoted-printable"
    assert part.get_payload(decode=True) == HEAD + header.removesuffix(b"\r\n")


def test_a_header_block_that_is_none_gives_nothing_of_the_body_away() -> None:
    about = original(b"this is a letter\r\nand no header\r\n", b"", wants="HDRS")
    assert returned(task(about)) == HEAD
    assert "Objet" not in text(task(about))


def test_a_final_crlf_is_neither_lost_nor_added() -> None:
    for body in (b"fin", b"fin\r\n", b"\r\n", b""):
        about = original(body=body)
        assert returned(task(about)) == HEAD + HEADER + body


def test_a_boundary_that_the_original_holds_is_not_used() -> None:
    first = str(read(task()).get_boundary()).encode()
    second = first[:-1] + b"1"
    body = b"--" + first + b"\r\nContent-Type: text/html\r\n\r\n<b>\r\n--" + second + b"--\r\n"
    for piece_octets in (1, 7, 65_536):
        asked = task(original(body=body, piece_octets=piece_octets))
        assert str(read(asked).get_boundary()).encode() == first[:-1] + b"2"
        assert len(parts(asked)) == 3
        assert returned(asked) == HEAD + HEADER + body


def test_a_header_as_long_as_allowed_is_cut_at_a_line() -> None:
    header = HEADER[:-2] + b"X-A: b\r\n" * 20_000 + b"\r\n"
    block = returned(task(original(header, wants="HDRS")))
    assert len(block) <= HEADER_LIMIT_OCTETS
    assert block.endswith(b"\r\nX-A: b\r\n")
    assert cut_block(b"x" * 100_000) == b"x" * HEADER_LIMIT_OCTETS


@pytest.mark.parametrize(
    ("envelope_id", "field"),
    [
        ("plain", "plain"),
        ("a+20b", "a b"),
        ("", None),
        ("a+0D+0AX: y", None),  # a space is no xtext
        ("a+0D+0AX:y", None),  # a line break would be a field of its own
        ("a+C3+A9", None),
        ("a+2", None),
    ],
)
def test_envid_is_decoded_or_left_out(envelope_id: str, field: str | None) -> None:
    fields = machine_fields(task(original(envelope_id=envelope_id)))[0]
    assert fields.get("Original-Envelope-Id") == field


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ("rfc822;paul@example.net", "rfc822; paul@example.net"),
        ("RFC822;a+2Bb@example.net", "RFC822; a+b@example.net"),
        ("rfc822;a+0D+0AAction:x", None),
        ("utf-8;fr\\x{E9}d@example.net", "utf-8; fr\\x{E9}d@example.net"),
        ("nonsense", None),
        ("a b;c", None),
        ("rfc822;", None),
    ],
)
def test_orcpt_is_decoded_or_left_out(typed: str, field: str | None) -> None:
    fields = machine_fields(task(None, copy(original_recipient=typed)))[1]
    assert fields.get("Original-Recipient") == field


def test_a_utf8_recipient_of_an_ascii_sender_stays_7bit() -> None:
    asked = task(None, copy("frédéric@exemple.fr"))
    assert octets_of(asked).isascii()
    assert not compose(asked).smtputf8
    part = parts(asked)[1]
    assert part.get_content_type() == "message/global-delivery-status"
    assert part["Content-Transfer-Encoding"] == "quoted-printable"
    assert "frédéric@exemple.fr" in text(asked)
    assert b"Final-Recipient: utf-8; fr=C3=A9d=C3=A9ric@exemple.fr" in octets_of(asked)


def test_a_utf8_sender_gets_the_forms_of_rfc_6533() -> None:
    header = "From: zoé@exemple.fr\r\nSubject: été\r\n\r\n".encode()
    about = original(header, smtputf8=True, wants="HDRS")
    asked = task(about, copy("frédéric@exemple.fr"), to="zoé@exemple.fr")
    report = compose(asked)
    assert report.smtputf8
    assert report.facts.is_8bit
    octets = octets_of(asked)
    assert "\r\nTo: zoé@exemple.fr\r\n".encode() in octets
    assert "\r\nFinal-Recipient: utf-8; frédéric@exemple.fr\r\n".encode() in octets
    types = [part.get_content_type() for part in parts(asked)]
    assert types == ["text/plain", "message/global-delivery-status", "message/global-headers"]
    assert returned(asked) == HEAD + header.removesuffix(b"\r\n")
    whole = task(replace(about, return_content="FULL"), to="zoé@exemple.fr")
    assert parts(whole)[2].get_content_type() == "message/global"


def test_words_from_outside_obey_nobody() -> None:
    """Neither the screen, by controls and turned text, nor a program, by a field of its own."""
    hostile = REFUSED._replace(
        words="550 5.1.1 a\r\nAction: delivered\x1b[2J\u202egnp", host="m\nx"
    )
    fields = machine_fields(task(None, copy(attempt=hostile)))[1]
    assert fields["Action"] == "failed"
    said = text(task(None, copy(attempt=hostile)))
    assert "\\x0d\\x0aAction: delivered\\x1b[2J\\u202egnp" in said
    assert "m\\x0ax" in said


def test_a_subject_from_outside_stays_one_line() -> None:
    header = b"Subject: =?utf-8?b?YQ0KQmNjOiB4QHk=?=\r\n\r\n"  # "a" CR LF "Bcc: x@y"
    message = read(task(original(header)))
    assert message["Bcc"] is None
    assert message["Subject"] == "Message non remis : a\\x0d\\x0aBcc: x@y"


def test_a_subject_in_raw_latin_1_is_read_as_windows_1252() -> None:
    header = b"From: Fr\xe9d <a@b.example>\r\nSubject: l\x92\xe9t\xe9 \x80\r\n\r\n"
    asked = task(original(header))
    assert read(asked)["Subject"] == "Message non remis : l’été €"
    assert "Objet : l’été €" in text(asked).replace("\u00a0", " ").replace("  ", " ")


@pytest.mark.parametrize(
    "raw",
    [b"=?x-none?b?4pyT?=", b"=?utf-8?b?====?=", b"=?utf-8?q?=C3?=", b"\xff\xfe", b"x" * 5000],
)
def test_a_subject_that_cannot_be_decoded_is_shown_somehow(raw: bytes) -> None:
    message = read(task(original(b"Subject: " + raw + b"\r\n\r\n")))
    assert message["Subject"].startswith("Message non remis")
    assert len(message["Subject"]) <= 120


@pytest.mark.parametrize(
    "raw", [b"<a b@c>", b"a@b", b"<" + b"x" * 900 + b"@b>", b"<a@b> <c@d>", b"<\xe9@b>", b""]
)
def test_a_message_id_that_is_none_threads_nothing(raw: bytes) -> None:
    message = read(task(original(b"Message-ID: " + raw + b"\r\n\r\n")))
    assert message["References"] is None
    assert message["In-Reply-To"] is None


@pytest.mark.parametrize(
    ("kind", "status", "shown"),
    [
        (ReportKind.FAILED, "5.7.1", "5.7.1"),
        (ReportKind.FAILED, "4.4.7", "4.4.7"),
        (ReportKind.FAILED, "2.0.0", "5.0.0"),
        (ReportKind.FAILED, "nonsense", "5.0.0"),
        (ReportKind.FAILED, "5.1", "5.0.0"),
        (ReportKind.DELAYED, "5.7.1", "4.7.1"),
        (ReportKind.DELAYED, "", "4.0.0"),
        (ReportKind.RELAYED, "2.6.0", "2.6.0"),
        (ReportKind.RELAYED, "4.0.0", "2.0.0"),
    ],
)
def test_a_status_goes_with_its_action(kind: ReportKind, status: str, shown: str) -> None:
    fields = machine_fields(task(None, copy(kind=kind, attempt=REFUSED._replace(status=status))))
    assert fields[1]["Status"] == shown


@pytest.mark.parametrize(
    ("host", "field"),
    [
        ("mx.example.net", "dns; mx.example.net"),
        ("192.0.2.1", "dns; [192.0.2.1]"),
        ("2001:db8::1", "dns; [IPv6:2001:db8::1]"),
    ],
)
def test_a_host_by_its_address_stands_in_brackets(host: str, field: str) -> None:
    fields = machine_fields(task(None, copy(attempt=REFUSED._replace(host=host))))
    assert fields[1]["Remote-MTA"] == field


def test_the_facts_are_those_of_the_octets() -> None:
    for asked in (
        task(),
        task(original(body=EIGHT_BIT), takes_8bit=True),
        task(original(body=b".\r\n..\r\n.a"), takes_8bit=True),
    ):
        octets, report = octets_of(asked), compose(asked)
        lines = octets.split(b"\r\n")
        assert report.size_octets == len(octets)
        assert report.facts == BodyFacts(
            header_octets=octets.index(b"\r\n\r\n") + 4,
            ends_with_crlf=True,
            is_8bit=not octets.isascii(),
            has_nul=False,
            longest_line_octets=0,
            dotted_line_count=sum(line.startswith(b".") for line in lines),
        )


def test_a_measure_may_be_fed_octet_by_octet() -> None:
    octets = HEAD + HEADER + BODY + b"x" * 1200 + b"\r\n.\r\n" + EIGHT_BIT
    whole, slow = Measure(), Measure()
    whole.feed(octets)
    for piece in in_pieces(octets, 1)():
        slow.feed(piece)
    assert slow.facts(header_octets=1) == whole.facts(header_octets=1)
    assert whole.facts(header_octets=1).longest_line_octets == 1200
    assert slow.is_mime_text is whole.is_mime_text is False
