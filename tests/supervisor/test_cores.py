"""The supervisor's parts that need no process."""

from __future__ import annotations

import io
import json
import os
import socket
import struct
import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.settings.model import Settings, WebSettings
from mailserver.supervisor.doors import DOOR_MODULES, open_doors
from mailserver.supervisor.forking.backoff import FIRST_S, LONGEST_S, STEADY_S, Backoff
from mailserver.supervisor.interpreter import python_command, python_environment
from mailserver.supervisor.master.events import Events
from mailserver.supervisor.master.notify import watchdog_s
from mailserver.supervisor.master.sockets import PortInUse, Sockets, inherited_sockets
from mailserver.supervisor.memory_file import read_memory_file, write_memory_file
from mailserver.supervisor.orders import (
    DoorOrders,
    Orders,
    orders_from_json,
    receive_orders,
    send_orders,
)
from mailserver.supervisor.plan import plan_from_json
from mailserver.supervisor.planning import make_plan
from tests.supervisor.service import door, plan

SETTINGS = Settings.model_validate({"service": {"domain": "a.test", "hostname": "mail.a.test"}})


def test_the_wait_doubles_to_thirty_seconds() -> None:
    backoff = Backoff()
    waits = [backoff.after_death(lived_s=1.0) for _ in range(12)]
    assert waits[:4] == [0.1, 0.2, 0.4, 0.8]
    assert waits[-1] == LONGEST_S


def test_a_long_life_forgets_the_earlier_deaths() -> None:
    backoff = Backoff()
    for _ in range(5):
        backoff.after_death(lived_s=1.0)
    assert backoff.after_death(lived_s=STEADY_S) == FIRST_S


@given(st.lists(st.floats(0, 1000)))
def test_whatever_lives_were_lived_the_wait_is_bounded(lives: list[float]) -> None:
    backoff = Backoff()
    for lived_s in lives:
        assert FIRST_S <= backoff.after_death(lived_s=lived_s) <= LONGEST_S


def test_a_plan_survives_its_journey_as_json() -> None:
    wanted = plan(
        door("one", port=25), door("two"), only_doors=("one",), common=("json",), greeting="é\n"
    )
    assert plan_from_json(wanted.to_json()) == wanted


def orders(*sockets: int, life_fd: int = 3, status_fd: int = 4, board_fd: int = 5) -> Orders:
    half = len(sockets) // 2
    return Orders(
        doors=[
            DoorOrders(name="smtp", module="m", workers=[[("mx", fd)] for fd in sockets[:half]]),
            DoorOrders(name="pop3", module="n", workers=[[("pop3", fd) for fd in sockets[half:]]]),
        ],
        common=["json"],
        settings={"a": 1},
        life_fd=life_fd,
        status_fd=status_fd,
        board_fd=board_fd,
        auth_secret_hex="00" * 32,
        drain_s=10.0,
    )


def test_orders_survive_their_journey_as_json() -> None:
    wanted = orders(7, 8, 9)
    assert orders_from_json(wanted.to_json()) == wanted
    assert wanted.descriptors() == [3, 4, 5, 7, 8, 9]


def test_orders_take_their_descriptors_along_however_many() -> None:
    """One message of the kernel's carries 253."""
    ours, theirs = socket.socketpair()
    files = [os.memfd_create(str(number)) for number in range(600)]
    arrived: list[int] = []
    try:
        life_fd, status_fd, board_fd, *sockets = files
        wanted = orders(*sockets, life_fd=life_fd, status_fd=status_fd, board_fd=board_fd)
        sender = threading.Thread(target=send_orders, args=(ours, wanted))
        sender.start()
        received = receive_orders(theirs)
        sender.join()
        assert received is not None
        arrived = received.descriptors()
        assert not set(arrived) & set(files)
        assert [os.fstat(fd).st_ino for fd in arrived] == [os.fstat(fd).st_ino for fd in files]
        assert not any(os.get_inheritable(fd) for fd in arrived)
        assert received == wanted.renumbered(arrived)
    finally:
        for fd in (*files, *arrived):  # not all between: others may have opened some
            os.close(fd)
        ours.close()
        theirs.close()


@pytest.mark.parametrize("octets", [b"", b"\0\0", struct.pack("!II", 9, 1) + b"{}"])
def test_whoever_waits_for_orders_of_a_supervisor_that_dies_gets_none(octets: bytes) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        with ours:
            ours.sendall(octets)
        assert receive_orders(theirs) is None


def test_the_settings_survive_the_plan() -> None:
    assert Settings.model_validate(make_plan(SETTINGS).settings) == SETTINGS


