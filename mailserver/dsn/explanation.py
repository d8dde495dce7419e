"""Part 1 of a report, for people: what happened, to whom, why, and what to do.

    opening
    subject and date of the original
    for each cause: its recipients, what it means, what to do, the exact words
    what is attached, where help is

Once in each language of the task, in their order; then a line that ends it,
because mail programs show part 2 right below.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import replace

from mailserver.dsn import words
from mailserver.dsn.encoding import visible
from mailserver.dsn.facts import Task
from mailserver.dsn.meanings import meaning_of
from mailserver.dsn.original import header_lines, subject_of
from mailserver.dsn.status import answered, is_by_us, is_our_loss, is_reply, reason_of, status_of
from mailserver.queue.reports import ReportKind
from mailserver.store.ports.queue import OwedCopy
from mailserver.texts.catalogue import Language

SHOWN_RECIPIENTS = 50
"""Of one cause; programs find them all in part 2."""
_WIDTH = 76
_RULE = "-" * 60


def explain(task: Task, *, has_full_original: bool) -> str:
    """Lines end with LF; at most 76 characters, but for the exact words of others."""
    texts = [_in_language(task, one, has_full_original=has_full_original) for one in task.languages]
    below = " ".join(words.FOR_PROGRAMS.in_language(one) for one in task.languages)
    return f"\n\n{_RULE}\n\n".join([*texts, _wrapped(below)]) + "\n"


def subject_line(task: Task) -> str:
    """`Message non remis : Sortie au musée`, in each language."""
    kinds = [words.SUBJECTS[task.owed.kind].in_language(one) for one in task.languages]
    title = " / ".join(kinds)
    subject = subject_of(header_lines(task.original.block))
    colon = " : " if task.languages[0] == "fr" else ": "
    return title + colon + subject if subject else title


def _in_language(task: Task, language: Language, *, has_full_original: bool) -> str:
    blocks = [_wrapped(words.OPENINGS[task.owed.kind].in_language(language))]
    if len(task.languages) > 1 and language == task.languages[0]:
        blocks.insert(0, words.OTHER_LANGUAGE_BELOW.in_language(task.languages[1]))
    blocks.append(_about(task, language))
    blocks += [_cause(task, copies, language) for copies in _by_cause(task.owed.copies)]
    if task.owed.kind is ReportKind.FAILED:
        closing = words.CLOSING_FULL if has_full_original else words.CLOSING_HEADER
        blocks.append(_wrapped(closing.in_language(language)))
    help_text = words.HELP.in_language(language).format(address=task.organisation.help)
    blocks.append(_wrapped(help_text))
    return "\n\n".join(blocks)


def _about(task: Task, language: Language) -> str:
    subject = subject_of(header_lines(task.original.block))
    lines = [words.SUBJECT_LABEL.in_language(language) + subject] if subject else []
    sent_at = task.organisation.local_time(task.original.accepted_at_s)
    lines.append(words.SENT_LABEL.in_language(language) + words.date_text(sent_at, language))
    return "\n".join("  " + line for line in lines)


def _by_cause(copies: Iterable[OwedCopy]) -> list[list[OwedCopy]]:
    causes: dict[tuple[str, ...], list[OwedCopy]] = {}
    for copy in copies:
        attempt = answered(copy)
        said = (copy.hop_error,) if attempt is None else (attempt.host, attempt.words)
        causes.setdefault((status_of(copy), str(bool(copy.told_as)), *said), []).append(copy)
    return list(causes.values())


def _cause(task: Task, copies: list[OwedCopy], language: Language) -> str:
    """All recipients that had the same answer."""
    blocks = [_recipients(copies, language)]
    status = status_of(copies[0])
    if task.owed.kind is ReportKind.FAILED and status.startswith("4"):
        age = words.age_text(task.made_at_s - task.original.accepted_at_s, language)
        blocks.append(_wrapped(words.TRIED_FOR.in_language(language).format(age=age)))
    if task.owed.kind in {ReportKind.FAILED, ReportKind.DELAYED}:
        if copies[0].told_as:
            blocks.append(_wrapped(words.PASSED_ON.in_language(language)))
        blocks.append(_why(copies[0], language))
        blocks.append(_advice(task, copies[0], language))
    blocks.append(_exact_words(copies[0], language))
    return "\n\n".join(block for block in blocks if block)


def _recipients(copies: list[OwedCopy], language: Language) -> str:
    label = words.ONE_RECIPIENT if len(copies) == 1 else words.MANY_RECIPIENTS
    lines = [label.in_language(language).format(count=len(copies))]
    lines += ["  " + visible(copy.recipient) for copy in copies[:SHOWN_RECIPIENTS]]
    if more := len(copies[SHOWN_RECIPIENTS:]):
        lines.append("  " + words.MORE_RECIPIENTS.in_language(more, language))
    return "\n".join(lines)


def _why(copy: OwedCopy, language: Language) -> str:
    """No server has answered about a copy whose destination rests since before it came."""
    if is_by_us(copy):
        what = words.BY_US
    elif is_our_loss(copy):
        what = words.OUR_LOSS
    elif copy.kind is ReportKind.DELAYED and copy.attempt is None:
        what = words.HOP_IN_TROUBLE if copy.hop_error else words.NOT_OFFERED_YET
    else:
        what = meaning_of(_telling_status(copy)).what
    return _wrapped(words.WHY.in_language(language).format(what=what.in_language(language)))


def _telling_status(copy: OwedCopy) -> str:
    """That a copy's time was over says nothing: what was answered last does."""
    before = copy.before
    return status_of(copy) if before is None else status_of(replace(copy, attempt=before))


def _advice(task: Task, copy: OwedCopy, language: Language) -> str:
    if task.owed.kind is ReportKind.FAILED:
        advice = meaning_of(_telling_status(copy)).advice
        if is_by_us(copy):
            advice = words.ASK_US
        elif is_our_loss(copy):
            advice = words.SEND_AGAIN
        told = words.WHAT_NOW.in_language(language).format(advice=advice.in_language(language))
        return _wrapped(told)
    age = words.age_text(task.made_at_s - task.original.accepted_at_s, language)
    if copy.expires_at_s is None:
        return _wrapped(words.TRYING.in_language(language).format(age=age))
    until = words.date_text(task.organisation.local_time(copy.expires_at_s), language)
    return _wrapped(words.TRYING_UNTIL.in_language(language).format(age=age, date=until))


def _exact_words(copy: OwedCopy, language: Language) -> str:
    """Never wrapped and never translated: whoever helps must be able to search for them."""
    attempt = answered(copy)
    if attempt is None:
        seen = words.WE_SAW.in_language(language)
        return f"{seen}\n  {visible(copy.hop_error)}" if copy.hop_error else ""
    if is_by_us(copy):
        reason = reason_of(attempt)
        label = words.REASON_GIVEN.in_language(language)
        return f"{label}\n  {visible(reason)}" if reason else ""
    if not attempt.words or is_our_loss(copy):
        return ""
    host = visible(attempt.host)
    if not is_reply(attempt.words):
        label = words.WE_SAW.in_language(language)
    elif host:
        label = words.THEY_SAID.in_language(language).format(host=host)
    else:
        label = words.SOMEBODY_SAID.in_language(language)
    return f"{label}\n  {visible(attempt.words)}"


def _wrapped(text: str) -> str:
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)
