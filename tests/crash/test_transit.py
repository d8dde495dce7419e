"""The reckoning of what travels notices every way to lose it, to invent it, and to keep silent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from mailserver.queue.copies import CopyState
from tests.crash.ledger import Answer, Ledger, Letter
from tests.crash.letters import DOMAIN, ELSEWHERE, ELSEWHERE_WITH_DSN, make_id
from tests.crash.relayed import Relayed, Taking
from tests.crash.reports import ReportLine, ReportRead
from tests.crash.transit import (
    Stored,
    StoredCopy,
    again_count,
    judge_rest,
    judge_transit,
    judge_wishes,
)
from tests.crash.verdict import final_view, judge

OURS, THEIRS, OTHER = make_id("s1", 1, 400), make_id("s2", 2, 400), make_id("s3", 3, 400)
OK, NO = f"ok.{OURS}.1@{ELSEWHERE}", f"no.{OURS}.2@{ELSEWHERE}"
NOTED = f"ok.{OURS}.3@{ELSEWHERE_WITH_DSN}"
BOX, SENDER = f"a@{DOMAIN}", f"s1@{DOMAIN}"
STRANGER = f"ok.{THEIRS}.from@{ELSEWHERE}"
FAILED = ReportLine(OURS, NO, "failed")
PASSED = ReportLine(OURS, OK, "relayed")
THERE = ReportLine(THEIRS, BOX, "delivered")
WISH = "SUCCESS,FAILURE"


def taken(key: str, who: str, at_s: float = 10.0, **details: Any) -> Taking:
    facts: dict[str, Any] = {
        "key": key,
        "recipient": who,
        "notify": "",
        "begun_at_s": at_s - 1,
        "taken_at_s": at_s,
        "connection": "x-1-4000",
        "answers": True,
        "reports": (),
    }
    return Taking(**(facts | details))


def copy(letter_id: str, who: str, state: CopyState, **details: Any) -> StoredCopy:
    return StoredCopy(
        letter_id=letter_id,
        recipient=who,
        state=state,
        can_go_on=state is CopyState.QUEUED,
        **details,
    )


def letter(letter_id: str, *boxes: str, sender: str, **wishes: str) -> Letter:
    return Letter(
        letter_id,
        frozenset(boxes),
        sender,
        {**wishes},
        dotted_at_s=1.0,
        code=250,
        answer=Answer("1-2", 0),
    )


@dataclass(frozen=True, slots=True)
class Story:
    """One letter of ours to three elsewhere, one from elsewhere to a box: all of it in order."""

    ledger: Ledger
    copies: tuple[StoredCopy, ...]
    takings: tuple[Taking, ...]
    told: tuple[ReportLine, ...]
    until_s: float = float("inf")

    def stored(self) -> Stored:
        reports = {str(n): ReportRead(f"<{n}>", (line,)) for n, line in enumerate(self.told)}
        return Stored(contents={"a": {"e.1": THEIRS}}, reports={"s1": reports}, copies=self.copies)

    def verdict(self) -> list[str]:
        relayed = Relayed(takings=list(self.takings), refused_at_s={NO: 5.0})
        view, stored = final_view(self.ledger), self.stored()
        return [
            *judge(self.ledger, view, stored.places()),
            *judge_transit(self.ledger, view, stored, relayed, until_s=self.until_s),
        ]

    def without(self, *recipients: str) -> Story:
        return replace(self, copies=tuple(c for c in self.copies if c.recipient not in recipients))

    def with_copies(self, *copies: StoredCopy) -> Story:
        """In place of those for the same recipients."""
        left = self.without(*(one.recipient for one in copies))
        return replace(left, copies=(*left.copies, *copies))

    def taking(self, *takings: Taking) -> Story:
        return replace(self, takings=(*self.takings, *takings))

    def not_taking(self, who: str) -> Story:
        return replace(self, takings=tuple(t for t in self.takings if t.recipient != who))

    def telling(self, *told: ReportLine) -> Story:
        return replace(self, told=told)


REPORT_ELSEWHERE = copy("", STRANGER, CopyState.RELAYED)
IN_ORDER = Story(
    ledger=Ledger(
        {
            OURS: letter(OURS, sender=SENDER, **{OK: WISH, NO: "", NOTED: WISH}),
            THEIRS: letter(THEIRS, "a", sender=STRANGER, **{BOX: "SUCCESS"}),
        }
    ),
    copies=(
        copy(OURS, OK, CopyState.RELAYED),
        copy(OURS, NO, CopyState.RETURNED),
        copy(OURS, NOTED, CopyState.RELAYED),
        copy(THEIRS, BOX, CopyState.DEPOSITED),
        REPORT_ELSEWHERE,
    ),
    takings=(
        taken(OURS, OK),
        taken(OURS, NOTED, notify=WISH),
        taken("<r@x>", STRANGER, reports=(THERE,)),
    ),
    told=(FAILED, PASSED),
)


def test_everything_in_its_place_is_well() -> None:
    assert IN_ORDER.verdict() == []


OWED = IN_ORDER.telling(PASSED).with_copies(copy(OURS, NO, CopyState.RETURNED, owes=("failed",)))
WAITING = IN_ORDER.telling(FAILED).with_copies(copy(OURS, OK, CopyState.QUEUED)).not_taking(OK)
REPORT_WAITING = IN_ORDER.with_copies(copy("", STRANGER, CopyState.QUEUED)).not_taking(STRANGER)


@pytest.mark.parametrize(
    "story",
    [
        pytest.param(OWED, id="a report is owed still"),
        pytest.param(WAITING, id="a copy waits"),
        pytest.param(WAITING.taking(taken(OURS, OK)), id="taken, not written down yet"),
        pytest.param(REPORT_WAITING, id="a report for elsewhere waits"),
        pytest.param(
            IN_ORDER.taking(taken("<r@x>", STRANGER, 12.0, reports=(THERE,))),
            id="the same report came twice",
        ),
        pytest.param(
            replace(WAITING.taking(taken(OURS, OK, 30.0)), until_s=20.0), id="taken later"
        ),
    ],
)
def test_what_is_on_its_way_is_well(story: Story) -> None:
    assert story.verdict() == []


@pytest.mark.parametrize(
    ("story", "breach"),
    [
        pytest.param(IN_ORDER.without(OK), f"is not in {OK}", id="copy lost"),
        pytest.param(
            replace(IN_ORDER.without(OK), until_s=20.0), "not known here", id="sent, then lost"
        ),
        pytest.param(IN_ORDER.without(BOX), f"has no copy for {BOX}", id="copy of a deposit lost"),
        pytest.param(
            IN_ORDER.with_copies(*[copy(OURS, OK, CopyState.RELAYED)] * 2),
            f"2 times in {OK}",
            id="copy doubled",
        ),
        pytest.param(IN_ORDER.not_taking(OK), "relayed and no server has it", id="never sent"),
        pytest.param(
            replace(IN_ORDER, until_s=9.0), "relayed and no server has it", id="written too early"
        ),
        pytest.param(
            IN_ORDER.not_taking(OK).taking(taken(THEIRS, OK)), "never accepted", id="mixed up"
        ),
        pytest.param(
            IN_ORDER.taking(taken(OTHER, f"ok.{OTHER}.1@{ELSEWHERE}")),
            "never accepted",
            id="invented",
        ),
        pytest.param(
            IN_ORDER.taking(taken("<q@x>", STRANGER, reports=(FAILED,))),
            "never accepted",
            id="told to somebody else",
        ),
        pytest.param(
            WAITING.with_copies(replace(WAITING.copies[-1], can_go_on=False)),
            "nobody will ever lease it",
            id="lease lost",
        ),
        pytest.param(
            IN_ORDER.with_copies(copy(OURS, OK, CopyState.RETURNED)).telling(
                FAILED, ReportLine(OURS, OK, "failed")
            ),
            "returned and a server has it",
            id="returned though taken",
        ),
        pytest.param(
            WAITING.with_copies(copy(OURS, OK, CopyState.RETURNED)).telling(
                FAILED, ReportLine(OURS, OK, "failed")
            ),
            "returned and no server refused it",
            id="returned though nobody refused",
        ),
        pytest.param(
            WAITING.with_copies(copy(OURS, OK, CopyState.HELD)), "is HELD", id="held by nobody"
        ),
        pytest.param(
            WAITING.with_copies(copy(OURS, OK, CopyState.CANCELLED)), "is CANCELLED", id="cancelled"
        ),
    ],
)
def test_a_breach_in_transit_is_found(story: Story, breach: str) -> None:
    assert any(breach in found for found in story.verdict()), story.verdict()


@pytest.mark.parametrize(
    ("story", "breach"),
    [
        pytest.param(IN_ORDER.telling(PASSED), "neither told nor owed", id="failure swallowed"),
        pytest.param(IN_ORDER.telling(FAILED), "neither told nor owed", id="success swallowed"),
        pytest.param(IN_ORDER.telling(FAILED, FAILED, PASSED), "told 2 times", id="told twice"),
        pytest.param(
            OWED.telling(FAILED, PASSED), "told 1 times and owed 1 times", id="told, owed still"
        ),
        pytest.param(
            IN_ORDER.telling(FAILED, PASSED, ReportLine(OURS, NOTED, "relayed")),
            "nobody asked for it",
            id="told although DSN goes on",
        ),
        pytest.param(
            IN_ORDER.telling(FAILED, PASSED, ReportLine(OURS, OK, "delayed")),
            "nobody asked for it",
            id="told of a delay",
        ),
        pytest.param(
            IN_ORDER.telling(FAILED, PASSED, THERE), "told what is not theirs", id="told here"
        ),
        pytest.param(
            IN_ORDER.without(STRANGER).not_taking(STRANGER),
            "neither told nor owed",
            id="report for elsewhere swallowed",
        ),
        pytest.param(
            IN_ORDER.not_taking(STRANGER), "neither told nor owed", id="its report never arrived"
        ),
        pytest.param(
            replace(IN_ORDER, copies=(*IN_ORDER.copies, REPORT_ELSEWHERE)),
            "2 reports to",
            id="one of two reports for elsewhere never arrived",
        ),
        pytest.param(
            IN_ORDER.taking(taken("<q@x>", STRANGER, 12.0, reports=(THERE,))),
            "told 2 times",
            id="two reports for elsewhere of one deposit",
        ),
    ],
)
def test_a_report_swallowed_or_doubled_is_found(story: Story, breach: str) -> None:
    assert any(breach in found for found in story.verdict()), story.verdict()


def test_at_rest_nothing_waits_and_nothing_is_owed() -> None:
    assert list(judge_rest(IN_ORDER.stored())) == []
    assert any("waits still" in found for found in judge_rest(WAITING.stored()))
    assert any("is owed still" in found for found in judge_rest(OWED.stored()))


def test_what_a_server_has_and_we_have_not_written_down_will_be_sent_again() -> None:
    relayed = Relayed(takings=[taken(OURS, OK)])
    assert again_count(WAITING.stored(), relayed, until_s=20.0) == 1
    assert again_count(WAITING.stored(), relayed, until_s=9.0) == 0


def test_a_server_with_dsn_must_hear_the_senders_wish() -> None:
    ledger, right = IN_ORDER.ledger, taken(OURS, NOTED, notify="FAILURE,SUCCESS")
    assert list(judge_wishes(ledger, Relayed(takings=[right]))) == []
    (breach,) = judge_wishes(ledger, Relayed(takings=[replace(right, notify="")]))
    assert "handed on with NOTIFY=" in breach
