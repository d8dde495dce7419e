"""The live door: over TLS with curl, and with peers that mean no good."""

from __future__ import annotations

import json
import select
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme

from mailserver.store.ports.store import Store
from mailserver.store.sqlite.store import SqliteStore
from tests.programs import needs_program
from tests.webmail.door import PATIENCE_S, RunningDoor, read_all, running_door
from tests.webmail.house import DOMAIN, House

pytestmark = pytest.mark.slow
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
EXPECT = b"Expect: 100-continue\r\n"
HEAD = b"HEAD /robots.txt HTTP/1.1\r\nHost: localhost\r\n"
CLOSE = b"Connection: close\r\n\r\n"
POST = b"POST {path} HTTP/1.1\r\nHost: localhost\r\n"
ASK = HEAD + CLOSE
PROMPT_S = 0.3  # the time that a door has which is to be seen giving up


@dataclass(slots=True)
class Place:
    """A folder with a certificate, and settings for a door over a store that is there."""

    folder: Path
    store: Store
    house: House
    authority: trustme.CA

    @property
    def authority_file(self) -> Path:
        return self.folder / "ca.pem"

    def renew(self) -> bytes:
        """Another certificate of the same CA; what a client sees of it."""
        issued = self.authority.issue_cert("localhost", "127.0.0.1")
        issued.private_key_pem.write_to_path(self.folder / "key.pem")
        chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
        (self.folder / "certificate.pem").write_bytes(chain)
        return ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())

    def tree(self, **web: Any) -> dict[str, Any]:
        return {
            "service": {"domain": DOMAIN, "hostname": f"mail.{DOMAIN}"},
            "store": {"path": str(self.folder / "store")},
            "tls": {
                "certificate": str(self.folder / "certificate.pem"),
                "key": str(self.folder / "key.pem"),
            },
            "web": {"url": "https://localhost", **web},
        }

    def door(self, **web: Any) -> AbstractContextManager[RunningDoor]:
        return running_door(self.folder / "door.json", self.authority_file, self.tree(**web))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("web")
    store = SqliteStore(folder / "store")
    place = Place(folder, store, House(store), trustme.CA())
    place.authority.cert_pem.write_to_path(place.authority_file)
    place.renew()
    yield place
    place.house.close()
    store.close()


@pytest.fixture(scope="module")
def door(place: Place) -> Iterator[RunningDoor]:
    """One for all that leave it as it was."""
    with place.door() as door:
        yield door


@pytest.fixture(scope="module")
def prompt_door(place: Place) -> Iterator[RunningDoor]:
    """One that soon gives up."""
    with place.door(timeout_s=PROMPT_S) as door:
        yield door


@pytest.fixture(scope="module")
def narrow_door(place: Place) -> Iterator[RunningDoor]:
    """Two at a time, and each client three times a minute."""
    with place.door(max_connections=2, requests_per_minute=3) as door:
        yield door


@pytest.fixture
def path(place: Place) -> str:
    return place.house.path(place.house.member())


def status_of(said: bytes) -> int:
    return int(said.split(b" ", 2)[1]) if said.startswith(b"HTTP/1.1 ") else 0


@needs_program("curl")
@pytest.mark.e2e
def test_a_mail_programs_server_leaves_for_a_member_over_tls(
    place: Place, door: RunningDoor, path: str
) -> None:
    url = f"https://localhost:{door.ports['https']}{path}"
    curl = ["curl", "-sS", "-i", "--cacert", str(place.authority_file), "--max-time", "20"]

    def ask(*more: str) -> str:
        command = [*curl, *more, url]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    looked = ask("-H", "Accept-Language: en")
    assert looked.startswith("HTTP/1.1 200 ")
    assert "Leave the list" in looked
    assert "\r\nserver:" not in looked.lower()
    assert place.house.readers() == ["paul@exemple.net"]
    left = ask("--data", "List-Unsubscribe=One-Click")
    assert left.startswith("HTTP/1.1 200 ")
    assert place.house.readers() == []
    assert ask("--form", "List-Unsubscribe=One-Click").startswith("HTTP/1.1 200 ")
    assert ask("--request", "PUT").startswith("HTTP/1.1 405 ")


