"""Reports as a person reads them, in Thunderbird: what did not arrive, and what is late."""

from __future__ import annotations

import io
import smtplib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from mailserver.cli.main import main
from mailserver.demo.academy import create
from mailserver.demo.cast import CastMember
from mailserver.dsn.report import compose
from mailserver.settings.template import Value
from smtp_relay.delivery.worker import OVERDUE_S
from tests.clients.academy import PATIENCE_S, Academy, complaints
from tests.clients.outside import ANSWER, UNKNOWN, UNREACHABLE, Outside
from tests.clients.thunderbird import MARKS, STARTTLS, Thunderbird
from tests.demo.conftest import free_ports
from tests.demo.running import Running
from tests.dsn.cases import REFUSED, copy, original, task
from tests.supervisor.service import wait_until

pytestmark = MARKS

ENGLISH = CastMember(
    identifier="jsmith",
    name="John Smith",
    addresses=("john.smith@ac-exemple.fr",),
    password="17E0200099ZZZ",
    is_numen=True,
)
NOTICE_H = 5 / 3600
"""Longer than the first try takes, also where the machine is busy."""


@pytest.fixture(scope="module")
def academy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Academy]:
    """The demo with an account whose language is English, and a small world around it."""
    outside = Outside()
    more: dict[str, Value] = {"delivery.delay_notice_hours": [NOTICE_H]}
    more |= free_ports() | outside.settings
    demo = create(tmp_path_factory.mktemp("reports") / "academy", more=more)
    command = ["account", "add", ENGLISH.identifier, "--config", str(demo.settings_file)]
    command += ["--name", ENGLISH.name, "--address", ENGLISH.address, "--language", "en"]
    with pytest.MonkeyPatch.context() as piped:
        piped.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(ENGLISH.password.encode())))
        assert main([*command, "--numen-stdin"]) == 0
    running = Running(demo.folder)
    try:
        yield Academy(replace(demo, cast=replace(demo.cast, people=(*demo.cast.people, ENGLISH))))
    finally:
        assert running.stop() == 0
        outside.stop()
    assert complaints(running.log) == []


@pytest.fixture
def thunderbird(
    academy: Academy, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Thunderbird]:
    program = Thunderbird(academy, tmp_path, who=request.param, tls=STARTTLS)
    try:
        yield program
    finally:
        program.stop()


@dataclass(frozen=True, kw_only=True)
class Read:
    """What somebody reads in their language.  Texts: lines as they stand in the window."""

    suffix: str
    topic: str
    sender: str
    failed: str
    failed_text: tuple[str, ...]
    unreachable: str
    late: str
    late_text: tuple[str, ...]
    below: str

    def assert_said(self, text: str, to_people: tuple[str, ...], to_programs: str) -> None:
        """Each above or below the line that parts them."""
        for_people, below, for_programs = text.partition(self.below)
        assert below
        assert [one for one in to_people if one not in for_people] == []
        assert to_programs in for_programs


