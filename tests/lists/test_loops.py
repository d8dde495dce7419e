"""What goes to nobody: loops, notices, and what counts as the answer of a machine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.lists.header import split_fields
from mailserver.lists.loops import why_not
from tests.lists.fakes import mailing_list

WHICH = mailing_list("Animateurs@ac-exemple.fr")
ANSWER = "an automatic answer, not a post"
POST = ""
HERE = "a loop: it has been through this list"
BACK = "a loop: it was delivered to this list before"
FAR = "a loop: it has passed too many servers"


def _why(*lines: str, reverse_path: str = "a@b.fr", max_hops: int = 3) -> str:
    block = "".join(f"{line}\r\n" for line in ("Subject: x", *lines)).encode() + b"\r\n"
    return why_not(WHICH, split_fields(block)[0], reverse_path=reverse_path, max_hops=max_hops)


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        # RFC 3834 §5: what answers somebody is no post, what a program began by itself is one.
        ("Auto-Submitted: auto-replied", ANSWER),
        ("Auto-Submitted: Auto-Replied", ANSWER),
        ('AUTO-SUBMITTED: auto-replied; owner-email="a@b.fr"', ANSWER),
        ("Auto-Submitted:\r\n auto-replied", ANSWER),
        ("Auto-Submitted: auto-notified; x=1", ANSWER),  # RFC 5436 §2.7.1
        ("Auto-Submitted: auto-generated", POST),
        ("Auto-Submitted: no", POST),
        ("Auto-Submitted:", POST),
        ("X-Auto-Submitted: auto-replied", POST),
        ("Subject: auto-replied", POST),
        # what programs wrote before that RFC
        ("Precedence: bulk", ANSWER),
        ("Precedence: Junk", ANSWER),
        ("precedence: auto_reply", ANSWER),
        ("Precedence: list", POST),
        ("Precedence: first-class", POST),
        ("X-Autoreply: yes", ANSWER),
        ("X-AutoRespond: re: your mail", ANSWER),
        ("X-Autoreply-To: a@b.fr", POST),
        ("X-Auto-Response-Suppress: All", POST),  # asks for no answer; is none
    ],
)
def test_what_counts_as_an_answer_of_a_machine(line: str, wanted: str) -> None:
    assert _why(line) == wanted


def test_one_of_several_fields_is_enough() -> None:
    assert _why("Auto-Submitted: no", "Auto-Submitted: auto-replied") == ANSWER
    assert _why("Precedence: list", "Precedence: bulk") == ANSWER


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("List-Id: <animateurs.ac-exemple.fr>", HERE),
        ('List-Id: "Nous tous"\r\n <ANIMATEURS.ac-exemple.fr>', HERE),
        ("List-Id: <nos-animateurs.ac-exemple.fr>", POST),  # another list's id ends alike
        ("List-Id: <animateurs.ac-exemple.fr.example.com>", POST),
        ("List-Id: <parents.ac-exemple.fr>", POST),
        ("List-Post: <animateurs.ac-exemple.fr>", POST),
        ("Delivered-To: animateurs@AC-exemple.fr", BACK),
        ("Delivered-To: parents@ac-exemple.fr", POST),
        ("Delivered-To: animateurs@ac-exemple.fr.example.com", POST),
        ("To: animateurs@ac-exemple.fr", POST),
    ],
)
def test_what_was_here_before_is_a_loop(line: str, wanted: str) -> None:
    assert _why(line) == wanted


def test_a_loop_is_seen_behind_other_lists_and_other_mailboxes() -> None:
    assert _why("List-Id: <b.c.fr>", "List-Id: <animateurs.ac-exemple.fr>") == HERE
    assert _why("Delivered-To: b@c.fr", "Delivered-To: animateurs@ac-exemple.fr") == BACK


@pytest.mark.parametrize(("hops", "wanted"), [(0, POST), (2, POST), (3, POST), (4, FAR)])
def test_as_many_hops_as_are_allowed_and_no_more(hops: int, wanted: str) -> None:
    assert _why("X-Received: by x", *["Received: by x"] * hops, max_hops=3) == wanted


def test_the_null_sender_posts_nothing() -> None:
    assert _why(reverse_path="") == "a notice, not a post: it has no sender"


@given(st.lists(st.sampled_from(["To: a@b.fr", "Cc: x", "List-Id: <a.b.fr>"]), max_size=8))
def test_whatever_else_stands_there_a_post_is_a_post(lines: list[str]) -> None:
    assert _why(*lines) == POST
