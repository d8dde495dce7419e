"""Part 2 of a report, for programs: message/delivery-status (RFC 3464 §2, RFC 6533 §3).

    per-message fields CRLF per-recipient fields *( CRLF per-recipient fields )

ASCII, but for the addresses and words of message/global-delivery-status.
"""

from __future__ import annotations

import re
import unicodedata
from email.utils import format_datetime

from mailserver.dsn.encoding import ascii_only, decode_xtext, field, visible
from mailserver.dsn.facts import Task
from mailserver.queue.reports import BY_OPERATOR, OUR_LOSS, PHASE_FIELD, ReportKind
from mailserver.store.ports.queue import Attempt, OwedCopy
from mailserver.values.organisation import Organisation

ACTIONS = {
    ReportKind.FAILED: "failed",
    ReportKind.DELAYED: "delayed",
    ReportKind.DELIVERED: "delivered",
    ReportKind.RELAYED: "relayed",
    ReportKind.EXPANDED: "expanded",
}
_CLASSES = {ReportKind.FAILED: "54", ReportKind.DELAYED: "4"}
"""The classes of status that each kind may have (RFC 3464 §2.3.4), the usual one first."""
_STATUS = re.compile(r"([245])(\.(?:0|[1-9][0-9]{0,2})\.(?:0|[1-9][0-9]{0,2}))")
_REPLY = re.compile(r"[2-5][0-9]{2}(?:[ -]|$)")
_ADDRESS_TYPE = re.compile(r"[A-Za-z0-9-]{1,40}")
OWN_WORDS = "x-mel-ouvert"
"""Diagnostic type of words that no SMTP server said."""


def status_of(copy: OwedCopy) -> str:
    """The enhanced code, of a class that goes with what the report says."""
    classes = _CLASSES.get(copy.kind, "2")
    found = _STATUS.fullmatch(copy.attempt.status) if copy.attempt is not None else None
    if found is None:
        return f"{classes[0]}.0.0"
    return (found[1] if found[1] in classes else classes[0]) + found[2]


def is_reply(words: str) -> bool:
    """Did an SMTP server say this?  Our own words never begin with a reply code."""
    return _REPLY.match(words) is not None


def answered(copy: OwedCopy) -> Attempt | None:
    """The attempt whose words tell why; None: there was none."""
    return copy.before or copy.attempt


def is_by_us(copy: OwedCopy) -> bool:
    """Did a person of ours decide it?"""
    return copy.attempt is not None and copy.attempt.phase == BY_OPERATOR


def is_our_loss(copy: OwedCopy) -> bool:
    """Can our own store not give it any more?"""
    attempt = answered(copy)
    return attempt is not None and attempt.phase == OUR_LOSS


def reason_of(attempt: Attempt) -> str:
    """Of such a decision, without who took it: that is for the journey."""
    return attempt.words.partition(": ")[2]


def delivery_status(task: Task) -> str:
    """All fields, CRLF lines; ASCII unless the task is international."""
    groups = [_message_fields(task)]
    groups += [_copy_fields(task, copy) for copy in task.owed.copies]
    return "\r\n".join(groups)


def _message_fields(task: Task) -> str:
    organisation, original = task.organisation, task.original
    envelope_id = decode_xtext(original.envelope_id)
    fields = "" if envelope_id is None else field("Original-Envelope-Id", envelope_id)
    fields += field("Reporting-MTA", f"dns; {organisation.hostname}")
    return fields + field("Arrival-Date", date(organisation, original.accepted_at_s))


def _copy_fields(task: Task, copy: OwedCopy) -> str:
    fields = _original_recipient(copy.original_recipient)
    fields += field("Final-Recipient", _typed(copy.recipient))
    fields += field("Action", ACTIONS[copy.kind])
    fields += field("Status", status_of(copy))
    if (attempt := answered(copy)) is not None:
        fields += _attempt_fields(task, attempt, is_by_us=is_by_us(copy))
    elif copy.hop_error:
        fields += field("Diagnostic-Code", f"{OWN_WORDS}; {_plain(task, copy.hop_error)}")
    if copy.kind is ReportKind.DELAYED and copy.expires_at_s is not None:
        fields += field("Will-Retry-Until", date(task.organisation, copy.expires_at_s))
    return fields


def _attempt_fields(task: Task, attempt: Attempt, *, is_by_us: bool) -> str:
    fields = field("Remote-MTA", f"dns; {_host(attempt.host)}") if attempt.host else ""
    said = f"returned by the administration: {reason_of(attempt)}" if is_by_us else attempt.words
    if attempt.phase == OUR_LOSS:
        said = "the message cannot be read from our own store any more"
    if said:
        kind = "smtp" if is_reply(said) else OWN_WORDS
        fields += field("Diagnostic-Code", f"{kind}; {_plain(task, said)}")
        if kind == "smtp" and attempt.phase:
            fields += field(PHASE_FIELD, attempt.phase)
    return fields + field("Last-Attempt-Date", date(task.organisation, attempt.at_s))


def _plain(task: Task, text: str) -> str:
    """What a field of ASCII can say of it: letters without their accents, others as escapes."""
    if task.is_international:
        return visible(text)
    apart = unicodedata.normalize("NFKD", text)
    return ascii_only("".join(one for one in apart if not unicodedata.combining(one)))


def _host(host: str) -> str:
    """A literal stands in brackets (RFC 5321 §4.1.3)."""
    if ":" in host:
        return f"[IPv6:{host}]"
    return f"[{host}]" if host.replace(".", "").isdigit() else ascii_only(host)


def _original_recipient(typed: str) -> str:
    """ORCPT, decoded; nothing where it is malformed."""
    kind, _, encoded = typed.partition(";")
    if not typed or not _ADDRESS_TYPE.fullmatch(kind):
        return ""
    if kind.lower() == "utf-8":  # RFC 6533 §3: its own escapes stay, they are legal here
        address = encoded if encoded == ascii_only(encoded) else None
    else:
        address = decode_xtext(encoded)
    return "" if not address else field("Original-Recipient", f"{kind}; {address}")


def _typed(address: str) -> str:
    return f"{'rfc822' if address.isascii() else 'utf-8'}; {visible(address)}"


def date(organisation: Organisation, at_s: float) -> str:
    return format_datetime(organisation.local_time(at_s))
