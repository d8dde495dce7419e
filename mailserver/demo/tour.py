"""The tour: one message from a person to every school, seen from all sides.

    send      submission, STARTTLS with the demo's authority, AUTH with the NUMEN
    look      the copies, their routes and deposits, as the store tells them
    collect   one school's, over POP3S; it stays in the mailbox
    journey   the whole story as a timeline

It talks to the doors over the wire, as any mail program does, and reads the
store as the administrator's commands do.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address as HeaderAddress
from email.utils import make_msgid

from rich.console import Console
from rich.text import Text

from mailserver.demo.academy import DemoService, NotADemo, read_demo
from mailserver.demo.cast import CastMember
from mailserver.demo.client import CollectedMail, DoorAddress, Submitted, TourError, collect, submit
from mailserver.demo.welcome import compose
from mailserver.settings.listeners import wanted_listeners
from mailserver.settings.model import Settings
from mailserver.store.open import open_store
from mailserver.store.ports.history import History, Journey
from mailserver.store.ports.store import Store
from mailserver.values.ids import AcceptId, parse_accept_id
from mailserver.values.moments import mail_date

SHOWN_LINES = 14
NOTE_LOOKS, NOTE_PAUSE_S = 60, 0.05
"""How often, and how far apart, the tour looks for the note of what was collected."""
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to reach a bind to all
_ACCEPT_ID = re.compile(r"\b[a-z2-7]{24}\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class TourLetter:
    """What the tour sends: the octets, and the Message-ID by which it finds them again."""

    octets: bytes
    message_id: str


def run(settings: Settings, console: Console) -> None:
    """Take the tour; what it shows goes to the console.

    Raises:
        TourError, NotADemo: one sentence says why, and what to do.
        StoreError, OSError: the store cannot be opened.
    """
    if settings.source is None:
        raise NotADemo("the tour needs the demo's settings file")
    demo = read_demo(settings.source)
    sender = demo.cast.member(demo.cast.tour.sender)
    collector = demo.cast.member(demo.cast.tour.collector)
    letter = _compose(demo, sender, now_s=time.time())
    submitted, accept_id = _send(demo, sender, letter)
    _show_sending(console, demo, sender, submitted)
    store = open_store(demo.settings)
    try:
        _show_copies(console, _journey(store.history, accept_id))
        door = _door(demo, "pop3s")
        _show_collected(console, door, collector, collect(door, collector, _marker(letter)))
        _show_journey(console, _collected_journey(store, accept_id, collector))
    finally:
        store.close()


# --- doing --------------------------------------------------------------------


def _compose(demo: DemoService, sender: CastMember, *, now_s: float) -> TourLetter:
    cast = demo.cast
    message_id = make_msgid("tour", domain=cast.domain)
    message = compose(
        author=HeaderAddress(sender.name, addr_spec=sender.address),
        recipients=[HeaderAddress(addr_spec=school.addresses[-1]) for school in cast.schools],
        subject=cast.tour.subject,
        text=cast.tour.text,
        date=mail_date(now_s, ""),
        message_id=message_id,
    )
    return TourLetter(octets=message.as_bytes(), message_id=message_id)


def _marker(letter: TourLetter) -> bytes:
    return letter.message_id.encode("ascii")


def _send(demo: DemoService, sender: CastMember, letter: TourLetter) -> tuple[Submitted, AcceptId]:
    recipients = [school.addresses[-1] for school in demo.cast.schools]
    submitted = submit(_door(demo, "submission"), sender, letter.octets, recipients)
    found = _ACCEPT_ID.search(submitted.reply)
    if found is None:
        raise TourError(f"the reply names no message: {submitted.reply}")
    return submitted, parse_accept_id(found[0])


def _journey(history: History, accept_id: AcceptId) -> Journey:
    journey = history.journey(accept_id)
    if journey is None:
        raise TourError(
            "the message was accepted, but not into this store: does the running service have"
            " other settings?"
        )
    return journey


def _collected_journey(store: Store, accept_id: AcceptId, collector: CastMember) -> Journey:
    """The journey once the door has noted the end of the session, which it does afterwards."""
    for _ in range(NOTE_LOOKS):
        journey = _journey(store.history, accept_id)
        if any(copy.collections for copy in journey.copies if copy.owner == collector.identifier):
            break
        time.sleep(NOTE_PAUSE_S)
    return journey


def _door(demo: DemoService, name: str) -> DoorAddress:
    """Where to reach a listener of the demo from this machine.

    Raises:
        TourError: the settings have none.
    """
    for wanted in wanted_listeners(demo.settings):
        if wanted.kind.name == name:
            host = _ANY_ADDRESS.get(wanted.bind.host, wanted.bind.host)
            return DoorAddress(
                name=name, host=host, port=wanted.bind.port, authority=demo.authority
            )
    raise TourError(f"the demo has no {name} listener: give {demo.settings_file} one")


# --- showing ------------------------------------------------------------------


def _show_sending(
    console: Console, demo: DemoService, sender: CastMember, submitted: Submitted
) -> None:
    port, count = _door(demo, "submission").port, len(demo.cast.schools)
    _title(console, "1. Send")
    _line(console, f"{sender.name} writes to {count} schools, signed in as {sender.identifier}.")
    _line(console, f"submission, port {port}, {submitted.tls}. After the final dot:")
    _line(console, submitted.reply, style="green")


def _show_copies(console: Console, journey: Journey) -> None:
    _title(console, "2. One message, a copy for each recipient")
    _line(console, f"{journey.body_octets} octets, kept once. {len(journey.copies)} copies:")
    _line(console, _row("recipient", "route", "state", "uid"))
    for copy in journey.copies:
        route = f"deposit, {copy.owner} {copy.mailbox}"
        _line(console, _row(copy.recipient, route, copy.state.name.lower(), str(copy.uid)))


def _row(recipient: str, route: str, state: str, uid: str) -> str:
    return f"  {recipient:<36} {route:<23} {state:<9} {uid}"


def _show_collected(
    console: Console, door: DoorAddress, owner: CastMember, collected: CollectedMail
) -> None:
    _title(console, "3. Collect")
    _line(console, f"{owner.name} ({owner.identifier}), {door.name}, port {door.port}:")
    _line(
        console,
        f"message {collected.number}, {collected.listed_octets} octets announced,"
        f" {len(collected.octets)} came. They begin with:",
    )
    for line in collected.octets.split(b"\r\n")[:SHOWN_LINES]:
        text = line.decode("ascii", "backslashreplace").expandtabs(4)
        _line(console, f"  {text}", style="cyan")
    _line(console, "  ...")


def _show_journey(console: Console, journey: Journey) -> None:
    _title(console, "4. Its journey")
    submitter = journey.submitter or "a stranger"
    _moment(console, journey.accepted_at_s, f"accepted from {submitter} [{journey.peer}]")
    _line(console, f"              on {journey.door}, {journey.tls or 'no TLS'}")
    for copy in journey.copies:
        if copy.settled_at_s is not None:
            told = f"{copy.state.name.lower()} for {copy.recipient}, uid {copy.uid}"
            _moment(console, copy.settled_at_s, told)
    for copy in journey.copies:
        for one in copy.collections:
            told = f"collected by {copy.owner} [{one.peer}] on {one.door}"
            _moment(console, one.at_s, told)
    _line(console, "")


def _title(console: Console, text: str) -> None:
    _line(console, "")
    _line(console, text, style="bold")


def _moment(console: Console, at_s: float, text: str) -> None:
    clock = datetime.fromtimestamp(at_s, UTC).astimezone()
    _line(console, f"{clock:%H:%M:%S}.{clock.microsecond // 1000:03d}  {text}")


def _line(console: Console, text: str, *, style: str = "") -> None:
    """As it is: no markup, no wrapping, no highlighting."""
    console.print(Text(f"  {text}" if text else "", style=style), soft_wrap=True)
