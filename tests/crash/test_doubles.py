"""Mail that came twice is excused by a death that explains it, and by nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.crash.family import Role
from tests.crash.journal import Journal
from tests.crash.relayed import (
    SETTLED_WITHIN_S,
    End,
    Kill,
    Relayed,
    Taking,
    judge_doubles,
    read_kills,
    read_relayed,
)

FIRST, SECOND, CUT_PORT = "elsewhere.test-1-4000", "elsewhere.test-2-4001", 4000
DEATH_S = 100.0


def taking(key: str, begun_at_s: float, taken_at_s: float, **details: Any) -> Taking:
    facts: dict[str, Any] = {"connection": FIRST, "answers": True} | details
    return Taking(
        key=key,
        recipient=f"ok.{key}@elsewhere.test",
        notify="",
        begun_at_s=begun_at_s,
        taken_at_s=taken_at_s,
        reports=(),
        **facts,
    )


LATE = taking("one", 99.0, 100.5)  # answered after our death
EARLY = taking("one", 99.0, 99.99)  # answered, and not on disk yet
AGAIN = taking("one", 101.0, 101.1, connection=SECOND)
BROKEN = {FIRST: End(101.0, "broken"), SECOND: End(110.0, "quit")}
AGENT = Kill(DEATH_S, Role.AGENT, frozenset({CUT_PORT}))


def judged(*takings: Taking, kills: tuple[Kill, ...] = (AGENT,), **ends: End) -> Any:
    in_time = sorted(takings, key=lambda one: one.taken_at_s)
    return judge_doubles(Relayed(takings=in_time, ends={**BROKEN, **ends}), kills)


def test_once_each_needs_no_excuse() -> None:
    doubles = judged(EARLY, taking("two", 99.0, 99.5, connection=SECOND), kills=())
    assert (doubles.causes.total(), doubles.breaches) == (0, [])


def test_a_death_before_the_answer_excuses() -> None:
    doubles = judged(LATE, AGAIN)
    assert doubles.breaches == []
    assert doubles.causes == {"delivery agent killed": 1}
    assert doubles.early_count == 0


def test_a_death_just_behind_the_answer_excuses_and_is_told_apart() -> None:
    doubles = judged(EARLY, AGAIN)
    assert (doubles.breaches, doubles.early_count) == ([], 1)
    assert doubles.longest_s == pytest.approx(0.01)


def test_a_server_that_hangs_up_without_an_answer_excuses() -> None:
    doubles = judged(
        replace(LATE, answers=False), AGAIN, kills=(), **{FIRST: End(100.6, "hung up")}
    )
    assert (doubles.breaches, doubles.causes) == ([], {"the server hung up": 1})


def test_a_death_behind_a_connection_that_the_server_ended_excuses() -> None:
    hung_up = {FIRST: End(99.995, "hung up")}  # on the next letter: its port is not ours any more
    kill = replace(AGENT, ports=frozenset({4002}))
    assert judged(EARLY, AGAIN, kills=(kill,), **hung_up).breaches == []


SOON_S = DEATH_S - SETTLED_WITHIN_S


@pytest.mark.parametrize(
    ("takings", "kills", "ends", "breach"),
    [
        pytest.param((LATE, AGAIN), (), {}, "nobody was killed", id="nobody died"),
        pytest.param(
            (LATE, AGAIN),
            (replace(AGENT, ports=frozenset({4002})),),
            {},
            "nobody was killed",
            id="another agent died",
        ),
        pytest.param(
            (LATE, AGAIN),
            (replace(AGENT, role=Role.AGENT_PARENT), replace(AGENT, role=Role.SUPERVISOR)),
            {},
            "nobody was killed",
            id="its parent died",
        ),
        pytest.param(
            (LATE, AGAIN),
            (replace(AGENT, at_s=101.5),),
            {},
            "nobody was killed",
            id="died when it had come again",
        ),
        pytest.param(
            (taking("one", 100.6, 100.7), AGAIN),
            (AGENT,),
            {},
            "nobody was killed",
            id="sent over a later connection with the same port",
        ),
        pytest.param(
            (taking("one", SOON_S - 2, SOON_S - 1), AGAIN),
            (AGENT,),
            {},
            "there was time to write it down",
            id="answered long before",
        ),
        pytest.param(
            (LATE, AGAIN), (AGENT,), {FIRST: End(99.5, "broken")}, "nobody was killed", id="broke"
        ),
        pytest.param(
            (EARLY, AGAIN), (), {FIRST: End(100.0, "quit")}, "nobody was killed", id="left in order"
        ),
        pytest.param(
            (replace(LATE, connection="x-9-9"), AGAIN), (AGENT,), {}, "did not end", id="still open"
        ),
        pytest.param(
            (replace(LATE, answers=False, taken_at_s=102.0), AGAIN),
            (),
            {FIRST: End(102.0, "hung up")},
            "before the server hung up",
            id="tried again too soon",
        ),
        pytest.param(
            (EARLY, taking("two", 99.991, 99.995), AGAIN),
            (AGENT,),
            {},
            "what was taken after it was written down",
            id="the next one was written down",
        ),
        pytest.param(
            (LATE, AGAIN, taking("one", 103.0, 103.1, connection="x-3-4003")),
            (AGENT,),
            {},
            "nobody was killed",
            id="a third time",
        ),
    ],
)
def test_a_duplicate_without_an_excuse_is_found(
    takings: tuple[Taking, ...], kills: tuple[Kill, ...], ends: dict[str, End], breach: str
) -> None:
    breaches = judged(*takings, kills=kills, **ends).breaches
    assert any(breach in found for found in breaches), breaches


def test_journals_of_killer_and_server_are_read(tmp_path: Path) -> None:
    killer, server = Journal(tmp_path / "killed"), Journal(tmp_path / "elsewhere")
    killer.note("killed", role="delivery agent", pid=7, ports=[CUT_PORT])
    (kill,) = read_kills(tmp_path / "killed")
    assert (kill.role, kill.ports) == (Role.AGENT, frozenset({CUT_PORT}))
    server.note("refused", connection=FIRST, who=["no.x"], code=550)
    server.note("refused", connection=FIRST, who=["ok.x"], code=451)
    server.note(
        "taken",
        connection=FIRST,
        key="k",
        who={"a": "", "b": "NEVER"},
        reports=[],
        begun=1.0,
        answers=True,
    )
    server.note("ended", connection=FIRST, how="broken")
    relayed = read_relayed(tmp_path / "elsewhere")
    assert [(one.recipient, one.notify, one.port) for one in relayed.takings] == [
        ("a", "", CUT_PORT),
        ("b", "NEVER", CUT_PORT),
    ]
    assert list(relayed.refused_at_s) == ["no.x"]
    assert relayed.put_off_count == 1
    assert relayed.ends[FIRST].how == "broken"
