"""The supervisor with real processes: start, death of each kind, drain, reload."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import pytest

from mailserver.supervisor.interpreter import python_environment
from mailserver.supervisor.plan import ServicePlan
from tests.supervisor.service import (
    BROKEN,
    DEAF,
    Service,
    Visit,
    door,
    kill,
    plan,
    visit,
    visit_until,
    wait_until,
)

pytestmark = pytest.mark.slow


class Start(Protocol):
    def __call__(self, wanted: ServicePlan, **popen: Any) -> Service: ...


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[Service] = []

    def begin(wanted: ServicePlan, **popen: Any) -> Service:
        started.append(Service(wanted, **popen))
        return started[-1]

    yield begin
    for service in started:
        service.stop()


def test_each_worker_has_a_socket_of_its_own(start: Start) -> None:
    service = start(plan(door(workers=3)))
    port = service.ready()["echo"]
    for worker in range(3):
        visit_until(port, lambda facts, worker=worker: facts["worker"] == worker)  # type: ignore[misc]


def test_the_workers_of_all_doors_share_one_secret(start: Start) -> None:
    service = start(plan(door("one", workers=2), door("two", workers=1)))
    ports = service.ready()
    secrets = {visit(ports["one"])["secret"] for _ in range(8)} | {visit(ports["two"])["secret"]}
    assert len(secrets) == 1


def test_the_secret_is_in_no_command_line_and_no_environment(start: Start) -> None:
    service = start(plan(door(workers=1)))
    service.ready()
    for pid in service.members():
        shown = (
            Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
        )
        assert b"auth_secret" not in shown


def test_a_worker_that_dies_comes_back(start: Start) -> None:
    service = start(plan(door(workers=1)))
    port = service.ready()["echo"]
    first = visit(port)["pid"]
    kill(first)
    service.wait_for("worker died", pid=first)
    assert visit(port)["pid"] != first


def test_a_connection_that_waited_for_a_dead_worker_reaches_its_successor(start: Start) -> None:
    service = start(plan(door(workers=1)))
    port = service.ready()["echo"]
    pid = visit(port)["pid"]
    os.kill(pid, signal.SIGSTOP)
    with socket.create_connection(("127.0.0.1", port)) as waiting:
        kill(pid)
        waiting.settimeout(30)
        assert waiting.recv(100)


def test_a_door_parent_that_dies_takes_its_workers_along_and_comes_back(start: Start) -> None:
    service = start(plan(door(workers=2)))
    port = service.ready()["echo"]
    before = visit(port)
    old = service.members() - {service.process.pid, service.fork_server}
    kill(before["parent"])
    service.wait_for("door died", door="echo", status=-9)
    # An old worker may answer once more, as an orphan, before the kernel's signal reaches it.
    after = visit_until(port, lambda facts: facts["pid"] not in old)
    assert after["parent"] not in old
    wait_until(lambda: not service.members() & old)
    wait_until(lambda: len(service.members()) == 2 + 1 + 2)


def test_a_fork_server_that_dies_takes_every_door_along_and_comes_back(start: Start) -> None:
    service = start(plan(door("one", workers=2), door("two", workers=1)))
    ports = service.ready()
    old = service.members() - {service.process.pid}
    kill(service.fork_server)
    service.wait_for("fork server died", status=-9)
    for port in ports.values():
        visit_until(port, lambda facts: facts["pid"] not in old)
    wait_until(lambda: not service.members() & old)
    wait_until(lambda: len(service.members()) == 2 + 2 + 3)


def test_one_door_that_dies_leaves_the_other_serving(start: Start) -> None:
    service = start(plan(door("one", workers=1), door("two", workers=1)))
    ports = service.ready()
    with closing(Visit(ports["two"])) as visitor:
        kill(visit(ports["one"])["parent"])
        service.wait_for("door died", door="one", status=-9)
        assert visitor.ask("stay") == b"here\n"
        visit(ports["one"])


def test_a_second_signal_kills_what_does_not_drain(start: Start) -> None:
    service = start(plan(door(module=DEAF, workers=1), drain_s=600.0))
    with closing(Visit(service.ready()["echo"])):
        service.signal(signal.SIGTERM)
        service.wait_for("stopping")
        service.signal(signal.SIGTERM)
        assert service.wait() == 0
        service.wait_until_gone()


def test_processes_have_names_for_ps_and_top(start: Start) -> None:
    service = start(plan(door(workers=1)))
    visit(service.ready()["echo"])  # a worker that answers has given itself a name
    names = [Path(f"/proc/{pid}/comm").read_text().strip() for pid in service.members()]
    assert {"fork server", "echo parent", "echo 0"} < set(names)


def test_no_orphans_when_the_supervisor_is_killed(start: Start) -> None:
    service = start(plan(door("one", workers=2), door("two", workers=1)))
    ports = service.ready()
    visit(ports["one"])
    assert len(service.members()) == 2 + 2 + 3
    service.signal(signal.SIGKILL)
    service.wait()
    service.wait_until_gone()


def test_no_orphans_when_everyone_but_a_stuck_worker_is_killed(start: Start) -> None:
    service = start(plan(door(module=DEAF, workers=1), drain_s=0.2))
    port = service.ready()["echo"]
    visitor = Visit(port)
    kill(service.process.pid)
    kill(visitor.facts["parent"])
    service.wait()
    service.wait_until_gone()
    visitor.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_lets_a_session_finish_and_exits_0(start: Start, number: signal.Signals) -> None:
    service = start(plan(door(workers=1)))
    port = service.ready()["echo"]
    visitor = Visit(port)
    service.signal(number)
    service.wait_for("stopping")
    assert visitor.ask("stay") == b"here\n"
    visitor.ask("quit")
    visitor.close()
    assert service.wait() == 0
    assert service.members() == set()


def test_ctrl_c_reaches_the_whole_group_and_still_drains(start: Start) -> None:
    service = start(plan(door(workers=1)))
    visitor = Visit(service.ready()["echo"])
    os.killpg(service.process.pid, signal.SIGINT)
    service.wait_for("stopping")
    assert visitor.ask("stay") == b"here\n"
    visitor.close()
    assert service.wait() == 0


def test_a_worker_that_does_not_drain_is_killed(start: Start) -> None:
    service = start(plan(door(module=DEAF, workers=1), drain_s=0.2))
    visitor = Visit(service.ready()["echo"])
    service.signal(signal.SIGTERM)
    service.wait_for("worker killed: it did not drain", pid=visitor.facts["pid"])
    assert service.wait() == 0
    visitor.close()


def test_a_stop_while_a_door_cannot_start_exits_0(start: Start) -> None:
    service = start(plan(door(module=BROKEN)))
    service.wait_for("door died", door="echo", status=1)
    service.signal(signal.SIGTERM)
    assert service.wait() == 0


def test_a_door_that_cannot_start_is_tried_again_less_and_less_often(start: Start) -> None:
    service = start(plan(door(module=BROKEN)))
    waits = [service.wait_for("door died")["back_in_s"] for _ in range(3)]
    assert waits == sorted(waits)
    assert waits[0] < waits[2]


def test_a_port_in_use_is_one_line_that_names_it_and_exit_status_2(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        service = start(plan(door(port=port)))
        assert service.wait() == 2
    assert service.process.stderr is not None
    lines = service.process.stderr.read().decode().splitlines()
    assert len(lines) == 1
    assert str(port) in lines[0]


def test_a_second_service_on_the_same_port_is_refused(start: Start) -> None:
    first = start(plan(door()))
    port = first.ready()["echo"]
    second = start(plan(door(port=port)))
    assert second.wait() == 2


def test_the_descriptor_limit_is_raised_to_what_is_allowed(start: Start) -> None:
    service = start(plan(door(workers=1)))
    pid = visit(service.ready()["echo"])["pid"]
    rows = Path(f"/proc/{pid}/limits").read_text().splitlines()
    soft, hard = next(row for row in rows if row.startswith("Max open files")).split()[3:5]
    assert int(soft) == min(int(hard), 1_048_576)


def test_the_greeting_is_printed_once_all_are_ready(start: Start) -> None:
    service = start(plan(door(), greeting="try this\n"))
    service.wait_for("ready")
    service.wait_for("try this")


# --- reload ---------------------------------------------------------------------


@pytest.fixture
def settings_file(tmp_path: Path, tls_files: tuple[Path, Path]) -> Path:
    file = tmp_path / "mailserver.toml"
    write_settings(file, level="info")
    return file


def write_settings(file: Path, *, level: str) -> None:
    (file.parent / "store").mkdir(mode=0o700, exist_ok=True)
    file.write_text(
        '[service]\ndomain = "a.test"\nhostname = "mail.a.test"\n'
        "[smtp]\nmx = []\nsubmission = []\nsubmissions = []\nprocesses = 1\n"
        '[pop3]\npop3 = ["127.0.0.1:0"]\npop3s = []\nprocesses = 1\n'
        f'[log]\nlevel = "{level}"\nformat = "json"\n'
    )


def test_a_reload_of_a_bad_file_keeps_the_old_settings_and_says_so(
    start: Start, settings_file: Path
) -> None:
    service = start(plan(door(), config_file=str(settings_file)))
    port = service.ready()["echo"]
    before = service.members()
    settings_file.write_text("[service]\ndomian = 1\n")
    service.signal(signal.SIGHUP)
    told = service.wait_for("settings not reloaded: the old ones stay")
    assert "did you mean service.domain?" in told["reason"]
    visit(port)
    assert service.members() == before


def test_a_reload_without_a_file_says_so(start: Start) -> None:
    service = start(plan(door()))
    service.ready()
    service.signal(signal.SIGHUP)
    service.wait_for("no reload: this service was not started from a file")


def test_a_reload_starts_new_workers_before_the_old_ones_drain(
    start: Start, settings_file: Path
) -> None:
    service = start(
        plan(
            door("pop3", workers=1),
            config_file=str(settings_file),
            planning="tests.supervisor.echo_planning",
        )
    )
    port = service.ready()["pop3"]
    visitor = Visit(port)
    write_settings(settings_file, level="debug")
    service.signal(signal.SIGHUP)
    service.wait_for("reloaded")
    after = visit_until(port, lambda facts: facts["level"] == "debug")
    assert after["pid"] != visitor.facts["pid"]
    assert after["secret"] == visitor.facts["secret"]
    assert visitor.ask("stay") == b"here\n"
    visitor.ask("quit")
    visitor.close()
    wait_until(lambda: visitor.facts["parent"] not in service.members())


def test_a_new_generation_that_cannot_start_leaves_the_old_one_serving(
    start: Start, settings_file: Path
) -> None:
    service = start(
        plan(
            door("pop3", workers=1),
            config_file=str(settings_file),
            planning="tests.supervisor.broken_planning",
        )
    )
    port = service.ready()["pop3"]
    before = visit(port)
    service.signal(signal.SIGHUP)
    service.wait_for("settings not reloaded: the old ones stay")
    assert visit(port)["pid"] == before["pid"]


def test_ready_is_told_to_the_service_manager(start: Start, tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(30)
        service = start(plan(door()), env={**python_environment(), "NOTIFY_SOCKET": path})
        assert manager.recv(100) == b"READY=1"
        service.signal(signal.SIGTERM)
        assert manager.recv(100) == b"STOPPING=1"
        assert service.wait() == 0
