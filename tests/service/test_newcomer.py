"""What the README tells a newcomer to type, typed."""

from __future__ import annotations

import poplib
import smtplib
import ssl
import subprocess

import pytest

from mailserver.demo.academy import DemoService
from mailserver.settings.listeners import wanted_listeners
from tests.programs import needs_program
from tests.service import readme

pytestmark = [pytest.mark.slow, pytest.mark.e2e]


def run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_program("swaks")
def test_the_readme_sends_over_each_port(served: DemoService) -> None:
    commands = readme.commands("swaks")
    ports = {word for command in commands for word in command if word.startswith("localhost:")}
    assert ports == {"localhost:2525", "localhost:2587", "localhost:2465"}
    for command in commands:
        assert "250 2.0.0 Ok: " in run(readme.at(served, command))


@needs_program("curl")
def test_the_readme_collects_over_pop3_and_pop3s(served: DemoService) -> None:
    listing, message = [run(readme.at(served, command)) for command in readme.commands("curl")]
    assert listing.splitlines()[0].startswith("1 ")
    assert message.startswith("Return-Path: <")
    assert "\nDelivered-To: jeanne.martin@ac-exemple.fr\n" in message.replace("\r\n", "\n")


def test_one_numen_opens_submission_pop3_and_pop3s(served: DemoService) -> None:
    ports = {one.kind.name: one.bind.port for one in wanted_listeners(served.settings)}
    context = ssl.create_default_context(cafile=str(served.folder / "tls/ca.pem"))
    numen = "17E0200001ABC"
    with smtplib.SMTP("localhost", ports["submission"], timeout=30) as smtp:
        smtp.starttls(context=context)
        assert smtp.login("jmartin", numen)[0] == 235
        smtp.sendmail(
            "jeanne.martin@ac-exemple.fr",
            ["jeanne.martin@ac-exemple.fr"],
            b"From: jeanne.martin@ac-exemple.fr\r\nSubject: a moi\r\n\r\nun seul code\r\n",
        )
    plain = poplib.POP3("localhost", ports["pop3"], timeout=30)
    plain.stls(context)
    plain.user(" JMartin ")
    assert plain.pass_(numen).startswith(b"+OK")
    count = plain.stat()[0]
    plain.quit()
    secure = poplib.POP3_SSL("localhost", ports["pop3s"], timeout=30, context=context)
    secure.user("Jeanne.Martin@AC-exemple.fr")
    assert secure.pass_(numen).startswith(b"+OK")
    assert secure.stat()[0] == count
    assert b"un seul code" in secure.retr(count)[1]
    secure.quit()