def test_the_plan_has_every_door_or_those_that_are_named() -> None:
    assert [one.name for one in make_plan(SETTINGS).doors] == open_doors(SETTINGS)
    assert [one.name for one in make_plan(SETTINGS, only_doors=["pop3"]).doors] == ["pop3"]


def test_the_web_door_opens_where_it_has_a_listener() -> None:
    assert open_doors(SETTINGS) == [name for name in DOOR_MODULES if name != "web"]
    with_web = SETTINGS.model_copy(update={"web": WebSettings(http=("127.0.0.1:0",), processes=3)})
    web = next(one for one in make_plan(with_web).doors if one.name == "web")
    assert (web.workers, [one.name for one in web.listeners]) == (3, ["http"])


def test_workers_default_to_the_cores_and_the_keeper_is_alone() -> None:
    workers = {one.name: one.workers for one in make_plan(SETTINGS).doors}
    cores = len(os.sched_getaffinity(0))
    assert workers == {"smtp": cores, "pop3": cores, "delivery": 1, "keeper": 1}


def test_a_memory_file_gives_back_what_was_written() -> None:
    fd = write_memory_file(b"x" * 100_000)
    assert read_memory_file(fd) == b"x" * 100_000
    os.close(fd)


def test_events_are_json_lines_and_low_levels_are_left_out() -> None:
    out = io.StringIO()
    events = Events(level="warning", log_format="json", stream=out)
    events.info("not this")
    events.warning("this", door="smtp")
    (line,) = out.getvalue().splitlines()
    told = json.loads(line)
    assert (told["event"], told["level"], told["door"]) == ("this", "warning", "smtp")


def test_events_for_eyes_are_one_line_too() -> None:
    out = io.StringIO()
    Events(level="info", log_format="auto", stream=out).info("a", b="x\ny")
    Events(level="info", log_format="console", stream=out).info("a", b="x\ny")
    assert len(out.getvalue().splitlines()) == 2


def test_the_supervisor_imports_nothing_heavy() -> None:
    heavy = {"pydantic", "twisted", "typer", "structlog", "asyncio", "uvloop", "apsw", "passlib"}
    master = "mailserver.supervisor.master.master"
    code = f"import sys, {master}; print(*{{m.split('.')[0] for m in sys.modules}})"
    shown = subprocess.run(
        [sys.executable, "-P", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=python_environment(),
    )
    assert heavy & {name.partition(".")[0] for name in shown.stdout.split()} == set()


def test_nothing_of_the_current_folder_is_imported() -> None:
    assert "-P" in python_command("x")


# --- sockets -----------------------------------------------------------------------


def open_all(sockets: Sockets, *doors: object) -> list[str]:
    left_out: list[str] = []
    sockets.open_for(doors, left_out=lambda name, _: left_out.append(name))  # type: ignore[arg-type]
    return left_out


def test_all_or_nothing_is_opened() -> None:
    sockets = Sockets()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortInUse, match=str(port)):
            open_all(sockets, door("free"), door("taken", port=port))
    assert sockets.addresses() == []


def test_sockets_stay_the_same_while_they_are_wanted() -> None:
    sockets = Sockets()
    one, two = door("one"), door("two")
    open_all(sockets, one, two)
    before = sockets.of_worker(one, 0)
    open_all(sockets, one)
    sockets.keep_only([one])
    assert sockets.of_worker(one, 0) == before
    assert [name for name, _ in map(str.split, sockets.addresses())] == ["one"]
    sockets.keep_only([])


def test_a_worker_gets_its_own_sockets_only() -> None:
    sockets = Sockets()
    wanted = door(workers=2)
    open_all(sockets, wanted)
    ((_, first),) = sockets.of_worker(wanted, 0)
    ((_, second),) = sockets.of_worker(wanted, 1)
    assert first != second
    sockets.keep_only([])


def test_a_socket_of_the_service_manager_is_used_for_its_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as given_socket:
        address = given_socket.getsockname()
        sockets = Sockets({address: given_socket})
        wanted = door(workers=2, port=address[1])
        assert open_all(sockets, wanted) == []
        assert len(sockets.of_worker(wanted, 0)) == len(sockets.of_worker(wanted, 1)) == 1
        sockets.keep_only([])


def test_variables_of_another_process_are_no_inheritance() -> None:
    environment = {"LISTEN_FDS": "3", "LISTEN_PID": "1", "LISTEN_FDNAMES": "a:b:c"}
    assert inherited_sockets(environment, pid=2) == {}
    assert environment == {}


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
    ],
)
def test_the_service_manager_hears_twice_as_often_as_it_asks(
    environment: dict[str, str], seconds: float | None
) -> None:
    assert watchdog_s(environment) == seconds
