"""What the bench found: a table on the terminal, Markdown and JSON in var/bench/."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from bench.disk import Disk
from bench.rounds import RowResult, SideResult

_HEADINGS = (
    "work",
    "unit",
    "ours /s",
    "theirs /s",
    "ratio",
    "target",
    "",
    "CPU ms ours",
    "CPU ms theirs",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure of ours alone, against a limit of its own."""

    key: str
    title: str
    value: float
    unit: str
    limit: str  # in words, for the table
    passed: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    command: str
    machine: dict[str, str]
    disk: Disk
    notes: tuple[str, ...]
    rows: tuple[RowResult, ...]
    figures: tuple[Figure, ...]


def describe_machine() -> dict[str, str]:
    """The machine, in words for the report."""
    cpu = _first_value(Path("/proc/cpuinfo"), "model name") or platform.machine()
    memory = _first_value(Path("/proc/meminfo"), "MemTotal") or "0"
    return {
        "cpu": f"{cpu}, {len(os.sched_getaffinity(0))} cores",
        "memory": f"{int(memory.split()[0]) // 1024} MiB",
        "system": _first_value(Path("/etc/os-release"), "PRETTY_NAME", "=") or platform.system(),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def _first_value(path: Path, key: str, separator: str = ":") -> str | None:
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError:
        return None
    for line in lines:
        name, found, value = line.partition(separator)
        if found and name.strip() == key:
            return value.strip().strip('"')
    return None


def row_cells(row: RowResult) -> list[str]:
    return [
        row.title,
        row.unit,
        _rate(row.ours),
        _rate(row.theirs),
        f"{row.ratio:.2f}" if row.ratio is not None else "-",
        f"{row.target:g}" if row.target is not None else "-",
        _verdict(row.passed),
        _cpu(row.ours),
        _cpu(row.theirs),
    ]


def figure_cells(figure: Figure) -> list[str]:
    return [
        figure.title,
        f"{figure.value:.1f} {figure.unit}",
        figure.limit,
        _verdict(figure.passed),
    ]


def _rate(side: SideResult | None) -> str:
    if side is None:
        return "-"
    return f"{side.per_s:,.0f}" if side.per_s >= 100 else f"{side.per_s:,.1f}"


def _cpu(side: SideResult | None) -> str:
    return f"{side.cpu_ms_each:.3f}" if side is not None else "-"


def _verdict(passed: bool | None) -> str:  # noqa: FBT001 - the value itself
    return {True: "pass", False: "MISS", None: ""}[passed]


def print_report(console: Console, report: Report) -> None:
    console.print(_place(report), highlight=False)
    if report.rows:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for number, heading in enumerate(_HEADINGS):
            table.add_column(heading, justify="left" if number < 2 else "right")
        for row in report.rows:
            table.add_row(*_paint(row_cells(row)))
        console.print(table)
    if report.figures:
        table = Table("figure", "measured", "target", "", box=box.SIMPLE_HEAD, pad_edge=False)
        for figure in report.figures:
            table.add_row(*_paint(figure_cells(figure)))
        console.print(table)
    for note in report.notes:
        console.print(f"- {note}", highlight=False)


def _paint(cells: Sequence[str]) -> list[str]:
    colours = {"pass": "[green]pass[/]", "MISS": "[bold red]MISS[/]"}
    return [colours.get(cell, cell) for cell in cells]


def _place(report: Report) -> str:
    machine = report.machine
    return (
        f"{machine['cpu']}; {machine['memory']}; {machine['system']}, Linux {machine['kernel']}; "
        f"Python {machine['python']}. Stores on {report.disk.fs_type}, "
        f"{report.disk.fsyncs_per_s:,.0f} fsyncs/s. Rates are medians; the ratio is the "
        "median of the rounds' ratios; CPU ms are the service's, for one of the unit, load "
        "generators excluded."
    )


def to_markdown(report: Report) -> str:
    """The same as on the terminal."""
    lines = [f"`{report.command}`", "", _place(report), ""]
    if report.rows:
        lines += _markdown_table(_HEADINGS, [row_cells(row) for row in report.rows])
    if report.figures:
        cells = [figure_cells(figure) for figure in report.figures]
        lines += _markdown_table(("figure", "measured", "target", ""), cells)
    lines += [f"- {note}" for note in report.notes]
    return "\n".join(lines) + "\n"


def _markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    table = [headings, ["---"] * len(headings), *rows]
    return [*("| " + " | ".join(cells) + " |" for cells in table), ""]


def to_json(report: Report) -> str:
    """Every sample of every round, and what follows from them."""
    whole = asdict(report)
    for data, row in zip(whole["rows"], report.rows, strict=True):
        data["ratio"], data["passed"] = row.ratio, row.passed
    return json.dumps(whole, indent=2, default=str, ensure_ascii=False) + "\n"


def write_report(folder: Path, report: Report) -> None:
    """Replace `latest.md` and `latest.json` in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "latest.md").write_text(to_markdown(report), "utf-8")
    (folder / "latest.json").write_text(to_json(report), "utf-8")
