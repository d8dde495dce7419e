"""Who wrote a message and about what, as lists of messages show it."""

from __future__ import annotations


def headers_of(block: bytes) -> tuple[str, str]:
    """From and Subject, decoded."""
    from mailserver.lists.header import find_values, split_fields
    from mailserver.values.text.header_text import decode_words

    fields, _ = split_fields(block)
    author, subject = (
        " ".join(decode_words(next(iter(find_values(fields, name)), b"")).split())
        for name in (b"from", b"subject")
    )
    return author, subject
