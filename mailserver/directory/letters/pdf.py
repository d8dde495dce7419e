"""Letters on paper: A4 pages as PDF, one for each letter, and a cover sheet for each pile.

Pages are drawn as they come; only the document's own tables stay in memory.
The font (Bitstream Vera) comes with reportlab, and a subset is embedded.  A
letter that it lacks is printed without its accent, else as a square.

Measures are in points from the bottom left corner, as in PDF.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from mailserver.directory.letters import words
from mailserver.directory.letters.pages import Contact, Letter, Password, Pile
from mailserver.store.ports.people import UnitDoc
from mailserver.texts.catalogue import Language, Text

PLAIN, BOLD = "Vera", "VeraBd"
WIDTH, HEIGHT = A4
LEFT: Final = 62.0
RIGHT: Final = WIDTH - 62.0
TOP: Final = HEIGHT - 62.0
TEXT: Final = 10.3
INK, SOFT, LINE, FILL = (HexColor(c) for c in ("#1a1a1a", "#5c6470", "#b8bfca", "#eef1f5"))
BLUE: Final = HexColor("#1f3a68")
NAMES_A_COLUMN: Final = 36
NAME_COLUMNS: Final = 2
MAX_CONTACTS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerNames:
    """security: as programs name it, SSL/TLS or STARTTLS."""

    host: str
    port: int
    security: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stationery:
    """What is the same on every page.

    help_address, help_telephone: of the service, for whoever has no correspondent.
    postmaster: the identifier that reads what is written there.
    must_change: first passwords end, so they are to be changed.
    page: where passwords can be changed, or empty.
    """

    organisation: str
    date: str
    language: Language
    receive: ServerNames
    send: ServerNames
    help_address: str
    help_telephone: str = ""
    postmaster: str = ""
    must_change: bool = False
    page: str = ""


def draw_letters(
    file: BinaryIO,
    piles: Sequence[Pile],
    stationery: Stationery,
    *,
    told: Callable[[], None] = lambda: None,
) -> int:
    """Write the document; returns how many pages.  told: called after each page."""
    for name in (PLAIN, BOLD):
        pdfmetrics.registerFont(TTFont(name, f"{name}.ttf"))
    canvas = Canvas(file, pagesize=A4, pageCompression=1)
    canvas.setTitle(f"{stationery.organisation} : {words.COVER.in_language(stationery.language)}")
    count = 0
    for pile in piles:
        Sheet(canvas, stationery, stationery.language).cover(pile)
        told()
        for letter in pile.letters:
            language: Language = "en" if letter.language == "en" else "fr"
            Sheet(canvas, stationery, language).letter(letter, pile)
            told()
        count += 1 + len(pile.letters)
    canvas.save()
    return count


class Sheet:
    """One page, drawn from the top down; `_y` is the baseline of the next line."""

    def __init__(self, canvas: Canvas, stationery: Stationery, language: Language) -> None:
        self._canvas: Any = canvas
        self._stationery = stationery
        self._language = language
        self._y = TOP

    # --- a person's or an establishment's page ---------------------------------------

    def letter(self, letter: Letter, pile: Pile) -> None:
        self._head(self._say(words.TITLE))
        self._whom(letter, pile.unit)
        self._credentials(letter)
        self._heading(words.ABOUT_PASSWORD)
        self._paragraph(self._steps(letter.password))
        self._heading(words.SETTINGS)
        self._table(letter.identifier)
        for program, text in words.PROGRAMS:
            self._paragraph(self._say(text), lead=program)
        self._heading(words.HELP)
        self._help(letter, pile)
        self._paragraph(self._say(words.PRIVATE))
        self._foot(self._say(words.CONFIDENTIAL))
        self._canvas.showPage()

    def _whom(self, letter: Letter, unit: UnitDoc | None) -> None:
        self._line(letter.name, font=BOLD, size=15, height=20)
        if letter.function:
            self._line(letter.function, size=10.5, height=15)
        if unit is not None:
            place = unit.town if letter.name == unit.name else _place(unit)
            self._line(place, size=10.5, height=15, colour=SOFT)
        self._y -= 8

    def _credentials(self, letter: Letter) -> None:
        """The box that people look for."""
        password = self._say(words.PASSWORD_LINE[letter.password])
        if letter.one_time is not None:
            password = password.format(one_time=letter.one_time.reveal())
        rows = (
            (words.IDENTIFIER, letter.identifier, BOLD, 17),
            (words.ADDRESS, letter.address, PLAIN, 11.5),
            (words.PASSWORD, password, BOLD if letter.one_time else PLAIN, 14),
        )
        box = 98.0
        self._box(box)
        baseline = self._y - 26
        for label, text, font, size in rows:
            self._text(LEFT + 14, baseline, self._say(label), size=9.5, colour=SOFT)
            self._text(LEFT + 120, baseline, text, font=font, size=size, room=RIGHT - LEFT - 134)
            baseline -= 29
        self._y -= box + 10

    def _steps(self, password: Password) -> str:
        page, must_change = self._stationery.page, self._stationery.must_change
        change = ""
        if page:
            text = words.CHANGE_AT if must_change else words.MAY_CHANGE_AT
            change = self._say(text).format(page=page)
        elif must_change:
            change = self._say(words.CHANGE_BY_CODE)
        return self._say(words.STEPS[password]).format(change=change).strip()

    def _table(self, identifier: str) -> None:
        receive, send = self._stationery.receive, self._stationery.send
        normal = self._say(words.NORMAL)
        rows = (
            tuple(self._say(text) for text in words.COLUMNS),
            (self._say(words.SERVER), receive.host, send.host),
            (self._say(words.PORT), str(receive.port), str(send.port)),
            (self._say(words.SECURITY), receive.security, send.security),
            (self._say(words.METHOD), normal, normal),
            (self._say(words.USER_NAME), identifier, identifier),
        )
        for number, row in enumerate(rows):
            self._row(row, is_head=number == 0)
        self._y -= 12

    def _row(self, cells: Sequence[str], *, is_head: bool) -> None:
        height, columns = 20.0, (LEFT, LEFT + 124, LEFT + 300)
        if is_head:
            self._canvas.setFillColor(FILL)
            self._canvas.rect(LEFT, self._y - height + 5, RIGHT - LEFT, height, stroke=0, fill=1)
        for number, (x, text) in enumerate(zip(columns, cells, strict=True)):
            is_label = is_head or number == 0
            colour = SOFT if number == 0 else INK
            font = BOLD if is_head or not is_label else PLAIN
            self._text(x + 6, self._y - 9.5, text, font=font, size=10, colour=colour, room=164)
        self._rule(self._y - height + 5)
        self._y -= height

    def _help(self, letter: Letter, pile: Pile) -> None:
        """Whom to call, and whom to write to; never they themselves."""
        contacts = [*pile.contacts_for(letter)[:MAX_CONTACTS], *self._service(letter)]
        to_call = [_contact(one) for one in contacts if one.telephone]
        to_write = [_contact(one) for one in contacts if not one.telephone]
        sentences = []
        if to_call:
            who = self._say(words.OR).join(to_call)
            sentences.append(self._say(words.CALL).format(who=who))
        if to_write:
            text = words.ALSO_WRITE if to_call else words.WRITE
            who = self._say(words.OR_TO).join(to_write)
            sentences.append(self._say(text).format(who=who))
        if sentences:
            self._paragraph(" ".join(sentences))

    def _service(self, letter: Letter) -> tuple[Contact, ...]:
        """The last to turn to; nobody is sent to the mailbox that they read."""
        paper = self._stationery
        is_own = letter.address == paper.help_address or letter.identifier == paper.postmaster
        address = "" if is_own else paper.help_address
        if paper.help_telephone:
            name = self._say(words.SERVICE)
            return (Contact(name=name, address=address, telephone=paper.help_telephone),)
        return (Contact(name=address, address=""),) if address else ()

    # --- the cover of a pile -----------------------------------------------------------

    def cover(self, pile: Pile) -> None:
        self._head(self._say(words.COVER))
        self._y -= 24
        unit = pile.unit
        name = self._say(words.NO_UNIT) if unit is None else unit.name
        self._line(name, font=BOLD, size=20, height=26)
        if unit is not None:
            for text in (unit.street, f"{unit.postcode} {unit.town}".strip(), unit.code.upper()):
                self._line(text, size=11, height=16, colour=SOFT)
        self._y -= 14
        count = words.COVER_COUNT.in_language(len(pile.letters), self._language)
        self._line(count, font=BOLD, size=12, height=18)
        self._paragraph(self._say(words.COVER_HOW))
        self._names(pile.letters)
        self._foot(self._say(words.CONFIDENTIAL))
        self._canvas.showPage()

    def _names(self, letters: Sequence[Letter]) -> None:
        top, column_width = self._y - 10, (RIGHT - LEFT) / NAME_COLUMNS
        shown = letters[: NAMES_A_COLUMN * NAME_COLUMNS]
        for number, letter in enumerate(shown):
            column, row = divmod(number, NAMES_A_COLUMN)
            x, y = LEFT + column * column_width, top - row * 12.5
            self._canvas.setStrokeColor(LINE)
            self._canvas.rect(x, y - 1, 7, 7, stroke=1, fill=0)
            text = f"{letter.name}  ({letter.identifier})"
            self._text(x + 13, y, text, size=8.5, room=column_width - 20)
        more = len(letters) - len(shown)
        if more:
            y = top - NAMES_A_COLUMN * 12.5
            self._text(LEFT, y, words.COVER_MORE.in_language(more, self._language), size=8.5)

    # --- strokes -------------------------------------------------------------------------

    def _say(self, text: Text) -> str:
        return text.in_language(self._language)

    def _head(self, title: str) -> None:
        self._text(LEFT, self._y, self._stationery.organisation, font=BOLD, size=10, colour=BLUE)
        date = self._say(words.PAGE_OF).format(date=self._stationery.date)
        self._canvas.setFont(PLAIN, 8.5)
        self._canvas.setFillColor(SOFT)
        self._canvas.drawRightString(RIGHT, self._y, date)
        self._canvas.setFillColor(BLUE)
        self._canvas.rect(LEFT, self._y - 12, RIGHT - LEFT, 2.2, stroke=0, fill=1)
        self._y -= 46
        self._text(LEFT, self._y, title, font=BOLD, size=19, colour=BLUE)
        self._y -= 36

    def _foot(self, text: str) -> None:
        self._rule(52)
        self._text(LEFT, 38, text, size=8.5, colour=SOFT)

    def _heading(self, text: Text) -> None:
        self._y -= 14
        self._line(self._say(text), font=BOLD, size=12.5, height=20, colour=BLUE)

    def _paragraph(self, text: str, *, lead: str = "") -> None:
        """lead: in bold, on a line of its own margin."""
        indent = 86.0 if lead else 0.0
        if lead:
            self._text(LEFT, self._y, lead, font=BOLD, size=TEXT)
        for line in _lines(_printable(text), RIGHT - LEFT - indent):
            self._text(LEFT + indent, self._y, line, size=TEXT)
            self._y -= TEXT * 1.42
        self._y -= 4

    def _line(
        self, text: str, *, size: float, height: float, font: str = PLAIN, colour: Any = INK
    ) -> None:
        if text:
            self._text(LEFT, self._y, text, font=font, size=size, colour=colour)
            self._y -= height

    def _text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float,
        font: str = PLAIN,
        colour: Any = INK,
        room: float = RIGHT - LEFT,
    ) -> None:
        """One line, smaller where it would not fit in its room."""
        printed = _printable(text)
        width = pdfmetrics.stringWidth(printed, font, size)
        self._canvas.setFont(font, size if width <= room else size * room / width)
        self._canvas.setFillColor(colour)
        self._canvas.drawString(x, y, printed)

    def _box(self, height: float) -> None:
        self._canvas.setFillColor(FILL)
        self._canvas.setStrokeColor(LINE)
        width = RIGHT - LEFT
        self._canvas.roundRect(LEFT, self._y - height, width, height, 6, stroke=1, fill=1)

    def _rule(self, y: float) -> None:
        self._canvas.setStrokeColor(LINE)
        self._canvas.setLineWidth(0.6)
        self._canvas.line(LEFT, y, RIGHT, y)


def _lines(text: str, room: float) -> list[str]:
    """Broken at spaces; a word longer than the room has a line of its own."""
    lines: list[str] = []
    for word in _tied(text).split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and pdfmetrics.stringWidth(longer, PLAIN, TEXT) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _tied(text: str) -> str:
    """French puts a space, which never ends a line, beside `:`, `?` and its quotes."""
    for loose in (" :", " ?", " ;", " »"):
        text = text.replace(loose, "\u00a0" + loose[1:])
    return text.replace("« ", "«\u00a0")


def _contact(one: Contact) -> str:
    """`Jeanne Martin, 05 46 00 00 00 (jeanne.martin@...)`; the number is never broken."""
    telephone = one.telephone.replace(" ", "\u00a0")
    named = f"{one.name}, {telephone}" if telephone else one.name
    return f"{named} ({one.address})" if one.address else named


def _place(unit: UnitDoc) -> str:
    return f"{unit.name}, {unit.town}" if unit.town else unit.name


def _printable(text: str) -> str:
    """Letters that the font lacks lose their accents; what is left shows as a square."""
    known: Any = pdfmetrics.getFont(PLAIN)
    glyphs = known.face.charToGlyph
    if all(ord(character) in glyphs for character in text):
        return text
    return "".join(
        character if ord(character) in glyphs else unicodedata.normalize("NFKD", character)[0]
        for character in text
    )