def test_several_requests_on_one_connection_are_answered_in_turn(door: RunningDoor) -> None:
    said = door.ask(HEAD + b"\r\n" + HEAD + b"\r\n" + ASK, "https")
    assert said.count(b"HTTP/1.1 200 ") == 3


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (b"\x16\x03\x01 TLS in the wrong place\r\n\r\n", 400),
        (b"GET /robots.txt HTTP/1.1\r\n" + CLOSE, 400),  # no Host
        (b"GET /robots.txt HTTP/1.1\r\nHost: example.org\r\n" + CLOSE, 421),
        (b"GET http://example.org/robots.txt HTTP/1.1\r\nHost: localhost\r\n" + CLOSE, 421),
        (b"GET http://localhost/robots.txt HTTP/1.1\r\nHost: example.org\r\n" + CLOSE, 200),
        (b"GET /leave/%2e%2e/%00 HTTP/1.1\r\nHost: localhost\r\n" + CLOSE, 404),
        (b"GET /\xc3\xa9 HTTP/1.1\r\nHost: localhost\r\n" + CLOSE, 400),
        (HEAD + b"Upgrade: websocket\r\nConnection: upgrade, close\r\n\r\n", 200),
        (HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n" + CLOSE, 400),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + ASK, 400),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n\r\n", 413),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 421),
    ],
)
def test_bad_octets_get_a_clear_answer_and_the_door_stays_open(
    door: RunningDoor, octets: bytes, status: int
) -> None:
    said = door.ask(octets)
    assert status_of(said) == status
    assert said.count(b"HTTP/1.1 ") == 1  # what still came is not another request
    assert b"\r\ncontent-security-policy: default-src 'none';" in said.lower()
    assert b"\r\nserver:" not in said.lower()
    assert status_of(door.ask(ASK, "https")) == 200


@pytest.mark.parametrize("flood", [b"A: " + b"a" * 10**6, b"A: b\r\n" * 10**5], ids=["one", "many"])
def test_a_flood_of_headers_is_cut_off_and_the_door_stays_open(
    door: RunningDoor, flood: bytes
) -> None:
    with door.connect() as sock:
        with suppress(ConnectionError):  # closed before all of it was read: then no answer arrives
            sock.sendall(HEAD + flood)
        assert status_of(read_all(sock)) in {400, 0}
    assert status_of(door.ask(ASK, "https")) == 200


def test_a_form_that_breaks_off_in_a_bad_chunk_changes_nothing(
    place: Place, door: RunningDoor, path: str
) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\n".encode() + FORM
    said = door.ask(head + b"Transfer-Encoding: chunked\r\n\r\n5\r\nList-\r\nzz\r\n")
    assert status_of(said) == 400
    assert "paul@exemple.net" in place.house.readers()


@pytest.mark.parametrize(
    ("name", "octets", "status"),
    [
        ("https", b"", 0),
        ("https", b"\x16\x03", 0),
        ("http", b"", 0),
        ("http", HEAD, 0),
        ("http", POST + FORM + b"Content-Length: 9\r\n\r\nL", 408),
    ],
    ids=["no handshake", "half a handshake", "no head", "half a head", "half a body"],
)
def test_who_does_not_go_on_is_cut_off(
    prompt_door: RunningDoor, path: str, name: str, octets: bytes, status: int
) -> None:
    with prompt_door.connect(name) as sock:
        sock.sendall(octets.replace(b"{path}", path.encode()))
        assert status_of(read_all(sock)) == status


def test_who_drips_is_cut_off_as_one_who_is_silent(prompt_door: RunningDoor) -> None:
    with prompt_door.connect() as sock:
        sock.sendall(HEAD)
        while not select.select([sock], [], [], PROMPT_S / 20)[0]:
            sock.sendall(b"A: b\r\n")
        assert read_all(sock) == b""


def from_client(client: str, octets: bytes = HEAD) -> bytes:
    """As a proxy passes it on; what the client itself claimed stands before it."""
    return octets + f"X-Forwarded-For: 127.0.0.1, {client}\r\n".encode() + CLOSE


NO_FORM = b"X-Forwarded-For: 203.0.113.3\r\nContent-Length: 26\r\n\r\n"


