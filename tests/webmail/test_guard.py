"""What stands before every page: names, rate_limiter, sizes, headers, and pages of failures."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.store.ports.errors import StoreBroken, StoreUnavailable
from mailserver.store.ports.lists import Lists
from mailserver.store.ports.store import Store
from mailserver.telemetry.peers import PeerWatch
from tests.webmail.house import FORM, HOST, House, settings_with
from webmail.guard import MAX_BODY_OCTETS, LoggedRequest, host_name
from webmail.pages import POLICY
from webmail.rate_limiter import RateLimiter

MULTIPART = "multipart/form-data; boundary=x"
PIECES = [
    b"--x", b"\r\n", b"--x--", b"=", b"&", b"%", b";", b'"', b"\x00", b"\xff",
    b"List-Unsubscribe", b"One-Click", b"Content-Disposition: form-data; name=", b"Content-Type: a",
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/robots.txt", 200),
        ("GET", "/", 404),
        ("POST", "/", 404),
        ("GET", "/leave", 404),
        ("GET", "/leave/", 404),
        ("GET", "/leave/../leave", 404),
        ("GET", "//leave/x", 404),
        ("GET", "/leave/x/y", 404),
        ("GET", "*", 404),
        ("GET", "", 404),
        ("PUT", "/leave/x", 405),
        ("DELETE", "/leave/x", 405),
        ("OPTIONS", "/leave/x", 405),
        ("TRACE", "/leave/x", 405),
        ("CONNECT", "example.org:443", 404),
        ("BREW", "/leave/x", 405),
    ],
)
def test_every_answer_has_its_words_and_the_same_headers(
    house: House, method: str, path: str, status: int
) -> None:
    answer = house.ask(method, path)
    assert answer.status == status
    headers = answer.headers
    assert headers["content-security-policy"] == POLICY
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-robots-tag"] == "noindex, nofollow"
    assert headers["cache-control"] == "no-store"
    assert not {"server", "set-cookie", "location"} & headers.keys()
    if status == 405:
        assert set(headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}
    if status != 200:
        assert "<h1>" in answer.text
        assert (house.tally.requests, house.tally.failed_requests) == (1, 1)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        (HOST, 200),
        (f"{HOST}:443", 200),
        (f"{HOST.upper()}.", 200),
        ("mail.ac-exemple.fr", 200),
        ("localhost:2443", 200),
        ("127.0.0.1:2443", 200),
        ("[::1]:2443", 200),
        ("", 421),
        ("example.org", 421),
        (f"{HOST}.example.org", 421),
        (f"{HOST}@example.org", 421),
        (f"{HOST}:443:443", 421),
        ("[::1", 421),
    ],
)
def test_only_our_own_names_are_answered(house: House, host: str, status: int) -> None:
    assert house.get("/robots.txt", headers={"host": host}).status == status


@given(host=st.text(max_size=30))
def test_whatever_stands_in_the_host_field_has_a_name_without_a_port(host: str) -> None:
    name = host_name(host)
    assert len(name) <= len(host.lower())
    assert host_name(f"{name}:443") == name or name.endswith((":", "."))


def test_a_client_in_a_hurry_waits_a_minute_and_others_do_not(store: Store) -> None:
    house = House(store, settings=settings_with(requests_per_minute=2))
    path = house.path(house.member())
    assert [house.get(path).status for _ in range(3)] == [200, 200, 429]
    refused = house.post(path)
    assert (refused.status, refused.headers["retry-after"]) == (429, "60")
    assert "Attendez une minute" in refused.text
    assert house.get(path, client="192.0.2.8").status == 200
    house.now_s = 60.0
    assert house.post(path).status == 200
    house.close()


def test_whom_a_gateway_hides_are_not_counted_as_one() -> None:
    entry = LoggedRequest(
        names=[HOST],
        rate_limiter=RateLimiter(30),
        peers=PeerWatch(),
        clock_s=lambda: 0.0,
        gateways=[ip_address("10.0.0.1")],
    )
    refusals = [entry.refusal(client="10.0.0.1", host=HOST, content_length="") for _ in range(60)]
    assert set(refusals) == {None}


def test_a_client_cannot_make_itself_a_gateway() -> None:
    entry = LoggedRequest(
        names=[HOST], rate_limiter=RateLimiter(30), peers=PeerWatch(), clock_s=lambda: 0.0
    )
    refusals = [entry.refusal(client="10.0.0.1", host=HOST, content_length="") for _ in range(300)]
    assert refusals == [None] * 30 + [429] * 270


def test_a_target_that_names_a_host_is_asked_of_that_host(house: House) -> None:
    """RFC 9112 §3.2.2: an origin server accepts it, and the Host field counts for nothing."""
    asked = {"headers": {"host": "example.org"}}
    assert house.get(f"https://{HOST}/robots.txt", **asked).status == 200
    assert house.get(f"HTTP://{HOST}:443/leave/x").status == 404
    for target in ("https://example.org/robots.txt", f"https://{HOST}@example.org/robots.txt"):
        assert house.get(target).status == 421


def test_a_form_with_two_lengths_is_refused_and_its_connection_closed(house: House) -> None:
    path = house.path(house.member())
    answer = house.post(
        path, headers=FORM | {"content-length": "26", "transfer-encoding": "chunked"}
    )
    assert (answer.status, answer.headers["connection"]) == (400, "close")
    assert house.readers() == ["paul@exemple.net"]


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ("", None),
        (str(MAX_BODY_OCTETS), None),
        (str(MAX_BODY_OCTETS + 1), 413),
        ("9" * 5000, 413),
        ("-1", None),  # none of HTTP: the protocol has refused it
    ],
)
def test_a_length_is_judged_before_anything_is_read(told: str, wanted: int | None) -> None:
    entry = LoggedRequest(
        names=[HOST], rate_limiter=RateLimiter(1), peers=PeerWatch(), clock_s=lambda: 0.0
    )
    assert entry.refusal(client="192.0.2.7", host=HOST, content_length=told) == wanted


class BrokenLists:
    """A store that fails where it is read, or where it is written."""

    def __init__(self, lists: Lists, error: Exception, *, on: str) -> None:
        self._lists = lists
        self._error = error
        self._on = on

    def __getattr__(self, name: str) -> Any:
        if name == self._on:
            raise self._error
        return getattr(self._lists, name)


@pytest.mark.parametrize("on", ["read_list", "leave"])
@pytest.mark.parametrize(
    ("error", "is_broken"),
    [
        (StoreUnavailable("later"), False),
        (StoreBroken("the disk"), True),
        (KeyError("a bug"), False),
    ],
    ids=["unavailable", "broken", "a bug"],
)
def test_our_own_failure_is_503_and_says_nothing_of_it(
    store: Store, on: str, error: Exception, is_broken: bool
) -> None:
    lists: Any = BrokenLists(store.lists, error, on=on)
    house = House(store, lists=lists)
    path = house.path(house.member())
    answer = house.post(path)
    house.close()
    assert (answer.status, answer.headers["retry-after"]) == (503, "60")
    assert "C&#39;est de notre fait" in answer.text
    assert str(error) not in answer.text
    assert (house.broken != []) == is_broken
    assert house.readers() == ["paul@exemple.net"]


@pytest.mark.slow
@given(
    body=st.binary(max_size=200) | st.lists(st.sampled_from(PIECES), max_size=20).map(b"".join),
    kind=st.sampled_from([FORM["content-type"], MULTIPART, "multipart/form-data", "text/plain"]),
)
def test_whatever_is_posted_is_done_or_refused(shared_house: House, body: bytes, kind: str) -> None:
    """200 only where the form says One-Click; else 400.  Never a failure of ours."""
    path = shared_house.path(shared_house.member())
    answer = shared_house.post(path, body, headers={"content-type": kind})
    assert answer.status in {200, 400}
    if answer.status == 200:
        assert b"One-Click" in body or b"%" in body
    assert ("paul@exemple.net" in shared_house.readers()) == (answer.status == 400)
