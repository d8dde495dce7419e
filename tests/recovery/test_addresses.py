"""The recovery address: proved by a code, told when it changes, always elsewhere."""

from __future__ import annotations

from mailserver.recovery import words
from mailserver.values.secret import Secret
from tests.recovery.conftest import NEW, OUTSIDE, Town, refused

OTHER = "jeanne@maison.example"


def test_an_address_counts_once_it_is_proved(town: Town) -> None:
    assert town.addresses.set_address("jmarot", f" {OUTSIDE} ", by_whom="jmarot") == OUTSIDE
    assert town.post.sent[-1].to == OUTSIDE
    assert town.addresses.show("jmarot") is None
    sent_count = len(town.post.sent)
    town.service.request_reset("jmarot").carry_out()
    assert len(town.post.sent) == sent_count
    assert town.addresses.prove("jmarot", town.mailed_code(), by_whom="jmarot") == OUTSIDE
    found = town.addresses.show("jmarot")
    assert found is not None
    assert (found.address, found.proved_at_s) == (OUTSIDE, town.clock.now_s)
    town.service.reset("jmarot", town.requested_code(), Secret(NEW))


def test_the_old_address_is_told_and_its_codes_end(town: Town) -> None:
    town.prove()
    code = town.requested_code()
    town.prove(address=OTHER)
    assert town.post.sent[-1].to == OUTSIDE
    assert "n'est plus celle-ci" in town.post.sent[-1].text
    assert refused(lambda: town.service.reset("jmarot", code, Secret(NEW))) == words.CODE_REFUSED.fr
    assert [one[0] for one in town.history()[:2]] == [
        "recovery address proved",
        "recovery address asked for",
    ]


def test_the_same_address_again_is_told_to_nobody(town: Town) -> None:
    town.prove()
    count = len(town.post.sent)
    town.prove()
    assert len(town.post.sent) == count + 1  # its code


def test_an_address_that_is_removed_is_told_and_gets_no_code(town: Town) -> None:
    town.prove()
    code = town.requested_code()
    was = town.addresses.remove("jmarot", by_whom="cli:root")
    assert was is not None
    assert was.address == town.post.sent[-1].to == OUTSIDE
    assert town.history()[0] == ("recovery address removed", "cli:root", OUTSIDE)
    assert refused(lambda: town.service.reset("jmarot", code, Secret(NEW))) == words.CODE_REFUSED.fr
    assert town.addresses.remove("jmarot", by_whom="cli:root") is None


def test_a_code_proves_once_and_a_wrong_one_never(town: Town) -> None:
    town.addresses.set_address("jmarot", OUTSIDE, by_whom="jmarot")
    code = town.mailed_code()
    for typed in ("aaaa-aaaa", "", code[:-1]):
        said = refused(lambda t=typed: town.addresses.prove("jmarot", t, by_whom=""))  # type: ignore[misc]
        assert said == words.CODE_REFUSED.fr
    assert refused(lambda: town.addresses.prove("inconnu", code, by_whom="")) == said
    town.addresses.prove("jmarot", code, by_whom="jmarot")
    assert refused(lambda: town.addresses.prove("jmarot", code, by_whom="jmarot")) == said


def test_an_address_is_one_and_elsewhere(town: Town) -> None:
    for typed, says in {
        "jeanne": words.BAD_ADDRESS,
        "@ailleurs.example": words.BAD_ADDRESS,
        "a@b.example, c@d.example": words.BAD_ADDRESS,
        "a@b.example\r\nBcc: c@d.example": words.BAD_ADDRESS,
        "a b@c.example": words.BAD_ADDRESS,
        "é@b.example": words.BAD_ADDRESS,
        "a\0@b.example": words.BAD_ADDRESS,
        "a@[192.0.2.1]": words.BAD_ADDRESS,
        "a@localhost": words.BAD_ADDRESS,
        "x" * 65 + "@b.example": words.BAD_ADDRESS,
        "jmarot@d.fr": words.ADDRESS_INSIDE,
        "pnoir@D.FR": words.ADDRESS_INSIDE,
        "jmarot+secours@d.fr": words.ADDRESS_INSIDE,
    }.items():
        said = refused(lambda t=typed: town.addresses.set_address("jmarot", t, by_whom=""))  # type: ignore[misc]
        assert said == says.fr, typed
    assert not town.post.sent


def test_a_domain_with_accents_is_written_as_dns_has_it(town: Town) -> None:
    set_to = town.addresses.set_address("jmarot", "jeanne@école.example", by_whom="jmarot")
    assert set_to == "jeanne@xn--cole-9oa.example"


def test_codes_to_new_addresses_are_limited(town: Town) -> None:
    for number in range(town.context.rules.max_requests_per_hour):
        town.addresses.set_address("jmarot", f"a{number}@b.example", by_whom="jmarot")
    said = refused(lambda: town.addresses.set_address("jmarot", OUTSIDE, by_whom="jmarot"))
    assert said == words.SLOW_DOWN.fr