@pytest.mark.parametrize(
    ("octets", "client"),
    [(HEAD, "203.0.113.1"), (POST + FORM + EXPECT + NO_FORM, "203.0.113.2")],
    ids=["half a head", "no form"],
)
def test_when_all_places_are_taken_who_only_waits_makes_room(
    narrow_door: RunningDoor, path: str, octets: bytes, client: str
) -> None:
    with narrow_door.connect() as first, narrow_door.connect():
        first.sendall(octets.replace(b"{path}", path.encode()))
        if EXPECT in octets:
            assert first.recv(65536).startswith(b"HTTP/1.1 100 ")
        for _ in range(3):
            assert status_of(narrow_door.ask(from_client(client))) == 200
        assert read_all(first) == b""


def test_behind_a_proxy_each_client_has_a_pace_of_its_own(narrow_door: RunningDoor) -> None:
    asked = [status_of(narrow_door.ask(from_client("192.0.2.7"))) for _ in range(4)]
    assert asked == [200, 200, 200, 429]
    assert status_of(narrow_door.ask(from_client("192.0.2.8"))) == 200


def test_over_tls_nobody_is_believed_about_the_client(narrow_door: RunningDoor) -> None:
    said = [narrow_door.ask(from_client(f"198.51.100.{n}"), "https") for n in range(4)]
    assert [status_of(one) for one in said] == [200, 200, 200, 429]


def test_sighup_loads_a_renewed_certificate(place: Place, door: RunningDoor) -> None:
    renewed = place.renew()
    door.process.send_signal(1)
    while True:
        with door.connect("https") as plain, door.shake_hands(plain) as sock:
            if sock.getpeercert(binary_form=True) == renewed:
                break


def _broken(path: str) -> Iterator[bytes]:
    """What is no HTTP, within a form and behind an answer; and forms that cannot be read."""
    head = POST.replace(b"{path}", path.encode())
    yield head + FORM + b"Transfer-Encoding: chunked\r\n\r\n5\r\nList-\r\nzz\r\n"
    yield POST.replace(b"{path}", b"/x") + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"
    yield HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"
    yield HEAD + b"\r\n" + b"\0\r\n\r\n"
    for more in (b"", b"; charset=undefined"):
        form = b"Content-Type: multipart/form-data; boundary=x" + more + b"\r\n"
        body = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--y'
        yield head + form + b"Content-Length: %d\r\n" % len(body) + CLOSE + body


def test_sigterm_ends_who_waits_and_the_process_and_the_log_has_no_link(
    place: Place, path: str
) -> None:
    with place.door() as door, door.connect() as idle, door.connect("https") as silent:
        assert status_of(door.ask(ASK)) == 200
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\n".encode() + FORM + CLOSE
        body = b"List-Unsubscribe=One-Click"
        told = f"Content-Length: {len(body)}\r\n".encode()
        said = door.ask(head.removesuffix(CLOSE) + told + CLOSE + body)
        assert status_of(said) == 200
        assert status_of(door.ask(f"GET {path}x HTTP/1.1\r\nHost: localhost\r\n".encode() + CLOSE))
        for octets in _broken(path):
            assert b"HTTP/1.1 400 " in door.ask(octets)
        assert door.stop() == 0
        assert read_all(idle) == read_all(silent) == b""
        log = door.log()
    events = [json.loads(line) for line in log.splitlines()]
    assert [one["event"] for one in events] == ["left a list by one click"]
    assert path.rpartition("-")[2] not in log


def test_the_worker_ends_when_its_supervisor_is_gone_once_it_has_answered(
    place: Place, path: str
) -> None:
    body = b"List-Unsubscribe=One-Click"
    head = POST.replace(b"{path}", path.encode()) + FORM + EXPECT
    with place.door() as door, door.connect() as sock:
        sock.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body))
        assert sock.recv(65536).startswith(b"HTTP/1.1 100 ")
        assert door.process.stdin is not None
        door.process.stdin.close()
        with suppress(ConnectionError):  # until it listens no more
            while True:
                door.connect().close()
        sock.sendall(body)
        assert status_of(read_all(sock)) == 200
        assert door.process.wait(PATIENCE_S) == 0
