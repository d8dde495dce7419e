"""Property of the session: any octets, in any split."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pop3_store.session.commands import COMMANDS
from pop3_store.session.lines import MAX_PASSWORD_LINE_OCTETS
from pop3_store.session.states import State
from tests.pop3_store.fakes import PASSWORD, Shell, store_of
from tests.pop3_store.transcripts import BODIES

SIGN_IN = b"USER frot\r\nPASS " + PASSWORD + b"\r\n"

WORDS = st.sampled_from(
    [*COMMANDS, b"RETR 1", b"DELE 2", b"TOP 1 1", b"USER frot", b"PASS " + PASSWORD]
)
LINES = st.builds(
    lambda word, rest, end: word + rest + end,
    WORDS,
    st.sampled_from([b"", b" ", b" 1", b" 9", b" -1", b" \xff", b" " + b"x" * 300]),
    st.sampled_from([b"\r\n", b"\n", b"\r", b""]),
)
PIECES = st.lists(st.one_of(LINES, st.binary(max_size=40), st.just(b"x" * 2000)), max_size=30)


@given(pieces=PIECES, is_signed_in=st.booleans(), split_at=st.integers(1, 50))
def test_any_octets_in_any_split_get_well_formed_replies(
    pieces: list[bytes], is_signed_in: bool, split_at: int
) -> None:
    """No exception, bounded memory, and the replies do not depend on the split."""
    text = (SIGN_IN if is_signed_in else b"") + b"".join(pieces)
    shells = [Shell(store_of(*BODIES)), Shell(store_of(*BODIES))]
    shells[0].feed(text)
    for start in range(0, len(text), split_at):
        shells[1].feed(text[start : start + split_at])
        assert shells[1].session.held_octets <= MAX_PASSWORD_LINE_OCTETS
    assert shells[0].said == shells[1].said
    assert shells[0].said.endswith(b"\r\n")
    for shell in shells:
        assert shell.session.tally.fault_count == 0
        shell.lose()
        assert shell.session.state is State.ENDED
