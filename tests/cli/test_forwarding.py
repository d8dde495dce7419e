"""`mailserver account forward`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.queued import store_of


def test_it_is_set_shown_and_stopped(service: Path, run: Run) -> None:
    def forward(*words: str) -> str:
        said = run("account", "forward", "postmaster", *words, "--config", service)
        assert said.status == 0, said.err
        return said.out

    assert forward() == "postmaster: not forwarded\n"
    assert forward("home@b.test") == "postmaster: home@b.test, a copy stays\n"
    assert forward("home@b.test", "--only") == "postmaster: home@b.test, no copy stays\n"
    with store_of(service) as store:
        target = store.people.find_target("postmaster@a.test")
        assert target is not None
        assert (target.forward_to, target.keeps_copy) == ("home@b.test", False)
    shown = "postmaster: home@b.test, a copy stays, shown to senders\n"
    assert forward("home@b.test", "--show-target") == shown
    with store_of(service) as store:
        target = store.people.find_target("postmaster@a.test")
        assert target is not None
        assert target.shows_forward
    assert forward("home@b.test") == "postmaster: home@b.test, a copy stays\n"
    assert forward("--stop") == "postmaster: not forwarded\n"
    with store_of(service) as store:
        account = store.accounts.find_account("postmaster")
        assert account is not None
        events = store.people.history(account.account_id, limit=3)
    assert [event.what for event in events] == [
        "forwarding ended",
        "forwarding set",
        "forwarding set",
    ]


@pytest.mark.parametrize(
    ("to", "why"),
    [("postmaster@a.test", "mail is there already"), ("nobody@a.test", "no mailbox here")],
)
def test_it_leads_to_another_mailbox_or_away(service: Path, run: Run, to: str, why: str) -> None:
    said = run("account", "forward", "postmaster", to, "--config", service)
    assert said.status == 2
    assert why in said.err


@pytest.mark.parametrize("to", ["a..b@docomo.example", "a" * 70 + "@b.example"])
def test_it_leads_to_addresses_that_we_would_not_give(service: Path, run: Run, to: str) -> None:
    assert run("account", "forward", "postmaster", to, "--config", service).status == 0


@pytest.mark.parametrize("text", ["home", "@b.test", "home@", "home@-", "a b@c.test", "<x@b.test>"])
def test_what_is_no_address_is_told(service: Path, run: Run, text: str) -> None:
    said = run("account", "forward", "postmaster", text, "--config", service)
    assert said.status == 2
    assert "is not an address" in said.err
