"""What a person did wrong, as one sentence that says what to do instead."""

from __future__ import annotations


class Mistake(Exception):
    """Ends the command with exit status 2; the text is the one line on standard error."""


class Failure(Exception):
    """Ends the command with exit status 1: not the person's fault; without text, all was said."""
