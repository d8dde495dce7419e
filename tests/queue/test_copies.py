"""The table of a copy's states is closed, and its final states have no way out."""

from __future__ import annotations

import re

from mailserver.queue import copies
from mailserver.queue.copies import FIRST_FINAL, TRANSITIONS, CopyState
from mailserver.queue.reports import ReportKind

FINAL = {state for state in CopyState if state.is_final}


def test_final_states_have_no_way_out() -> None:
    assert FINAL.isdisjoint(TRANSITIONS)


def test_every_other_state_has_one() -> None:
    assert set(TRANSITIONS) == set(CopyState) - FINAL
    assert all(TRANSITIONS.values())


def test_transitions_lead_to_states_and_never_to_themselves() -> None:
    for state, following in TRANSITIONS.items():
        assert following <= set(CopyState)
        assert state not in following


def test_every_state_is_reached_from_queued_and_reaches_an_end() -> None:
    reached = {CopyState.QUEUED}
    while more := {to for state in reached for to in TRANSITIONS.get(state, ())} - reached:
        reached |= more
    assert reached == set(CopyState)
    for state in set(CopyState) - FINAL:
        assert _ends(state) & FINAL


def _ends(state: CopyState) -> set[CopyState]:
    found = {state}
    while more := {to for known in found for to in TRANSITIONS.get(known, ())} - found:
        found |= more
    return found


def test_final_states_are_those_whose_number_says_so() -> None:
    assert min(FINAL) == FIRST_FINAL
    assert max(set(CopyState) - FINAL) < FIRST_FINAL


def test_numbers_in_the_database_never_change() -> None:
    assert {state.name: state.value for state in CopyState} == {
        "QUEUED": 1,
        "LEASED": 2,
        "HELD": 3,
        "DEPOSITED": 10,
        "RELAYED": 11,
        "EXPANDED": 12,
        "RETURNED": 13,
        "CANCELLED": 14,
    }


def test_the_table_in_the_docstring_names_every_state() -> None:
    named = re.findall(r"^\| (\w+) ", copies.__doc__ or "", re.MULTILINE)
    assert named == ["state", *(state.name.lower() for state in CopyState)]


def test_numbers_of_reports_in_the_database_never_change() -> None:
    assert {kind.name: kind.value for kind in ReportKind} == {
        "FAILED": 1,
        "DELAYED": 2,
        "DELIVERED": 3,
        "RELAYED": 4,
        "EXPANDED": 5,
    }
