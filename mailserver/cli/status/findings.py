"""What `status` finds, from facts alone: each check is a function of them.

A new check is a function here, and its name in `CHECKS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from mailserver.cli.status.outward import check_dns, check_signing
from mailserver.settings.check.finding import Finding, Level, error, note, warning

if TYPE_CHECKING:
    from mailserver.cli.status.facts import DoorFacts, Facts
    from mailserver.telemetry.dane import DaneState

SILENT_S: Final = 10.0
STARTING_S: Final = 120.0
MANY_DEATHS: Final = 3
YOUNG_S: Final = 60.0
MANY_FAILURES: Final = 100
MANY_REFUSALS: Final = 200
SETTLED_S: Final = 60.0
"""New files of a certificate are served within so long."""
LITTLE_MEMORY: Final = 0.03


def all_findings(facts: Facts) -> list[Finding]:
    """The worst first."""
    from mailserver.keys.table import is_needed_by

    found = [one for one in facts.found if is_needed_by(facts.doors_here, one.key)]
    for check in CHECKS:
        found += check(facts)
    order = list(Level)
    return sorted(dict.fromkeys(found), key=lambda one: order.index(one.level))


def check_room(facts: Facts) -> Iterator[Finding]:
    """The disk as it is now: what refuses mail is an error."""
    from mailserver.settings.check.disk import check_disk, check_lasting

    if not facts.settings.store.path.is_dir():
        return
    yield from check_lasting(facts.settings.store.path)
    for finding in check_disk(facts.settings.store):
        refuses = finding.key == "store.min_free_mib" and finding.level is Level.WARNING
        yield error(finding.key, finding.sentence) if refuses else finding


def check_certificate(facts: Facts) -> Iterator[Finding]:
    """The file; where this user may not read it, the doors tell what is wrong."""
    from mailserver.keys.table import is_needed_by
    from mailserver.settings.check.tls import check_tls, check_trust

    if not any(door.answers for door in facts.doors):
        return
    if not is_needed_by(facts.doors_here, "tls.certificate"):
        return
    try:
        facts.settings.tls.key.read_bytes()
        facts.settings.tls.certificate.read_bytes()
    except PermissionError:
        return
    except OSError:
        pass
    yield from check_tls(facts.settings, now_s=facts.now_s)
    yield from check_trust(facts.settings.tls.certificate)


def check_served(facts: Facts) -> Iterator[Finding]:
    """Is the certificate of the file what clients see, on every listener?"""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    path = facts.settings.tls.certificate
    try:
        changed_at_s = path.stat().st_mtime
        own = x509.load_pem_x509_certificates(path.read_bytes())[0].public_bytes(Encoding.DER)
    except (OSError, ValueError):
        return
    for answer in (answer for door in facts.doors for answer in door.answers):
        where = f"{answer.wanted.kind.name} {answer.wanted.bind}"
        if answer.tls_failure:
            yield warning("tls", f"{where}: no handshake is possible: {answer.tls_failure}")
        elif answer.certificate and answer.certificate != own:
            served = x509.load_der_x509_certificate(answer.certificate)
            ends = served.not_valid_after_utc
            worse = ends <= datetime.fromtimestamp(facts.now_s, UTC)
            if facts.now_s - changed_at_s < SETTLED_S and not worse:
                continue
            yield (error if worse else warning)(
                "tls.certificate",
                f"{where} serves another certificate, {'expired' if worse else 'which expires'} on"
                f" {ends.date()}, than stands in {path}: SIGHUP to the service loads it; the log"
                " says why not (`new certificate unusable`)",
            )


def check_refused_file(facts: Facts) -> Iterator[Finding]:
    from mailserver.telemetry.reports import CERTIFICATE_REFUSED

    doors = [
        door.name
        for door in facts.doors
        if any(values.get(CERTIFICATE_REFUSED) for values in door.reports.values())
    ]
    if doors:
        yield error(
            "tls.certificate",
            f"{', '.join(doors)}: the new certificate cannot be used, and the one before is still"
            " served; the log says why (`new certificate unusable`)",
        )


def check_processes(facts: Facts) -> Iterator[Finding]:
    """Who is dead, silent, starting for ever, or was replaced."""
    for slot in (slot for door in facts.doors for slot in door.processes):
        yield from _check_slot(slot)


def _check_slot(slot: dict[str, Any]) -> Iterator[Finding]:
    name, silent_s, deaths = slot["name"], slot["silent_s"], slot["death_count"]
    if not slot["pid"] and deaths:
        yield error(
            "processes",
            f"{name} is down: it died {deaths} times, the last time with status"
            f" {slot['last_status']}, and is started again; the log says why",
        )
    elif deaths >= MANY_DEATHS and slot["lived_s"] < YOUNG_S:
        yield error(
            "processes",
            f"{name} dies again and again ({deaths} times, the last time with status"
            f" {slot['last_status']}): the log says why",
        )
    elif silent_s is not None and silent_s > SILENT_S:
        yield error("processes", f"{name} has not answered for {silent_s:.0f} s: {_patience(slot)}")
    elif slot["pid"] and silent_s is None and slot["lived_s"] > STARTING_S:
        yield warning("processes", f"{name} has been starting for {slot['lived_s']:.0f} s")
    if slot["replaced_count"]:
        yield warning(
            "processes",
            f"{name} was replaced {slot['replaced_count']} times because it did not answer: the log"
            " says when (`replaced: it did not answer`); if that goes on, report it",
        )


def _patience(slot: dict[str, Any]) -> str:
    from mailserver.supervisor.board import Waits

    match slot["waits"]:
        case Waits.DISK:
            return "it waits for the disk; `dmesg` and `iostat` tell what the disk does"
        case Waits.PROCESSOR:
            return "it gets no processor time; `top` tells who has it"
        case _:
            return "it is replaced after 30 s"


def check_supervisor(facts: Facts) -> Iterator[Finding]:
    """It brings back what dies; nobody brings it back but systemd, Docker, or a person."""
    for pid in facts.silent_supervisors:
        yield warning(
            "service",
            f"the supervisor (process {pid}) does not answer: it is stopped, or hangs; until it"
            " goes on nothing that dies comes back, and no certificate or setting is read again."
            f" `kill -CONT {pid}`, else restart the service",
        )
    if any(supervisor["is_stopping"] for supervisor in facts.supervisors):
        yield note("service", "it is stopping")


def check_handshakes(facts: Facts) -> Iterator[Finding]:
    """Many failures that a setting, here or in programs, may mend."""
    from mailserver.tls.failures import COUNTER, WORDS, WORTH_A_LOOK

    for door in facts.doors:
        counters = door.counters
        counts = {reason: counters.get(COUNTER + reason.value, 0.0) for reason in WORTH_A_LOOK}
        total = sum(counts.values())
        if total >= MANY_FAILURES:
            most = max(counts, key=lambda reason: counts[reason])
            yield warning(
                "tls",
                f"{door.name}: {total:,.0f} handshakes failed since its workers started, most of"
                f" them ({counts[most]:,.0f}) because {WORDS[most]}; the log names the peers"
                " (`TLS handshake failed`), docs/operating.md what to do",
            )


REFUSALS: Final = {
    "refused_messages": "messages refused after their last dot (`message refused`)",
    "refused_connections": "connections turned away, by a limit of [connections] or by networks"
    " that a listener does not know (`connection refused`)",
    "failed_messages": "messages not stored, by our fault (`message not stored`)",
    "turned_away": "web connections turned away",
    "faults": "faults of this program (`fault`)",
    "fault_count": "faults of this program",
}
_OURS: Final = frozenset({"failed_messages", "faults", "fault_count"})


def check_refusals(facts: Facts) -> Iterator[Finding]:
    """Hundreds of refusals; of our own faults, each."""
    for door in facts.doors:
        counters = door.counters
        for name, words in REFUSALS.items():
            count = counters.get(name, 0.0)
            if count >= (1 if name in _OURS else MANY_REFUSALS):
                yield (warning if name in _OURS else note)(
                    door.name, f"{count:,.0f} {words} since the workers started: the log says why"
                )


def check_reasons(facts: Facts) -> Iterator[Finding]:
    """Recipients, senders, sign-ins, commands refused: hundreds for one reason, or in all."""
    from mailserver.peers.refusals import ADVICE, OURS, WORDS, read_refused, total

    for door in facts.doors:
        refused = list(read_refused(door.counters))
        many = [one for one in refused if one.count >= MANY_REFUSALS]
        for one in many:
            where = f", {one.block_count:,.0f} of them for {one.block}" if one.block else ""
            yield (warning if one.why in OURS else note)(
                door.name,
                f"{one.count:,.0f} {WORDS[one.why]}, since the workers started{where}:"
                f" {ADVICE[one.why]}",
            )
        few = [one for one in refused if one not in many]
        if total(few) >= MANY_REFUSALS:
            told = "; ".join(f"{one.count:,.0f} {WORDS[one.why]}" for one in few)
            yield note(
                door.name,
                f"{total(few):,.0f} refusals since the workers started, few of each kind ({told}):"
                " docs/operating.md says what to do about each",
            )


_QUOTA: Final = (
    "the disk quota of the service's user is used up: `quota -u USER`, or `btrfs qgroup show`, says"
    " so; raise it for the disk of the store, or remove what else that user has there"
)
_FILE_SIZE: Final = (
    "a file may not become larger: lift the limit (`ulimit -f unlimited`, LimitFSIZE= of systemd)"
    " and start again"
)


def check_full(facts: Facts) -> Iterator[Finding]:
    """Mail that was refused for want of room or of descriptors."""
    from mailserver.telemetry.reports import FILE_TOO_LARGE, NO_DESCRIPTORS, NO_QUOTA, NO_ROOM

    for name, why in {NO_QUOTA: _QUOTA, FILE_TOO_LARGE: _FILE_SIZE}.items():
        if count := sum(door.counters.get(name, 0.0) for door in facts.doors):
            yield warning(
                "store.path",
                f"{count:,.0f} messages were put off (452 4.3.1) since the workers started because"
                f" {why}",
            )
    refused = sum(door.counters.get(NO_ROOM, 0.0) for door in facts.doors)
    if refused:
        yield warning(
            "store.min_free_mib",
            f"{refused:,.0f} messages were put off because the disk was short (452 4.3.1) since the"
            " workers started: make room on the disk of the store",
        )
    for door in facts.doors:
        turned_away = door.counters.get(NO_DESCRIPTORS, 0.0)
        if turned_away:
            yield warning(
                f"{door.name}.max_connections",
                f"{turned_away:,.0f} connections were turned away because descriptors ran out:"
                " allow more of them (LimitNOFILE= of systemd, `ulimit -n`)",
            )


def check_log(facts: Facts) -> Iterator[Finding]:
    from mailserver.settings.model import MIB
    from mailserver.telemetry.reports import WAL_OCTETS

    limit = facts.settings.store.wal_limit_mib * MIB
    used = max((values.get(WAL_OCTETS, 0.0) for values in facts.reports.values()), default=0.0)
    if used > limit:
        yield warning(
            "store.wal_limit_mib",
            f"the write-ahead log is {used / MIB:,.0f} MiB long, over its limit of"
            f" {limit // MIB} MiB: a reader holds it, or the disk cannot follow",
        )


def check_memory(_facts: Facts) -> Iterator[Finding]:
    """Of the machine, from proc(5)."""
    from pathlib import Path

    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        kib = {line.split(":")[0]: int(line.split()[1]) for line in lines}
        free, total = kib["MemAvailable"], kib["MemTotal"]
    except (OSError, KeyError, ValueError, IndexError):
        return
    if free < total * LITTLE_MEMORY:
        yield warning(
            "memory",
            f"{free // 1024} MiB of {total // 1024} are available: the kernel may soon end a"
            " process; `top` tells who has it",
        )


def check_limits(facts: Facts) -> Iterator[Finding]:
    """A service where anybody may keep and send whatever they want should know it."""
    fields = ("quota_mib", "sends_per_hour", "sends_per_day", "recipients_per_day")
    if not any(getattr(one, name) for one in facts.settings.classes for name in fields):
        yield note(
            "classes",
            "nobody's mailbox and nobody's sending has a limit: one stolen password can fill the"
            " disk and the mailboxes of others; give a class `quota_mib` and `sends_per_hour`",
        )


def dane_state(facts: Facts) -> DaneState | None:
    """None: no delivery agent reports."""
    from mailserver.telemetry.dane import worst_state
    from mailserver.telemetry.reports import DANE_STATE

    return worst_state(
        values[DANE_STATE] for values in facts.reports.values() if DANE_STATE in values
    )


def check_delivery(facts: Facts) -> Iterator[Finding]:
    from mailserver.telemetry.dane import dane_warning

    state = dane_state(facts)
    if state is not None and (told := dane_warning(state)) is not None:
        yield warning("delivery.dane", told)


def check_peers(facts: Facts) -> Iterator[Finding]:
    from mailserver.telemetry.peers import GATEWAY_WARNING, reports_show_a_gateway
    from mailserver.telemetry.reports import OPEN_RELAY, OPEN_RELAY_WARNING

    if reports_show_a_gateway(list(facts.reports.values())):
        yield warning("peers", GATEWAY_WARNING)
    if any(values.get(OPEN_RELAY) for values in facts.reports.values()):
        yield error("relay.trusted_networks", OPEN_RELAY_WARNING)


def check_doors(facts: Facts) -> Iterator[Finding]:
    """Who is down, in one line."""
    for door in facts.doors:
        if not door.is_up:
            yield error(
                door.name, f"{_why_down(door)}: `mailserver run` starts it, the log says why"
            )


def _why_down(door: DoorFacts) -> str:
    failed = [answer for answer in door.answers if not answer.is_up]
    if not failed:
        return f"{door.name} is down: no worker reports"
    told = ", ".join(f"{one.wanted.kind.name} {one.wanted.bind}: {one.failure}" for one in failed)
    return f"{door.name} is down ({told})"


CHECKS: Final[tuple[Callable[[Facts], Iterator[Finding]], ...]] = (
    check_doors,
    check_supervisor,
    check_processes,
    check_room,
    check_full,
    check_refused_file,
    check_served,
    check_certificate,
    check_handshakes,
    check_refusals,
    check_reasons,
    check_log,
    check_memory,
    check_delivery,
    check_dns,
    check_signing,
    check_peers,
    check_limits,
)
