"""`mailserver demo run` and the tour, for real; then everything that may be wrong."""

from __future__ import annotations

import io
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from mailserver.auth.accounts import set_numen, set_password
from mailserver.auth.backend import StoreBackend
from mailserver.cli.main import main
from mailserver.demo.academy import DemoService, create
from mailserver.demo.client import DoorAddress, TourError, collect
from mailserver.demo.screen import greeting
from mailserver.demo.tour import run
from mailserver.setup.certificate import issue
from mailserver.store.open import open_store
from mailserver.values.secret import Secret
from tests.demo.conftest import free_ports
from tests.demo.running import Running
from tests.demo.test_screen import commands
from tests.programs import needs_program

pytestmark = [pytest.mark.slow, pytest.mark.e2e]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoService]:
    """A demo that runs; Ctrl-C ends it, cleanly."""
    demo = create(tmp_path_factory.mktemp("served") / "academy", more=free_ports())
    running = Running(demo.folder)
    try:
        assert "Mél ouvert is open" in running.screen
        yield demo
    finally:
        status = running.stop()
    assert status == 0


def tour(demo: DemoService) -> str:
    console = Console(file=io.StringIO(), width=60)
    run(demo.settings, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_tour_follows_one_message_to_five_schools(served: DemoService) -> None:
    told = tour(served)
    accept_id = re.search(r"250 2\.0\.0 Ok: ([a-z2-7]{24})", told)
    assert accept_id is not None
    assert len(re.findall(r"deposit, \d{7}[a-z] INBOX +deposited +\d", told)) == 5
    announced = re.search(r"message \d+, (\d+) octets announced, (\d+) came", told)
    assert announced is not None
    assert announced[1] == announced[2]
    assert f"with ESMTPSA id {accept_id[1]}" in told
    assert "Return-Path: <jeanne.martin@ac-exemple.fr>" in told
    times = re.findall(r"^  (\d\d:\d\d:\d\d\.\d{3})  (\w+)", told, re.MULTILINE)
    assert [word for _, word in times] == ["accepted", *["deposited"] * 5, "collected"]
    assert "accepted from jmartin [127.0.0.1]" in told
    assert re.search(r"on submission, TLSv1\.[23] with cipher \w+ \(\d+ bits\)\n", told)
    assert "collected by 0170705z [127.0.0.1] on pop3s" in told


def test_the_tour_may_be_taken_again_from_the_command_line(
    served: DemoService, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert main(["demo", "tour", "--config", str(served.settings_file)]) == 0
        assert "collected by 0170705z" in capsys.readouterr().out


@needs_program("swaks")
@needs_program("curl")
def test_the_commands_of_the_screen_work_as_they_stand(served: DemoService) -> None:
    page = greeting(served, Console(file=io.StringIO()))
    swaks, curl = commands(page)
    sent = subprocess.run(swaks, capture_output=True, timeout=50, stdin=subprocess.DEVNULL)
    assert sent.returncode == 0, sent.stdout + sent.stderr
    got = subprocess.run(curl, capture_output=True, timeout=50)
    assert got.returncode == 0, got.stderr
    assert got.stdout.startswith(b"Return-Path: <postmaster@ac-exemple.fr>\r\n")


def test_a_mailbox_in_use_is_one_sentence(served: DemoService) -> None:
    store = open_store(served.settings)
    try:
        account = store.accounts.find_account("0170705z")
        assert account is not None
        lock = store.locks.lock_maildrop(account.inbox_id)
        assert lock is not None
        with pytest.raises(TourError, match=r"refused 0170705z.*IN-USE"):
            tour(served)
        lock.release()
    finally:
        store.close()


def test_a_message_that_is_not_there_is_one_sentence(served: DemoService) -> None:
    with pytest.raises(TourError, match="has no such message"):
        collect(_pop3s(served), served.cast.member("fmarot"), b"no such octets \xff")


def test_a_changed_password_is_one_sentence(served: DemoService) -> None:
    changed = replace(served.cast.member("fmarot"), password="17E0299999XYZ")
    with pytest.raises(TourError, match="does not let fmarot in"):
        collect(_pop3s(served), changed, b"")
    store = open_store(served.settings)
    try:
        account, numen = store.accounts.find_account("jmartin"), "17E0200001ABC"
        assert account is not None
        backend = StoreBackend(store)
        set_password(backend, account.account_id, Secret("un autre mot de passe"))
        with pytest.raises(TourError, match="does not let jmartin in"):
            tour(served)
        set_numen(backend, account.account_id, numen)
    finally:
        store.close()


def test_another_authority_is_one_sentence(served: DemoService, tmp_path: Path) -> None:
    stranger = tmp_path / "other.pem"
    stranger.write_bytes(issue(["localhost"]).certificate_pem)
    door = replace(_pop3s(served), authority=stranger)
    with pytest.raises(TourError, match="does not show this demo's certificate"):
        collect(door, served.cast.member("fmarot"), b"")


def _pop3s(demo: DemoService) -> DoorAddress:
    host, _, port = demo.settings.pop3.pop3s[0].rpartition(":")
    return DoorAddress(name="pop3s", host=host, port=int(port), authority=demo.authority)


# --- nothing runs ---------------------------------------------------------------


def test_without_the_demo_running_the_tour_says_how_to_start_it(
    demo: DemoService, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "tour", "--config", str(demo.settings_file)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("nothing answers on submission (port ")
    assert said.err.count("\n") == 1


def test_a_service_that_closes_at_once_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        demo = create(tmp_path / "demo", more=free_ports() | _submission(listener))
        thread = threading.Thread(target=_close_next, args=[listener])
        thread.start()
        with pytest.raises(TourError, match=r"^submission \(port \d+\) broke off: "):
            tour(demo)
        thread.join()


def _close_next(listener: socket.socket) -> None:
    listener.accept()[0].close()


def _submission(listener: socket.socket) -> dict[str, list[str]]:
    return {"smtp.submission": [f"127.0.0.1:{listener.getsockname()[1]}"]}


def test_a_demo_without_a_listener_is_one_sentence(tmp_path: Path) -> None:
    demo = create(tmp_path / "demo", more=free_ports() | {"smtp.submission": []})
    with pytest.raises(TourError, match="no submission listener"):
        tour(demo)


def test_a_tour_of_a_service_that_is_no_demo_is_a_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", str(tmp_path), "--domain", "a.test", "--high-ports"]) == 0
    capsys.readouterr()
    file = tmp_path / "mailserver.toml"
    assert main(["demo", "tour", "--config", str(file)]) == 2
    assert "belongs to a service that is no demo" in capsys.readouterr().err
    assert main(["demo", "create", str(tmp_path)]) == 2


def test_without_a_demo_the_person_is_told_how_to_make_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "tour"]) == 2
    assert "no demo at var/demo" in capsys.readouterr().err
    assert main(["demo", "create"]) == 0
    assert capsys.readouterr().out == "var/demo: made\n"
    assert main(["demo", "create"]) == 0
    assert capsys.readouterr().out == "var/demo: is there already\n"
    assert main(["demo", "people"]) == 0
    assert "17E0200001ABC" in capsys.readouterr().out
