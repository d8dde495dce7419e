"""Names in backticks, in docstrings, comments and pages, exist: whoever reads one can look it up.

| in backticks                | exists where                                                     |
| --------------------------- | ---------------------------------------------------------------- |
| `folder/file.py`            | there is such a file, from the repository or from the folder     |
| `file.py`                   | there is one of that name                                        |
| `module.name`               | `module` is one of ours, and its file has that name              |
| `section.key`, `table.name` | the settings have that key, or the store's table that column     |
| `a_name`, `ClassName`       | some code, statement or setting of ours has that name            |

Everything else in backticks (commands, settings' values, protocol words) is not looked at.
"""

from __future__ import annotations

import re
import tokenize
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_ROOMS = ("mailserver", "smtp_relay", "pop3_store", "webmail", "tools", "bench", "tests")
_TICKED = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_NAME = re.compile(r"_?[A-Za-z]\w*(?:\.\w+)*(?:\(\))?")
_PATH = re.compile(r"[\w./-]+/[\w.*-]+\.(?:py|md|toml|sql|yml|sh)|(?:[\w-]+/)+")
_TELLING = re.compile(r"_|[a-z][A-Z]")
"""A name that is a word of English says nothing of code, unless it has one of these."""
_ELSEWHERE = frozenset(
    """
    NNNN_noun SIGN aNUMBER no_new_privs pNUMBER secrets valid_hostname
    nsMsgAuthMethod nsMsgSocketType smtp_ETRN smtpd_min_data_rate tls_starttls
    """.split()
)
"""Names of the system, of libraries and of other programs."""


_ENDINGS = (".db", ".key", ".lock", ".toml", ".md", ".json", ".pem", ".yml")
_TABLE = re.compile(r"CREATE TABLE (\w+) \((.*?)\n\)", re.DOTALL)
_COLUMN = re.compile(r"ALTER TABLE (\w+) ADD COLUMN (\w+)")
_SECTION = re.compile(r"^#? ?\[+(\w+)\]+\n(.*?)(?=^#? ?\[|\Z)", re.DOTALL | re.MULTILINE)
_WORD = re.compile(r"\w+")
_BEFORE_PROSE = frozenset({tokenize.INDENT, tokenize.DEDENT, tokenize.NEWLINE, tokenize.NL})


@dataclass(slots=True)
class Known:
    """names: of code, statements and settings; by_owner: of a module, section or table its own."""

    files: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    by_owner: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    prose: dict[Path, list[tuple[int, str]]] = field(default_factory=dict)


def dead_names() -> list[str]:
    """One sentence for each name that nothing has."""
    known = _known()
    for path in _pages():
        known.prose[path] = [(1, path.read_text("utf-8"))]
    return [
        f"{path.relative_to(ROOT)}:{line_number}: nothing is called `{ticked}`"
        for path, texts in known.prose.items()
        for first_line, text in texts
        for line_number, line in enumerate(text.splitlines(), first_line)
        for ticked in _TICKED.findall(line)
        if not _exists(ticked, path, known)
    ]


def _exists(ticked: str, path: Path, known: Known) -> bool:
    if "NNNN" in ticked or re.search(r"\.\d", ticked):
        return True
    if _PATH.fullmatch(ticked):
        return _is_place(ticked, path)
    if ticked.endswith(".py") and " " not in ticked:
        return ticked in known.files
    if not _NAME.fullmatch(ticked) or ticked.endswith(_ENDINGS):
        return True
    parts = ticked.removesuffix("()").split(".")
    if any(part in _ELSEWHERE for part in parts) or ticked in _ELSEWHERE:
        return True
    owner, rest = parts[0], parts[1:]
    if not rest:
        return owner in known.names or not _TELLING.search(owner.strip("_"))
    if owner in known.by_owner and len(rest) == 1:
        return rest[0] in known.by_owner[owner] or rest[0] in known.by_owner
    return all(part in known.names for part in parts)


def _is_place(ticked: str, path: Path) -> bool:
    """A place below the repository or one of the folders around the page; others' are absolute."""
    if ticked.startswith(("/", "~")) or ticked.split("/", maxsplit=1)[0] not in _ROOMS:
        return True
    return any(any(folder.glob(ticked)) for folder in (ROOT, path.parent))


def _known() -> Known:
    known = Known()
    for room in _ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            known.files.add(path.name)
            known.names.update(path.relative_to(ROOT).with_suffix("").parts)
            _read(path, known)
    for pattern in ("mailserver/**/*.sql", "config/**/*.toml", "*.toml", "*.yml", "Makefile"):
        for path in ROOT.glob(pattern):
            text = path.read_text("utf-8")
            known.names.update(_WORD.findall(text))
            for pattern_of_owner in (_TABLE, _COLUMN, _SECTION):
                for owner, own in pattern_of_owner.findall(text):
                    known.by_owner[owner].update(_WORD.findall(own))
    return known


def _read(path: Path, known: Known) -> None:
    own: set[str] = set()
    prose: list[tuple[int, str]] = []
    before = tokenize.NEWLINE
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type == tokenize.NAME:
                own.add(token.string)
            elif token.type == tokenize.COMMENT or (
                token.type == tokenize.STRING and before in _BEFORE_PROSE
            ):
                prose.append((token.start[0], token.string))
            elif token.type == tokenize.STRING:
                own.update(_WORD.findall(token.string))
            if token.type != tokenize.COMMENT:
                before = token.type
    known.names |= own
    known.prose[path] = prose
    known.by_owner[path.stem if path.stem != "__init__" else path.parent.name] |= own


def _pages() -> list[Path]:
    return [path for path in sorted(ROOT.glob("docs/**/*.md")) if "decisions" not in path.parts] + [
        ROOT / "README.md"
    ]
