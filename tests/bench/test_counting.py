"""The parts of the bench that parse, choose and judge."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.cpu import (
    CpuMeter,
    TreeMeter,
    find_cgroup_root,
    find_tree,
    parse_busy_ticks,
    parse_parent,
    parse_ticks,
    parse_usage_ms,
)
from bench.disk import find_fs_type, look_at_disk
from bench.load import smtp_command
from bench.packages import may_install
from bench.postfix import adapt_master
from bench.report import Figure, Report, describe_machine, to_json, to_markdown
from bench.rounds import RowResult, SideResult, choose_loads, count_steps, run_row
from bench.rows import DeliverRow, Row, Sample
from bench.session import all_keys, make_plan
from bench.side import BenchError, Group, Ports, Side
from bench.table import QUICK

STAT = "42 (a (strange) name) S 7 42 42 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 1 0 100 1 1"


def sample(per_s: float, cpu_ms: float = 1.0) -> Sample:
    return Sample(operations=per_s, elapsed_s=1.0, cpu_ms=cpu_ms, load_cpu_ms=1.0)


def side_result(*rates: float) -> SideResult:
    return SideResult(label="x", loads=1, samples=tuple(sample(rate) for rate in rates))


def row_result(ours: SideResult | None, theirs: SideResult | None) -> RowResult:
    return RowResult(key="k", title="t", unit="u", target=2.0, ours=ours, theirs=theirs)


def test_cpu_time_of_a_process_counts_the_children_it_has_waited_for() -> None:
    assert parse_ticks(STAT) == 10 + 20 + 30 + 40
    assert parse_parent(STAT) == 7


def test_cpu_time_of_a_control_group_is_its_usage_in_milliseconds() -> None:
    assert parse_usage_ms("usage_usec 1500\nuser_usec 1000\nsystem_usec 500\n") == 1.5


def test_cpu_stat_without_usage_is_refused() -> None:
    with pytest.raises(ValueError, match="usage_usec"):
        parse_usage_ms("nr_periods 0\n")


def test_a_core_that_waits_for_a_disk_is_not_busy() -> None:
    assert parse_busy_ticks("cpu  1 2 4 1000 1000 8 16 32 64 128\n") == 1 + 2 + 4 + 8 + 16 + 32


def test_only_a_version_2_hierarchy_is_a_place_for_control_groups() -> None:
    old = "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n"
    assert find_cgroup_root(old) is None
    new = old + "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n"
    assert find_cgroup_root(new) == Path("/sys/fs/cgroup/unified")


def test_a_process_tree_begins_with_its_root() -> None:
    assert os.getpid() in find_tree([os.getppid()])


def test_the_tree_meter_counts_this_process() -> None:
    meter = TreeMeter()
    meter.watch(os.getpid())
    before_ms = meter.read_ms()
    sum(range(3_000_000))
    assert meter.read_ms() >= before_ms
    assert meter.wrap(["true"]) == ["true"]


def test_the_deepest_mount_tells_the_file_system() -> None:
    mounts = (
        "1 0 8:1 / / rw - ext4 /dev/a rw\n"
        "2 1 0:3 / /var rw shared:1 - xfs /dev/b rw\n"
        "3 1 0:4 / /variable rw - tmpfs none rw\n"
    )
    assert find_fs_type(Path("/var/tmp"), mounts) == "xfs"
    assert find_fs_type(Path("/variable/x"), mounts) == "tmpfs"
    assert find_fs_type(Path("/home"), mounts) == "ext4"


def test_a_store_on_tmpfs_is_refused() -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir() or not os.access(memory, os.W_OK):
        pytest.skip("no tmpfs at /dev/shm")
    with pytest.raises(BenchError, match="no disk"):
        look_at_disk(memory, sample_s=0.01)


def test_postfix_listens_on_one_loopback_port_without_chroot() -> None:
    packaged = (
        "smtp      inet  n       -       y       -       -       smtpd\n"
        "#submission inet n       -       y       -       -       smtpd\n"
        "pickup    unix  n       -       y       60      1       pickup\n"
        "smtp      unix  -       -       y       -       -       smtp\n"
    )
    lines = adapt_master(packaged, 4025).splitlines()
    assert lines[0].split() == ["127.0.0.1:4025", "inet", "n", "-", "n", "-", "-", "smtpd"]
    assert lines[2].split()[4] == "n"
    assert lines[3].split()[:2] == ["smtp", "unix"]


def test_smtp_source_does_not_number_the_last_recipient_of_a_message() -> None:
    group = Group(base="boite", count=3)
    assert group.together(3) == ("boite", "2boite", "3boite")
    assert group.numbered == ("1boite", "2boite", "3boite")


def test_one_message_is_never_sent_over_many_sessions() -> None:
    command = smtp_command(25, base="b", message_count=1, size_octets=9, sessions=20, spread=True)
    assert command[1:5] == ["-s", "1", "-m", "1"]
    assert "-N" in command


def test_packages_are_installed_only_when_asked_for_or_on_a_ci_machine() -> None:
    is_root = os.geteuid() == 0
    assert may_install({}, asked=False) is False
    assert may_install({"CI": "true"}, asked=False) is is_root
    assert may_install({}, asked=True) is is_root


def test_a_round_takes_about_the_same_time_on_a_fast_and_on_a_slow_side() -> None:
    fast, slow = FixedRow(elapsed_s=0.1), FixedRow(elapsed_s=1.0)
    side = FakeSide("a")
    assert choose_loads(fast, side, 4.0) == 10 * choose_loads(slow, side, 4.0)


def test_the_short_form_sends_a_few_loads_unjudged() -> None:
    assert choose_loads(FixedRow(elapsed_s=0.1), FakeSide("a"), 0) == 1


def test_the_ratio_is_the_median_of_ratios_of_neighbouring_rounds() -> None:
    result = row_result(side_result(10, 20, 90), side_result(5, 5, 30))
    assert result.ratio == 3.0
    assert result.passed is True


def test_a_row_of_one_side_has_no_ratio() -> None:
    assert row_result(None, side_result(1)).ratio is None
    assert row_result(side_result(1), None).passed is None


def test_every_row_has_a_key_of_its_own() -> None:
    assert len(all_keys()) == len(set(all_keys()))


def test_a_plan_without_our_side_holds_no_figure_of_ours() -> None:
    plan = make_plan(QUICK, only=[], with_ours=False, with_peer=True)
    assert plan.figures == ()
    assert plan.scaling == ()
    assert plan.step_count == len(plan.rows) * count_steps(1, QUICK)


def test_only_chooses_single_rows() -> None:
    plan = make_plan(QUICK, only=["login", "rest"], with_ours=True, with_peer=True)
    assert [row.key for row in plan.rows] == ["login"]
    assert plan.figures == ("rest",)


def test_messages_that_fill_many_mailboxes_go_round_them_all() -> None:
    row = DeliverRow(
        key="k", title="t", unit="messages", target=None, group=Group(base="b", count=50),
        spread=True,
    )  # fmt: skip
    assert row._split(120) == [50, 50, 20]


def test_rounds_alternate_between_the_sides() -> None:
    steps: list[str] = []
    scale = QUICK
    result = run_row(FixedRow(), FakeSide("a"), FakeSide("b"), scale, on_step=steps.append)
    assert len(steps) == count_steps(2, scale)
    assert [step[-1] for step in steps[-2:]] == ["a", "b"]
    assert result.ratio == 1.0


def test_a_report_says_what_was_missed() -> None:
    report = Report(
        command="python -m bench",
        machine=describe_machine(),
        disk=look_at_disk(Path.cwd(), sample_s=0.001),
        notes=("a note",),
        rows=(row_result(side_result(10), side_result(10)),),
        figures=(
            Figure(key="f", title="t", value=1.0, unit="ms", limit="under 2 ms", passed=True),
        ),
    )
    text = to_markdown(report)
    assert "MISS" in text
    assert "| t | 1.0 ms | under 2 ms | pass |" in text
    assert '"ratio": 1.0' in to_json(report)


class FakeMeter:
    method = "none"

    def wrap(self, command: Sequence[str]) -> list[str]:
        return []

    def watch(self, pid: int) -> None:
        """Nothing runs."""

    def read_ms(self) -> float:
        return 0.0

    def close(self) -> None:
        """Nothing to close."""


class FakeSide:
    """A side that does nothing, at once."""

    ports = Ports(smtp=0, pop3=0)
    notes: Sequence[str] = ()

    def __init__(self, label: str) -> None:
        self.label = label
        self.meter: CpuMeter = FakeMeter()

    def start(self) -> None:
        """Nothing to start."""

    def mark(self, names: Sequence[str]) -> None:
        """No mailbox."""

    def wait_delivered(self) -> None:
        """Nothing was sent."""

    def wait_relayed(self) -> None:
        """Nothing was sent."""

    def verify(self, names: Sequence[str], count: int) -> None:
        """No mailbox."""

    def stop(self) -> None:
        """Nothing to stop."""


class FixedRow:
    """Measures the same every time."""

    key, title, unit, target, first_loads, max_loads = "k", "t", "u", 1.0, 4, 4000

    def __init__(self, elapsed_s: float = 1.0) -> None:
        self._elapsed_s = elapsed_s

    def prepare(self, side: Side) -> None:
        """Nothing to fill."""

    def measure(self, side: Side, loads: int) -> Sample:
        return Sample(operations=10.0, elapsed_s=self._elapsed_s, cpu_ms=1.0, load_cpu_ms=1.0)


def test_the_fixed_row_is_a_row() -> None:
    row: Row = FixedRow()
    assert row.measure(FakeSide("a"), 1).per_s == 10.0
