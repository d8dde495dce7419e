"""The notice of a changed password alarms where a stranger may have done it, and only there."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pytest

from mailserver.values.secret import Secret
from tests.recovery.conftest import NEW, NUMEN, OLD, OUTSIDE, Town
from tests.store.crowd import put

ALARM: Final = {
    "fr": re.compile(r"quelqu'un d'autre|tout de suite|pr[ée]ven|[Ss]inon|pas vous|se sert"),
    "en": re.compile(r"somebody else|at once|\b[Ee]lse tell|not you|using your"),
}
NEXT_STEP: Final = {"fr": "mettez le nouveau dans votre logiciel", "en": "put the new one into"}

Act = Callable[[Town], None]


def by_admin(town: Town) -> None:
    town.service.set_by_admin("jmarot", Secret(NEW), by_whom="cli:root", must_change=False)


def first_by_admin(town: Town) -> None:
    town.service.set_by_admin("jmarot", Secret(NEW), by_whom="cli:root", must_change=True)


def numen_by_admin(town: Town) -> None:
    town.service.set_numen("jmarot", NUMEN, by_whom="cli:root")


def with_the_old_one(town: Town) -> None:
    town.service.change("jmarot", Secret(OLD), Secret(NEW))


def with_a_mailed_code(town: Town) -> None:
    code = town.requested_code()
    town.service.reset("jmarot", code, Secret(NEW))


def notices(town: Town, language: str, act: Act) -> dict[str, tuple[str, str]]:
    """Where each went -> its subject and its text."""
    town.prove()
    doc = town.store.people.find_doc("jmarot")
    assert doc is not None
    put(town.store, doc, replace(doc, language=language))
    town.post.sent.clear()
    act(town)
    told = [one for one in town.post.sent if not re.search(r"[A-Z0-9]{4}-[A-Z0-9]{4}", one.text)]
    return {one.to: (one.subject, one.text) for one in told}


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("act", [by_admin, first_by_admin, numen_by_admin])
def test_what_the_administration_did_alarms_nobody_and_says_what_to_do(
    town: Town, language: str, act: Act
) -> None:
    told = notices(town, language, act)
    assert set(told) == {"jmarot@d.fr", OUTSIDE}
    for subject, text in told.values():
        assert not ALARM[language].search(f"{subject}\n{text}"), text
        assert NEXT_STEP[language] in text
        assert NEW not in text
        assert NUMEN not in text


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("act", [with_the_old_one, with_a_mailed_code])
def test_what_a_stranger_may_have_done_alarms_and_says_whom_to_tell(
    town: Town, language: str, act: Act
) -> None:
    told = notices(town, language, act)
    assert set(told) == {"jmarot@d.fr", OUTSIDE}
    for _, text in told.values():
        assert len(set(ALARM[language].findall(text))) >= 2, text
        assert NEXT_STEP[language] not in text


def test_the_two_notices_are_told_apart_by_their_subjects(town: Town) -> None:
    by_us = {subject for subject, _ in notices(town, "fr", by_admin).values()}
    town.give("jmarot", OLD)
    town.post.sent.clear()
    with_the_old_one(town)
    assert by_us.isdisjoint(one.subject for one in town.post.sent)
