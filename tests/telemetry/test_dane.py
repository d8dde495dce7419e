"""The states of DANE and their words."""

from __future__ import annotations

import pytest

from mailserver.telemetry.dane import DaneState, dane_warning, dane_words, worst_state


@pytest.mark.parametrize("state", DaneState)
def test_every_state_has_words_and_only_what_nobody_wants_a_warning(state: DaneState) -> None:
    assert dane_words(state).startswith("on" if state is DaneState.ON else "off: ")
    unwanted = {DaneState.UNANSWERED, DaneState.ELSEWHERE, DaneState.NOT_VALIDATING}
    assert (dane_warning(state) is not None) is (state in unwanted)


def test_of_several_workers_the_worst_is_told() -> None:
    assert worst_state([]) is None
    assert worst_state([1.0, 1.0]) is DaneState.ON
    assert worst_state([1.0, float(DaneState.UNANSWERED)]) is DaneState.UNANSWERED
    assert worst_state([99.0]) is None, "of a version that knows more"
