"""Pages: words put into templates, with everything escaped, and the style within.

One request brings all: no script, no picture, no second file.  The Content-Security-Policy
names the style by its hash and allows nothing else.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from mailserver.store.ports.lists import MailingList
from mailserver.texts.catalogue import Language
from webmail.speech import FAILURES, Say

_FOLDER: Final = Path(__file__).parent / "templates"
STYLE: Final = (_FOLDER / "style.css").read_text("utf-8")
_STYLE_HASH: Final = b64encode(hashlib.sha256(STYLE.encode("utf-8")).digest()).decode("ascii")
POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self';"
    " frame-ancestors 'none'; base-uri 'none'"
)


class Pages:
    """All templates are compiled when it is made: before the fork."""

    def __init__(self) -> None:
        environment = Environment(
            loader=FileSystemLoader(_FOLDER),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        names = environment.list_templates(extensions=["html"])
        self._templates = {name: environment.get_template(name) for name in names}

    def leave(self, which: MailingList, language: Language) -> HTMLResponse:
        """Shall this member leave?  A button, and nothing done."""
        return self._list_page("leave.html", which, language)

    def left(self, which: MailingList, language: Language) -> HTMLResponse:
        """They have left."""
        return self._list_page("left.html", which, language)

    def failure(
        self, status: int, language: Language, headers: Mapping[str, str] | None = None
    ) -> HTMLResponse:
        """What went wrong; a status without words of its own is told as 400 or 503."""
        known = status if status in FAILURES else 503 if status >= 500 else 400
        title, text = (one.in_language(language) for one in FAILURES[known])
        words = {"title": title, "text": text}
        return self._page("failure.html", language, words, status=status, headers=headers)

    def _list_page(self, name: str, which: MailingList, language: Language) -> HTMLResponse:
        words = {say.name.lower(): say.value.in_language(language) for say in Say}
        words |= {"address": which.address, "description": which.description}
        return self._page(name, language, words)

    def _page(
        self,
        name: str,
        language: Language,
        words: Mapping[str, str],
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> HTMLResponse:
        text = self._templates[name].render(words, language=language, style=STYLE)
        said = {"Content-Language": language, "Vary": "Accept-Language", **(headers or {})}
        return HTMLResponse(text, status, said)