FRENCH = Read(
    suffix="",
    topic="Sortie au musée",
    sender="Distribution du courrier",
    failed="Message non remis : Sortie au musée",
    failed_text=(
        "Votre message n'a pas pu être remis. Il n'arrivera pas",
        "  Objet :  Sortie au musée\n  Envoyé : ",
        f"Destinataire :\n  {UNKNOWN}\n",
        "Pourquoi : le serveur du destinataire ne connaît pas cette adresse",
        "Que faire : vérifiez l'adresse lettre par lettre",
        f"Réponse du serveur mx.example.net, mot pour mot :\n  {ANSWER}\n",
        "Votre message est joint tel que vous l'avez envoyé.",
    ),
    unreachable=UNREACHABLE[0],
    late="Message retardé : Sortie au musée",
    late_text=(
        "Votre message n'est pas encore arrivé. Vous n'avez rien à faire",
        f"Destinataire :\n  {UNREACHABLE[0]}\n",
        "Pourquoi : le serveur du destinataire ne répond pas",
        "Nous essayons depuis 1 minute, et encore jusqu'au ",
    ),
    below="La suite est pour les programmes et les techniciens.",
)
IN_ENGLISH = Read(
    suffix="-en",
    topic="Museum trip",
    sender="Mail delivery",
    failed="Message not delivered: Museum trip",
    failed_text=(
        "Your message could not be delivered. It will not arrive",
        "  Subject: Museum trip\n  Sent:    ",
        f"Recipient:\n  {UNKNOWN}\n",
        "Why: the recipient's server does not know this address",
        "What to do: check the address letter by letter",
        f"Answer of the server mx.example.net, word for word:\n  {ANSWER}\n",
        "Your message is attached as you sent it.",
    ),
    unreachable=UNREACHABLE[1],
    late="Message delayed: Museum trip",
    late_text=(
        "Your message has not arrived yet. You need not do anything",
        f"Recipient:\n  {UNREACHABLE[1]}\n",
        "Why: the recipient's server does not answer",
        "We have been trying for 1 minute and go on until ",
    ),
    below="What follows is for programs and technicians.",
)


def wrote(thunderbird: Thunderbird, to: str, topic: str) -> None:
    """Send a message, and collect what is said about it: of a delay at the next look."""
    count = thunderbird.collect()
    thunderbird.send(to=to, cc="", subject=topic, text="14:00\n")
    wait_until(lambda: thunderbird.collect() == count + 1, patience_s=OVERDUE_S + PATIENCE_S)


@pytest.mark.parametrize(
    ("thunderbird", "expected"),
    [("jmartin", FRENCH), (ENGLISH.identifier, IN_ENGLISH)],
    indirect=["thunderbird"],
    ids=["fr", "en"],
)
def test_a_person_reads_in_their_language_what_failed_and_what_is_late(
    thunderbird: Thunderbird, expected: Read
) -> None:
    wrote(thunderbird, UNKNOWN, expected.topic)
    failed = thunderbird.read()
    thunderbird.picture(f"report-failure{expected.suffix}")
    assert (failed.sender, failed.subject) == (expected.sender, expected.failed)
    expected.assert_said(failed.text, expected.failed_text, "Action: failed\nStatus: 5.1.1\n")
    assert failed.attachments == [f"{expected.topic}.eml"]

    wrote(thunderbird, expected.unreachable, expected.topic)
    late = thunderbird.read()
    thunderbird.picture(f"report-delay{expected.suffix}")
    assert (late.sender, late.subject) == (expected.sender, expected.late)
    expected.assert_said(late.text, expected.late_text, "Action: delayed\nStatus: 4.4.1\n")
    assert late.attachments == []


@pytest.mark.parametrize("thunderbird", [ENGLISH.identifier], indirect=True, ids=["both"])
def test_somebody_of_whom_we_know_no_language_reads_both(
    academy: Academy, thunderbird: Thunderbird
) -> None:
    count, now_s = thunderbird.collect(), time.time()
    report = compose(
        task(
            replace(original(), accepted_at_s=now_s - 60),
            copy(attempt=REFUSED._replace(at_s=now_s)),
            to="marie@example.org",
            languages=("fr", "en"),
            made_at_s=now_s,
        )
    )
    with smtplib.SMTP("localhost", academy.port("mx"), timeout=PATIENCE_S) as smtp:
        smtp.sendmail("", [ENGLISH.address], b"".join(report.pieces()))
    assert thunderbird.collect() == count + 1
    shown = thunderbird.read()
    thunderbird.picture("report-failure-both")
    assert shown.sender == "Distribution du courrier / Mail delivery"
    assert shown.subject == "Message non remis / Message not delivered : Sortie au musée"
    french, rule, english = shown.text.partition(f"\n{'-' * 60}\n")
    assert rule
    assert french.lstrip().startswith("(English text below.)")
    assert "Que faire : vérifiez l'adresse" in french
    assert "What to do: check the address" in english
    assert len(shown.attachments) == 1
