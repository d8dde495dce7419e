"""What `status` says of the machine's clock."""

from __future__ import annotations

from dataclasses import replace

from mailserver.cli.status.clock import clock_warnings
from mailserver.values.clock import STANDS_S, Belief

NOW_S = 1_790_000_000.0
RIGHT = Belief(wall_s=NOW_S, steady_s=1.0, boot="b", believed_s=NOW_S)


def test_a_clock_that_goes_as_it_should_is_not_spoken_of() -> None:
    assert clock_warnings(RIGHT) == []
    reboot = replace(RIGHT, believed_s=NOW_S - 50, strayed_at_s=NOW_S - 60)
    assert clock_warnings(reboot) == []


def test_a_jump_is_told_for_a_week() -> None:
    jumped = replace(RIGHT, step_s=-3600.0, stepped_at_s=NOW_S - 86_400)
    (warning,) = clock_warnings(jumped)
    assert "jumped back by 1 h" in warning
    assert clock_warnings(replace(jumped, stepped_at_s=NOW_S - 8 * 86_400)) == []


def test_a_clock_that_is_not_believed_is_told_with_what_to_do() -> None:
    ahead = replace(RIGHT, believed_s=NOW_S - 86_400, strayed_at_s=NOW_S - 86_400)
    (warning,) = clock_warnings(ahead)
    assert "1 d ahead of the time that this service saw pass" in warning
    assert "if it is wrong, set it" in warning
    behind = replace(RIGHT, believed_s=NOW_S + STANDS_S, strayed_at_s=NOW_S + STANDS_S)
    assert "1 d behind" in clock_warnings(behind)[0]


def test_moments_that_were_brought_back_are_counted() -> None:
    (warning,) = clock_warnings(replace(RIGHT, bounded_count=1234, bounded_at_s=NOW_S - 5))
    assert "1,234 stored moments" in warning
